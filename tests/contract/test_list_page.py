"""The list page of a resource."""

from __future__ import annotations

import datetime as dt

import pytest

from app.metadata.vocabulary import Level
from tests.contract.world import World, text_of
from tests.factories import id_number


def test_p2_a_site_sees_its_own_rows_only(world: World) -> None:
    world.hall("甲一")
    world.hall("乙二", 1)
    page = world.browser().get("/test-hall/?name=甲").get_data(as_text=True)
    assert "甲一" in page
    assert "乙二" not in world.browser().get("/test-hall/?_size=200").get_data(as_text=True)


def test_r0_6a_a_superior_filters_by_organisation_and_sees_a_column(world: World) -> None:
    world.hall("滤一")
    world.hall("滤二", 1)
    browser = world.browser(Level.PROVINCE)
    code = world.tree.sites[1].code
    every = text_of(browser.get("/test-hall/?name=滤"))
    assert "滤一" in every
    assert "(990702)" in every
    one = text_of(browser.get(f"/test-hall/?name=滤&_org={code}"))
    assert "滤二" in one
    assert "滤一" not in one
    below = text_of(browser.get(f"/test-hall/?name=滤&_org={world.tree.city.code}"))
    assert "滤一" in below


def test_a_filter_by_a_foreign_organisation_is_not_found(world: World) -> None:
    code = world.tree.sites[1].code
    assert world.browser().get(f"/test-hall/?_org={code}").status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=查一", {"查一"}),
        ("name=%", set()),
        ("colour=blue", {"查二"}),
        ("open=0", {"查二"}),
        ("open=1", {"查一"}),
        ("day=2026-09-20", {"查二"}),
        ("day-to=2026-09-19", {"查一"}),
        ("day=2026-09-19&day-to=2026-09-20", {"查一", "查二"}),
    ],
)
def test_declared_searches(world: World, query: str, found: set[str]) -> None:
    number = world.tree.sites[0]
    if not world.browser().rest("GET", "/test_hall/?name=查").get_json()["rows"]:
        world.hall("查一", day=dt.date(2026, 9, 19))
        world.hall("查二", day=dt.date(2026, 9, 20), colour="blue", open=False)
    rows = world.browser().rest("GET", f"/test_hall/?_size=200&{query}").get_json()["rows"]
    assert number
    assert {row["name"] for row in rows if row["name"].startswith("查")} == found


def test_an_encrypted_value_is_found_by_equality_and_shown_masked(world: World) -> None:
    from app.database.keys import digest

    number = id_number()
    world.hall("加密", keeper=number, keeper_id_digest=digest(number))
    page = text_of(world.browser().get(f"/test-hall/?keeper={number}"))
    assert "加密" in page
    assert number not in page.replace(f'value="{number}"', "")
    assert f"{number[:6]}********{number[-4:]}" in page


@pytest.mark.parametrize("order", ["keeper", "keeper_id_digest", "secret", "double", "-id"])
def test_hole_9_a_list_is_ordered_by_declared_columns_alone(world: World, order: str) -> None:
    answer = world.browser().get(f"/test-hall/?_order={order}")
    assert answer.status_code == 422
    assert "查询条件有误" in text_of(answer)


def test_a_declared_column_orders_both_ways(world: World) -> None:
    for name, seats in (("排一", 11), ("排二", 12), ("排三", 13)):
        world.hall(name, seats=seats)
    browser = world.browser()
    for order, expected in (
        ("seats", ["排一", "排二", "排三"]),
        ("-seats", ["排三", "排二", "排一"]),
    ):
        rows = browser.rest("GET", f"/test_hall/?name=排&_order={order}").get_json()["rows"]
        assert [row["name"] for row in rows] == expected
    page = browser.get("/test-hall/?name=排&_order=seats").get_data(as_text=True)
    assert 'aria-sort="ascending"' in page
    assert "_order=-seats" in page


