"""Named locks that last until the end of the transaction: who changes one thing by many rows.

SQLite has one writer anyway, who waits at the beginning of his transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.database.session import WRITES


def take(session: Session, names: Iterable[str | int]) -> None:
    """Take all these locks, in one order everywhere, so that nobody waits in a circle.

    A session that only reads takes none: it changes nothing.
    """
    _lock(session, names, func.pg_advisory_xact_lock)


def share(session: Session, names: Iterable[str | int]) -> None:
    """Hold these locks together with others who share them; who takes one waits for all of them,
    and they for him. For what is built on something that must stay as it is."""
    _lock(session, names, func.pg_advisory_xact_lock_shared)


def _lock(session: Session, names: Iterable[str | int], function: Callable[[int], Any]) -> None:
    connection = session.connection()
    if connection.dialect.name != "postgresql":
        return
    if not connection.get_execution_options().get(WRITES):
        return
    for key in sorted({_key(name) for name in names}):
        session.execute(select(function(key)))


def _key(name: str | int) -> int:
    """64 bits, signed, as PostgreSQL wants them. The id of a row stands for itself, so that a
    statement that reads the row can lock it as well."""
    if isinstance(name, int):
        return name
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
