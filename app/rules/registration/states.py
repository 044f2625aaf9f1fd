"""What all steps of a registration share: locked reading, derived columns, the running clock.

Locks are taken in one order everywhere: registration, order, counters (architecture §3).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.metadata.errors import N_, KaowuError, NotFound
from app.models.payment import OrderState, PaymentOrder
from app.models.registration import (
    HOLDING,
    LIVE,
    PAID_STATES,
    Entry,
    EntryState,
    Life,
    Mode,
    PersonClaim,
    Registration,
    Review,
)
from app.rules import capacity
from app.rules.site import SettingsInForce

_HOLDING = tuple(state.value for state in HOLDING)
_PAID = tuple(state.value for state in PAID_STATES)
#: Unpaid in the sense of the clocks: the seat is held, no money has come.
OWED = (EntryState.UNPAID.value, EntryState.PAYING.value)


class NotLive(KaowuError):
    """The registration has been deleted, cancelled or has expired."""

    code = "registration.not_live"
    template = N_("该报名已失效（超时、删除或取消）。如需报考，请重新报名。")
    status = 409


class OnlyThroughSite(KaowuError):
    """集体报名 candidates view, pay and print only (R15.4)."""

    code = "registration.only_through_site"
    template = N_("您的报名由考点集体办理，如需修改请联系考点。")


class InformationLocked(KaowuError):
    """R25.25."""

    code = "registration.locked"
    template = N_("报名信息已锁定，如需修改，请联系考点老师解锁。")
    status = 409


class OrderInFlight(KaowuError):
    """An order is being paid: entries and lock stay as they are until it ends."""

    code = "registration.order_in_flight"
    template = N_("有支付中的订单，请先完成支付或放弃该订单。")
    status = 409


class BatchLocked(KaowuError):
    """R25.11."""

    code = "registration.batch_locked"
    template = N_("报考科目已被考点锁定在集体缴费批次中，不能修改、删除或单独支付。")
    status = 409


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Clocks of R22.8a; configuration."""

    pay: dt.timedelta = dt.timedelta(hours=24)
    submit: dt.timedelta = dt.timedelta(hours=72)

    @classmethod
    def of_hours(cls, pay: int, submit: int) -> Timeouts:
        """As configured, in whole hours."""
        return cls(dt.timedelta(hours=pay), dt.timedelta(hours=submit))


@dataclass(slots=True)
class HeldValues:
    """A registration that this transaction has locked, with its entries that hold seats: rows of
    the mapper (`Held`), or plain values (`holding`)."""

    registration: Any
    entries: list[Any]

    def having(self, *states: EntryState) -> list[Any]:
        """The entries in one of the states."""
        return [entry for entry in self.entries if entry.state in states]

    @property
    def paid(self) -> list[Any]:
        return [entry for entry in self.entries if entry.state in _PAID]

    @property
    def is_collective(self) -> bool:
        return bool(self.registration.mode == Mode.COLLECTIVE)

    def require_individual(self) -> None:
        """Raises OnlyThroughSite."""
        if self.is_collective:
            raise OnlyThroughSite()

    def require_unlocked(self) -> None:
        """Raises InformationLocked."""
        if self.registration.locked:
            raise InformationLocked()

    def require_no_payment(self) -> None:
        """Raises OrderInFlight or BatchLocked."""
        if self.having(EntryState.PAYING):
            raise OrderInFlight()
        if self.having(EntryState.BATCH_LOCKED):
            raise BatchLocked()


@dataclass(slots=True)
class Held(HeldValues):
    """Rows of the mapper, which may be changed."""

    registration: Registration
    entries: list[Entry]


def hold(session: Session, registration_id: int) -> Held:
    """Lock a live registration and read it afresh. Raises NotFound, NotLive."""
    registration = lock_registration(session, registration_id)
    if registration.life not in LIVE:
        raise NotLive()
    return Held(registration, entries_of(session, [registration.id]))


