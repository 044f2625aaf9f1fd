"""One owner of the transaction: rules flush, the unit of work commits once (architecture §4.6).

Deadlocks, serialisation failures and busy databases retry the whole unit; anything else rolls
back and is raised. Work for after the commit is released by `after_commit`, once, outside
savepoints.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

from app.database.policy import become, state_of
from app.database.session import KEEPS_PLANS, WRITES, KaowuSession
from app.metadata.actor import Actor
from app.metadata.errors import N_, KaowuError, StaleRow

T = TypeVar("T")
logger = logging.getLogger("kaowu.database")
ATTEMPTS = 3
_RETRY_STATES = {"40001", "40P01", "55P03"}


class Conflict(KaowuError):
    """A constraint of the database refused the row; the text of the statement stays inside."""

    code = "database.conflict"
    template = N_("数据与已有数据重复或被引用，没有保存。请刷新后重试。")
    status = 409


class Busy(KaowuError):
    """All attempts met a lock."""

    code = "database.busy"
    template = N_("系统繁忙，操作没有完成。请稍后重试。")
    status = 503


@contextmanager
def reading(factory: sessionmaker[KaowuSession], actor: Actor | None) -> Iterator[KaowuSession]:
    """A read-only session of the actor; rolled back at the end."""
    with factory() as session:
        become(session, actor)
        yield session
        session.rollback()


@contextmanager
def unit_of_work(
    factory: sessionmaker[KaowuSession],
    actor: Actor | None,
    *,
    request_id: str = "",
    address: str = "",
    by_keys: bool = False,
) -> Iterator[KaowuSession]:
    """One writing transaction without retry: commits at the end, rolls back on any exception.

    `by_keys`: its statements find rows by their keys alone (`session.KEEPS_PLANS`).
    """
    with factory() as session:
        session.connection(execution_options={WRITES: True, KEEPS_PLANS: by_keys})
        become(session, actor)
        state = state_of(session)
        state.request_id, state.address = request_id, address
        try:
            yield session
            session.commit()
        except StaleDataError:
            session.rollback()
            raise StaleRow() from None
        except IntegrityError as error:
            session.rollback()
            logger.warning("constraint refused: %s", type(error.orig).__name__)
            raise Conflict() from None
        except BaseException:
            session.rollback()
            raise


def run_unit(
    factory: sessionmaker[KaowuSession],
    actor: Actor | None,
    work: Callable[[KaowuSession], T],
    *,
    request_id: str = "",
    address: str = "",
    by_keys: bool = False,
) -> T:
    """Run `work(session)` in one unit; up to three attempts on deadlock, serialisation, busy."""
    about: Any = {"request_id": request_id, "address": address, "by_keys": by_keys}
    for attempt in range(ATTEMPTS):
        try:
            with unit_of_work(factory, actor, **about) as session:
                return work(session)
        except DBAPIError as error:
            if not _may_retry(error):
                raise
            logger.warning("attempt %d met %s", attempt + 1, type(error.orig).__name__)
    raise Busy()


def _may_retry(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    return state in _RETRY_STATES or "locked" in str(error.orig)


def after_commit(session: Session, call: Callable[[], None]) -> None:
    """Run `call` once when the outermost transaction has committed; dropped on rollback.

    The truth of what is to be done is a row of the same transaction; `call` only hurries it
    (upkeep finds what was not sent). So an exception in it is logged and forgotten.
    """
    inside = session.get_nested_transaction() or session.get_transaction()
    session.info.setdefault("after_commit", []).append((inside, call))


@event.listens_for(KaowuSession, "after_commit")
def _release(session: Session) -> None:
    if session.in_nested_transaction():
        return  # RELEASE SAVEPOINT announces itself as a commit too
    for _, call in session.info.pop("after_commit", ()):
        try:
            call()
        except Exception:
            logger.exception("work after the commit failed; upkeep will do it")


@event.listens_for(KaowuSession, "after_soft_rollback")
def _forget(session: Session, ended: SessionTransaction) -> None:
    """Drop what was asked for inside the transaction (or savepoint) that was rolled back, and
    nothing else: an outer transaction goes on."""
    kept = session.info.get("after_commit", ())
    session.info["after_commit"] = [
        (inside, call) for inside, call in kept if not _is_within(inside, ended)
    ]


def _is_within(inside: SessionTransaction | None, ended: SessionTransaction) -> bool:
    while inside is not None:
        if inside is ended:
            return True
        inside = inside.parent
    return False
