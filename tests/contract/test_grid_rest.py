"""Grids over REST: every grid x level x own, foreign and superior x window, read from the registry;
then cells, their errors, conflicts and effects."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.database.unit_of_work import unit_of_work
from app.metadata import registry
from app.metadata.actor import system
from app.metadata.declarations import Grid
from app.metadata.vocabulary import Level, Verb
from app.models.capacity import CapacityPool
from app.models.settings import Fee
from app.runtime import load_declarations
from tests.contract.work import FOREIGN, LEVELS, OWN, closed, code_of, granted
from tests.contract.world import World
from tests.factories import make_registration

load_declarations()
GRIDS = {item.name: item for item in registry.declared(Grid)}
EVERY_GRID = pytest.mark.parametrize("name", sorted(GRIDS))


def page_of(world: World, name: str, level: Level, code: str = OWN, **who: Any) -> dict[str, Any]:
    answer = world.browser(level, **who).rest("GET", f"/grid/{name}/?_q={code}")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


def unchanged(page: dict[str, Any]) -> dict[str, Any]:
    """A body that sends a page's rows back as they were read."""
    rows = [
        {
            "code": row["code"],
            "version": row["version"],
            "cells": {name: cell["value"] for name, cell in row["cells"].items()},
        }
        for row in page["rows"]
    ]
    return {"rows": rows}


@EVERY_GRID
@LEVELS
def test_a_grid_is_read_and_sent_back_where_the_matrix_grants_it(
    world: World, name: str, level: Level
) -> None:
    grid, browser = GRIDS[name], world.browser(level)
    listed = {row["name"] for row in browser.rest("GET", "/grid/").get_json()["rows"]}
    assert (name in listed) is granted(world, grid, Verb.VIEW, level)
    page, before = page_of(world, name, level), len(world.entries())
    writes = granted(world, grid, Verb.EDIT, level)
    assert (page["refusal"] is None) is writes
    columns = {column["name"] for column in page["columns"]}
    (row,) = page["rows"]
    assert (row["code"], set(row["cells"]) <= columns) == (OWN, True)
    assert writes or not any(cell["editable"] for cell in row["cells"].values())
    answer = browser.rest("POST", f"/grid/{name}/", unchanged(page))
    if writes:
        assert (answer.status_code, answer.get_json()["cells"]) == (200, 0)
    else:
        assert code_of(answer) == (403, "policy.no_verb")
    assert len(world.entries()) == before
    assert browser.rest("GET", f"/grid/{name}/?nonsense=1").status_code == 422


@EVERY_GRID
@LEVELS
def test_p2_rows_of_a_grid_are_those_of_the_scope(world: World, name: str, level: Level) -> None:
    page = page_of(world, name, level, FOREIGN)
    assert page["count"] == (0 if level is Level.SITE else 1)
    if granted(world, GRIDS[name], Verb.EDIT, level):
        body = unchanged(page_of(world, name, Level.CENTER, FOREIGN)) | {"dry_run": True}
        answer = world.browser(level).rest("POST", f"/grid/{name}/", body)
        if level is Level.SITE:
            assert (answer.status_code, set(answer.get_json()["errors"])) == (422, {FOREIGN})
        else:
            assert answer.status_code == 200


@EVERY_GRID
@LEVELS
def test_r0_2_r0_4_a_grid_is_only_read_outside_its_window_and_in_history(
    world: World, name: str, level: Level
) -> None:
    grid = GRIDS[name]
    if not granted(world, grid, Verb.EDIT, level):
        pytest.skip("only read by this level")
    past = page_of(world, name, level, exam=57)
    assert past["refusal"]
    old = world.browser(level, exam=57).rest("POST", f"/grid/{name}/", unchanged(past))
    assert code_of(old) == (403, "policy.historic_exam")
    if grid.window is None:
        return
    with closed(world, grid.window):
        page = page_of(world, name, level)
        answer = world.browser(level).rest("POST", f"/grid/{name}/", unchanged(page))
    own = {name for name, levels in grid.windowless.items() if level in levels}
    if own:
        cells = page["rows"][0]["cells"]
        assert {name for name, cell in cells.items() if cell["editable"]} == own
        assert all("不在" in cells[name]["locked"] for name in set(cells) - own)
    bound = grid.is_gated(Verb.EDIT, level) and not own
    assert (page["refusal"] is not None) is bound
    assert answer.status_code == (403 if bound else 200)
    assert not bound or answer.get_json()["code"] == "policy.window_closed"


# ---------------------------------------------------------------- cells


def fee(world: World, subject: str, number: int = 1) -> int | None:
    chosen = Fee.site_id == world.tree.sites[number].id, Fee.subject_code == subject
    with world.looking() as session:
        return session.scalar(select(Fee.amount).where(*chosen))