def lock_registration(session: Session, registration_id: int) -> Registration:
    """The row as it is committed now, locked until the end. Raises NotFound."""
    row = session.scalars(
        select(Registration)
        .where(Registration.id == registration_id)
        # entries that refer to the row may still be inserted by others
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NotFound()
    return row


_HELD = (
    select(Entry)
    .where(Entry.state.in_(_HOLDING))
    .order_by(Entry.registration_id, Entry.subject_code)
    .execution_options(populate_existing=True)
)
_HELD_BY_ONE = _HELD.where(Entry.registration_id == bindparam("registration"))
_HELD_BY_MANY = _HELD.where(Entry.registration_id.in_(bindparam("registrations", expanding=True)))


def entries_of(session: Session, registration_ids: Sequence[int]) -> list[Entry]:
    """Entries that hold seats, by registration and subject, read afresh."""
    if len(registration_ids) == 1:
        return list(session.scalars(_HELD_BY_ONE, {"registration": registration_ids[0]}))
    return list(session.scalars(_HELD_BY_MANY, {"registrations": list(registration_ids)}))


def open_order(session: Session, registration_id: int) -> PaymentOrder | None:
    """The open order of a registration, locked; there is at most one."""
    return session.scalars(
        select(PaymentOrder)
        .where(
            PaymentOrder.registration_id == registration_id,
            PaymentOrder.state == OrderState.OPEN.value,
        )
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()


# ---------------------------------------------------------------- derived columns


def refresh(held: Held) -> None:
    """Set what is derived from the entries: subject codes, count, payment, draft or active."""
    row = held.registration
    held.entries = [entry for entry in held.entries if entry.state in _HOLDING]
    for name, value in derived(held.entries).items():
        if name != "life" or row.life in LIVE:
            setattr(row, name, value)


def derived(entries: Collection[Any]) -> dict[str, Any]:
    """{column: value} of a live registration with these entries that hold seats."""
    return {
        "subject_codes": ".".join(sorted(entry.subject_code for entry in entries)),
        "subject_count": len(entries),
        "payment": payment_of(entries),
        "life": (Life.ACTIVE if entries else Life.DRAFT).value,
    }


def payment_of(entries: Iterable[Any]) -> str:
    """none / unpaid / partly / paid for entries that hold seats."""
    paid = [entry.state in _PAID for entry in entries]
    if not paid:
        return "none"
    return "paid" if all(paid) else "partly" if any(paid) else "unpaid"


def end_entries(held: Held, entries: Sequence[Entry], state: EntryState) -> dict[str, int]:
    """Put entries into a final state; return the seats that the caller has to release."""
    seats = capacity.seats_of((entry.subject_code, entry.preference_day) for entry in entries)
    for entry in entries:
        entry.state = state.value
    refresh(held)
    return seats


def end_registration(session: Session, registration: Registration, life: Life) -> None:
    """End its life and set the person free to register again."""
    registration.life = life.value
    claim = session.scalars(
        select(PersonClaim).where(PersonClaim.registration_id == registration.id)
    ).one_or_none()
    if claim is not None:
        session.delete(claim)
    session.flush()


# ---------------------------------------------------------------- review and clock


def review_in_force(registration: Any, settings: SettingsInForce) -> Review:
    """The review state that counts: none where the site does not review, and 未提交 where it
    began to after the registration was made (R10.4)."""
    if not settings.review_required:
        return Review.NONE
    review = Review(registration.review)
    return Review.OPEN if review is Review.NONE else review


def change_saved(registration: Registration, now: dt.datetime) -> None:
    """An approved registration that is changed after an unlock is submitted again (R25.28)."""
    if registration.review == Review.APPROVED:
        registration.review = Review.OPEN.value
        registration.state_changed_at = now


def deadline(
    held: Held, settings: SettingsInForce, order: PaymentOrder | None, timeouts: Timeouts
) -> dt.datetime | None:
    """When the unpaid entries (or the empty draft) expire; None where no clock runs (R22.8a).

    An open order extends the time to its own end.
    """
    registration = held.registration
    if order is not None:
        return order.expires_at
    if held.is_collective or registration.state_changed_at is None:
        return None
    if not held.entries:
        return registration.state_changed_at + timeouts.submit
    if not held.having(EntryState.UNPAID, EntryState.PAYING):
        return None
    review = review_in_force(registration, settings)
    if review is Review.PENDING:
        return None
    waits_for_payment = review in (Review.NONE, Review.APPROVED)
    span = timeouts.pay if waits_for_payment else timeouts.submit
    return registration.state_changed_at + span
