"""The statistic engine: scope, filters, shape, permission."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata import registry
from app.metadata.declarations import ONLY_VIEW, ColumnGroup, Statistic, StatisticTable
from app.metadata.errors import DeclarationError, InvalidInput, NotFound
from app.metadata.fields import Field, Kind
from app.metadata.vocabulary import ADMINISTRATORS, Level, Personal
from app.models.registration import Registration
from app.rules.availability import NotUsed, _reasons
from app.rules.clock import fixed
from app.rules.policy import NoVerb
from app.rules.statistics import engine
from app.rules.statistics.engine import Filters
from tests.factories import make_registration, make_tree

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
LOCKED = Field(
    name="locked", label="锁定", personal=Personal.NONE, kind=Kind.CHOICE, choices={"1": "是"}
)


def count_registrations(session: Any, _actor: Any, filters: Filters) -> StatisticTable:
    statement = select(func.count()).select_from(Registration)
    statement = statement.where(engine.within(Registration, filters.organisation))
    if filters.values.get("locked"):
        statement = statement.where(Registration.locked.is_(True))
    number = session.scalar(statement)
    return StatisticTable("范围", [ColumnGroup("", ("人数",))], [("全部", [number])])


def statistic(**changes: Any) -> Statistic:
    values: dict[str, Any] = {
        "name": "test_count",
        "label": "人数",
        "verbs": dict.fromkeys(ADMINISTRATORS, ONLY_VIEW),
        "compute": count_registrations,
        "filters": (LOCKED,),
    }
    return Statistic(**values | changes)


def number(session: KaowuSession, declaration: Statistic, **asked: Any) -> int:
    found: int = engine.compute(session, declaration, **asked).rows[0][1][0]
    return found


@pytest.mark.parametrize(("level", "expected"), [(level, 3) for level in ADMINISTRATORS[:3]])
def test_figures_stay_within_the_scope(session: KaowuSession, level: Level, expected: int) -> None:
    tree = make_tree(session)
    elsewhere = make_tree(session, number=59, state="preparing")
    for site in (tree.sites[0], tree.sites[1], tree.sites[1]):
        make_registration(session, tree, site)
    make_registration(session, elsewhere)
    declaration = statistic()
    become(session, tree.actor(level))
    assert number(session, declaration) == expected
    assert number(session, declaration, organisation="990702") == 2
    become(session, tree.actor(Level.SITE))
    assert number(session, declaration) == 1


def test_p1_a_foreign_organisation_is_not_found(session: KaowuSession) -> None:
    tree = make_tree(session)
    become(session, tree.actor(Level.SITE))
    for code in ("990702", "9907", "990799"):
        with pytest.raises(NotFound):
            engine.compute(session, statistic(), organisation=code)


def test_the_own_organisation_may_be_named(session: KaowuSession) -> None:
    tree = make_tree(session)
    make_registration(session, tree)
    become(session, tree.actor(Level.CENTER))
    assert number(session, statistic(), organisation="00") == 1
    become(session, tree.actor(Level.SITE))
    assert number(session, statistic(), organisation="990701") == 1


def test_declared_filters_are_cleaned(session: KaowuSession) -> None:
    tree = make_tree(session)
    make_registration(session, tree, locked=True)
    make_registration(session, tree)
    become(session, tree.actor(Level.SITE))
    assert number(session, statistic(), values={"locked": "1"}) == 1
    assert number(session, statistic(), values={"locked": ""}) == 2
    with pytest.raises(InvalidInput):
        engine.compute(session, statistic(), values={"locked": "7"})
    with pytest.raises(InvalidInput):
        engine.compute(session, statistic(), values={"unknown": "1"})


def test_the_time_is_that_of_the_clock(session: KaowuSession) -> None:
    tree = make_tree(session)
    become(session, tree.actor(Level.SITE))
    assert engine.compute(session, statistic(), clock=fixed(NOW)).computed_at == NOW


def test_without_the_verb_nothing_is_computed(session: KaowuSession) -> None:
    tree = make_tree(session)
    become(session, tree.actor(Level.SITE))
    with pytest.raises(NoVerb):
        engine.compute(session, statistic(verbs={Level.CENTER: ONLY_VIEW}))


@contextmanager
def unused(name: str) -> Iterator[None]:
    _reasons[name] = lambda _session, _actor: "本考点未启用。"
    try:
        yield
    finally:
        del _reasons[name]


def test_r0_5b_an_unused_page_is_refused_with_its_reason(session: KaowuSession) -> None:
    tree = make_tree(session)
    become(session, tree.actor(Level.SITE))
    with unused("test_count"), pytest.raises(NotUsed, match="未启用"):
        engine.compute(session, statistic())


def test_a_table_of_the_wrong_shape_is_refused(session: KaowuSession) -> None:
    tree = make_tree(session)
    become(session, tree.actor(Level.SITE))
    wrong = StatisticTable("范围", [ColumnGroup("", ("一", "二"))], [("全部", [1])])
    with pytest.raises(DeclarationError, match="2 cells"):
        engine.compute(session, statistic(compute=lambda *_: wrong))


def test_registered_statistics_give_tables_of_their_shape(session: KaowuSession) -> None:
    tree = make_tree(session)
    declared = registry.declared(Statistic)
    assert declared
    for level in ADMINISTRATORS:
        become(session, tree.actor(level))
        for declaration in declared:
            table = engine.compute(session, declaration)
            assert table.groups, declaration.name


CELL = st.one_of(
    st.none(), st.integers(-9, 9), st.tuples(st.integers(-9, 9), st.just("ok")), st.just("不限")
)


@given(st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=6))
def test_sums_add_numbers_alone(lines: list[list[Any]]) -> None:
    rows = [("", cells) for cells in lines]
    for index, total in enumerate(engine.sums(rows)):
        values = [engine.value_of(cells[index]) for cells in lines]
        numbers = [value for value in values if isinstance(value, int)]
        assert total == (sum(numbers) if numbers else None)
