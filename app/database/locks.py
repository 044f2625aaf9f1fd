"""Named locks that last until the end of the transaction: who changes one thing by many rows.

SQLite has one writer anyway, who waits at the beginning of his transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.database.session import WRITES


def take(session: Session, names: Iterable[str]) -> None:
    """Take all these locks, in one order everywhere, so that nobody waits in a circle.

    A session that only reads takes none: it changes nothing.
    """
    connection = session.connection()
    if connection.dialect.name != "postgresql":
        return
    if not connection.get_execution_options().get(WRITES):
        return
    for key in sorted({_key(name) for name in names}):
        session.execute(select(func.pg_advisory_xact_lock(key)))


def _key(name: str) -> int:
    """64 bits, signed, as PostgreSQL wants them."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
