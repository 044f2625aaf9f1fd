"""The actor's scope is on every way of reading, and nothing leaks through the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, func, literal, or_, select, union, update
from sqlalchemy.orm import (
    aliased,
    joinedload,
    selectinload,
    subqueryload,
)

from app.database.policy import become, rows_of
from app.database.session import KaowuSession
from app.metadata.actor import system
from app.metadata.vocabulary import ADMINISTRATORS, Level
from app.models.account import AdminBinding
from app.models.capacity import CapacityPool
from app.models.exam import Exam, OperationWindow
from app.models.organisation import Organisation
from app.models.registration import Entry, Registration
from app.models.settings import SiteSettings
from tests.factories import Tree, make_passport, make_registration

Statement = Callable[[Tree], Any]
TABLE: Any = Registration.__table__
ENTRIES: Any = Entry.__table__


def _foreign(tree: Tree) -> Any:
    return Registration.site_id == tree.sites[1].id


other = aliased(Registration)
_numbers = select(Registration.id).cte("numbers")
_roots = (
    select(Organisation.id).where(Organisation.level == "province").cte("below", recursive=True)
)
_below = _roots.union_all(
    select(Organisation.id).join(_roots, Organisation.parent_id == _roots.c.id)
)

#: name -> (statement of the tree, number of rows a site sees, number the centre sees)
COUNTED: dict[str, tuple[Statement, int, int]] = {
    "entity": (lambda t: select(Registration), 2, 3),
    "column": (lambda t: select(Registration.id), 2, 3),
    "alias": (lambda t: select(other), 2, 3),
    "alias column": (lambda t: select(other.site_id), 2, 3),
    "join": (lambda t: select(Entry).join(Registration.entries), 3, 4),
    "join on": (
        lambda t: select(Entry.id).join(Registration, Registration.id == Entry.registration_id),
        3,
        4,
    ),
    "self join": (
        lambda t: select(Registration.id).join(other, other.exam_id == Registration.exam_id),
        4,
        9,
    ),
    "outer join": (
        lambda t: (
            select(Organisation.id)
            .outerjoin(Registration, Registration.site_id == Organisation.id)
            .where(Registration.id.is_not(None))
        ),
        2,
        3,
    ),
    "join from unscoped": (
        lambda t: select(Exam.id).join(Registration, Registration.exam_id == Exam.id),
        2,
        3,
    ),
    "subquery": (lambda t: select(select(Registration.id).subquery()), 2, 3),
    "aliased subquery": (
        lambda t: select(aliased(Registration, select(Registration).subquery())),
        2,
        3,
    ),
    "cte": (lambda t: select(_numbers.c.id), 2, 3),
    "recursive cte": (
        lambda t: select(Registration.id).where(Registration.site_id.in_(select(_below.c.id))),
        2,
        3,
    ),
    "in subquery": (
        lambda t: select(Exam.id).where(
            Exam.id.in_(select(Registration.exam_id).where(_foreign(t)))
        ),
        0,
        1,
    ),
    "where exists": (
        lambda t: select(Exam.id).where(select(Registration.id).where(_foreign(t)).exists()),
        0,
        2,
    ),
    "not exists": (
        lambda t: select(Exam.id).where(~select(Registration.id).where(_foreign(t)).exists()),
        2,
        0,
    ),
    "any": (lambda t: select(Registration.id).where(Registration.entries.any()), 2, 3),
    "has": (
        lambda t: select(Entry.id).where(Entry.registration.has(_foreign(t))),
        0,
        1,
    ),
    "or": (
        lambda t: select(Registration.id).where(or_(_foreign(t), literal(1) == 1)),
        2,
        3,
    ),
    "union": (
        lambda t: union(select(Registration.id), select(Registration.id).where(_foreign(t))),
        2,
        3,
    ),
    "window function": (
        lambda t: select(Registration.id, func.row_number().over(order_by=Registration.id)),
        2,
        3,
    ),
    "group by": (
        lambda t: select(Registration.site_id, func.count()).group_by(Registration.site_id),
        1,
        2,
    ),
    "distinct": (lambda t: select(Registration.site_id).distinct(), 1, 2),
    "for update": (lambda t: select(Registration.id).with_for_update(), 2, 3),
}

SCALARS: dict[str, tuple[Statement, Any, Any]] = {
    "count of column": (lambda t: select(func.count(Registration.id)), 2, 3),
    "count of entity": (lambda t: select(func.count()).select_from(Registration), 2, 3),
    "count of subquery": (
        lambda t: select(func.count()).select_from(select(Registration.id).subquery()),
        2,
        3,
    ),
    "scalar subquery": (
        lambda t: select(select(func.count(Registration.id)).scalar_subquery()),
        2,
        3,
    ),
    "selected exists": (
        lambda t: select(select(Registration.id).where(_foreign(t)).exists()),
        False,
        True,
    ),
    "sum": (lambda t: select(func.sum(Registration.subject_count)), 3, 4),
    "maximum": (lambda t: select(func.max(Registration.site_id)), None, None),
}


def executed(session: KaowuSession, statement: Any, parameters: Any) -> Any:
    """As rules read."""
    return session.execute(statement, parameters).all()


@pytest.mark.parametrize("read", [executed, rows_of], ids=["execute", "rows_of"])
@pytest.mark.parametrize("name", COUNTED)
def test_rows_of_a_statement_are_the_actors(
    session: KaowuSession, tree: Tree, name: str, read: Any
) -> None:
    statement, own, every = COUNTED[name]
    for actor, expected in (
        (tree.actor(Level.CENTER), every),
        (tree.actor(), own),
        (tree.actor(Level.CENTER), every),
    ):
        become(session, actor)
        assert len(read(session, statement(tree), {})) == expected
    become(session, None)
    rows = read(session, statement(tree), {})
    assert len(rows) == (2 if name == "not exists" else 0)


@pytest.mark.parametrize("name", [name for name in SCALARS if name != "maximum"])
def test_numbers_of_a_statement_are_the_actors(
    session: KaowuSession, tree: Tree, name: str
) -> None:
    statement, own, every = SCALARS[name]
    for actor, expected in ((tree.actor(Level.CENTER), every), (tree.actor(), own)):
        become(session, actor)
        assert session.scalar(statement(tree)) == expected


def test_the_query_interface_is_scoped_too(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    query = session.query(Registration)
    assert query.count() == 2
    assert session.query(query.filter(_foreign(tree)).exists()).scalar() is False


# ---------------------------------------------------------------- single rows and relationships


def _ids(session: KaowuSession, tree: Tree) -> tuple[int, int]:
    """(own, foreign) registration ids of the first site."""
    become(session, system("test"))
    rows = session.execute(select(Registration.id, Registration.site_id)).all()
    own = next(number for number, site in rows if site == tree.site.id)
    foreign = next(number for number, site in rows if site == tree.sites[1].id)
    return own, foreign


def test_get_of_a_foreign_key_finds_nothing(session: KaowuSession, tree: Tree) -> None:
    own, foreign = _ids(session, tree)
    become(session, tree.actor())
    assert session.get(Registration, own) is not None
    assert session.get(Registration, foreign) is None
    assert session.get(Registration, foreign, populate_existing=True) is None


def test_a_session_given_to_another_forgets_what_it_loaded(
    session: KaowuSession, tree: Tree
) -> None:
    _, foreign = _ids(session, tree)
    become(session, tree.actor(Level.CENTER))
    assert session.get(Registration, foreign) is not None
    become(session, tree.actor())
    assert session.get(Registration, foreign) is None


@pytest.mark.parametrize(
    "loader", [None, selectinload, joinedload, subqueryload], ids=lambda f: f and f.__name__
)
def test_collections_of_a_scoped_parent_hold_only_rows_in_scope(
    session: KaowuSession, tree: Tree, loader: Any
) -> None:
    own, _ = _ids(session, tree)
    foreign_site = tree.sites[1].id
    become(session, system("test"))
    entry = session.scalars(select(Entry).where(Entry.registration_id == own).limit(1)).one()
    session.connection().execute(
        update(ENTRIES).where(ENTRIES.c.id == entry.id).values(site_id=foreign_site)
    )
    count = session.scalar(select(func.count(Entry.id)).where(Entry.registration_id == own))
    become(session, tree.actor())
    statement = select(Registration).where(Registration.id == own)
    if loader is not None:
        statement = statement.options(loader(Registration.entries))
    row = session.scalars(statement).unique().one()
    assert count is not None
    assert len(row.entries) == count - 1


@pytest.mark.parametrize(
    "loader", [None, selectinload, joinedload, subqueryload], ids=lambda f: f and f.__name__
)
def test_a_parent_outside_the_scope_is_none(session: KaowuSession, tree: Tree, loader: Any) -> None:
    own, _ = _ids(session, tree)
    become(session, system("test"))
    session.connection().execute(
        update(TABLE).where(TABLE.c.id == own).values(site_id=tree.sites[1].id)
    )
    become(session, tree.actor())
    statement = select(Entry).where(Entry.registration_id == own)
    if loader is not None:
        statement = statement.options(loader(Entry.registration))
    rows = session.scalars(statement).all()
    assert rows
    assert all(row.registration is None for row in rows)


def test_superiors_stay_visible_through_relationships(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    site = session.get(Organisation, tree.site.id)
    assert site is not None
    assert site.parent is not None
    assert site.parent.id == tree.city.id


def test_yield_per_streams_rows_in_scope(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    rows = session.scalars(select(Registration).execution_options(yield_per=1))
    assert sum(1 for _ in rows) == 2


def test_refresh_of_a_row_in_scope_works(session: KaowuSession, tree: Tree) -> None:
    own, _ = _ids(session, tree)
    become(session, tree.actor())
    row = session.get(Registration, own)
    session.refresh(row)
    assert row is not None
    assert row.id == own


# ---------------------------------------------------------------- bulk statements


def test_bulk_update_touches_rows_in_scope_only(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    result: Any = session.execute(update(Registration).values(remark="x"))
    assert result.rowcount == 2
    become(session, system("test"))
    assert session.scalar(select(func.count()).where(Registration.remark == "x")) == 2


def test_bulk_update_with_a_subquery_condition(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    result: Any = session.execute(
        update(Registration)
        .where(Registration.id.in_(select(Registration.id).where(_foreign(tree))))
        .values(remark="x")
    )
    assert result.rowcount == 0


def test_bulk_update_returning(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    rows = session.execute(
        update(Registration).values(remark="x").returning(Registration.site_id)
    ).all()
    assert {site for (site,) in rows} == {tree.site.id}


def test_bulk_delete_touches_rows_in_scope_only(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    result: Any = session.execute(delete(Entry))
    assert result.rowcount == 3
    become(session, system("test", tree.exam.id))
    assert session.scalar(select(func.count(Entry.id))) == 1


# ---------------------------------------------------------------- levels and owners


@pytest.mark.parametrize("level", ADMINISTRATORS)
def test_each_level_sees_what_is_below(session: KaowuSession, tree: Tree, level: Level) -> None:
    become(session, tree.actor(level))
    expected = 1 if level is Level.SITE else 2
    assert len(session.scalars(select(SiteSettings)).all()) == expected


def test_a_candidate_sees_his_own_and_what_is_public(session: KaowuSession, tree: Tree) -> None:
    passport = make_passport(session)
    own = make_registration(session, tree, tree.sites[1], passport=passport)
    become(session, tree.candidate(passport))
    assert session.scalars(select(Registration.id)).all() == [own.id]
    assert len(session.scalars(select(SiteSettings)).all()) == 2
    assert session.scalars(select(OperationWindow)).all() == []
    assert session.scalars(select(AdminBinding)).all() == []


def test_a_system_task_of_a_session_sees_that_session(session: KaowuSession, tree: Tree) -> None:
    become(session, system("sweep", tree.exam.id))
    assert session.scalar(select(func.count(Registration.id))) == 3
    become(session, system("sweep"))
    assert session.scalar(select(func.count(Registration.id))) == 4


def test_no_actor_sees_no_scoped_row(session: KaowuSession, tree: Tree) -> None:
    become(session, None)
    for model in (Registration, Entry, SiteSettings, CapacityPool, OperationWindow, AdminBinding):
        assert session.scalars(select(model)).all() == []
