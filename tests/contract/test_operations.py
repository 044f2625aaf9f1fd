"""Operations on one row, selected rows, all results of a query, and the page."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from sqlalchemy import func, select

from app.metadata.query import ListQuery
from app.metadata.vocabulary import Level
from app.models.job import JobRun
from app.views.engine import tokens
from tests.contract.models import Hall
from tests.contract.world import PASSWORD, Browser, World, text_of


def _token(page: str) -> str:
    """The sealed query of a form or list."""
    found = re.search(r'name="query" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def _asked(browser: Browser, prefix: str, operation: str = "test-hall-close") -> str:
    """The token of the dialog on all results whose name begins so."""
    listed = browser.get(f"/test-hall/?name={prefix}&_size=20").get_data(as_text=True)
    if operation == "test-hall-close":
        token = _token(listed)
    else:
        found = re.search(rf'{operation}/\?query=([^"&]+)"', listed)
        assert found is not None
        token = found[1]
    page = browser.get(f"/{operation}/?query={token}", htmx=True).get_data(as_text=True)
    return _token(page)


def _sealed(world: World, query: ListQuery, level: Level = Level.SITE) -> str:
    with world.app.app_context():
        return tokens.seal(query, world.actor(level))


def test_an_operation_on_one_row(world: World) -> None:
    row = world.hall("一行")
    browser = world.browser()
    address = f"/admin/58/test-hall-close/?ids={row.id}"
    listed = browser.get("/test-hall/?name=一行").get_data(as_text=True)
    assert address not in listed  # a batch operation stands above the table only
    assert address in browser.get(f"/test-hall/show/{row.id}").get_data(as_text=True)
    asked = browser.get(f"/test-hall-close/?ids={row.id}", htmx=True)
    assert "确定关闭选中的 1 个考场？" in text_of(asked)
    answer = browser.post("/test-hall-close/", {"ids": row.id, "note": "雨"}, htmx=True)
    assert answer.status_code == 204
    assert json.loads(answer.headers["HX-Trigger"])["kw:saved"]["message"] == "已完成 1 项"
    changed = world.get(Hall, row.id)
    assert (changed.open, changed.remark) == (False, "雨")
    run = world.entries("models.test_hall_close.run")[-1]
    assert run.changes["done"]["new"] == 1
    edit = world.entries("models.hall.edit")[-1]
    assert edit.object_id == row.id


def test_a_selection_reports_every_row(world: World) -> None:
    rows = [world.hall("选一"), world.hall("选二", open=False), world.hall("选三")]
    browser = world.browser()
    answer = browser.post("/test-hall-close/", {"ids": [row.id for row in rows]}, htmx=True)
    page = text_of(answer)
    assert answer.status_code == 200
    assert "已完成 2 项，未执行 1 项" in page
    assert page.index("选二") < page.index("选一")
    assert "已经关闭" in page
    assert [world.get(Hall, row.id).open for row in rows] == [False, False, False]


def test_hole_2_a_selection_with_a_foreign_row_is_not_found(world: World) -> None:
    own, foreign = world.hall("选自"), world.hall("选外", 1)
    browser = world.browser()
    for ids in ([foreign.id], [own.id, foreign.id]):
        query = "&".join(f"ids={number}" for number in ids)
        assert browser.get(f"/test-hall-close/?{query}").status_code == 404
        assert browser.post("/test-hall-close/", {"ids": ids}, htmx=True).status_code == 404
    assert world.get(Hall, foreign.id).open
    assert world.get(Hall, own.id).open


@pytest.mark.parametrize("ids", ["x", "-1", "1e5", "9" * 30, "999"])
def test_ids_that_are_no_rows_are_not_found(world: World, ids: str) -> None:
    assert world.browser().get(f"/test-hall-close/?ids={ids}").status_code == 404


def test_nothing_chosen_is_explained(world: World) -> None:
    answer = world.browser().get("/test-hall-close/")
    assert answer.status_code == 422
    assert "没有选中任何记录" in text_of(answer)


def test_all_results_of_a_query(world: World) -> None:
    rows = [world.hall(f"全部{number:02d}") for number in range(23)]
    other = world.hall("不在其中")
    browser = world.browser()
    token = _asked(browser, "全部")
    page = browser.get(f"/test-hall-close/?query={token}", htmx=True)
    assert "确定关闭选中的 23 个考场？" in text_of(page)
    answer = browser.post("/test-hall-close/", {"query": token}, htmx=True)
    assert answer.status_code == 204
    assert not any(world.get(Hall, row.id).open for row in rows)
    assert world.get(Hall, other.id).open


def test_rows_that_came_later_are_not_touched(world: World) -> None:
    world.hall("先来")
    browser = world.browser()
    token = _asked(browser, "先来")
    late = world.hall("先来后到")
    assert browser.post("/test-hall-close/", {"query": token}, htmx=True).status_code == 204
    assert world.get(Hall, late.id).open


def test_a_query_that_finds_more_rows_is_confirmed_again(world: World) -> None:
    later = world.hall("暂名")
    row = world.hall("增多")
    browser = world.browser()
    token = _asked(browser, "增多")
    values = {"name": "增多二", "seats": "3", "colour": "red", "version": later.version}
    browser.post(f"/test-hall/edit/{later.id}", values)
    answer = browser.post("/test-hall-close/", {"query": token}, htmx=True)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert "查询结果已由 1 条变为 2 条" in page
    assert world.get(Hall, row.id).open
    again = browser.post("/test-hall-close/", {"query": _token(page)}, htmx=True)
    assert again.status_code in (200, 204)
    assert not world.get(Hall, row.id).open


def test_a_query_is_never_run_without_its_confirmed_count(world: World) -> None:
    row = world.hall("未数")
    token = _sealed(world, ListQuery("test_hall", {"name": "未数"}))
    answer = world.browser().post("/test-hall-close/", {"query": token}, htmx=True)
    assert answer.status_code == 422
    assert world.get(Hall, row.id).open


def test_a_token_serves_its_owner_and_its_session_alone(world: World) -> None:
    row = world.hall("令主", 1)
    query = ListQuery("test_hall", {"name": "令主"}, high_water=row.id, expected=1)
    theirs = _sealed(world, query)
    # not its end: the last character of base64 may differ and mean the same
    forged = theirs[:20] + ("A" if theirs[20] != "A" else "B") + theirs[21:]
    for browser, token in (
        (world.browser(Level.CITY), theirs),
        (world.browser(), forged),
        (world.browser(), "x"),
    ):
        answer = browser.get(f"/test-hall-close/?query={token}")
        assert answer.status_code == 422
        assert "查询条件已失效" in text_of(answer)
    assert world.browser(exam=57).get(f"/test-hall-close/?query={theirs}").status_code in (403, 422)


def test_a_wrong_field_of_an_operation_changes_nothing(world: World) -> None:
    row = world.hall("长说明")
    answer = world.browser().post(
        "/test-hall-close/", {"ids": row.id, "note": "长" * 51}, htmx=True
    )
    assert answer.status_code == 422
    assert "最多 50 个字" in text_of(answer)
    assert f'name="ids" value="{row.id}"' in answer.get_data(as_text=True)
    assert world.get(Hall, row.id).open


def test_an_operation_of_the_page(world: World) -> None:
    browser = world.browser()
    assert "test-hall-open" in browser.get("/test-hall/").get_data(as_text=True)
    asked = text_of(browser.get("/test-hall-open/"))
    assert "名称" in asked
    assert "确定执行" not in asked  # its form is the question
    assert browser.post("/test-hall-open/", {"name": ""}, htmx=True).status_code == 422
    assert browser.post("/test-hall-open/", {"name": "整页"}, htmx=True).status_code == 204
    with world.looking() as session:
        assert session.scalar(select(func.count()).where(Hall.name == "整页")) == 1


def test_reason_and_password_are_asked_before_what_cannot_be_undone(world: World) -> None:
    row = world.hall("清除")
    browser = world.browser()
    token = _asked(browser, "清除", "test-hall-purge")
    page = browser.get(f"/test-hall-purge/?query={token}", htmx=True).get_data(as_text=True)
    assert "btn-danger" in page
    assert 'type="password"' in page
    for values, message in (
        ({"_password": PASSWORD}, "必填"),
        ({"_reason": "测试", "_password": "wrong"}, "密码不正确"),
    ):
        refused = browser.post("/test-hall-purge/", {"query": token} | values, htmx=True)
        assert refused.status_code == 422
        assert message in text_of(refused)
        assert PASSWORD not in refused.get_data(as_text=True)
    assert world.get(Hall, row.id) is not None
    good = {"query": token, "_reason": "测试清除", "_password": PASSWORD}
    assert browser.post("/test-hall-purge/", good, htmx=True).status_code == 204
    assert world.get(Hall, row.id) is None
    assert world.entries("models.test_hall_purge.run")[-1].reason == "测试清除"


def test_above_its_limit_an_operation_refuses_before_anything_is_changed(world: World) -> None:
    for number in range(31):
        world.hall(f"超限{number:02d}")
    browser = world.browser()
    listed = browser.get("/test-hall/?name=超限").get_data(as_text=True)
    found = re.search(r'test-hall-purge/\?query=([^"&]+)"', listed)
    assert found is not None
    answer = browser.get(f"/test-hall-purge/?query={found[1]}", htmx=True)
    assert answer.status_code == 422
    assert "一次最多处理 30 条，当前为 31 条" in text_of(answer)


def test_a_large_run_becomes_a_job(world: World) -> None:
    for number in range(21):
        world.hall(f"成批{number:02d}")
    browser = world.browser()
    token = _asked(browser, "成批", "test-hall-purge")
    values = {"query": token, "_reason": "批量", "_password": PASSWORD}
    answer = browser.post("/test-hall-purge/", values, htmx=True)
    assert answer.status_code == 204
    told: dict[str, Any] = json.loads(answer.headers["HX-Trigger"])["kw:saved"]
    assert told["url"]
    with world.looking() as session:
        run = session.scalars(select(JobRun).order_by(JobRun.id.desc())).first()
        count = session.scalar(select(func.count()).where(Hall.name.startswith("成批")))
    assert run is not None
    assert (run.kind, run.declaration, run.total) == ("operation", "test_hall_purge", 21)
    assert PASSWORD not in json.dumps(run.parameters)
    assert count == 21


def test_an_operation_without_the_verb_is_refused(world: World) -> None:
    row = world.hall("无权")
    browser = world.browser(Level.PROVINCE)
    assert "test-hall-close" not in browser.get("/test-hall/").get_data(as_text=True)
    assert browser.get(f"/test-hall-close/?ids={row.id}").status_code == 403
    assert browser.post("/test-hall-close/", {"ids": row.id}, htmx=True).status_code == 403
    assert world.get(Hall, row.id).open


def test_r0_4_an_operation_in_history_is_refused(world: World) -> None:
    row = world.hall("史操", tree=world.history)
    browser = world.browser(exam=57)
    assert browser.get(f"/test-hall-close/?ids={row.id}").status_code == 403
    assert browser.post("/test-hall-close/", {"ids": row.id}, htmx=True).status_code in (403, 422)
    assert world.get(Hall, row.id).open


def test_hole_17_a_link_never_runs_an_operation(world: World) -> None:
    row = world.hall("链接")
    world.browser().get(f"/test-hall-close/?ids={row.id}")
    assert world.get(Hall, row.id).open
    assert world.browser().post("/test-hall-close/", {"ids": row.id}, csrf=False).status_code == 400
    assert world.get(Hall, row.id).open
