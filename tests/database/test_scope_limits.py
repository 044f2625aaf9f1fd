"""What the scope cannot be put on is refused; elevation and threads leak nothing."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import delete, exists, func, insert, literal, select, text, union, update
from sqlalchemy.orm import (
    Session,
    selectinload,
    sessionmaker,
)

from app.database.policy import RawStatement, become, elevated
from app.database.session import KaowuSession
from app.database.unit_of_work import reading, unit_of_work
from app.metadata.actor import Actor, system
from app.metadata.vocabulary import Level
from app.models.account import Passport
from app.models.capacity import CapacityPool
from app.models.exam import Exam, OperationWindow
from app.models.registration import Entry, Registration
from tests.factories import Tree, make_registration, populate

Statement = Callable[[Tree], Any]
TABLE: Any = Registration.__table__


def _foreign(tree: Tree) -> Any:
    return Registration.site_id == tree.sites[1].id


# ---------------------------------------------------------------- what the scope cannot reach

RAW: dict[str, Statement] = {
    "table": lambda t: select(TABLE),
    "column of a table": lambda t: select(TABLE.c.id),
    "alias of a table": lambda t: select(TABLE.alias()),
    "cte of a table": lambda t: select(select(TABLE.c.id).cte().c.id),
    "union of tables": lambda t: union(select(TABLE.c.id), select(TABLE.c.id)),
    "scalar subquery of a table": lambda t: select(
        select(func.count(TABLE.c.id)).scalar_subquery()
    ),
    "function of a scalar subquery": lambda t: select(
        func.coalesce(select(func.count(TABLE.c.id)).scalar_subquery(), 0)
    ),
    "exists on a table": lambda t: select(literal(1)).where(exists().where(TABLE.c.id > 0)),
    "exists without entity": lambda t: exists().where(_foreign(t)).select(),
    "window function without entity": lambda t: select(
        func.row_number().over(order_by=Registration.id)
    ),
    "correlated table inside": lambda t: select(Registration.id).where(
        select(TABLE.c.id).where(TABLE.c.id > 0).correlate(None).exists()
    ),
    "entity joined to a table": lambda t: select(Exam.id).join(TABLE, TABLE.c.exam_id == Exam.id),
    "entity with exists on a table": lambda t: select(Exam.id).where(
        exists().where(TABLE.c.id > 0)
    ),
    "entity with in on a table": lambda t: select(Exam.id).where(
        Exam.id.in_(select(TABLE.c.exam_id))
    ),
    "entity and column of a table": lambda t: select(Exam.id, TABLE.c.name),
    "text": lambda t: text("SELECT id FROM registration"),
    "text as columns": lambda t: text("SELECT id FROM registration").columns(Registration.id),
    "from statement": lambda t: select(Registration).from_statement(
        text("SELECT * FROM registration")
    ),
    "from statement of a select": lambda t: select(Registration).from_statement(
        union(select(Registration), select(Registration))
    ),
    "update of a table": lambda t: update(TABLE).values(name="x"),
    "delete of a table": lambda t: delete(TABLE),
    "insert of a table": lambda t: insert(TABLE).values(id=1),
    "insert of an entity": lambda t: insert(CapacityPool).values(pool="X"),
    "insert from select": lambda t: insert(CapacityPool).from_select(
        ["id"], select(Registration.id)
    ),
    "update setting from a table": lambda t: update(Registration).values(
        name=select(TABLE.c.name).limit(1).scalar_subquery()
    ),
}


@pytest.mark.parametrize("name", RAW)
def test_statements_past_the_scope_are_refused(
    session: KaowuSession, tree: Tree, name: str
) -> None:
    for actor in (tree.actor(), tree.actor(Level.CENTER), None):
        become(session, actor)
        with pytest.raises(RawStatement):
            session.execute(RAW[name](tree))


def test_bulk_update_by_key_is_refused(session: KaowuSession, tree: Tree) -> None:
    become(session, system("test"))
    foreign = session.scalars(select(Registration.id).where(_foreign(tree))).one()
    become(session, tree.actor())
    with pytest.raises(RawStatement):
        session.execute(update(Registration), [{"id": foreign, "remark": "x"}])
    with pytest.raises(RawStatement):
        session.execute(insert(CapacityPool), [{"pool": "X"}, {"pool": "Y"}])


def test_literals_and_functions_need_no_scope(session: KaowuSession) -> None:
    assert session.scalar(select(literal(1))) == 1
    assert session.scalar(select(func.length("abc"))) == 3


# ---------------------------------------------------------------- elevation


def test_elevation_lifts_the_scope_of_the_named_models_alone(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor())
    inner = select(Registration.id).subquery()
    windows = select(func.count(OperationWindow.id))
    joined = select(OperationWindow.id).join(
        Registration, Registration.exam_id == OperationWindow.exam_id
    )
    before = session.scalar(windows) or 0
    with elevated(session, "test", OperationWindow):
        assert (session.scalar(windows) or 0) > before
        assert session.scalar(select(func.count()).select_from(inner)) == 2
        assert session.scalar(select(func.count(Registration.id))) == 2
        # each registration of the own site beside the four windows of its session
        assert len(session.execute(joined).all()) == 2 * 4
    assert session.scalar(windows) == before


def test_elevation_does_not_reach_rows_through_relationships(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor())
    with elevated(session, "test", Registration):
        rows = session.scalars(select(Registration).options(selectinload(Registration.entries)))
        found = {row.site_id: len(row.entries) for row in rows}
    assert found[tree.sites[1].id] == 0


def test_elevation_ends_for_lazy_loads(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    with elevated(session, "test", Registration, Entry):
        rows = session.scalars(select(Registration)).all()
        foreign = next(row for row in rows if row.site_id == tree.sites[1].id)
    assert foreign.entries == []


def test_elevation_without_actor_shows_the_named_model_alone(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, None)
    with elevated(session, "test", OperationWindow):
        assert session.scalars(select(OperationWindow)).all()
        assert session.scalars(select(Registration)).all() == []


def test_unscoped_people_do_not_bring_scoped_rows(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    joined = select(Passport.id).join(Registration, Registration.passport_id == Passport.id)
    assert len(session.execute(joined).all()) == 2


# ---------------------------------------------------------------- threads


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads change after ten microseconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("switching")
def test_threads_of_different_actors_never_see_each_others_rows(fresh_database: str) -> None:
    factory, tree = populate(fresh_database, sites=3)
    with unit_of_work(factory, system("seed")) as session:
        for number, site in enumerate(tree.sites):
            for _ in range(number + 1):
                make_registration(session, tree, site)
    actors = [tree.actor(Level.SITE, number) for number in range(3)]
    actors += [tree.actor(Level.CENTER), tree.actor(Level.PROVINCE)]
    expected = dict(zip([a.name for a in actors], [1, 2, 3, 6, 6], strict=True))
    wrong: list[Any] = []

    def look(seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311
        for _ in range(60):
            actor = chance.choice(actors)
            wrong.extend(_looked(factory, actor, expected[actor.name]))

    threads = [threading.Thread(target=look, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    factory.kw["bind"].dispose()
    assert wrong == []


def _looked(factory: sessionmaker[KaowuSession], actor: Actor, expected: int) -> list[Any]:
    """What an actor saw that he should not have (or did not see)."""
    with reading(factory, actor) as session:
        return _differences(session, actor, expected)


def _differences(session: Session, actor: Actor, expected: int) -> list[Any]:
    found = [
        len(
            session.scalars(select(Registration).options(selectinload(Registration.entries))).all()
        ),
        session.scalar(select(func.count(Registration.id))),
        len(session.execute(select(Entry.id).join(Registration)).all()),
    ]
    return [] if found == [expected] * 3 else [(actor.name, found)]