def capacity(world: World, pool: str) -> int | None:
    site = world.tree.sites[1].id
    chosen = CapacityPool.site_id == site, CapacityPool.pool == pool
    with world.looking() as session:
        return session.scalar(select(CapacityPool.capacity).where(*chosen))


def row(world: World, name: str, cells: dict[str, Any], code: str = FOREIGN) -> dict[str, Any]:
    """A row of the body, with the version that the province reads now."""
    (read,) = page_of(world, name, Level.PROVINCE, code)["rows"]
    return {"code": code, "version": read["version"], "cells": cells}


def post(world: World, name: str, *rows: Any, **further: Any) -> TestResponse:
    body = {"rows": list(rows)} | further
    return world.browser(Level.PROVINCE).rest("POST", f"/grid/{name}/", body)


def test_cells_are_tried_saved_and_read_back(world: World) -> None:
    change = row(world, "fee", {"24": "88.5"})
    before = len(world.entries())
    told = post(world, "fee", change, dry_run=True).get_json()
    assert (told["dry_run"], told["sites"], told["cells"]) == (True, 1, 1)
    wanted = {"code": FOREIGN, "column": "24", "before": "72.00", "after": "88.50"}
    assert told["changes"] == [wanted]
    assert (fee(world, "24"), len(world.entries())) == (7200, before)
    saved = post(world, "fee", change)
    assert (saved.status_code, saved.get_json()["changes"]) == (200, [wanted])
    assert fee(world, "24") == 8850
    (entry,) = world.entries()[before:]
    assert (entry.site_id, entry.outcome) == (world.tree.sites[1].id, "done")
    (read,) = page_of(world, "fee", Level.PROVINCE, FOREIGN)["rows"]
    assert read["cells"]["24"]["value"] == "88.50"
    assert post(world, "fee", row(world, "fee", {"24": 72})).status_code == 200


def test_every_wrong_cell_has_an_error_and_nothing_is_saved(world: World) -> None:
    good = row(world, "fee", {"14": "90", "24": "八十"})
    wrong = row(world, "fee", {"PERSON": [1], "26": None}, OWN)
    shape = post(world, "fee", good, wrong)
    assert (shape.status_code, set(shape.get_json()["errors"])) == (422, {f"{OWN}.PERSON"})
    wrong["cells"] = {"PERSON": True, "nonsense": "1"}
    answer = post(world, "fee", good, wrong)
    assert code_of(answer) == (422, "grid.refused")
    errors = answer.get_json()["errors"]
    assert set(errors) == {f"{FOREIGN}.24", f"{OWN}.PERSON", f"{OWN}.nonsense"}
    assert "金额格式不正确" in errors[f"{FOREIGN}.24"][0]
    assert fee(world, "14") == 7200


@EVERY_GRID
@pytest.mark.parametrize("value", [None, "", "—", 1])
def test_a_column_that_the_grid_has_not_is_named_whatever_it_holds(
    world: World, name: str, value: Any
) -> None:
    answer = post(world, name, row(world, name, {"nonsense": value}))
    assert code_of(answer) == (422, "grid.refused")
    assert set(answer.get_json()["errors"]) == {f"{FOREIGN}.nonsense"}


def test_a_cell_that_somebody_else_changed_is_a_conflict_and_its_neighbour_is_none(
    world: World,
) -> None:
    old = row(world, "fee", {"26": "90"})
    assert post(world, "fee", row(world, "fee", {"26": "91"})).status_code == 200
    answer = post(world, "fee", old)
    assert code_of(answer) == (409, "grid.refused")
    told = answer.get_json()["errors"][f"{FOREIGN}.26"]
    assert told == ["他人已改为 91.00，您填写的是 90.00"]
    assert post(world, "fee", old | {"cells": {"24": "73"}}).status_code == 200
    assert (fee(world, "24"), fee(world, "26")) == (7300, 9100)
    restored = row(world, "fee", {"24": "72.00", "26": "72.00"})
    assert post(world, "fee", restored).get_json()["cells"] == 2


def test_r12_5_effects_are_refused_until_they_are_confirmed(world: World) -> None:
    with unit_of_work(world.runtime.factory, system("seed")) as session:
        make_registration(session, world.tree, world.tree.sites[0], subjects=("14",))
    change = row(world, "fee", {"14": "88"}, OWN)
    tried = post(world, "fee", change, dry_run=True).get_json()
    refused = post(world, "fee", change)
    assert code_of(refused) == (409, "effects.unconfirmed")
    found = refused.get_json()
    assert found["effects"] == tried["effects"]
    assert "按新费用支付" in found["effects"][0]
    assert post(world, "fee", change, confirm="0" * 16).status_code == 409
    assert fee(world, "14", 0) == 7200
    assert found["confirm"] == tried["confirm"]
    assert post(world, "fee", change, confirm=found["confirm"]).status_code == 200
    assert fee(world, "14", 0) == 8800
    assert post(world, "fee", row(world, "fee", {"14": "72"}, OWN), confirm=True).status_code == 200


