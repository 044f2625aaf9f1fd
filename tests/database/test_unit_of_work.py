"""One transaction, one owner: commit, roll back, retry, and what waits for the commit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import sessionmaker

from app.database.session import WRITES, KaowuSession, _FairQueue
from app.database.unit_of_work import (
    ATTEMPTS,
    Busy,
    Conflict,
    after_commit,
    reading,
    run_unit,
    unit_of_work,
)
from app.metadata.actor import system
from app.metadata.errors import StaleRow
from app.metadata.vocabulary import Verb
from app.models.account import Setting
from app.models.settings import SiteSettings
from app.rules import policy
from tests.factories import SEED, Tree, populate

TASK = system("test")


@pytest.fixture
def ground(fresh_database: str) -> Iterator[tuple[sessionmaker[KaowuSession], Tree]]:
    """A database of the test's own, because it commits."""
    factory, tree = populate(fresh_database, sites=1)
    yield factory, tree
    factory.kw["bind"].dispose()


@pytest.fixture
def factory(ground: tuple[sessionmaker[KaowuSession], Tree]) -> sessionmaker[KaowuSession]:
    return ground[0]


def _count(factory: sessionmaker[KaowuSession]) -> int:
    with reading(factory, TASK) as session:
        return session.scalar(select(func.count(Setting.id))) or 0


def test_a_reading_session_cannot_write(factory: sessionmaker[KaowuSession]) -> None:
    with reading(factory, TASK) as session:
        session.add(Setting(name="x", value=1))
        with pytest.raises(DBAPIError):
            session.flush()


def test_a_unit_commits_at_its_end(factory: sessionmaker[KaowuSession]) -> None:
    with unit_of_work(factory, TASK) as session:
        session.add(Setting(name="x", value=1))
    assert _count(factory) == 1


def test_a_unit_rolls_back_on_any_exception(factory: sessionmaker[KaowuSession]) -> None:
    with pytest.raises(ZeroDivisionError), unit_of_work(factory, TASK) as session:  # noqa: PT012
        session.add(Setting(name="x", value=1))
        session.flush()
        raise ZeroDivisionError
    assert _count(factory) == 0


def test_a_constraint_is_told_without_the_statement(factory: sessionmaker[KaowuSession]) -> None:
    for number in range(2):
        work = unit_of_work(factory, TASK)
        if number == 0:
            with work as session:
                session.add(Setting(name="secret-value", value=1))
            continue
        with pytest.raises(Conflict) as caught, work as session:
            session.add(Setting(name="secret-value", value=2))
    assert "secret-value" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_stale_row_is_refused(ground: tuple[sessionmaker[KaowuSession], Tree]) -> None:
    factory, _ = ground
    with reading(factory, TASK) as session:
        number = session.scalar(select(SiteSettings.id))
    with pytest.raises(StaleRow), unit_of_work(factory, TASK) as session:  # noqa: PT012
        row = session.get(SiteSettings, number)
        assert row is not None
        settings: Any = SiteSettings.__table__
        raised = settings.update().values(version=settings.c.version + 1)
        session.connection().execute(raised)
        with policy.permit(session, SEED, Verb.EDIT):
            row.max_subjects = 2


def _locked() -> OperationalError:
    return OperationalError("x", None, Exception("database is locked"))


def test_a_busy_unit_is_tried_again_as_a_whole(factory: sessionmaker[KaowuSession]) -> None:
    tries: list[int] = []

    def work(session: KaowuSession) -> str:
        tries.append(1)
        session.add(Setting(name="x", value=len(tries)))
        session.flush()
        if len(tries) < ATTEMPTS:
            raise _locked()
        return "done"

    assert run_unit(factory, TASK, work) == "done"
    assert _count(factory) == 1


def test_a_unit_that_stays_busy_says_so(factory: sessionmaker[KaowuSession]) -> None:
    def work(_session: KaowuSession) -> None:
        raise _locked()

    with pytest.raises(Busy):
        run_unit(factory, TASK, work)


def test_other_database_errors_are_not_tried_again(factory: sessionmaker[KaowuSession]) -> None:
    tries: list[int] = []

    def work(session: KaowuSession) -> None:
        tries.append(1)
        session.connection().execute(text("SELECT * FROM no_such_table"))

    with pytest.raises(DBAPIError):
        run_unit(factory, TASK, work)
    assert len(tries) == 1


