"""REST of resources that ask for it."""

from __future__ import annotations

from typing import Any

import pytest

from app.database.keys import digest
from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import Level
from tests.contract.models import Hall
from tests.contract.world import World
from tests.factories import id_number, make_passport

GOOD = {"name": "接口", "seats": 25, "colour": "green", "price": "72.50"}


def test_a_row_is_read_as_text_ids_and_masks(world: World) -> None:
    number = id_number()
    near = world.hall("口邻")
    row = world.hall(
        "口读", price=7250, keeper=number, keeper_id_digest=digest(number), neighbour_id=near.id
    )
    found = world.browser().rest("GET", f"/test_hall/{row.id}").get_json()
    assert found["id"] == str(row.id)
    assert found["neighbour_id"] == str(near.id)
    assert found["price"] == "72.50"
    assert found["colour"] == "red"
    assert found["open"] is True
    assert found["double"] == 60
    assert found["version"] == 1
    assert number not in str(found)
    assert "keeper_id_digest" not in found
    assert "site_id" not in found


def test_a_list_is_one_page_with_its_count(world: World) -> None:
    for index in range(21):
        world.hall(f"口页{index:02d}")
    browser = world.browser()
    found = browser.rest("GET", "/test_hall/?name=口页&_page=2").get_json()
    assert (found["count"], found["more"], found["page"], found["size"]) == (21, False, 2, 20)
    assert [row["name"] for row in found["rows"]] == ["口页20"]


@pytest.mark.parametrize("query", ["nonsense=1", "_nonsense=1", "_order=keeper", "day=x"])
def test_unknown_conditions_are_refused(world: World, query: str) -> None:
    answer = world.browser().rest("GET", f"/test_hall/?{query}")
    assert answer.status_code == 422
    assert answer.get_json()["code"] == "list.bad_query"


def test_a_row_is_added_changed_and_deleted(world: World) -> None:
    browser = world.browser()
    added = browser.rest("POST", "/test_hall/", GOOD | {"name": "口加"})
    assert added.status_code == 201
    row = added.get_json()
    assert added.headers["Location"] == f"/admin/58/api/v1/test_hall/{row['id']}"
    changed = browser.rest(
        "PATCH", f"/test_hall/{row['id']}", {"seats": 26, "version": row["version"]}
    )
    assert changed.status_code == 200
    assert (changed.get_json()["seats"], changed.get_json()["name"]) == (26, "口加")
    assert browser.rest("DELETE", f"/test_hall/{row['id']}").status_code == 204
    assert browser.rest("GET", f"/test_hall/{row['id']}").status_code == 404
    actions = [entry.action.rsplit(".", 1)[1] for entry in world.entries("models.hall")[-3:]]
    assert actions == ["add", "edit", "delete"]


def test_what_is_read_can_be_sent_back(world: World) -> None:
    number = id_number()
    row = world.hall("口回", price=100, keeper=number, keeper_id_digest=digest(number))
    browser = world.browser()
    found = browser.rest("GET", f"/test_hall/{row.id}").get_json()
    for name in ("id", "double", "quota"):
        del found[name]
    answer = browser.rest("PATCH", f"/test_hall/{row.id}", found | {"remark": "回"})
    assert answer.status_code == 200
    stored = world.get(Hall, row.id)
    assert (stored.keeper, stored.price, stored.remark) == (number, 100, "回")


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"seats": 0}, {"name", "seats"}),
        ({"name": "口错", "seats": "x", "colour": "pink"}, {"seats", "colour"}),
        (GOOD | {"site_id": "7"}, {"site_id"}),
        (GOOD | {"quota": 3}, {"quota"}),
        (GOOD | {"id": "7"}, {"id"}),
        (GOOD | {"neighbour_id": "777"}, {"neighbour_id"}),
        (GOOD | {"neighbour": {"id": 777}}, {"neighbour"}),
    ],
)
def test_holes_5_to_8_wrong_and_unknown_names_are_refused(
    world: World, body: dict[str, Any], names: set[str]
) -> None:
    answer = world.browser().rest("POST", "/test_hall/", body)
    found = answer.get_json()
    assert answer.status_code == 422
    assert set(found["errors"]) == names
    assert found["code"] == "input.invalid"
    assert "Unknown" not in str(found)


def test_a_stale_version_is_refused_and_a_missing_one_asked_for(world: World) -> None:
    row = world.hall("口版")
    browser = world.browser()
    assert browser.rest("PATCH", f"/test_hall/{row.id}", {"seats": 9}).status_code == 422
    stale = browser.rest("PATCH", f"/test_hall/{row.id}", {"seats": 9, "version": 7})
    assert stale.status_code == 409
    assert stale.get_json()["code"] == "row.stale"
    assert world.get(Hall, row.id).seats == 30