@pytest.mark.parametrize(
    "query", ["_page=abc", "_page=-1", "_page=999999999", "_size=99999999", "_size=x", "_page="]
)
def test_hole_10_wrong_pages_and_sizes_are_clipped(world: World, query: str) -> None:
    answer = world.browser().get(f"/test-hall/?{query}")
    assert answer.status_code == 200


@pytest.mark.parametrize("query", ["day=x", "nonsense=1", "_order=nonsense"])
def test_a_wrong_condition_is_explained_and_shows_no_rows(world: World, query: str) -> None:
    name = f"错条件{query}"
    world.hall(name)
    answer = world.browser().get(f"/test-hall/?{query}")
    assert answer.status_code == 422
    assert name not in text_of(answer)


def test_pages_keep_the_filter(world: World) -> None:
    for number in range(23):
        world.hall(f"页{number:02d}")
    page = world.browser().get("/test-hall/?name=页&_page=2").get_data(as_text=True)
    assert "页22" in page
    assert "页00" not in page
    assert "name=%E9%A1%B5&amp;_page=1&amp;_size=50" in page


def test_an_empty_list_says_what_to_do(world: World) -> None:
    page = text_of(world.browser().get("/test-hall/?name=没有这样的"))
    assert "没有符合条件的记录" in page
    assert "重置" in page


def test_columns_of_a_list(world: World) -> None:
    world.hall("列", price=7250, opened_at=dt.datetime(2026, 9, 1, 4, 0, tzinfo=dt.UTC))
    page = text_of(world.browser().get("/test-hall/?name=列"))
    for text in ("72.50", "红", "60"):
        assert text in page


def test_markup_in_data_is_text(world: World) -> None:
    world.hall("<script>alert(1)</script>")
    page = world.browser().get("/test-hall/?name=<script>").get_data(as_text=True)
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page


def test_organisations_are_looked_up_in_scope(world: World) -> None:
    found = world.browser(Level.PROVINCE).get("/test-hall/organisations?q=考点").get_json()
    assert [item["id"] for item in found] == [site.code for site in world.tree.sites]
    own = world.browser().get("/test-hall/organisations?q=考点").get_json()
    assert [item["id"] for item in own] == [world.tree.site.code]


def test_choices_are_looked_up_in_scope(world: World) -> None:
    world.hall("择一")
    world.hall("择二", 1)
    found = world.browser().get("/test-hall/options/neighbour_id?q=择").get_json()
    assert [item["text"] for item in found] == ["择一"]
    assert world.browser().get("/test-hall/options/name").status_code == 404


def test_nobody_is_asked_to_log_in(world: World) -> None:
    answer = world.nobody().get("/test-hall/?name=x")
    assert answer.status_code == 302
    assert "/login/" in answer.location
    assert "next=" in answer.location


def test_a_list_of_a_level_without_the_verb_is_refused(world: World) -> None:
    answer = world.browser().get("/test-word/")
    assert answer.status_code == 403
    assert "没有" in text_of(answer)


def test_history_is_read_only(world: World) -> None:
    row = world.hall("旧", tree=world.history)
    browser = world.browser(exam=57)
    page = browser.get("/test-hall/").get_data(as_text=True)
    assert "旧" in page
    assert "历史考次的数据只能查看和导出" in page
    assert "test-hall/add" not in page
    assert f"test-hall/edit/{row.id}" not in page
    assert browser.get(f"/test-hall/show/{row.id}").status_code == 200
    assert browser.get(f"/test-hall/edit/{row.id}").status_code == 403


def test_n19_a_row_of_another_session_is_not_found(world: World) -> None:
    row = world.hall("别次", tree=world.history)
    browser = world.browser(exam=58)
    for path in ("show", "edit", "delete", "reveal"):
        assert browser.get(f"/test-hall/{path}/{row.id}").status_code == 404
    assert browser.post(f"/test-hall/edit/{row.id}", {"name": "改"}).status_code == 404
