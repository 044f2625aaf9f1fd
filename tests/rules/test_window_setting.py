"""操作时间 (chapter 9, R0.1-R0.3): inclusive ends, nesting, batch, extension, reminders."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.declarations import Resource
from app.metadata.errors import NotFound
from app.metadata.registry import find
from app.metadata.text import LOCAL_ZONE
from app.metadata.vocabulary import Level, Verb, Window
from app.models.audit import AuditEntry
from app.models.exam import ExamDay
from app.models.organisation import Organisation
from app.rules import organisation, window_setting, windows
from app.rules.clock import fixed
from app.rules.policy import NoVerb, WindowClosed, check
from app.rules.window_setting import (
    BeyondParent,
    ChildBeyond,
    Incomplete,
    NotBelow,
    NotLater,
    ParentUnset,
    ReasonMissing,
    WrongOrder,
)
from app.rules.windows import Interval, WindowState
from tests import factories
from tests.factories import Tree

DAY = dt.timedelta(days=1)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


def test_n24_the_end_belongs_to_the_window_to_the_second() -> None:
    end = dt.datetime(2020, 8, 31, 13, tzinfo=dt.UTC)  # 21:00 in Shanghai
    interval = Interval(end - DAY, end)
    assert interval.is_open(end)
    assert interval.is_open(end + dt.timedelta(microseconds=999_999))
    assert interval.state(end + SECOND) is WindowState.AFTER
    assert interval.show() == "2020-08-30 21:00 至 2020-08-31 21:00"


def test_r0_1_w6_has_a_start_only() -> None:
    start = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
    interval = Interval(start, None, open_ended=True)
    assert interval.state(start - SECOND) is WindowState.BEFORE
    assert interval.is_open(start + 400 * DAY)
    assert Interval(start, None).state(start) is WindowState.UNSET


@given(st.integers(-1000, 1000), st.integers(1, 1000), st.integers(-2500, 2500))
def test_r0_2_a_moment_is_in_exactly_one_state(start: int, length: int, moment: int) -> None:
    zero = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    interval = Interval(zero + start * SECOND, zero + (start + length) * SECOND)
    expected = (
        WindowState.BEFORE
        if moment < start
        else WindowState.OPEN
        if moment <= start + length
        else WindowState.AFTER
    )
    assert interval.state(zero + moment * SECOND) is expected


def test_r9_2_the_superior_sets_many_sites_at_once(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    edges = (tree.now - DAY, tree.now + DAY)
    outcome = window_setting.set_windows(session, tree.sites, {Window.SETUP: edges})
    assert [row.done for row in outcome.rows] == [True, True]
    for site in tree.sites:
        interval = windows.load(session, site.id)[Window.SETUP]
        assert (interval.start, interval.end) == edges
        assert windows.load(session, site.id)[Window.REGISTRATION].start is not None


def test_r0_3_a_child_lies_inside_its_superior(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    edges = (tree.now - DAY, tree.now + 40 * DAY)  # the city ends after 30 days
    outcome = window_setting.set_windows(session, [tree.site], {Window.SETUP: edges})
    (row,) = outcome.rows
    assert not row.done
    assert "超出上级" in row.reason
    assert tree.city.name in row.reason


def test_r0_3_scenario_7_nothing_is_set_below_an_unset_superior(
    session: KaowuSession, tree: Tree
) -> None:
    factories.set_window(session, tree.province, Window.SETUP, None)
    factories.set_window(session, tree.city, Window.SETUP, None)
    become(session, tree.actor(Level.CITY))
    edges = (tree.now - DAY, tree.now + DAY)
    outcome = window_setting.set_windows(session, [tree.site], {Window.SETUP: edges})
    assert [row.done for row in outcome.rows] == [False]
    assert "尚未设置" in outcome.rows[0].reason
    assert ParentUnset.code == "window.parent_unset"


def test_r0_3_a_superior_does_not_shrink_below_its_children(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    edges = (tree.now - DAY, tree.now + DAY)
    outcome = window_setting.set_windows(session, [tree.city], {Window.SETUP: edges})
    assert not outcome.rows[0].done
    assert "2 个机构" in outcome.rows[0].reason
    assert ChildBeyond.code == "window.child_beyond"


def test_r0_3_the_centre_needs_no_windows_of_its_own(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.CENTER))
    edges = (tree.now - 60 * DAY, tree.now + 60 * DAY)
    outcome = window_setting.set_windows(session, [tree.province], {Window.SETUP: edges})
    assert outcome.rows[0].done


@pytest.mark.parametrize(
    ("start", "end", "refusal"), [(1, -1, WrongOrder), (1, None, Incomplete), (None, 1, Incomplete)]
)
def test_r9_2_edges_come_in_pairs_and_in_order(
    session: KaowuSession,
    tree: Tree,
    start: int | None,
    end: int | None,
    refusal: type[Exception],
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    edges = tuple(None if days is None else tree.now + days * DAY for days in (start, end))
    with pytest.raises(refusal):
        window_setting.set_windows(session, [tree.site], {Window.SETUP: edges})  # type: ignore[dict-item]


def test_r9_1_a_site_only_looks(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    with pytest.raises(NoVerb):
        window_setting.set_windows(session, [tree.site], {Window.SETUP: (None, None)})


def test_r9_2_nobody_sets_his_own(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.CITY))
    edges = (tree.now - DAY, tree.now + DAY)
    outcome = window_setting.set_windows(session, [tree.city], {Window.SETUP: edges})
    assert not outcome.rows[0].done
    assert outcome.rows[0].reason == str(NotBelow())


def test_scenario_9_the_extension_opens_one_site_and_is_logged_with_its_reason(
    session: KaowuSession, tree: Tree
) -> None:
    start, end = tree.now - 10 * DAY, tree.now - DAY
    for site in tree.sites:
        factories.set_window(session, site, Window.SETUP, start, end)
    become(session, tree.actor(Level.PROVINCE))
    site = organisation.by_id(session, tree.site.id)
    window_setting.extend(session, site, Window.SETUP, tree.now + 2 * DAY, "  设备故障 ")
    assert windows.load(session, tree.site.id)[Window.SETUP].is_open(tree.now)
    assert not windows.load(session, tree.sites[1].id)[Window.SETUP].is_open(tree.now)
    reasons = session.scalars(
        select(AuditEntry.reason).where(AuditEntry.object_type == "OperationWindow")
    ).all()
    assert "设备故障" in reasons


def test_p4_an_extension_needs_a_reason_and_moves_the_end_to_later(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    site = organisation.by_id(session, tree.site.id)
    with pytest.raises(ReasonMissing):
        window_setting.extend(session, site, Window.SETUP, tree.now + 31 * DAY, " ")
    with pytest.raises(NotLater):
        window_setting.extend(session, site, Window.SETUP, tree.now, "原因")
    with pytest.raises(BeyondParent):
        window_setting.extend(session, site, Window.SETUP, tree.now + 31 * DAY, "原因")
    become(session, tree.actor())
    own = organisation.by_id(session, tree.site.id)
    with pytest.raises(NotBelow):
        window_setting.extend(session, own, Window.SETUP, tree.now + 31 * DAY, "原因")


def test_p1_a_foreign_site_is_not_found(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(number=1))
    with pytest.raises(NotFound):
        organisation.by_id(session, tree.site.id)


def test_r6_4_windows_out_of_order_are_warned_of_not_refused(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    edges = {
        Window.REGISTRATION: (tree.now, tree.now + DAY),
        Window.ARRANGEMENT: (tree.now - 5 * DAY, tree.now - 4 * DAY),
    }
    outcome = window_setting.set_windows(session, [tree.site], edges)
    assert outcome.rows[0].done
    assert any("编排时间" in str(warning) for warning in outcome.warnings)


def test_r9_2a_ten_days_before_the_exam_unset_windows_are_named(
    session: KaowuSession, tree: Tree
) -> None:
    factories.set_window(session, tree.site, Window.ARRANGEMENT, None)
    become(session, tree.actor(Level.PROVINCE))
    first = min(factories.EXAM_DAYS)
    noon = dt.datetime.combine(first, dt.time(4), dt.UTC)
    assert window_setting.unset_reminders(session, fixed(noon - 11 * DAY)) == []
    (reminder,) = window_setting.unset_reminders(session, fixed(noon - 10 * DAY))
    assert reminder == f"{tree.site.display}：编排时间"


def test_r9_2a_each_province_has_its_own_first_day(session: KaowuSession, tree: Tree) -> None:
    """Another province that examines earlier warns nobody but its own; days of its own take the
    place of the national ones."""
    first = min(factories.EXAM_DAYS)
    noon = fixed(dt.datetime.combine(first, dt.time(4), dt.UTC) - 10 * DAY)
    factories.set_window(session, tree.site, Window.TICKET, None)
    days = {"exam_id": tree.exam.id}
    other = factories.plant(session, Organisation(level="province", code="98", name="邻省", **days))
    factories.plant(session, ExamDay(province_id=other.id, day=first - 9 * DAY, **days))
    become(session, tree.actor(Level.CENTER))
    assert window_setting.unset_reminders(session, fixed(noon() - DAY)) == []
    (line,) = window_setting.unset_reminders(session, noon)
    assert tree.site.display in str(line)
    factories.plant(session, ExamDay(province_id=tree.province.id, day=first + DAY, **days))
    become(session, tree.actor(Level.PROVINCE))
    assert window_setting.unset_reminders(session, noon) == []
    assert len(window_setting.unset_reminders(session, fixed(noon() + DAY))) == 1


def test_r9_2a_reminders_cost_two_statements_however_many_sites(
    session: KaowuSession, tree: Tree
) -> None:
    for number in range(3, 7):
        site = factories.add_site(session, tree, f"99070{number}")
        factories.set_window(session, site, Window.DISCIPLINE, None)
    become(session, tree.actor(Level.PROVINCE))
    near = fixed(dt.datetime.combine(min(factories.EXAM_DAYS), dt.time(4), dt.UTC))
    statements: list[str] = []

    def note(*found: Any) -> None:
        statements.append(found[2])

    engine = session.connection().engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert len(window_setting.unset_reminders(session, near)) == 4
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert len(statements) == 2


def test_r0_3_a_province_whose_window_has_ended_is_extended_first(
    session: KaowuSession, tree: Tree
) -> None:
    start, end = tree.now - 10 * DAY, tree.now - DAY
    for place in (tree.province, tree.city, tree.site):
        factories.set_window(session, place, Window.SETUP, start, end)
    later = tree.now + 2 * DAY

    def extended(level: Level, place: str) -> None:
        become(session, tree.actor(level))
        row = organisation.by_code(session, place)
        window_setting.extend(session, row, Window.SETUP, later, "考点申请")

    with pytest.raises(BeyondParent, match=tree.city.name):
        extended(Level.PROVINCE, tree.site.code)
    with pytest.raises(BeyondParent, match=tree.province.name):
        extended(Level.PROVINCE, tree.city.code)
    extended(Level.CENTER, tree.province.code)
    extended(Level.PROVINCE, tree.city.code)
    extended(Level.PROVINCE, tree.site.code)
    assert windows.load(session, tree.site.id)[Window.SETUP].is_open(tree.now)


def test_r9_2a_the_ten_days_are_counted_in_local_time(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.site, Window.POST_EXAM, None)
    become(session, tree.actor(Level.PROVINCE))
    first = factories.EXAM_DAYS[0]
    midnight = dt.datetime(first.year, first.month, first.day, tzinfo=LOCAL_ZONE) - 10 * DAY
    assert window_setting.unset_reminders(session, fixed(midnight - SECOND)) == []
    (line,) = window_setting.unset_reminders(session, fixed(midnight.astimezone(dt.UTC)))
    assert "考后资料下载时间" in str(line)


def test_r9_4_windows_bind_administrators_and_not_candidates(
    session: KaowuSession, tree: Tree
) -> None:
    for window in (Window.SETUP, Window.REGISTRATION, Window.ARRANGEMENT):
        for place in (tree.site, tree.city, tree.province):
            factories.set_window(session, place, window, None)
    row = factories.choose(session, tree, factories.enter(session, tree), ["14"])
    assert row.subject_codes == "14"


def test_r9_3_an_unset_window_leaves_looking_alone(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.site, Window.SETUP, None)
    become(session, tree.actor())
    resource = find("site_settings", Resource)
    assert resource is not None
    with pytest.raises(WindowClosed, match="未设置"):
        check(session, resource, Verb.EDIT, tree.actor()).require()
    for verb in (Verb.LIST, Verb.SHOW, Verb.EXPORT):
        assert check(session, resource, verb, tree.actor()).allowed
