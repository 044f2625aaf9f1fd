"""Operations, statistics and jobs over REST."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.metadata.vocabulary import Level
from app.models.job import JobRun
from app.rules import operations
from tests.contract.models import Hall
from tests.contract.world import PASSWORD, World

CLOSE, PURGE, OPEN = (f"/operation/test_hall_{name}/" for name in ("close", "purge", "open"))


def _post(world: World, path: str, body: Any, **who: Any) -> TestResponse:
    return world.browser(**who).rest("POST", path, body)


def test_a_selection_answers_the_outcome_of_every_row(world: World) -> None:
    rows = [world.hall("令一"), world.hall("令二", open=False), world.hall("令三")]
    ids = [str(row.id) for row in rows]
    answer = _post(world, CLOSE, {"ids": ids, "values": {"note": "雨"}})
    assert answer.status_code == 200
    found = answer.get_json()
    told = found.pop("rows")
    assert found == {"dry_run": False, "chosen": 3, "done": 2, "skipped": 1, "more": False}
    assert told[0] == {"id": ids[1], "title": "令二", "done": False, "reason": "已经关闭"}
    assert {row["id"] for row in told if row["done"]} == {ids[0], ids[2]}
    assert [world.get(Hall, row.id).remark for row in rows] == ["雨", None, "雨"]
    assert world.entries("models.test_hall_close.run")[-1].changes["done"]["new"] == 2


def test_a_rehearsal_tells_the_same_and_changes_nothing(world: World) -> None:
    rows = [world.hall("演一"), world.hall("演二", open=False)]
    before = len(world.entries())
    answer = _post(world, CLOSE, {"ids": [str(row.id) for row in rows], "dry_run": True})
    found = answer.get_json()
    assert answer.status_code == 200
    assert (found["dry_run"], found["done"], found["skipped"]) == (True, 1, 1)
    assert world.get(Hall, rows[0].id).open
    assert len(world.entries()) == before


def test_all_results_of_a_query_want_the_count_that_was_seen(world: World) -> None:
    rows = [world.hall(f"查令{number}") for number in range(3)]
    query: dict[str, Any] = {"filters": {"name": "查令"}}
    refused = _post(world, CLOSE, {"query": query})
    assert (refused.status_code, refused.get_json()["code"]) == (422, "operation.unconfirmed")
    seen = _post(world, CLOSE, {"query": query, "dry_run": True}).get_json()
    assert (seen["chosen"], seen["query"]["expected"]) == (3, 3)
    late = world.hall("查令晚")
    done = _post(world, CLOSE, {"query": seen["query"]}).get_json()
    assert (done["chosen"], done["done"]) == (3, 3)
    assert not any(world.get(Hall, row.id).open for row in rows)
    assert world.get(Hall, late.id).open


def test_a_query_that_finds_more_than_was_seen_is_refused(world: World) -> None:
    rows = [world.hall(f"多令{number}") for number in range(2)]
    body = {"query": {"filters": {"name": "多令"}, "expected": 1}}
    answer = _post(world, CLOSE, body)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "operation.query_changed")
    assert all(world.get(Hall, row.id).open for row in rows)


def test_an_operation_of_the_page_names_no_row(world: World) -> None:
    wrong = _post(world, OPEN, {"values": {"name": ""}})
    assert (wrong.status_code, set(wrong.get_json()["errors"])) == (422, {"name"})
    with_rows = _post(world, OPEN, {"ids": ["1"], "values": {"name": "令页"}})
    assert with_rows.get_json()["code"] == "operation.wrong_target"
    assert _post(world, OPEN, {"values": {"name": "令页"}}).status_code == 200
    with world.looking() as session:
        assert session.scalars(select(Hall.name).where(Hall.name == "令页")).all() == ["令页"]


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"nonsense": 1}, {"nonsense"}),
        ({"ids": "1"}, {"ids"}),
        ({"ids": ["x"]}, {"ids"}),
        ({"ids": [True]}, {"ids"}),
        ({"ids": ["1"], "query": {}}, {"query"}),
        ({"ids": ["1"], "dry_run": "no"}, {"dry_run"}),
        ({"ids": ["1"], "values": []}, {"values"}),
        ({"ids": ["1"], "values": {"note": "长" * 51}}, {"note"}),
        ({"ids": ["1"], "values": {"nonsense": 1}}, {"nonsense"}),
        ({"ids": ["1"], "values": {"_reason": "x"}}, {"_reason"}),
        ({"query": {"resource": "registration"}}, {"query.resource"}),
        ({"query": {"filters": {"name": 3}}}, {"query.filters.name"}),
        ({"query": {"expected": "3"}}, {"query.expected"}),
        ({"query": {"high_water": "x"}}, {"query.high_water"}),
        ({"query": {"organisation": 99}}, {"query.organisation"}),
        ({"query": {"filters": {"keeper_id_digest": "x"}}}, {"keeper_id_digest"}),
        ({"query": {"filters": {"nonsense": ""}}, "dry_run": True}, {"nonsense"}),
        ({"query": {"filters": {"name": ""}}, "dry_run": True}, {"query.filters.name"}),
        ({"query": {"filters": {"name": "\u200b"}}}, {"query.filters.name"}),
        ({"query": {"filters": {"name": "x", "day": ".."}}}, {"query.filters.day"}),
    ],
)
def test_what_the_body_has_wrong_is_named(
    world: World, body: dict[str, Any], names: set[str]
) -> None:
    answer = _post(world, CLOSE, body)
    assert answer.status_code == 422
    assert set(answer.get_json()["errors"]) == names


def test_hole_2_a_foreign_row_is_not_found(world: World) -> None:
    own, foreign = world.hall("令自"), world.hall("令外", 1)
    for dry_run in (True, False):
        body = {"ids": [str(own.id), str(foreign.id)], "dry_run": dry_run}
        answer = _post(world, CLOSE, body)
        assert (answer.status_code, answer.get_json()["code"]) == (404, "row.not_found")
    assert world.get(Hall, own.id).open
    assert world.get(Hall, foreign.id).open


def test_nothing_chosen_and_too_much_are_refused(world: World) -> None:
    empty = _post(world, CLOSE, {})
    assert (empty.status_code, empty.get_json()["code"]) == (422, "operation.nothing")
    many = _post(world, CLOSE, {"ids": [str(number) for number in range(1001)]})
    assert (many.status_code, many.get_json()["code"]) == (422, "operation.too_many")


def test_the_refusals_are_those_of_the_page(world: World) -> None:
    row = world.hall("令拒")
    old = world.hall("令史", tree=world.history)
    body = {"ids": [str(row.id)]}
    province = _post(world, CLOSE, body, level=Level.PROVINCE)
    assert (province.status_code, province.get_json()["code"]) == (403, "policy.no_verb")
    history = _post(world, CLOSE, {"ids": [str(old.id)]}, exam=57)
    assert (history.status_code, history.get_json()["code"]) == (403, "policy.historic_exam")
    assert world.nobody().rest("POST", CLOSE, body).status_code == 400  # no token of his fits
    assert world.browser().rest("POST", CLOSE, body, csrf=False).status_code == 400
    assert world.browser().rest("GET", CLOSE).status_code == 405
    assert world.get(Hall, row.id).open
    assert world.get(Hall, old.id).open


def test_what_asks_for_the_password_again_is_done_on_its_page_alone(world: World) -> None:
    row = world.hall("令清")
    body = {
        "query": {"filters": {"name": "令清"}, "expected": 1},
        "reason": "测试",
        "values": {"_password": PASSWORD},
    }
    answer = _post(world, PURGE, body)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "operation.only_on_page")
    assert world.get(Hall, row.id) is not None


def test_a_compulsory_reason_is_asked_for_and_logged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.contract.models import PURGE as DECLARED

    monkeypatch.setitem(DECLARED.__dict__, "reauthenticate", False)
    row = world.hall("令因")
    body: dict[str, Any] = {"query": {"filters": {"name": "令因"}, "expected": 1}}
    missing = _post(world, PURGE, body)
    assert (missing.status_code, set(missing.get_json()["errors"])) == (422, {"_reason"})
    done = _post(world, PURGE, body | {"reason": "接口清除"})
    assert (done.status_code, done.get_json()["done"]) == (200, 1)
    assert world.get(Hall, row.id) is None
    assert world.entries("models.test_hall_purge.run")[-1].reason == "接口清除"


def test_a_long_run_is_accepted_and_followed_as_a_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.contract.models import CLOSE as DECLARED

    monkeypatch.setitem(DECLARED.__dict__, "inline_up_to", 2)
    rows = [world.hall(f"令长{number}") for number in range(3)]
    query: dict[str, Any] = {"filters": {"name": "令长"}}
    seen = _post(world, CLOSE, {"query": query, "dry_run": True}).get_json()
    assert (seen["job"], seen["chosen"], seen["rows"]) == (True, 3, [])
    answer = _post(world, CLOSE, {"query": seen["query"], "values": {"note": "夜"}})
    assert answer.status_code == 202
    found = answer.get_json()
    assert answer.headers["Location"] == found["address"]
    assert found["address"] == f"/admin/58/api/v1/job/{found['job']}"
    with world.looking() as session:
        run = session.get_one(JobRun, int(found["job"]))
        assert (run.kind, run.declaration, run.total) == ("operation", "test_hall_close", 3)
        assert run.parameters["values"] == {"note": "夜"}
    told = world.browser().rest("GET", f"/job/{found['job']}")
    assert told.status_code == 200
    assert (told.get_json()["state"], told.get_json()["total"]) == ("queued", 3)
    assert world.browser(number=1).rest("GET", f"/job/{found['job']}").status_code == 404
    assert all(world.get(Hall, row.id).open for row in rows)


def test_a_file_is_taken_by_the_page_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    row = world.hall("令档")
    monkeypatch.setattr(operations, "takes_file", lambda *_: True)
    answer = _post(world, CLOSE, {"ids": [str(row.id)]})
    assert answer.get_json()["code"] == "operation.only_on_page"


# ---------------------------------------------------------------- statistics


def test_a_statistic_is_read_as_a_table(world: World) -> None:
    found = world.browser(Level.PROVINCE).rest("GET", "/statistic/capacity_statistics/")
    assert found.status_code == 200
    table = found.get_json()
    assert {len(row["cells"]) for row in table["rows"]} <= {len(table["columns"])}
    assert all(set(column) == {"group", "label"} for column in table["columns"])
    assert json.dumps(table)


@pytest.mark.parametrize(("query", "status"), [("nonsense=1", 422), ("_org=88", 404)])
def test_a_statistic_refuses_what_it_does_not_offer(world: World, query: str, status: int) -> None:
    answer = world.browser(Level.PROVINCE).rest("GET", f"/statistic/capacity_statistics/?{query}")
    assert answer.status_code == status