def test_a_writing_call_takes_nothing_from_its_address(world: World) -> None:
    """`?dry_run=true` is refused everywhere: ignored, it would be the deed."""
    row, before = world.hall("口址"), len(world.entries())
    calls: list[tuple[str, str, Any]] = [
        ("POST", "/test_hall/", GOOD | {"name": "口址二"}),
        ("PATCH", f"/test_hall/{row.id}", {"seats": 9, "version": 1}),
        ("DELETE", f"/test_hall/{row.id}", None),
        ("POST", "/operation/test_hall_close/", {"ids": [str(row.id)]}),
        ("POST", "/grid/fee/", {"rows": [{}]}),
        ("POST", "/document/small_tickets/", {}),
        ("POST", "/job/1/cancel", None),
    ]
    for method, path, body in calls:
        level = Level.PROVINCE if path.startswith("/grid") else Level.SITE
        answer = world.browser(level).rest(method, f"{path}?dry_run=true", body)
        assert (answer.status_code, path) == (422, path)
        assert set(answer.get_json()["errors"]) == {"dry_run"}
    assert len(world.entries()) == before
    kept = world.get(Hall, row.id)
    assert (kept.seats, kept.open) == (30, True)


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_hole_1_a_foreign_row_is_not_found(world: World, method: str) -> None:
    row = world.hall(f"口外{method}", 1)
    body = {"seats": 9, "version": 1} if method == "PATCH" else None
    answer = world.browser().rest(method, f"/test_hall/{row.id}", body)
    assert answer.status_code == 404
    assert answer.get_json()["code"] == "row.not_found"
    assert world.get(Hall, row.id).seats == 30


@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("PATCH", "{}"), ("DELETE", "{}")])
def test_hole_16_a_write_without_token_is_refused(world: World, method: str, path: str) -> None:
    row = world.hall(f"口令{method}")
    answer = world.browser().rest(
        method, f"/test_hall/{path.format(row.id)}", GOOD | {"version": 1}, csrf=False
    )
    assert answer.status_code == 400
    assert answer.get_json()["message"]
    assert world.get(Hall, row.id) is not None


def test_hole_13_a_refusal_is_403_and_not_500(world: World) -> None:
    browser = world.browser(Level.PROVINCE)
    answer = browser.rest("POST", "/test_hall/", GOOD)
    assert answer.status_code == 403
    assert answer.get_json()["code"] == "policy.no_verb"
    historic = world.browser(exam=57).rest("POST", "/test_hall/", GOOD)
    assert historic.status_code == 403
    assert historic.get_json()["code"] == "policy.historic_exam"


def test_hole_14_a_constraint_is_told_without_sql(world: World) -> None:
    world.hall("口双")
    answer = world.browser().rest("POST", "/test_hall/", GOOD | {"name": "口双"})
    assert answer.status_code == 409
    assert "INSERT" not in answer.get_data(as_text=True)
    assert "UNIQUE" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("body", ["[]", '"x"', "3", "null"])
def test_a_body_that_is_no_object_is_refused(world: World, body: str) -> None:
    browser = world.browser()
    answer = browser.client.post(
        "/admin/58/api/v1/test_hall/",
        data=body,
        content_type="application/json",
        headers={"X-CSRFToken": world.csrf(), "User-Agent": "kaowu tests"},
        environ_overrides={"REMOTE_ADDR": "127.0.0.1"},
    )
    assert answer.status_code == 422
    assert answer.get_json()["code"] == "rest.body"


def test_nobody_gets_401_and_other_methods_405(world: World) -> None:
    assert world.nobody().rest("GET", "/test_hall/").status_code == 401
    assert world.nobody().rest("GET", "/test_hall/").get_json()["code"] == "http.401"
    assert world.browser().rest("PUT", "/test_hall/1", {}).status_code == 405


def test_rest_is_opt_in(world: World) -> None:
    assert world.browser(Level.CENTER).rest("GET", "/test_word/").status_code == 404


def test_hole_15_there_is_no_token_log_in(world: World) -> None:
    answer = world.nobody().rest("POST", "/security/login", {"username": "x", "password": "x"})
    assert answer.status_code in (400, 404)


def test_a_program_is_told_that_its_log_in_is_not_finished(world: World) -> None:
    """The page leads on; JSON does not."""
    with unit_of_work(world.runtime.factory, system("seed")) as session:
        owner = make_passport(session, must_change=True)
    browser = world.nobody()
    browser.client.set_cookie("kaowu_admin", world.cookie(owner), path="/admin")
    answer = browser.rest("GET", "/test_hall/")
    assert (answer.status_code, answer.get_json()["code"]) == (403, "policy.entry_unfinished")
    assert browser.get("/test-hall/").status_code == 302
