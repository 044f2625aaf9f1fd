"""Many clients at once: each with a connection of its own, let go together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import event, func, select, text
from sqlalchemy.orm import Session, sessionmaker

from app.adapters.gateway import MemoryLedger, SandboxGateway
from app.database.session import KaowuSession, make_engine, make_session_factory
from app.database.unit_of_work import reading, run_unit, unit_of_work
from app.metadata.actor import system
from app.metadata.errors import KaowuError
from app.models.capacity import CapacityPool
from app.models.registration import HOLDING, Entry, Registration
from app.rules import capacity
from tests import factories
from tests.factories import Tree

T = TypeVar("T")
#: An engine's pool holds 40 connections: more clients spread over several engines.
_PER_ENGINE = 32
#: how often `wait_for_waiter` looks
_POLLS = 20_000


@dataclass
class Crowd:
    """A database with a tree, engines for `clients` connections, and a bank."""

    tree: Tree
    makers: list[sessionmaker[KaowuSession]]
    gateway: SandboxGateway = field(
        default_factory=lambda: SandboxGateway(MemoryLedger(), b"secret")
    )

    def factory(self, client: int = 0) -> sessionmaker[KaowuSession]:
        return self.makers[client % len(self.makers)]

    def drafts(self, count: int, **values: Any) -> list[Registration]:
        """Candidates with personal data and no subject yet."""
        with unit_of_work(self.factory(), system("seed")) as session:
            return [
                factories.make_registration(session, self.tree, subjects=(), life="draft", **values)
                for _ in range(count)
            ]

    def unpaid(self, count: int, **values: Any) -> list[Registration]:
        with unit_of_work(self.factory(), system("seed")) as session:
            return [factories.make_registration(session, self.tree, **values) for _ in range(count)]

    def as_owner(self, client: int, row: Registration, work: Callable[[KaowuSession], T]) -> T:
        return run_unit(self.factory(client), self.tree.owner_of(row), work)

    def as_system(self, client: int, work: Callable[[KaowuSession], T]) -> T:
        return run_unit(self.factory(client), system("test"), work)

    def held(self) -> int:
        """Entries that hold seats."""
        with reading(self.factory(), system("check")) as session:
            states = [state.value for state in HOLDING]
            count = select(func.count()).select_from(Entry).where(Entry.state.in_(states))
            return session.scalar(count) or 0

    def used(self, pool: str) -> int:
        with reading(self.factory(), system("check")) as session:
            found = select(CapacityPool.used).where(
                CapacityPool.site_id == self.tree.site.id, CapacityPool.pool == pool
            )
            return session.scalars(found).one()

    def assert_books_agree(self) -> None:
        """Counters equal rows, and no deadlock was met."""
        with reading(self.factory(), system("check")) as session:
            assert capacity.recount(session) == []
        engine = self.factory().kw["bind"]
        if engine.dialect.name == "postgresql":
            deadlocks = text(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            )
            with engine.connect() as connection:
                assert connection.scalar(deadlocks) == 0


@contextmanager
def crowd(url: str, clients: int, **options: Any) -> Iterator[Crowd]:
    """Populate the database and open enough connections."""
    first, tree = factories.populate(url, **options)
    more = (clients - 1) // _PER_ENGINE
    makers = [first, *(make_session_factory(make_engine(url)) for _ in range(more))]
    try:
        yield Crowd(tree, makers)
    finally:
        for maker in makers:
            maker.kw["bind"].dispose()


@contextmanager
def pauses(crowd: Crowd, *parts: str) -> Iterator[None]:
    """Widen critical sections: PostgreSQL pauses after statements that contain one of these
    (load.md §6: without pauses mutants survive)."""

    def pause(connection: Any, _cursor: Any, statement: str, _parameters: Any, *_rest: Any) -> None:
        if any(part in statement for part in parts):
            connection.exec_driver_sql("SELECT pg_sleep(random() * 0.02)")

    engines = [maker.kw["bind"] for maker in crowd.makers]
    for engine in engines:
        event.listen(engine, "after_cursor_execute", pause)
    try:
        yield
    finally:
        for engine in engines:
            event.remove(engine, "after_cursor_execute", pause)


def together(work: Sequence[Callable[[], T]]) -> list[T | KaowuError]:
    """Run all at once; results in order, refusals as values. Other exceptions are raised."""
    start = threading.Barrier(len(work), timeout=60)

    def client(one: Callable[[], T]) -> T | KaowuError:
        start.wait()
        try:
            return one()
        except KaowuError as refusal:
            return refusal

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(client, work))


def wait_for_waiter(session: Session) -> None:
    """Until somebody waits for a lock of this transaction."""
    connection = session.connection()  # whoever the session belongs to
    pid = connection.scalar(select(func.pg_backend_pid()))
    waiting = text(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND :me = ANY(pg_blocking_pids(pid))"
    )
    for _ in range(_POLLS):
        if connection.scalar(waiting, {"me": pid}):
            return
    raise AssertionError("nobody waited")