def test_r13_3a_what_the_page_asks_is_confirmed_with_the_effects(world: World) -> None:
    before = capacity(world, "S:26")
    change = row(world, "capacity", {"S:26": 99_999})
    refused = post(world, "capacity", change)
    assert code_of(refused) == (409, "effects.unconfirmed")
    assert any("尽量不要设置成不限" in one for one in refused.get_json()["effects"])
    assert capacity(world, "S:26") == before
    confirmed = refused.get_json()["confirm"]
    assert post(world, "capacity", change, confirm=confirmed).status_code == 200
    assert capacity(world, "S:26") == 99_999
    again = row(world, "capacity", {"S:26": before})
    assert post(world, "capacity", again, confirm=True).status_code == 200


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, {"rows"}),
        ({"rows": []}, {"rows"}),
        ({"rows": {}}, {"rows"}),
        ({"rows": [1]}, {"rows.0"}),
        ({"rows": [{"code": "990702", "cells": {"14": 1}}]}, {"rows.0.version"}),
        ({"rows": [{"code": "\ud83d", "version": "e30=", "cells": {}}]}, {"rows.0.code"}),
        ({"rows": [{"code": "990702", "version": "e30=", "cells": {}}]}, {"rows.0.cells"}),
        ({"rows": [{"code": "990702", "version": "!", "cells": {"14": 1}}]}, {"rows.0.version"}),
        ({"rows": [{"x": 1, "code": 3}]}, {"rows.0.x", "rows.0.code"}),
        ({"rows": [{"code": "990702", "version": "W10=", "cells": {"14": 1}}]}, {"rows.0.version"}),
        ({"rows": [{"code": "9", "version": "e30=", "cells": {"14": 1}}] * 2}, {"rows.1.code"}),
        ({"rows": [{}], "dry_run": "yes"}, {"dry_run"}),
        ({"rows": [{}], "nonsense": 1}, {"nonsense"}),
    ],
)
def test_what_the_body_has_wrong_is_named(
    world: World, body: dict[str, Any], names: set[str]
) -> None:
    answer = world.browser(Level.PROVINCE).rest("POST", "/grid/fee/", body)
    assert answer.status_code == 422
    assert set(answer.get_json()["errors"]) == names


@EVERY_GRID
@pytest.mark.parametrize("value", [True, -1, 1e300, 2**53, "\x00", "\ud83d", "长" * 5_000, "١"])
def test_odd_cells_are_told_each_by_its_name(world: World, name: str, value: Any) -> None:
    """Whatever is not taken is refused in its cell; what is taken is only tried."""
    columns = page_of(world, name, Level.PROVINCE)["columns"]
    cells = {column["name"]: value for column in columns} | {"\x00\ud83d": value}
    answer = post(world, name, row(world, name, cells), dry_run=True)
    assert code_of(answer) == (422, "grid.refused")
    assert set(answer.get_json()["errors"]) <= {f"{FOREIGN}.{column}" for column in cells}


@pytest.mark.parametrize("value", ["99.00", None])
def test_a_cell_that_was_not_there_to_be_read_is_not_written_over(world: World, value: Any) -> None:
    """A column that came later, or a version that leaves it out: what stands there is a conflict;
    where nothing does, and where the same is sent, there is none."""
    nothing = base64.urlsafe_b64encode(b"{}").decode()
    answer = post(world, "fee", row(world, "fee", {"14": value}) | {"version": nothing})
    assert code_of(answer) == (409, "grid.refused")
    assert "72.00" in answer.get_json()["errors"][f"{FOREIGN}.14"][0]
    assert fee(world, "14") == 7200
    same = post(world, "fee", row(world, "fee", {"14": "72"}) | {"version": nothing})
    assert (same.status_code, same.get_json()["cells"]) == (200, 0)
    emptied = post(world, "fee", row(world, "fee", {"26": None}), confirm=True)
    assert (emptied.status_code, fee(world, "26")) == (200, None)
    typed = row(world, "fee", {"26": "72"}) | {"version": nothing}
    first = post(world, "fee", typed, confirm=True)
    assert (first.status_code, fee(world, "26")) == (200, 7200)


def test_a_version_that_was_made_up_saves_no_more_than_its_cell(world: World) -> None:
    """It only says what its sender believes to be there."""
    invented = base64.urlsafe_b64encode(json.dumps({"14": "1.00"}).encode()).decode()
    answer = post(world, "fee", row(world, "fee", {"14": "90"}) | {"version": invented})
    assert code_of(answer) == (409, "grid.refused")
    many = [{"code": str(number)} for number in range(1001)]
    assert code_of(post(world, "fee", *many)) == (422, "operation.too_many")