@pytest.mark.postgres
def test_a_deadlock_is_tried_again(factory: sessionmaker[KaowuSession]) -> None:
    with unit_of_work(factory, TASK) as session:
        session.add_all(Setting(name=name, value=0) for name in "ab")
    meet = threading.Barrier(2)
    tries: list[str] = []

    def work(first: str, second: str, session: KaowuSession) -> None:
        tries.append(first)
        _raise_by_one(session, first)
        if len(tries) <= 2:
            meet.wait(10)
        _raise_by_one(session, second)

    threads = [
        threading.Thread(target=run_unit, args=(factory, TASK, lambda s, o=o: work(o[0], o[1], s)))
        for o in ("ab", "ba")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with reading(factory, TASK) as session:
        assert session.scalars(select(Setting.value)).all() == [2, 2]
    assert len(tries) == 3


def _raise_by_one(session: KaowuSession, name: str) -> None:
    row = session.scalars(select(Setting).where(Setting.name == name).with_for_update()).one()
    row.value = row.value + 1
    session.flush()


# ---------------------------------------------------------------- after the commit


def test_work_waits_for_the_commit(factory: sessionmaker[KaowuSession]) -> None:
    told: list[str] = []
    with unit_of_work(factory, TASK) as session:
        after_commit(session, lambda: told.append("outer"))
        with session.begin_nested():
            after_commit(session, lambda: told.append("inner"))
            session.add(Setting(name="x", value=1))
        assert told == []
    assert told == ["outer", "inner"]


def test_work_of_a_rolled_back_unit_is_dropped(factory: sessionmaker[KaowuSession]) -> None:
    told: list[str] = []
    with pytest.raises(ZeroDivisionError), unit_of_work(factory, TASK) as session:  # noqa: PT012
        after_commit(session, lambda: told.append("x"))
        raise ZeroDivisionError
    assert told == []


def test_work_of_a_rolled_back_savepoint_alone_is_dropped(
    factory: sessionmaker[KaowuSession],
) -> None:
    told: list[str] = []
    with unit_of_work(factory, TASK) as session:
        after_commit(session, lambda: told.append("outer"))
        with pytest.raises(ZeroDivisionError), session.begin_nested():  # noqa: PT012
            after_commit(session, lambda: told.append("inner"))
            with session.begin_nested():
                after_commit(session, lambda: told.append("innermost"))
            raise ZeroDivisionError
        after_commit(session, lambda: told.append("later"))
    assert told == ["outer", "later"]


def test_work_that_fails_does_not_undo_the_commit(factory: sessionmaker[KaowuSession]) -> None:
    told: list[str] = []

    def fail() -> None:
        raise ConnectionError

    with unit_of_work(factory, TASK) as session:
        session.add(Setting(name="x", value=1))
        after_commit(session, fail)
        after_commit(session, lambda: told.append("next"))
    assert told == ["next"]
    assert _count(factory) == 1


def test_work_is_not_done_twice(factory: sessionmaker[KaowuSession]) -> None:
    told: list[str] = []
    with unit_of_work(factory, TASK) as session:
        after_commit(session, lambda: told.append("x"))
        session.commit()
        session.connection(execution_options={WRITES: True})
    assert told == ["x"]


# ---------------------------------------------------------------- writers of one process


def test_writers_take_turns_in_the_order_of_arrival() -> None:
    queue = _FairQueue(timeout=10)
    queue.acquire()
    order: list[int] = []
    arrived = [threading.Event() for _ in range(4)]

    def write(number: int) -> None:
        arrived[number].set()
        queue.acquire()
        order.append(number)
        queue.release()

    threads = []
    for number in range(4):
        threads.append(threading.Thread(target=write, args=(number,)))
        threads[-1].start()
        arrived[number].wait(10)
        while len(queue._waiting) <= number:  # it stands in the queue before the next arrives
            pass
    queue.release()
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2, 3]


def test_a_writer_that_gets_no_turn_is_told_and_leaves_the_queue() -> None:
    queue = _FairQueue(timeout=0.01)
    queue.acquire()
    with pytest.raises(OperationalError, match="locked"):
        queue.acquire()
    queue.release()
    queue.acquire()
    queue.release()


@pytest.mark.parametrize("database_kind", ["sqlite"], scope="session")
def test_writers_of_many_threads_meet_no_lock(
    factory: sessionmaker[KaowuSession], database_kind: str
) -> None:
    failures: list[Any] = []

    def write(number: int) -> None:
        try:
            for step in range(5):
                with unit_of_work(factory, TASK) as session:
                    session.add(Setting(name=f"{number}-{step}", value=1))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert database_kind == "sqlite"
    assert failures == []
    assert _count(factory) == 40
