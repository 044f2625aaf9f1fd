"""COPY fails as statements fail: who knows the errors of SQLAlchemy knows these (§4.6)."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import sessionmaker

from app.database.bulk import among
from app.database.bulk_managed import insert_unguarded
from app.database.identifiers import new_id
from app.database.session import KaowuSession, make_engine, make_session_factory
from app.database.unit_of_work import Conflict, run_unit, unit_of_work
from app.metadata.actor import system
from app.models.account import RateLimit
from app.models.audit import AuditEntry

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


def test_what_copy_must_escape_comes_back_as_it_was(factory: Factory) -> None:
    """Columns are written as a whole: plain ones, mixed ones, and those that all rows share."""
    texts = ["plain", "", None, "tab\there", "a\nb\r", "\\N", "back\\slash", "“𠮷”\u3000\u00a0"]
    common = {
        "at": WINDOW,
        "actor_name": "\\.\t",
        "actor_level": "system",
        "organisation_code": "",
        "action": "test",
        "object_type": "Test",
        "object_title": "",
        "request_id": "",
        "address": "",
        "outcome": "done",
        "sealed": False,
    }
    rows = [
        {"id": new_id(), "object_id": number, "reason": text, "changes": {"text\t\\": text}}
        for number, text in enumerate(texts)
    ]
    with unit_of_work(factory, system("test")) as session:
        insert_unguarded(session, AuditEntry, iter(rows), common)
        found = session.scalars(select(AuditEntry).order_by(AuditEntry.object_id)).all()
        assert [row.reason for row in found] == texts
        assert [row.changes for row in found] == [{"text\t\\": text} for text in texts]
        assert {(row.at, row.actor_name, row.sealed, row.site_id) for row in found} == {
            (WINDOW, "\\.\t", False, None)
        }


@pytest.mark.parametrize(
    ("row", "common", "sentence"),
    [
        ({"bucket": "a", "count": 1}, {"count": 2}, "in the row and for all"),
        ({"bucket": "a"}, {"count": 2}, "without"),
    ],
)
def test_nothing_is_left_to_what_copy_and_statements_do_otherwise(
    factory: Factory, row: dict[str, object], common: dict[str, object], sentence: str
) -> None:
    whole = row | {"id": new_id()}
    with (
        pytest.raises(TypeError, match=sentence),
        unit_of_work(factory, system("test")) as session,
    ):
        insert_unguarded(session, RateLimit, [whole], common)


def test_a_row_is_found_among_texts_of_any_kind(factory: Factory) -> None:
    names = ["plain", 'quote"', "back\\slash", "{comma,}", "NULL", "", "a\tb"]
    with unit_of_work(factory, system("test")) as session:
        for name in names:
            add(session, name)
        for wanted in (names, names[:2], ["other"], []):
            statement = select(RateLimit.bucket).where(among(session, RateLimit.bucket, wanted))
            assert set(session.scalars(statement)) == set(wanted) & set(names)


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
