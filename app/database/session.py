"""Engines and sessions. SQLite and PostgreSQL differ here and in `database/` alone."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from app.database import policy
from app.database.cursor import PARAMSTYLE, LazyCursor

#: Execution option of a transaction that writes; without it a transaction is read-only.
WRITES = "kaowu_writes"
#: Execution option of a transaction whose statements find rows by their keys alone, so that one
#: plan serves all values: PostgreSQL may keep it. (Lists need a plan for each condition: load.md.)
KEEPS_PLANS = "kaowu_keeps_plans"
BUSY_TIMEOUT_MILLISECONDS = 15_000
#: seconds of rest after which a connection is asked whether it lives
RESTED_SECONDS = 5


class KaowuSession(Session):
    """A session under the policy. `session.info["kaowu"]` says whose it is."""


policy.install(KaowuSession)


class _FairQueue:
    """Writers of one process in order of arrival: SQLite's own busy handler is not fair
    (design: proofs §4, 2.7 s without, 0.4 s with the queue)."""

    def __init__(self, timeout: float = BUSY_TIMEOUT_MILLISECONDS / 1000) -> None:
        self.timeout = timeout
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._busy = False

    def acquire(self) -> None:
        """Wait for the turn; OperationalError (the unit is retried) when it does not come in
        time: somebody forgot a session, or a unit of work was opened inside another."""
        with self._lock:
            if not self._busy:
                self._busy = True
                return
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(self.timeout):
            return
        with self._lock:
            if not turn.is_set():
                self._waiting.remove(turn)
                cause = sqlite3.OperationalError("database is locked")
                raise OperationalError("BEGIN IMMEDIATE", None, cause)

    def release(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._busy = False


def make_engine(url: str, **options: Any) -> Engine:
    """An engine for SQLite or PostgreSQL; other databases are refused.

    Errors do not repeat the statement's values: they are personal, and errors go into the log.
    """
    options.setdefault("hide_parameters", True)
    if url.startswith("sqlite"):
        engine = create_engine(url, pool_size=20, max_overflow=20, **options)
        _install_sqlite(engine)
        return engine
    if url.startswith("postgresql"):
        url = url.replace("postgresql://", "postgresql+psycopg://", 1)
        connect: dict[str, Any] = {
            "options": "-c plan_cache_mode=force_custom_plan -c timezone=UTC",
            "cursor_factory": LazyCursor,
        }
        options |= {"connect_args": connect, "paramstyle": PARAMSTYLE}
        engine = create_engine(url, pool_size=20, max_overflow=20, **options)
        event.listen(engine, "connect", _stream_as_plain)
        event.listen(engine, "begin", _begin_postgresql)
        event.listen(engine, "rollback", _end_reading)
        _ping_rested(engine)
        return engine
    raise ValueError("only SQLite and PostgreSQL are supported")


def _ping_rested(engine: Engine) -> None:
    """Ask a connection that has rested whether it still lives. To ask each time, as the pool's
    own check does, costs every request a round trip; one that broke a moment ago is found by the
    first statement, and the pool then drops all of its age."""

    @event.listens_for(engine, "checkin")
    def checkin(_connection: Any, record: Any) -> None:
        record.info["rests_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def checkout(connection: Any, record: Any, _proxy: Any) -> None:
        since = record.info.get("rests_since")
        if since is None or time.monotonic() - since < RESTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            raise DisconnectionError() from error  # the pool makes another one


def _stream_as_plain(connection: Any, _record: Any) -> None:
    """Cursors that stay on the server read statements as the others do (`LazyCursor`)."""
    connection.server_cursor_factory = psycopg.RawServerCursor


_MODE = {False: b"BEGIN READ ONLY", True: b"BEGIN READ WRITE"}
_KEEP = {False: b"", True: b"; SET LOCAL plan_cache_mode = auto"}


def _begin_postgresql(connection: Any) -> None:
    """READ ONLY or READ WRITE, and whether plans are kept, in one message. To tell the driver's
    own BEGIN would take two, and two more wherever the next transaction is of the other kind.

    A connection that is broken is left to the driver, whose error SQLAlchemy understands: it
    begins by itself where nothing has been begun.
    """
    options = connection.get_execution_options()
    writes = bool(options.get(WRITES))
    raw = connection.connection.dbapi_connection
    begun = _MODE[writes] + _KEEP[bool(options.get(KEEPS_PLANS))]
    with suppress(psycopg.Error, MemoryError):  # libpq has no memory for what it cannot send
        raw.pgconn.exec_(begun)
    if raw.info.transaction_status is not TransactionStatus.INTRANS:
        with suppress(psycopg.Error):
            raw.read_only = not writes


def _end_reading(connection: Any) -> None:
    """Nothing is undone by rolling a READ ONLY transaction back, but the driver would forget the
    statements that it has prepared; so it is committed instead."""
    if connection.invalidated or connection.get_execution_options().get(WRITES):
        return
    raw = connection.connection.dbapi_connection
    if raw.info.transaction_status is TransactionStatus.INTRANS:
        # of a lost connection the driver's rollback tells, which follows
        with suppress(psycopg.Error):
            raw.commit()


def _install_sqlite(engine: Engine) -> None:
    queue = _FairQueue()

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            f"busy_timeout={BUSY_TIMEOUT_MILLISECONDS}",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        writes = bool(connection.get_execution_options().get(WRITES))
        raw = connection.connection.dbapi_connection
        record = connection.connection._connection_record
        if writes and not record.info.get("queued"):
            queue.acquire()
            record.info["queued"] = True
        try:
            raw.execute(f"PRAGMA query_only={int(not writes)}")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
        except BaseException:
            leave(record)
            raise

    def leave(record: Any) -> None:
        if record is not None and record.info.pop("queued", False):
            queue.release()

    @event.listens_for(engine, "reset")
    def reset(_connection: Any, record: Any, _state: Any) -> None:
        leave(record)

    @event.listens_for(engine, "invalidate")
    def invalidate(_connection: Any, record: Any, _exception: Any) -> None:
        leave(record)


def make_session_factory(engine: Engine) -> sessionmaker[KaowuSession]:
    """Sessions that read. `unit_of_work` makes those that write."""
    return sessionmaker(engine, class_=KaowuSession, expire_on_commit=False)
