"""Adding, editing, deleting and revealing a row by pages and dialogs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.database.keys import digest
from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import Level, Window
from app.rules import crud
from tests.contract.models import Hall
from tests.contract.world import World, text_of
from tests.factories import id_number, set_window

GOOD = {"name": "新考场", "seats": "25", "colour": "green", "price": "72.50", "day": "2026-09-20"}


def _row(world: World, name: str) -> Any:
    from sqlalchemy import select

    with world.looking() as session:
        return session.scalars(select(Hall).where(Hall.name == name)).one_or_none()


def test_a_row_is_added_from_a_page(world: World) -> None:
    browser = world.browser()
    assert "新增测试考场" in browser.get("/test-hall/add").get_data(as_text=True)
    answer = browser.post("/test-hall/add", GOOD | {"name": "页加", "keeper": id_number()})
    assert answer.status_code == 302
    assert answer.location == "/admin/58/test-hall/"
    row = _row(world, "页加")
    assert (row.seats, row.colour, row.price, row.site_id) == (
        25,
        "green",
        7250,
        world.tree.site.id,
    )
    assert row.open is False
    actions = [entry.action for entry in world.entries("models.hall.add")]
    assert actions
    entry = world.entries("models.hall.add")[-1]
    assert entry.changes["name"]["new"] == "页加"
    assert set(entry.changes["keeper"]["new"]) == {"masked", "digest"}


def test_a_dialog_answers_with_a_trigger(world: World) -> None:
    browser = world.browser()
    page = browser.get("/test-hall/add", htmx=True).get_data(as_text=True)
    assert "<html" not in page
    assert 'hx-post="/admin/58/test-hall/add"' in page
    answer = browser.post("/test-hall/add", GOOD | {"name": "窗加"}, htmx=True)
    assert answer.status_code == 204
    told = json.loads(answer.headers["HX-Trigger"])["kw:saved"]
    assert told == {"message": "新增成功", "url": None}
    assert "HX-Request" in answer.headers["Vary"]


def test_every_wrong_field_is_named_and_the_first_gets_the_focus(world: World) -> None:
    answer = world.browser().post(
        "/test-hall/add",
        {"name": "", "seats": "999", "colour": "pink", "day": "x", "price": "1.234"},
    )
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert page.count('class="kw-error"') == 5
    assert "必填" in page
    assert "不能大于 500" in page
    assert 'value="999"' in page
    start = page.index('id="f-name"')
    assert "autofocus" in page[start : page.index(">", start)]
    form = page[page.index('<form method="post"') : page.index("</fieldset>", start)]
    assert form.count(" autofocus") == 1


def test_a_duplicate_is_told_without_sql(world: World) -> None:
    world.hall("双")
    answer = world.browser().post("/test-hall/add", GOOD | {"name": "双"})
    page = text_of(answer)
    assert answer.status_code == 422
    assert "重复" in page
    assert "INSERT" not in page
    assert "UNIQUE" not in page


def test_a_row_is_edited(world: World) -> None:
    row = world.hall("改前", price=7200)
    browser = world.browser()
    page = browser.get(f"/test-hall/edit/{row.id}").get_data(as_text=True)
    assert 'value="72.00"' in page
    assert f'name="version" value="{row.version}"' in page
    answer = browser.post(
        f"/test-hall/edit/{row.id}", GOOD | {"name": "改后", "version": row.version}
    )
    assert answer.status_code == 302
    changed = world.get(Hall, row.id)
    assert (changed.name, changed.open, changed.version) == ("改后", False, row.version + 1)


def test_a_stale_save_shows_the_difference_and_can_be_repeated(world: World) -> None:
    row = world.hall("旧版", seats=30)
    browser = world.browser()
    first = GOOD | {"name": "旧版", "seats": "31", "version": row.version}
    assert browser.post(f"/test-hall/edit/{row.id}", first).status_code == 302
    answer = browser.post(f"/test-hall/edit/{row.id}", first | {"seats": "32"})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert "已被他人保存" in page
    assert ">31<" in page
    assert ">32<" in page
    assert world.get(Hall, row.id).seats == 31
    again = browser.post(
        f"/test-hall/edit/{row.id}", first | {"seats": "32", "version": row.version + 1}
    )
    assert again.status_code == 302
    assert world.get(Hall, row.id).seats == 32


def test_a_missing_version_is_stale(world: World) -> None:
    row = world.hall("无版")
    answer = world.browser().post(f"/test-hall/edit/{row.id}", GOOD | {"name": "无版2"})
    assert answer.status_code == 409
    assert world.get(Hall, row.id).name == "无版"


def test_a_masked_value_that_comes_back_masked_is_kept(world: World) -> None:
    number, other = id_number(), id_number()
    row = world.hall("遮", keeper=number, keeper_id_digest=digest(number))
    browser = world.browser()
    page = browser.get(f"/test-hall/edit/{row.id}").get_data(as_text=True)
    masked = f"{number[:6]}********{number[-4:]}"
    assert number not in page
    assert masked in page
    values = GOOD | {"name": "遮", "keeper": masked, "version": row.version}
    assert browser.post(f"/test-hall/edit/{row.id}", values).status_code == 302
    assert world.get(Hall, row.id).keeper == number
    values |= {"keeper": other, "version": row.version + 1}
    assert browser.post(f"/test-hall/edit/{row.id}", values).status_code == 302
    assert world.get(Hall, row.id).keeper == other


def test_fields_of_a_higher_level_are_not_in_the_form_and_not_taken(world: World) -> None:
    row = world.hall("级", quota=5)
    site = world.browser()
    assert 'name="quota"' not in site.get(f"/test-hall/edit/{row.id}").get_data(as_text=True)
    site.post(
        f"/test-hall/edit/{row.id}", GOOD | {"name": "级", "quota": "99", "version": row.version}
    )
    assert world.get(Hall, row.id).quota == 5
    city = world.browser(Level.CITY)
    assert 'name="quota"' in city.get(f"/test-hall/edit/{row.id}").get_data(as_text=True)


def test_hole_4_scope_columns_of_a_form_are_ignored(world: World) -> None:
    foreign = world.tree.sites[1].id
    world.browser().post("/test-hall/add", GOOD | {"name": "投", "site_id": str(foreign)})
    assert _row(world, "投").site_id == world.tree.site.id


def test_a_choice_of_another_site_is_no_choice(world: World) -> None:
    foreign = world.hall("外邻", 1)
    answer = world.browser().post(
        "/test-hall/add", GOOD | {"name": "邻错", "neighbour_id": str(foreign.id)}
    )
    assert answer.status_code == 422
    assert _row(world, "邻错") is None


def test_a_reference_is_stored_and_shown(world: World) -> None:
    near = world.hall("近邻")
    browser = world.browser()
    browser.post("/test-hall/add", GOOD | {"name": "邻对", "neighbour_id": str(near.id)})
    row = _row(world, "邻对")
    assert row.neighbour_id == near.id
    assert "近邻" in browser.get(f"/test-hall/show/{row.id}").get_data(as_text=True)


# ---------------------------------------------------------------- delete


def test_deleting_asks_first(world: World) -> None:
    row = world.hall("待删")
    browser = world.browser()
    page = text_of(browser.get(f"/test-hall/delete/{row.id}"))
    assert "确定删除“待删”" in page
    assert world.get(Hall, row.id) is not None
    assert browser.post(f"/test-hall/delete/{row.id}").status_code == 302
    assert world.get(Hall, row.id) is None
    assert world.entries("models.hall.delete")[-1].object_id == row.id


def test_a_row_in_use_is_not_deleted(world: World) -> None:
    row = world.hall("被邻")
    world.hall("邻它", neighbour_id=row.id)
    answer = world.browser().post(f"/test-hall/delete/{row.id}", htmx=True)
    assert answer.status_code == 422
    assert "已被使用" in text_of(answer)
    assert world.get(Hall, row.id) is not None


@pytest.mark.parametrize("path", ["add", "edit/{}", "delete/{}", "reveal/{}"])
def test_hole_16_a_post_without_token_is_refused(world: World, path: str) -> None:
    row = world.hall(f"令牌{path[:3]}")
    answer = world.browser().post("/test-hall/" + path.format(row.id), GOOD, csrf=False)
    assert answer.status_code == 400
    assert "页面已过期" in text_of(answer)
    assert world.get(Hall, row.id) is not None


# ---------------------------------------------------------------- windows


@pytest.fixture
def closed(world: World) -> Iterator[World]:
    """The site's window of settings has ended."""

    def change(start: Any, end: Any) -> None:
        with unit_of_work(world.runtime.factory, system("seed")) as session:
            set_window(session, world.tree.site, Window.SETUP, start, end)

    import datetime as dt

    now, day = world.tree.now, dt.timedelta(days=1)
    change(now - 3 * day, now - day)
    yield world
    change(now - 30 * day, now + 30 * day)


