"""科目容量统计 (R29.1)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.declarations import StatisticTable
from app.metadata.vocabulary import Level, Window
from app.models.registration import EntryState
from app.rules.statistics import engine
from app.rules.statistics.capacity import CAPACITY_STATISTICS, tone
from tests.factories import (
    Tree,
    add_site,
    make_registration,
    make_tree,
    seeding,
    set_capacity,
    set_window,
)


def table_of(
    session: KaowuSession, tree: Tree, level: Level = Level.SITE, **asked: Any
) -> StatisticTable:
    become(session, tree.actor(level))
    return engine.compute(session, CAPACITY_STATISTICS, **asked)


def test_r29_1_row_and_columns_are_those_of_the_manual(session: KaowuSession) -> None:
    tree = make_tree(session)
    make_registration(session, tree, subjects=("14", "24"))
    table = table_of(session, tree)
    assert [group.label for group in table.groups[:2]] == [
        "(SS) 总科次数",
        "(14) 计算机基础及WPS Office应用",
    ]
    assert {group.columns for group in table.groups} == {("总容量", "剩余容量")}
    assert table.rows == [
        (
            "(990701)地市七考点1",
            [1000, (998, "ok"), 500, (499, "ok"), 500, (499, "ok"), 500, (500, "ok")],
        )
    ]
    assert table.total is None


@pytest.mark.parametrize(
    ("capacity", "left", "expected"),
    [
        (100, 100, "ok"),
        (100, 21, "ok"),
        (100, 20, "warn"),
        (100, 1, "warn"),
        (100, 0, "bad"),
        (4, 1, "ok"),
        (5, 1, "warn"),
        (0, 0, "off"),
    ],
)
def test_r29_1_colours(capacity: int, left: int, expected: str) -> None:
    assert tone(capacity, left) == expected


@given(st.integers(1, 99_998).flatmap(lambda c: st.tuples(st.just(c), st.integers(0, c))))
def test_r29_1_colours_follow_the_share(pair: tuple[int, int]) -> None:
    capacity, left = pair
    share = left / capacity
    wanted = "bad" if left == 0 else "ok" if share > 0.2 else "warn"
    assert tone(capacity, left) == wanted


def test_r13_3_99999_is_shown_as_without_limit(session: KaowuSession) -> None:
    tree = make_tree(session)
    make_registration(session, tree)
    set_capacity(session, tree.site, "S:14", 99_999)
    table = table_of(session, tree, Level.CITY)
    assert table.rows[0][1][2:4] == ["不限", "不限"]
    assert table.total is not None
    assert table.total[2:4] == ["不限", "不限"]


def test_r13_3_0_is_not_offered_rather_than_full(session: KaowuSession) -> None:
    tree = make_tree(session)
    set_capacity(session, tree.site, "S:14", 0)
    assert table_of(session, tree).rows[0][1][2:4] == [0, (0, "off")]


def test_a_site_without_capacity_has_an_empty_row(session: KaowuSession) -> None:
    tree = make_tree(session, sites=1)
    add_site(session, tree, "990709", subjects=("35",))
    table = table_of(session, tree, Level.PROVINCE)
    codes = [group.label[1:3] for group in table.groups]
    assert codes == ["SS", "14", "24", "26", "35"]
    own = dict(table.rows)["(990709)地市七考点2"]
    assert own[2:8] == [None] * 6
    assert own[8:] == [500, (500, "ok")]


def test_totals_are_the_sums_over_sites(session: KaowuSession) -> None:
    tree = make_tree(session, sites=3)
    make_registration(session, tree, tree.sites[2], state=EntryState.PAID)
    table = table_of(session, tree, Level.CENTER)
    assert table.total is not None
    assert table.total[:4] == [3000, (2999, "ok"), 1500, (1499, "ok")]


def test_disabled_sites_are_shown_only_with_seats(session: KaowuSession) -> None:
    tree = make_tree(session, sites=2)
    empty = add_site(session, tree, "990709", subjects=())
    with seeding(session):
        for pool in list(session.scalars(_pools(empty.id))):
            session.delete(pool)
        session.get_one(type(empty), empty.id).enabled = False
        session.get_one(type(empty), tree.sites[1].id).enabled = False
    rows = table_of(session, tree, Level.CENTER).rows
    assert [heading[:8] for heading, _ in rows] == ["(990701)", "(990702)"]


def _pools(site_id: int) -> Any:
    from sqlalchemy import select

    from app.models.capacity import CapacityPool

    return select(CapacityPool).where(CapacityPool.site_id == site_id)


def test_r44_2_no_window_gates_it(session: KaowuSession) -> None:
    tree = make_tree(session)
    for window in Window:
        set_window(session, tree.site, window, None)
    assert table_of(session, tree).rows


def test_no_scope_other_than_the_own_session(session: KaowuSession) -> None:
    tree = make_tree(session, sites=1)
    make_tree(session, number=57, state="history", sites=3)
    assert len(table_of(session, tree, Level.CENTER).rows) == 1


def test_it_takes_few_statements(session: KaowuSession) -> None:
    tree = make_tree(session, sites=5)
    become(session, tree.actor(Level.PROVINCE))
    statements: list[str] = []
    bind = session.get_bind()

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(bind, "before_cursor_execute", note)
    try:
        engine.compute(session, CAPACITY_STATISTICS)
    finally:
        event.remove(bind, "before_cursor_execute", note)
    # the state of the session, the sites with their pools, the names of the subjects
    assert len(statements) == 3


def test_the_chart_adds_what_is_taken_and_left(session: KaowuSession) -> None:
    tree = make_tree(session)
    make_registration(session, tree)
    make_registration(session, tree, tree.sites[1])
    drawn = table_of(session, tree, Level.CITY).drawn
    assert drawn is not None
    assert drawn.categories[0] == "14 计算机基础及WPS Office应用"
    assert [(label, numbers[0]) for label, numbers in drawn.series] == [("已报", 2), ("剩余", 998)]
