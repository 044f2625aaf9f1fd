"""What the beginning and end of a transaction tell PostgreSQL, and what the driver remembers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from app.database.session import KaowuSession, make_engine, make_session_factory
from app.database.unit_of_work import reading, unit_of_work
from app.metadata.actor import system
from app.models.account import Setting
from tests.factories import populate

TASK = system("test")
#: after so many the driver prepares a statement
OFTEN = 6

pytestmark = pytest.mark.postgres


@pytest.fixture
def factory(fresh_database: str) -> Iterator[sessionmaker[KaowuSession]]:
    made, _ = populate(fresh_database, sites=1)
    yield made
    made.kw["bind"].dispose()


def told(session: Session, question: str) -> object:
    return session.execute(text(question)).scalar_one()


def test_a_transaction_says_what_it_is_whatever_the_one_before_was(
    factory: sessionmaker[KaowuSession],
) -> None:
    for _ in range(2):
        with reading(factory, TASK) as session:
            assert told(session, "SHOW transaction_read_only") == "on"
        with unit_of_work(factory, TASK) as session:
            assert told(session, "SHOW transaction_read_only") == "off"


def test_plans_are_kept_in_units_that_say_so_alone(factory: sessionmaker[KaowuSession]) -> None:
    for by_keys, mode in ((True, "auto"), (False, "force_custom_plan")):
        with unit_of_work(factory, TASK, by_keys=by_keys) as session:
            assert told(session, "SHOW plan_cache_mode") == mode


def test_reading_does_not_make_the_driver_forget(factory: sessionmaker[KaowuSession]) -> None:
    prepared = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%FROM setting%'"
    for _ in range(OFTEN):
        with reading(factory, TASK) as session:
            session.execute(select(Setting.id)).all()
    with reading(factory, TASK) as session:
        assert told(session, prepared) == 1


@pytest.mark.parametrize("options", [{}, {"yield_per": 1}])
def test_placeholders_signs_of_percent_and_dollar_go_as_they_are(
    factory: sessionmaker[KaowuSession], options: dict[str, int]
) -> None:
    """Statements go to the server unread, those with a cursor that stays there as well."""
    given = text("SELECT '100% $1 %s', :given || :given, CAST(:given AS text) LIKE '$%'")
    for _ in range(OFTEN):
        with reading(factory, TASK) as session:
            rows = session.execute(given, {"given": "$2%"}, execution_options=options).all()
        assert rows == [("100% $1 %s", "$2%$2%", True)]


def test_what_was_written_is_undone(factory: sessionmaker[KaowuSession]) -> None:
    with pytest.raises(ZeroDivisionError), unit_of_work(factory, TASK) as session:  # noqa: PT012
        session.add(Setting(name="x", value=1))
        session.flush()
        raise ZeroDivisionError
    with reading(factory, TASK) as session:
        assert session.scalar(select(Setting.id).where(Setting.name == "x")) is None


def _cut(url: str, factory: sessionmaker[KaowuSession]) -> None:
    """End the only connection of the pool from another one."""
    with reading(factory, TASK) as session:
        number = told(session, "SELECT pg_backend_pid()")
    other = make_engine(url)
    with reading(make_session_factory(other), TASK) as session:
        told(session, f"SELECT pg_terminate_backend({number}, 5000)")
    other.dispose()


def test_a_connection_that_was_cut_while_reading_is_told_as_such(
    fresh_database: str, factory: sessionmaker[KaowuSession]
) -> None:
    with (  # noqa: PT012
        pytest.raises(DBAPIError) as error,
        reading(factory, TASK) as session,
    ):
        number = told(session, "SELECT pg_backend_pid()")
        other = make_engine(fresh_database)
        with reading(make_session_factory(other), TASK) as killing:
            told(killing, f"SELECT pg_terminate_backend({number}, 5000)")
        other.dispose()
        told(session, "SELECT 1")
    assert error.value.connection_invalidated
    with reading(factory, TASK) as session:
        assert told(session, "SELECT 1") == 1


def lose_while_reading(url: str, factory: sessionmaker[KaowuSession]) -> None:
    """The server ends the connection after the last question."""
    killer = make_engine(url)
    try:
        with reading(factory, TASK) as session:
            number = told(session, "SELECT pg_backend_pid()")
            with reading(make_session_factory(killer), TASK) as other:
                assert told(other, f"SELECT pg_terminate_backend({number}, 5000)")
    finally:
        killer.dispose()


def test_a_connection_that_was_cut_after_the_last_question_is_told_as_such(
    fresh_database: str, factory: sessionmaker[KaowuSession]
) -> None:
    """The driver's own error would pass by whoever waits for SQLAlchemy's."""
    with pytest.raises(DBAPIError):
        lose_while_reading(fresh_database, factory)
    with reading(factory, TASK) as session:
        assert told(session, "SELECT 1") == 1


@pytest.mark.parametrize("by_keys", [True, False])
def test_a_connection_that_broke_in_the_pool_is_told_as_such(
    fresh_database: str, factory: sessionmaker[KaowuSession], by_keys: bool
) -> None:
    """The BEGIN that is sent past the driver must not hide it."""
    _cut(fresh_database, factory)
    with (
        pytest.raises(DBAPIError) as error,
        unit_of_work(factory, TASK, by_keys=by_keys) as session,
    ):
        told(session, "SELECT 1")
    assert error.value.connection_invalidated
    with unit_of_work(factory, TASK, by_keys=by_keys) as session:
        assert told(session, "SELECT 1") == 1