def test_r0_2_outside_the_window_there_is_a_notice_and_no_button(closed: World) -> None:
    row = closed.hall("窗外")
    browser = closed.browser()
    page = browser.get("/test-hall/").get_data(as_text=True)
    assert 'class="kw-note warn"' in page
    assert "当前不在报名前设置时间内" in page
    assert "上级管理员" in page
    assert "test-hall/add" not in page
    assert "test-hall-close" not in page
    for answer in (
        browser.get("/test-hall/add"),
        browser.get(f"/test-hall/edit/{row.id}"),
        browser.get(f"/test-hall/delete/{row.id}"),
        browser.get(f"/test-hall-close/?ids={row.id}"),
    ):
        assert answer.status_code == 403
    values = GOOD | {"name": "窗外2", "version": row.version}
    assert browser.post(f"/test-hall/edit/{row.id}", values).status_code == 422
    assert browser.post(f"/test-hall/delete/{row.id}").status_code == 422
    assert browser.rest("PATCH", f"/test_hall/{row.id}", values | {"version": 1}).status_code == 403
    assert closed.get(Hall, row.id).name == "窗外"
    assert browser.get(f"/test-hall/show/{row.id}").status_code == 200
    with browser.get("/test-hall/export") as exported:
        assert exported.status_code == 200


