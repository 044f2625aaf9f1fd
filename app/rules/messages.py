"""The outbox: mail and SMS are rows of the transaction that causes them, sent after it.

`queue` writes a row; `send_queued` delivers what is due. Delivery is handed in: rules know no
mail server. A row can be sent twice only if a process dies between delivery and its mark.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CursorResult, delete, or_, select, update
from sqlalchemy.orm import Session, sessionmaker

from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.metadata.actor import system
from app.models.account import OutboxMessage
from app.rules.clock import Clock, system_clock

logger = logging.getLogger("kaowu.messages")

MAIL, SMS = "mail", "sms"
ATTEMPTS = 5
#: A message that failed waits 1, 2, 4, 8 minutes; one in delivery is left alone as long.
_PAUSE = dt.timedelta(minutes=1)
_TASK = system("send messages")

#: (channel, target, subject, body); raises anything on failure.
Deliver = Callable[[str, str, str, str], None]


@dataclass(frozen=True, slots=True)
class Sent:
    """What one run did."""

    sent: int
    failed: int


def channel_of(target: str) -> str:
    """Mail for addresses, SMS for numbers."""
    return MAIL if "@" in target else SMS


def queue(session: Session, target: str, subject: str, body: str) -> OutboxMessage:
    """Write a message to an e-mail address or mobile number; it leaves after the commit."""
    message = OutboxMessage(channel=channel_of(target), target=target, subject=subject, body=body)
    session.add(message)
    session.flush()
    return message


def send_queued(
    factory: sessionmaker[KaowuSession],
    deliver: Deliver,
    *,
    limit: int = 100,
    clock: Clock = system_clock,
) -> Sent:
    """Deliver up to `limit` due messages, oldest first; safe to run in several processes.

    Each is claimed in a short transaction, delivered outside of any, and marked in another.
    """
    sent = failed = 0
    for message_id in _due(factory, limit, clock()):
        claimed = _claim(factory, message_id, clock())
        if claimed is None:
            continue  # another process has it
        error = _try(deliver, claimed)
        _mark(factory, claimed, error, clock())
        sent, failed = (sent + 1, failed) if error is None else (sent, failed + 1)
    return Sent(sent, failed)


def _due(factory: sessionmaker[KaowuSession], limit: int, now: dt.datetime) -> list[int]:
    waited = [
        (OutboxMessage.attempts == attempt)
        & (OutboxMessage.updated_at <= now - _PAUSE * 2 ** (attempt - 1))
        for attempt in range(1, ATTEMPTS)
    ]
    with reading(factory, _TASK) as session:
        return list(
            session.scalars(
                select(OutboxMessage.id)
                .where(OutboxMessage.state == "queued")
                .where(or_(OutboxMessage.attempts == 0, *waited))
                .order_by(OutboxMessage.id)
                .limit(limit)
            )
        )


@dataclass(frozen=True, slots=True)
class _Claimed:
    id: int
    channel: str
    target: str
    subject: str
    body: str
    attempts: int


def _claim(
    factory: sessionmaker[KaowuSession], message_id: int, now: dt.datetime
) -> _Claimed | None:
    def work(session: KaowuSession) -> _Claimed | None:
        row = session.get(OutboxMessage, message_id)
        if row is None or row.state != "queued":
            return None
        seen = row.attempts
        result: CursorResult[Any] = session.execute(  # type: ignore[assignment] # typed as rows
            update(OutboxMessage)
            .where(
                OutboxMessage.id == message_id,
                OutboxMessage.state == "queued",
                OutboxMessage.attempts == seen,
            )
            .values(attempts=seen + 1, updated_at=now)
            .execution_options(synchronize_session=False)
        )
        if result.rowcount != 1:
            return None
        return _Claimed(row.id, row.channel, row.target, row.subject, row.body, seen + 1)

    return run_unit(factory, _TASK, work)


def _try(deliver: Deliver, message: _Claimed) -> str | None:
    try:
        deliver(message.channel, message.target, message.subject, message.body)
    except Exception as error:  # whatever a gateway's library raises must not stop the others
        logger.warning("message %d: %s", message.id, type(error).__name__)
        return f"{type(error).__name__}: {error}"[:200]
    return None


def _mark(
    factory: sessionmaker[KaowuSession], message: _Claimed, error: str | None, now: dt.datetime
) -> None:
    if error is None:
        values: dict[str, Any] = {"state": "sent", "sent_at": now, "error": None}
    else:
        state = "failed" if message.attempts >= ATTEMPTS else "queued"
        values = {"state": state, "error": error}

    def work(session: KaowuSession) -> None:
        session.execute(
            update(OutboxMessage)
            .where(OutboxMessage.id == message.id)
            .values(updated_at=now, **values)
            .execution_options(synchronize_session=False)
        )

    run_unit(factory, _TASK, work)


def latest(session: Session, limit: int = 20) -> list[OutboxMessage]:
    """The newest messages, for the outbox page of a development machine."""
    return list(
        session.scalars(select(OutboxMessage).order_by(OutboxMessage.id.desc()).limit(limit))
    )


def sweep(session: Session, now: dt.datetime, keep: dt.timedelta = dt.timedelta(days=30)) -> int:
    """Delete old messages: they hold addresses and codes. For the upkeep. Returns how many."""
    result: CursorResult[Any] = session.execute(  # type: ignore[assignment] # typed as rows
        delete(OutboxMessage)
        .where(OutboxMessage.created_at < now - keep)
        .execution_options(synchronize_session=False)
    )
    return result.rowcount
