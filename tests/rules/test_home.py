"""欢迎 (R6.4): labels in their order, formats, what an empty organisation sees."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import event, select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.actor import Actor
from app.metadata.query import ListQuery
from app.metadata.vocabulary import ADMINISTRATORS, Level, Window
from app.models.exam import OperationWindow
from app.models.job import JobRun
from app.models.registration import EntryState, Registration
from app.models.settings import Notice, SiteSubject
from app.rules import home, listing, operations, window_setting
from app.rules.clock import fixed
from app.rules.operations import Chosen
from app.rules.roster import moves
from tests import factories
from tests.factories import Tree
from tests.rules.roster.roster_world import add_move

LABELS = [
    "机构名称",
    "角色",
    "当前考次",
    "是否开考",
    "报名前设置时间",
    "报名资格管理时间",
    "报名管理时间",
    "考生个人网报时间",
    "编排时间",
    "准考证打印开始时间",
    "缺考违纪管理时间",
    "考前资料下载时间",
    "考后资料下载时间",
    "考点报名通告",
    "注册考生年龄区间",
]


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


def lines(session: KaowuSession, tree: Tree) -> dict[str, str]:
    page = home.welcome(session, fixed(tree.now))
    return {line.label: str(line.value) for line in page.lines}


def test_r6_4_the_labels_of_the_card_in_their_order(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    found = lines(session, tree)
    assert list(found) == LABELS
    assert found["机构名称"] == tree.site.name
    assert found["角色"] == "考点管理员"
    assert found["当前考次"] == "(58) 2026全国计算机等级考试"
    assert found["是否开考"] == "是"
    assert found["注册考生年龄区间"] == "6-80周岁"
    assert found["考点报名通告"] == "未设置"


def test_scenario_10_an_unset_window_says_so(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.site, Window.POST_EXAM, None)
    become(session, tree.actor())
    assert lines(session, tree)["考后资料下载时间"] == "未设置"


def test_r6_4_online_time_is_the_sites_own_cut_to_w4(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    shown = lines(session, tree)["考生个人网报时间"]
    factories.set_settings(session, tree.site, online_enabled=False)
    become(session, tree.actor())
    assert " 至 " in shown
    assert lines(session, tree)["考生个人网报时间"] == "未开启"


def test_r6_4_a_set_notice_is_said(session: KaowuSession, tree: Tree) -> None:
    path = tree.path(tree.site)
    factories.plant(session, Notice(**path, organisation_id=tree.site.id, html="<p>须知</p>"))
    become(session, tree.actor())
    assert lines(session, tree)["考点报名通告"] == "已设置"


def welcome(session: KaowuSession, tree: Tree, actor: Actor, **later: float) -> home.Welcome:
    become(session, actor)
    return home.welcome(session, fixed(tree.now + dt.timedelta(**later)))


def waits(page: home.Welcome) -> dict[str, tuple[str, dict[str, str]]]:
    return {str(item.text): (item.page, dict(item.filters)) for item in page.waiting}


def test_r6_4_what_waits_is_counted_in_scope(session: KaowuSession, tree: Tree) -> None:
    factories.set_settings(session, tree.site, review_required=True)
    factories.make_registration(session, tree, review="pending")
    factories.make_registration(session, tree, tree.sites[1])
    page = welcome(session, tree, tree.actor())
    assert (page.figures[0].label, page.figures[0].value) == ("报名考生", "1")
    assert waits(page)["1 名考生的报名信息待审核"] == ("registration", {"review": "pending"})
    page = welcome(session, tree, tree.actor(Level.PROVINCE))
    assert page.figures[0].value == "2"
    assert waits(page)["2 名考生尚未支付"] == ("registration", {"payment": "unpaid"})


def test_r6_4_figures_agree_with_the_lists_they_lead_to(session: KaowuSession, tree: Tree) -> None:
    for life in ("draft", "active", "expired", "deleted", "cancelled"):
        factories.make_registration(session, tree, life=life, review="pending")
    factories.make_registration(session, tree, state=EntryState.PAID)
    page = welcome(session, tree, tree.actor())
    shown = {
        figure.label: listing.page(
            session, Registration.__admin__, ListQuery("registration", dict(figure.filters))
        ).total
        for figure in page.figures
        if figure.page == "registration"
    }
    assert shown == {"报名考生": 3, "已缴费": 1, "待审核": 2}
    assert {f.label: int(f.value) for f in page.figures if f.label in shown} == shown


@pytest.mark.parametrize("superuser", [False, True])
def test_r6_4_the_centre_has_no_windows_and_no_notice(
    session: KaowuSession, tree: Tree, superuser: bool
) -> None:
    roles = frozenset({"center", "super"} if superuser else {"center"})
    become(session, tree.actor(Level.CENTER, roles=roles))
    assert list(lines(session, tree)) == ["机构名称", "角色", "当前考次", "注册考生年龄区间"]


def test_r6_4_an_organisation_without_settings_sees_three_lines(
    session: KaowuSession, tree: Tree
) -> None:
    for window in Window:
        factories.set_window(session, tree.city, window, None)
    become(session, tree.actor(Level.CITY))
    assert list(lines(session, tree)) == ["机构名称", "角色", "当前考次"]


def test_r6_4_progress_of_the_centre_is_that_of_the_provinces(
    session: KaowuSession, tree: Tree
) -> None:
    def steps(**later: float) -> list[tuple[str, str]]:
        page = welcome(session, tree, tree.actor(Level.CENTER), **later)
        return [(str(step.badge[0]), step.state) for step in page.steps]

    factories.set_window(session, tree.province, Window.ARRANGEMENT, None)
    assert steps()[1:3] == [("1/1 个省进行中", "now"), ("0/1 个省已设置", "later")]
    assert steps(days=-31)[1:3] == [("1/1 个省已设置", "later"), ("0/1 个省已设置", "later")]
    assert steps(days=31)[1] == ("已结束", "done")


def test_r10_4_a_site_is_told_what_it_has_not_set_while_w1_is_open(
    session: KaowuSession, tree: Tree
) -> None:
    site = factories.add_site(
        session, tree, "990781", subjects=(), total=0, person_fee=None, subject_fee=None
    )
    actor = tree.actor(number=2)
    assert waits(welcome(session, tree, actor)) == {
        "考点开考科目尚未设置": ("site_subject", {}),
        "考点容量尚未设置": ("capacity", {}),
        "人次费尚未设置（由省设置）": ("fee", {}),
        "逐项核对《报名前检查》": ("setup_checklist", {}),
    }
    with factories.seeding(session):
        days = {"first_day": factories.EXAM_DAYS[0], "last_day": factories.EXAM_DAYS[0]}
        session.add(SiteSubject(**tree.path(site), subject_code="14", **days))
    assert "1 个开考科目的费用尚未设置（由省设置）" in waits(welcome(session, tree, actor))
    factories.set_settings(session, site, open=False, opening_decided=True)
    assert waits(welcome(session, tree, actor)) == {}
    factories.set_settings(session, site, open=True)
    factories.set_window(session, site, Window.SETUP, None)
    assert waits(welcome(session, tree, actor)) == {}
    assert waits(welcome(session, tree, tree.actor())) == {}


def test_r10_4_untouched_settings_wait(session: KaowuSession, tree: Tree) -> None:
    factories.add_site(session, tree, "990782", open=False)
    found = waits(welcome(session, tree, tree.actor(number=2)))
    assert found == {
        "考点报名综合设置尚未设置": ("site_settings", {}),
        "逐项核对《报名前检查》": ("setup_checklist", {}),
    }
    factories.set_settings(session, tree.sites[2], preference_allowed=True)  # the province's switch
    assert waits(welcome(session, tree, tree.actor(number=2))) == found


def test_r31_entries_wait_for_seats_while_w5_is_open_and_for_numbers(
    session: KaowuSession, tree: Tree
) -> None:
    factories.make_registration(session, tree, subjects=("14", "24"), state=EntryState.PAID)
    factories.make_registration(session, tree, state=EntryState.ARRANGED)
    unseated, unnumbered = "2 科次已支付尚未编排", "1 科次已编排尚未生成准考证号"
    found = waits(welcome(session, tree, tree.actor()))
    assert found == {unseated: ("seat", {}), unnumbered: ("admission_ticket", {})}
    assert set(waits(welcome(session, tree, tree.actor(), days=31))) == {unnumbered}
    assert waits(welcome(session, tree, tree.actor(number=1))) == {}


def test_r0_6_failed_jobs_of_the_sites_own_wait(session: KaowuSession, tree: Tree) -> None:
    for state, code in (("failed", tree.site.code), ("done", tree.site.code), ("failed", "99")):
        job = JobRun(
            **tree.path(tree.site),
            kind="import",
            declaration="roster",
            actor_level="site",
            actor_name="测试",
            organisation_code=code,
            state=state,
        )
        factories.plant(session, job)
    found = waits(welcome(session, tree, tree.actor()))
    assert found == {"1 个任务失败": ("jobs", {"state": "failed"})}


def test_r9_2a_superiors_are_told_of_organisations_without_windows(
    session: KaowuSession, tree: Tree
) -> None:
    first = dt.datetime.combine(factories.EXAM_DAYS[0], dt.time(4), dt.UTC)
    near, far = (first - dt.timedelta(days=days) - tree.now for days in (10, 11))
    factories.set_window(session, tree.site, Window.REGISTRATION, None)
    factories.set_window(session, tree.site, Window.TICKET, None)
    factories.set_window(session, tree.city, Window.SETUP, None)
    with factories.seeding(session):
        row = session.scalars(
            select(OperationWindow).where(OperationWindow.organisation_id == tree.sites[1].id)
        ).one()
        session.delete(row)
    cities = "1 个地市尚未设置报名前至报名管理的操作时间"
    sites = "2 个考点尚未设置报名前至报名管理的操作时间"
    late = "临近考试，2 个考点尚未设置编排至考后的操作时间"
    link = ("operation_window", {"level": "site", "unset": "before"})
    province, city = tree.actor(Level.PROVINCE), tree.actor(Level.CITY)
    found = waits(welcome(session, tree, province, seconds=far.total_seconds()))
    assert set(found) == {cities, sites}
    assert found[sites] == link
    found = waits(welcome(session, tree, city, seconds=far.total_seconds()))
    assert found == {sites: link}
    found = waits(welcome(session, tree, city, seconds=near.total_seconds()))
    assert set(found) == {sites, late}
    become(session, city)
    lacking = window_setting.unset_ids(session, window_setting.Unset.EXAM)
    assert lacking == {row.id for row in tree.sites}


def test_r20_5_a_move_between_provinces_is_told_to_both(session: KaowuSession, tree: Tree) -> None:
    """Until each has read of it itself, whatever the losing site and the other province do; moves
    inside the province are its sites' affair."""
    out, inside = add_move(session, "990701", "980101"), add_move(session, "990701", "990702")
    other = tree.actor(Level.PROVINCE, organisation_code="98", province_code="98")
    sentence = "1 名学生的学籍跨省变动，请核对后标为已阅"
    become(session, tree.actor())
    operations.run(session, moves.ACKNOWLEDGE, Chosen((out.id,)), {})
    for province in (tree.actor(Level.PROVINCE), other):
        become(session, province)
        assert moves.between_provinces(session) == 1
    assert waits(welcome(session, tree, tree.actor(Level.PROVINCE)))[sentence] == (
        "roster_move",
        {},
    )
    for level in (Level.CENTER, Level.CITY):
        assert sentence not in waits(welcome(session, tree, tree.actor(level)))
    become(session, tree.actor(Level.PROVINCE))
    report = operations.run(session, moves.ACKNOWLEDGE, Chosen((out.id, inside.id)), {})
    assert (report.done, report.skipped) == (1, 1)
    assert report.outcomes[0].reason == "省内的变动由原考点标为已阅"
    assert moves.between_provinces(session) == 0
    become(session, other)
    assert moves.between_provinces(session) == 1
    operations.run(session, moves.ACKNOWLEDGE, Chosen((out.id,)), {})
    assert moves.between_provinces(session) == 0


@pytest.mark.parametrize("level", ADMINISTRATORS)
def test_r6_4_the_page_costs_a_bounded_number_of_statements(
    session: KaowuSession, tree: Tree, level: Level
) -> None:
    counted = []
    for number in (1, 12):
        while len(tree.sites) < 2 + number:
            site = factories.add_site(session, tree, f"9907{len(tree.sites) + 10}")
            factories.set_window(session, site, Window.SETUP, None)
            factories.make_registration(session, tree, state=EntryState.PAID)
        statements: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            statements.append(statement)  # noqa: B023 - used within this round only

        session.expire_all()
        engine = session.get_bind()
        event.listen(engine, "before_cursor_execute", note)
        try:
            welcome(session, tree, tree.actor(level))
        finally:
            event.remove(engine, "before_cursor_execute", note)
        counted.append(len(statements))
    assert counted[0] == counted[1] <= 12
