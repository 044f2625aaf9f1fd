"""Orders of candidates: made with frozen fees, paid, closed (R12.5, R15.6, N21).

Lock order on every path: registration, order, counters.
"""

from __future__ import annotations

import datetime as dt
import secrets

from sqlalchemy.orm import Session

from app.metadata.errors import N_, KaowuError
from app.metadata.vocabulary import Verb
from app.models.payment import OrderState, PaymentOrder
from app.models.registration import Entry, EntryState, Registration, Review
from app.rules.clock import Clock, system_clock
from app.rules.fees import Price, fees_of, price
from app.rules.policy import permit
from app.rules.registration import permits
from app.rules.registration.person import missing_of
from app.rules.registration.review import Incomplete
from app.rules.registration.states import (
    BatchLocked,
    Held,
    Timeouts,
    deadline,
    hold,
    open_order,
    refresh,
    review_in_force,
)
from app.rules.site import OnlineOff, OutsideOnlineTime, Site, load_site
from app.rules.windows import local

#: Whoever starts to pay shortly before the end gets at least this long.
LEAST_TIME_TO_PAY = dt.timedelta(minutes=30)
#: Channel of orders that cost nothing (N21).
FREE = "free"


class NothingToPay(KaowuError):
    """No unpaid entry."""

    code = "payment.nothing"
    template = N_("没有待支付的科目。")


class NotApproved(KaowuError):
    """审核通过才可缴费 (R10.4)."""

    code = "payment.not_approved"
    template = N_("报名信息审核通过后才能支付。")


class OutsidePaymentTime(KaowuError):
    """R15.6."""

    code = "payment.outside_time"
    template = N_("现在不在支付时间内（{interval}），不能支付。如有疑问，请联系考点。")


def create_order(
    session: Session,
    registration_id: int,
    *,
    channel: str,
    timeouts: Timeouts | None = None,
    clock: Clock = system_clock,
) -> PaymentOrder:
    """An order for all unpaid subjects, with the fees frozen (R12.5); locks the data (R25.25).

    Starting twice gives the same open order. An order of 0 fen is paid at once (N21). `channel`
    is the gateway's name. Raises NothingToPay, NotApproved, Incomplete, BatchLocked, FeeUnset,
    SiteClosed, OutsidePaymentTime.
    """
    timeouts = timeouts or Timeouts()
    with permit(session, permits.PAY, Verb.RUN, clock=clock):
        held = hold(session, registration_id)
        now = clock()  # not before: the lock may have been waited for
        running = open_order(session, registration_id)
        if running is not None:
            return running
        site = load_site(session, held.registration.site_id or 0)
        unpaid = _require_payable(held, site, timeouts, now)
        cost = price(
            fees_of(session, site),
            [entry.subject_code for entry in unpaid],
            person_fee_due=not held.paid,
        )
        until = deadline(held, site.settings, None, timeouts) or now + timeouts.pay
        order = _new_order(held.registration, cost, max(until, now + LEAST_TIME_TO_PAY), now)
        order.channel = channel
        session.add(order)
        session.flush()
        _assign(held, order, unpaid, cost)
        if order.amount == 0:
            order.channel = FREE
            mark_paid(held, order, unpaid, now)
    return order


def _require_payable(held: Held, site: Site, timeouts: Timeouts, now: dt.datetime) -> list[Entry]:
    unpaid = held.having(EntryState.UNPAID)
    if held.having(EntryState.BATCH_LOCKED):
        raise BatchLocked()
    if not unpaid:
        raise NothingToPay()
    site.require_open()
    review = review_in_force(held.registration, site.settings)
    if review not in (Review.NONE, Review.APPROVED):
        raise NotApproved()
    if missing := missing_of(held.registration):
        raise Incomplete(missing=missing)
    _require_payment_time(held, site, timeouts, now)
    return unpaid


def _require_payment_time(held: Held, site: Site, timeouts: Timeouts, now: dt.datetime) -> None:
    """R15.6: individually in the online time, or a while after a late approval inside W3;
    collectively in W3."""
    if held.is_collective:
        if not site.registration.is_open(now):
            raise OutsidePaymentTime(interval=site.registration.show())
        return
    row = held.registration
    late_approval = (
        row.review == Review.APPROVED
        and row.state_changed_at is not None
        and now <= row.state_changed_at + timeouts.pay
        and site.registration.is_open(now)
    )
    try:
        site.require_online(now)
    except (OnlineOff, OutsideOnlineTime):
        if not late_approval:
            raise OutsidePaymentTime(interval=site.online.show()) from None


def _new_order(
    registration: Registration, cost: Price, expires_at: dt.datetime, now: dt.datetime
) -> PaymentOrder:
    return PaymentOrder(
        exam_id=registration.exam_id,
        province_id=registration.province_id,
        city_id=registration.city_id,
        site_id=registration.site_id,
        passport_id=registration.passport_id,
        number=f"{local(now, '%Y%m%d%H%M%S')}{secrets.randbelow(10**10):010d}",
        registration_id=registration.id,
        subject_codes=".".join(cost.subject_fees),
        person_fee=cost.person_fee,
        subject_fee=cost.subject_fee,
        amount=cost.amount,
        expires_at=expires_at,
    )


def _assign(held: Held, order: PaymentOrder, entries: list[Entry], cost: Price) -> None:
    for entry in entries:
        entry.state = EntryState.PAYING.value
        entry.order_id = order.id
        entry.fee = cost.subject_fees[entry.subject_code]
    held.registration.locked = True


def mark_paid(held: Held, order: PaymentOrder, entries: list[Entry], now: dt.datetime) -> None:
    """The entries of the order are paid; registration and order are locked by the caller."""
    for entry in entries:
        entry.state = EntryState.PAID.value
        entry.paid_at = now
    order.state = OrderState.PAID.value
    order.paid_at = now
    held.registration.locked = True
    refresh(held)


def close_order(held: Held, order: PaymentOrder) -> list[Entry]:
    """Close an open order that the gateway has closed; its entries are unpaid again.

    Under the caller's permit, registration and order locked. Returns the entries.
    """
    order.state = OrderState.CLOSED.value
    entries = [entry for entry in held.having(EntryState.PAYING) if entry.order_id == order.id]
    for entry in entries:
        entry.state = EntryState.UNPAID.value
    return entries
