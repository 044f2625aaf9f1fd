"""What the gateway says about orders, and what follows (R15.6; races of load.md §6).

Lock order on every path: registration, order, counters. A transaction of the gateway is recorded
once and has exactly one outcome; money that buys no seat is to be returned, never an oversell.
The gateway is asked outside every transaction: no lock waits for the network.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.metadata.actor import Actor, system
from app.metadata.errors import N_, KaowuError
from app.metadata.vocabulary import Verb
from app.models.payment import GatewayTransaction, OrderState, PaymentOrder
from app.models.registration import LIVE, Entry, EntryState, Life, PersonClaim
from app.rules import capacity
from app.rules.capacity import CapacityExceeded, PoolMissing
from app.rules.clock import Clock, system_clock
from app.rules.orders import close_order, mark_paid
from app.rules.policy import permit
from app.rules.registration import permits
from app.rules.registration.states import (
    OWED,
    Held,
    entries_of,
    hold,
    lock_registration,
    open_order,
    refresh,
)
from app.rules.site import load_site

logger = logging.getLogger("kaowu.payment")


class Outcome(StrEnum):
    """What a transaction of the gateway led to."""

    PAID = "paid"
    PAID_LATE = "paid_late"
    DUPLICATE = "duplicate"
    AMOUNT_MISMATCH = "amount_mismatch"
    LATE_NO_SEAT = "late_no_seat"
    DOUBLE_PAYMENT = "double_payment"


#: Outcomes whose money is to be returned.
REFUND_DUE = frozenset({Outcome.AMOUNT_MISMATCH, Outcome.LATE_NO_SEAT, Outcome.DOUBLE_PAYMENT})


class Money(Protocol):
    """A checked call-back: this transaction brought this amount (fen) for this order."""

    @property
    def order_number(self) -> str: ...
    @property
    def transaction_number(self) -> str: ...
    @property
    def amount(self) -> int: ...


class UnknownOrder(KaowuError):
    """The gateway names an order that we never made."""

    code = "payment.unknown_order"
    template = N_("没有找到该订单。")
    status = 404


# ---------------------------------------------------------------- money comes in


def receive(session: Session, money: Money, *, clock: Clock = system_clock) -> Outcome:
    """A checked call-back, or a paid answer to a query; any number of times, in any order (N4).

    The session is the system's own. Raises UnknownOrder.
    """
    now = clock()
    with permit(session, permits.RECEIVE_PAYMENT, Verb.RUN, clock=clock):
        # found without a lock: only to learn which registration is to be locked first
        found = session.execute(
            select(PaymentOrder.id, PaymentOrder.registration_id).where(
                PaymentOrder.number == money.order_number
            )
        ).first()
        if found is None:
            raise UnknownOrder()
        registration = lock_registration(session, found.registration_id)
        order = _lock_order(session, found.id)
        if _is_known(session, money):
            return Outcome.DUPLICATE
        held = Held(registration, entries_of(session, [registration.id]))
        outcome = _settle(session, held, order, money, now)
        session.add(
            GatewayTransaction(
                exam_id=order.exam_id,
                order_id=order.id,
                transaction_number=money.transaction_number,
                amount=money.amount,
                outcome=outcome.value,
                received_at=now,
            )
        )
    if outcome in REFUND_DUE:
        logger.error("refund due: order %s, %s", money.order_number, outcome.value)
    return outcome


def _lock_order(session: Session, order_id: int) -> PaymentOrder:
    return session.scalars(
        select(PaymentOrder)
        .where(PaymentOrder.id == order_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def _is_known(session: Session, money: Money) -> bool:
    known = select(GatewayTransaction.id).where(
        GatewayTransaction.transaction_number == money.transaction_number
    )
    return session.scalar(known) is not None


def _settle(
    session: Session, held: Held, order: PaymentOrder, money: Money, now: dt.datetime
) -> Outcome:
    if money.amount != order.amount:
        return Outcome.AMOUNT_MISMATCH
    if order.state == OrderState.PAID:
        return Outcome.DOUBLE_PAYMENT
    if order.state == OrderState.OPEN:
        entries = [entry for entry in held.entries if entry.order_id == order.id]
        mark_paid(held, order, entries, now)
        return Outcome.PAID
    if _retake(session, held, order, now):
        return Outcome.PAID_LATE
    order.state = OrderState.REFUND_DUE.value
    return Outcome.LATE_NO_SEAT


def _retake(session: Session, held: Held, order: PaymentOrder, now: dt.datetime) -> bool:
    """A payment after the order was closed: take the seats again, all or none.

    False when a seat is gone, the site has stopped, the person has registered anew, or the
    entries have gone another way meanwhile.
    """
    entries = list(
        session.scalars(
            select(Entry)
            .where(Entry.order_id == order.id)
            .order_by(Entry.subject_code)
            .execution_options(populate_existing=True)
        )
    )
    expired = [entry for entry in entries if entry.state == EntryState.EXPIRED]
    still_held = [entry for entry in entries if entry.state in OWED]
    if len(expired) + len(still_held) != len(order.subject_codes.split(".")):
        return False
    if held.registration.life not in (*LIVE, Life.EXPIRED):
        return False
    if not load_site(session, held.registration.site_id or 0).open:
        return False
    seats = capacity.seats_of((entry.subject_code, entry.preference_day) for entry in expired)
    try:
        with session.begin_nested():
            _revive(session, held)
            held.entries = [*held.entries, *expired]
            mark_paid(held, order, entries, now)
            capacity.claim(session, held.registration, seats)
    except (CapacityExceeded, PoolMissing, IntegrityError):
        # the savepoint took everything back: read what is true before anything else is written
        session.refresh(order)
        session.refresh(held.registration)
        return False
    return True


def _revive(session: Session, held: Held) -> None:
    """An expired registration counts again; IntegrityError when the person has a newer one."""
    row = held.registration
    if row.life in LIVE:
        return
    row.life = Life.ACTIVE.value
    session.add(PersonClaim(exam_id=row.exam_id, id_digest=row.id_digest, registration_id=row.id))
    session.flush()


# ---------------------------------------------------------------- asking the gateway


class GatewayAnswer(Protocol):
    """State "open", "paid", "closed" or "unknown"; transaction and amount (fen) when paid."""

    @property
    def state(self) -> str: ...
    @property
    def transaction_number(self) -> str | None: ...
    @property
    def amount(self) -> int | None: ...


class Gateway(Protocol):
    """What is asked of a gateway here; `adapters.gateway` has the whole of it."""

    def query(self, order_number: str) -> GatewayAnswer: ...
    def close(self, order_number: str) -> GatewayAnswer: ...


class GatewaySilent(KaowuError):
    """No answer: nothing may be concluded (N5)."""

    code = "payment.gateway_silent"
    template = N_("支付平台暂无应答，请稍后再试。如已付款，请勿重复支付。")
    status = 503


class OrderNotOpen(KaowuError):
    """The order has ended already."""

    code = "payment.order_not_open"
    template = N_("该订单已支付或已关闭。")
    status = 409


@dataclass(frozen=True, slots=True)
class Received:
    """Money as a query reports it."""

    order_number: str
    transaction_number: str
    amount: int


def money_in(order_number: str, answer: GatewayAnswer) -> Received | None:
    """The payment that an answer reports, or None."""
    if answer.state != "paid" or answer.transaction_number is None or answer.amount is None:
        return None
    return Received(order_number, answer.transaction_number, answer.amount)


def refresh_order(
    factory: sessionmaker[KaowuSession],
    actor: Actor,
    gateway: Gateway,
    order_number: str,
    *,
    clock: Clock = system_clock,
) -> OrderState:
    """更新支付状态: ask the gateway about an order that the actor may see (R25.5).

    Returns the state afterwards. Raises UnknownOrder, GatewaySilent.
    """
    _state_of(factory, actor, order_number)
    answer = gateway.query(order_number)
    if answer.state == "unknown":
        raise GatewaySilent()
    _take_money(factory, order_number, answer, clock)
    return _state_of(factory, actor, order_number)


def abandon_order(
    factory: sessionmaker[KaowuSession],
    actor: Actor,
    gateway: Gateway,
    order_number: str,
    *,
    clock: Clock = system_clock,
) -> OrderState:
    """The candidate gives an open order up, to change his choice: closed at the gateway first.

    Returns the state afterwards: "paid" when the money was faster. Raises UnknownOrder,
    OrderNotOpen, GatewaySilent.
    """
    if _state_of(factory, actor, order_number) is not OrderState.OPEN:
        raise OrderNotOpen()
    answer = gateway.close(order_number)
    if answer.state not in ("paid", "closed"):
        raise GatewaySilent()
    if not _take_money(factory, order_number, answer, clock):
        run_unit(factory, actor, lambda session: _abandon(session, order_number, clock))
    return _state_of(factory, actor, order_number)


def _abandon(session: Session, order_number: str, clock: Clock) -> None:
    with permit(session, permits.PAY, Verb.RUN, clock=clock):
        registration_id = session.scalars(
            select(PaymentOrder.registration_id).where(PaymentOrder.number == order_number)
        ).one()
        held = hold(session, registration_id)
        order = open_order(session, registration_id)
        if order is not None and order.number == order_number:
            close_order(held, order)
            refresh(held)


def _state_of(factory: sessionmaker[KaowuSession], actor: Actor, order_number: str) -> OrderState:
    with reading(factory, actor) as session:
        state = session.scalar(
            select(PaymentOrder.state).where(PaymentOrder.number == order_number)
        )
    if state is None:
        raise UnknownOrder()
    return OrderState(state)


def _take_money(
    factory: sessionmaker[KaowuSession], order_number: str, answer: GatewayAnswer, clock: Clock
) -> bool:
    money = money_in(order_number, answer)
    if money is None:
        return False
    task = system("payment query")
    run_unit(factory, task, lambda session: receive(session, money, clock=clock))
    return True