def test_r0_2_the_window_does_not_bind_the_superior(closed: World) -> None:
    row = closed.hall("窗外上级")
    page = closed.browser(Level.CITY).get("/test-hall/?name=窗外上").get_data(as_text=True)
    assert f"test-hall/edit/{row.id}" in page


# ---------------------------------------------------------------- masks


def test_full_values_are_shown_after_a_logged_click(world: World) -> None:
    number = id_number()
    row = world.hall("全", keeper=number, keeper_id_digest=digest(number))
    browser = world.browser()
    detail = browser.get(f"/test-hall/show/{row.id}").get_data(as_text=True)
    assert number not in detail
    assert f"/test-hall/reveal/{row.id}" in detail
    before = len(world.entries("models.hall.reveal"))
    asked = browser.get(f"/test-hall/reveal/{row.id}", htmx=True)
    assert "系统将记录" in text_of(asked)
    assert len(world.entries("models.hall.reveal")) == before
    shown = browser.post(f"/test-hall/reveal/{row.id}", htmx=True)
    assert number in shown.get_data(as_text=True)
    entry = world.entries("models.hall.reveal")[-1]
    assert entry.object_id == row.id
    assert number not in json.dumps(entry.changes)


def test_a_city_sees_masked_values_only(world: World) -> None:
    row = world.hall("市", keeper=id_number())
    browser = world.browser(Level.CITY)
    assert "reveal" not in browser.get(f"/test-hall/show/{row.id}").get_data(as_text=True)
    assert browser.get(f"/test-hall/reveal/{row.id}").status_code == 403
    assert browser.post(f"/test-hall/reveal/{row.id}", htmx=True).status_code == 403


def test_looks_in_full_are_limited(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.rules import reveal

    monkeypatch.setattr(reveal, "RATE", (1, 3600))
    row = world.hall("限", keeper=id_number(), number=1)
    browser = world.browser(Level.SITE, 1)
    assert browser.post(f"/test-hall/reveal/{row.id}", htmx=True).status_code == 200
    assert browser.post(f"/test-hall/reveal/{row.id}", htmx=True).status_code == 429


def test_a_rule_of_the_resource_refuses_in_one_sentence(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.metadata.errors import KaowuError
    from app.metadata.vocabulary import Verb

    class NoMonday(KaowuError):
        template = "星期一不能新增。"

    def refuse(_row: Any, _context: crud.Context) -> None:
        raise NoMonday

    rules = [*crud._before["test_hall", Verb.ADD], refuse]
    monkeypatch.setitem(crud._before, ("test_hall", Verb.ADD), rules)
    answer = world.browser().post("/test-hall/add", GOOD | {"name": "规则"})
    assert answer.status_code == 422
    assert "星期一不能新增。" in text_of(answer)
    assert 'value="规则"' in answer.get_data(as_text=True)
    assert _row(world, "规则") is None
