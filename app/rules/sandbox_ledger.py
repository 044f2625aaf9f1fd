"""The sandbox bank's own records, in the table `sandbox_payment`.

It satisfies `adapters.gateway.Ledger`. Every call is a transaction of its own, because a bank is
not part of ours: never call it inside a unit of work (on SQLite it would wait for itself).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.metadata.actor import system
from app.models.payment import SandboxPayment

TASK = "sandbox bank"


@dataclass(frozen=True, slots=True)
class Record:
    """What the bank knows about an order: state "open", "paid" or "closed", amount in fen."""

    order_number: str
    amount: int
    state: str
    transaction_number: str | None = None


class DatabaseLedger:
    """Records that all processes share. Raises OSError when the database does not answer."""

    def __init__(self, factory: sessionmaker[KaowuSession]) -> None:
        self._factory = factory

    def open(self, order_number: str, amount: int) -> Record:
        """Make the record unless there is one; return the one that counts."""
        return self._write(order_number, amount, lambda row: None)

    def find(self, order_number: str) -> Record | None:
        try:
            with reading(self._factory, system(TASK)) as session:
                row = _load(session, order_number)
                return None if row is None else _record(row)
        except OperationalError as error:
            raise OSError("the sandbox bank does not answer") from error

    def settle(self, order_number: str, transaction_number: str, amount: int) -> Record:
        """Take the money unless paid or closed; return what is true afterwards."""

        def pay(row: SandboxPayment) -> None:
            if row.state == "open":
                row.state, row.amount = "paid", amount
                row.transaction_number = transaction_number

        return self._write(order_number, amount, pay)

    def close(self, order_number: str) -> Record:
        """Close unless paid, also an order never seen; return what is true afterwards."""

        def close(row: SandboxPayment) -> None:
            if row.state == "open":
                row.state = "closed"

        return self._write(order_number, 0, close)

    def notify_later(self, order_number: str, at: dt.datetime) -> None:
        """Have the call-back of a payment delivered by upkeep at `at` (aware UTC)."""

        def remember(row: SandboxPayment) -> None:
            row.notify_at = at

        self._write(order_number, 0, remember)

    def take_due_notices(self, now: dt.datetime) -> list[Record]:
        """Paid orders whose late notice is due; each is taken once."""

        def work(session: KaowuSession) -> list[Record]:
            rows = session.scalars(
                select(SandboxPayment)
                .where(SandboxPayment.state == "paid", SandboxPayment.notify_at <= now)
                .with_for_update(skip_locked=True)
            ).all()
            for row in rows:
                row.notify_at = None
                row.notify_times += 1
            return [_record(row) for row in rows]

        return run_unit(self._factory, system(TASK), work)

    def _write(
        self, order_number: str, amount: int, change: Callable[[SandboxPayment], None]
    ) -> Record:
        def work(session: KaowuSession) -> Record:
            row = _load(session, order_number, lock=True)
            if row is None:
                row = SandboxPayment(order_number=order_number, amount=amount, state="open")
                session.add(row)
            change(row)
            session.flush()
            return _record(row)

        try:
            return run_unit(self._factory, system(TASK), work)
        except OperationalError as error:
            raise OSError("the sandbox bank does not answer") from error


def _load(session: Session, order_number: str, *, lock: bool = False) -> SandboxPayment | None:
    statement = select(SandboxPayment).where(SandboxPayment.order_number == order_number)
    return session.scalars(statement.with_for_update() if lock else statement).one_or_none()


def _record(row: SandboxPayment) -> Record:
    return Record(row.order_number, row.amount, row.state, row.transaction_number)
