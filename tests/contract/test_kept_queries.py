"""What is kept of a query never holds the text that an encrypted field was searched for (§8.2)."""

from __future__ import annotations

import html
import io
import itertools
import json
import re
from dataclasses import dataclass
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select

from app.database.keys import digest
from app.jobs import bulk, engine  # noqa: F401 - registers its handlers
from app.jobs.machine import machine_of
from app.metadata.id_numbers import upgrade_number
from app.metadata.query import ListQuery
from app.metadata.vocabulary import Level
from app.models.job import JobRun
from app.views.engine import exporting, tokens
from tests.contract.models import CLOSE, Hall
from tests.contract.world import World

_ORDER = itertools.count(101)


@dataclass
class Looked:
    """A keeper's number in both forms; his hall, and one of somebody else."""

    old: str
    number: str
    halls: list[Hall]


@pytest.fixture
def looked(world: World, monkeypatch: pytest.MonkeyPatch) -> Looked:
    """Everything is long enough to become a job."""
    monkeypatch.setitem(CLOSE.__dict__, "inline_up_to", 0)
    monkeypatch.setattr(exporting, "INLINE_ROWS", 0)
    old = f"990102491231{next(_ORDER)}"
    number = upgrade_number(old)
    halls = [
        world.hall(f"存{old[-3:]}{index}", keeper=text, keeper_id_digest=digest(text))
        for index, text in enumerate((number, number[::-1]))
    ]
    return Looked(old, number, halls)


def _last_run(world: World, looked: Looked) -> JobRun:
    """The run that was queued last, without a trace of the number; then it is executed."""
    with world.looking() as session:
        run = session.scalars(select(JobRun).order_by(JobRun.id.desc())).first()
        assert run is not None
        assert run.parameters["query"]["filters"] == {}
        assert set(run.parameters["query"]["digests"]) == {"keeper"}
        kept = json.dumps(run.parameters)
    for text in (looked.number, looked.old, looked.number[6:14]):
        assert text not in kept
    engine.execute(machine_of(world.runtime), run.id)
    return run


def _closed(world: World, looked: Looked) -> list[bool]:
    return [not world.get(Hall, row.id).open for row in looked.halls]


def test_8_2_an_operation_of_the_page(world: World, looked: Looked) -> None:
    browser = world.browser()
    listed = browser.get(f"/test-hall/?keeper={looked.old}").get_data(as_text=True)
    found = re.search(r'name="query" value="([^"]+)"', listed)
    assert found is not None
    asked = browser.get(f"/test-hall-close/?query={found[1]}", htmx=True).get_data(as_text=True)
    token = html.unescape(re.findall(r'name="query" value="([^"]+)"', asked)[0])
    with world.app.app_context():
        query = tokens.unseal(token, world.actor(Level.SITE))
    assert (query.filters, query.expected) == ({}, 1)
    browser.post("/test-hall-close/", {"query": token, "note": "雨"})
    _last_run(world, looked)
    assert _closed(world, looked) == [True, False]
    run = world.entries("models.test_hall_close.run")[-1]
    assert run.changes["filters"]["new"] == ["keeper"]


def test_8_2_an_operation_over_rest(world: World, looked: Looked) -> None:
    def post(body: Any) -> Any:
        return world.browser().rest("POST", "/operation/test_hall_close/", body).get_json()

    seen = post({"query": {"filters": {"keeper": looked.old}}, "dry_run": True})
    assert (seen["chosen"], seen["query"]["filters"]) == (1, {"keeper": looked.old})
    post({"query": seen["query"], "values": {"note": "雨"}})
    _last_run(world, looked)
    assert _closed(world, looked) == [True, False]


def test_8_2_an_export(world: World, looked: Looked) -> None:
    browser = world.browser()
    browser.post(f"/test-hall/export?keeper={looked.number}")
    run = _last_run(world, looked)
    with browser.get(f"/jobs/{run.id}/file") as answer:
        book = openpyxl.load_workbook(io.BytesIO(answer.get_data()))
    names = [row[0].value for row in book.worksheets[0].iter_rows(min_row=2)]
    book.close()
    assert names == [looked.halls[0].name]


def test_8_2_a_query_with_such_a_text_cannot_be_kept(looked: Looked) -> None:
    with pytest.raises(ValueError, match="keeper"):
        ListQuery("test_hall", {"keeper": looked.number}).to_json()
