"""Effects of a change are confirmed in every channel before anything is saved."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from app.metadata.errors import Message
from app.metadata.vocabulary import Level, Verb
from app.rules import crud, effects
from tests.contract.models import Hall
from tests.contract.world import World, text_of

BIG = Message("涉及 {count} 个座位", count=7)


def _many_seats(row: Hall, context: crud.Context) -> Iterable[str]:
    return [BIG] if context.verb is Verb.DELETE or row.seats > 100 else []


def _closing(rows: list[Hall], _context: crud.Context) -> Iterable[str]:
    return [Message("将关闭 {count} 个考场", count=len(rows))]


@pytest.fixture(autouse=True)
def _rules(monkeypatch: pytest.MonkeyPatch) -> None:
    rules: dict[tuple[str, Verb], list[effects.Rule]] = dict(effects._rules)
    for verb in (Verb.ADD, Verb.EDIT, Verb.DELETE):
        rules["test_hall", verb] = [_many_seats]
    rules["test_hall_close", Verb.RUN] = [_closing]
    monkeypatch.setattr(effects, "_rules", rules)


def _token(page: str) -> str:
    found = re.search(r'name="_confirm" value="(\w+)"', page)
    assert found is not None
    return found[1]


def test_a_page_asks_and_saves_when_confirmed(world: World) -> None:
    hall = world.hall("影响一")
    path, values = f"/test-hall/edit/{hall.id}", {"name": "影响一", "seats": 120, "version": 1}
    asked = world.browser().post(path, values)
    assert (asked.status_code, str(BIG) in text_of(asked)) == (409, True)
    assert world.get(Hall, hall.id).seats == 30
    token = _token(asked.get_data(as_text=True))
    assert world.browser().post(path, values | {"_confirm": token}).status_code == 302
    assert world.get(Hall, hall.id).seats == 120


def test_a_dialog_asks_in_the_same_form(world: World) -> None:
    hall = world.hall("影响二")
    path, values = f"/test-hall/edit/{hall.id}", {"name": "影响二", "seats": 120, "version": 1}
    asked = world.browser().post(path, values, htmx=True)
    page = asked.get_data(as_text=True)
    assert (asked.status_code, 'value="120"' in page) == (409, True)
    confirmed = values | {"_confirm": _token(page)}
    assert world.browser().post(path, confirmed, htmx=True).status_code == 204


def test_without_effect_nothing_is_asked(world: World) -> None:
    hall = world.hall("影响三")
    values = {"name": "影响三", "seats": 31, "version": 1}
    assert world.browser().post(f"/test-hall/edit/{hall.id}", values).status_code == 302


def test_over_rest_409_tells_the_effects_and_how_to_confirm_them(world: World) -> None:
    body = {"name": "影响四", "seats": 120, "colour": "red"}
    refused = world.browser().rest("POST", "/test_hall/", body)
    told = refused.get_json()
    assert (refused.status_code, told["code"]) == (409, "effects.unconfirmed")
    assert told["effects"] == [str(BIG)]
    made = world.browser().rest("POST", "/test_hall/", body | {"confirm": told["confirm"]})
    assert made.status_code == 201
    path, change = f"/test_hall/{made.get_json()['id']}", {"seats": 130, "version": 1}
    assert world.browser().rest("PATCH", path, change).status_code == 409
    assert world.browser().rest("PATCH", path, change | {"confirm": True}).status_code == 200
    wrong = world.browser().rest("PATCH", path, change | {"confirm": 3})
    assert (wrong.status_code, set(wrong.get_json()["errors"])) == (422, {"confirm"})


def test_an_operation_asks_on_its_page_and_over_rest(world: World) -> None:
    hall = world.hall("影响五")
    asked = world.browser().post("/test-hall-close/", {"ids": hall.id}, htmx=True)
    assert (asked.status_code, "将关闭 1 个考场" in text_of(asked)) == (409, True)
    assert world.get(Hall, hall.id).open
    body = {"ids": [str(hall.id)], "values": {}}
    refused = world.browser().rest("POST", "/operation/test_hall_close/", body)
    assert (refused.status_code, refused.get_json()["effects"]) == (409, ["将关闭 1 个考场"])
    confirmed = {"ids": hall.id, "_confirm": _token(asked.get_data(as_text=True))}
    assert world.browser().post("/test-hall-close/", confirmed, htmx=True).status_code == 204
    assert not world.get(Hall, hall.id).open


def test_the_question_before_a_deletion_tells_them(world: World) -> None:
    hall = world.hall("影响六")
    page = text_of(world.browser().get(f"/test-hall/delete/{hall.id}", htmx=True))
    assert str(BIG) in page


def test_r11_7_a_deletion_is_carried_out_when_its_effects_are_confirmed(world: World) -> None:
    hall = world.hall("影响七")
    path, browser = f"/test-hall/delete/{hall.id}", world.browser()
    asked = browser.post(path, htmx=True)
    assert (asked.status_code, str(BIG) in text_of(asked)) == (409, True)
    assert world.get(Hall, hall.id) is not None
    confirmed = {"_confirm": _token(browser.get(path, htmx=True).get_data(as_text=True))}
    assert confirmed == {"_confirm": _token(asked.get_data(as_text=True))}
    assert browser.post(path, confirmed, htmx=True).status_code == 204


@pytest.mark.parametrize("by_token", [True, False])
def test_r11_7_over_rest_a_deletion_is_confirmed_in_the_address(
    world: World, by_token: bool
) -> None:
    hall, browser = world.hall("影响八"), world.browser()
    path = f"/test_hall/{hall.id}"
    refused = browser.rest("DELETE", path)
    told = refused.get_json()
    assert (refused.status_code, told["effects"]) == (409, [str(BIG)])
    assert browser.rest("DELETE", f"{path}?confirm=0123").status_code == 409
    confirm = told["confirm"] if by_token else "true"
    assert browser.rest("DELETE", f"{path}?confirm={confirm}").status_code == 204


def test_no_channel_takes_the_word_of_programs_for_a_confirmation(world: World) -> None:
    """Who sends it has seen no effect."""
    hall, browser = world.hall("影响九"), world.browser()
    page, rest = f"/test-hall/edit/{hall.id}", f"/test_hall/{hall.id}"
    values = {"name": "影响九", "seats": 120, "version": 1}
    assert browser.post(page, values | {"_confirm": effects.ALL}).status_code == 409
    changed = browser.rest("PATCH", rest, values | {"confirm": effects.ALL})
    removed = browser.rest("DELETE", f"{rest}?confirm={effects.ALL}")
    for answer in (changed, removed):
        assert (answer.status_code, set(answer.get_json()["errors"])) == (422, {"confirm"})
    closing = {"ids": hall.id, "_confirm": effects.ALL}
    assert browser.post("/test-hall-close/", closing, htmx=True).status_code == 409
    kept = world.get(Hall, hall.id)
    assert (kept.seats, kept.open) == (30, True)


def test_who_adds_a_sites_row_from_above_names_the_site(world: World) -> None:
    """P3: an explicit choice, and the log says for whom."""
    values = {"name": "上级加", "seats": "5", "colour": "red"}
    city = world.browser(Level.CITY)
    assert "考点" in text_of(city.post("/test-hall/add", values))
    assert city.post("/test-hall/add", values | {"_site": "990702"}).status_code == 302
    entry = world.entries("models.hall.add")[-1]
    assert (entry.organisation_code, entry.on_behalf_of) == ("9907", "990702")
