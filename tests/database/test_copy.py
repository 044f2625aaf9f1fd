"""COPY fails as statements fail: who knows the errors of SQLAlchemy knows these (§4.6)."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import sessionmaker

from app.database.bulk_managed import insert_unguarded
from app.database.identifiers import new_id
from app.database.session import KaowuSession, make_engine, make_session_factory
from app.database.unit_of_work import Conflict, run_unit, unit_of_work
from app.metadata.actor import system
from app.models.account import RateLimit

WINDOW = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
Factory = sessionmaker[KaowuSession]


@pytest.fixture
def factory(fresh_database: str) -> Iterator[Factory]:
    made = make_session_factory(make_engine(fresh_database))
    yield made
    made.kw["bind"].dispose()


def add(session: KaowuSession, bucket: str) -> None:
    row = {"id": new_id(), "bucket": bucket, "window_start": WINDOW, "count": 1}
    insert_unguarded(session, RateLimit, [row])


def test_n23_a_row_twice_is_a_conflict(factory: Factory) -> None:
    with unit_of_work(factory, system("test")) as session:
        add(session, "one")
    with pytest.raises(Conflict), unit_of_work(factory, system("test")) as session:
        add(session, "one")
    with unit_of_work(factory, system("test")) as session:
        with pytest.raises(IntegrityError), session.begin_nested():
            add(session, "one")
        add(session, "two")  # the savepoint is undone, and the transaction goes on


@pytest.mark.postgres
def test_n23_a_deadlock_inside_copy_runs_again(factory: Factory) -> None:
    """Two units write the same two rows in opposite order: each waits for the other."""
    met = threading.Barrier(2, timeout=20)
    attempts: list[str] = []

    def client(mine: str, other: str) -> None:
        def unit(session: KaowuSession) -> None:
            attempts.append(mine)
            again = attempts.count(mine) > 1
            add(session, f"{mine}, again" if again else mine)
            if not again:
                met.wait()
                add(session, other)

        run_unit(factory, system("test"), unit)

    threads = [threading.Thread(target=client, args=names) for names in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(attempts) in (["a", "a", "b"], ["a", "b", "b"])
