"""The sweep over unpaid entries whose clock has run out (R22.8a, N5).

Run by upkeep, by several processes at once if need be: rows that another sweep holds are skipped.
The gateway is asked outside every transaction; an order about which it says nothing is kept.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session, sessionmaker

from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.metadata.actor import system
from app.metadata.vocabulary import ExamState, Verb
from app.models.exam import Exam
from app.models.payment import OrderState, PaymentOrder
from app.models.registration import (
    HOLDING,
    LIVE,
    Entry,
    EntryState,
    Life,
    Mode,
    Registration,
    Review,
)
from app.models.settings import SiteSettings
from app.rules import capacity, payment
from app.rules.clock import Clock, system_clock
from app.rules.orders import close_order
from app.rules.policy import permit
from app.rules.registration import permits
from app.rules.registration.states import (
    OWED,
    Held,
    Timeouts,
    deadline,
    end_entries,
    end_registration,
    entries_of,
    open_order,
    refresh,
)

logger = logging.getLogger("kaowu.expiry")
TASK = "expire unpaid entries"


@dataclass(slots=True)
class Sweep:
    """What one sweep did: entries expired, registrations ended, orders closed, paid, and kept
    because the gateway did not answer."""

    entries: int = 0
    registrations: int = 0
    orders_closed: int = 0
    orders_paid: int = 0
    orders_kept: int = 0


@dataclass(frozen=True, slots=True)
class _Due:
    registration_id: int
    site_id: int
    order_number: str | None


@dataclass(slots=True)
class _Page:
    """Due registrations after the gateway was asked about their orders."""

    due: list[_Due] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)


def expire_due(
    factory: sessionmaker[KaowuSession],
    gateway: payment.Gateway,
    *,
    clock: Clock = system_clock,
    timeouts: Timeouts | None = None,
    limit: int = 200,
) -> Sweep:
    """Expire everything that is due now, `limit` registrations at a time, each site on its own.

    Commits as it goes; may be stopped and run again at any time.
    """
    now, timeouts, sweep = clock(), timeouts or Timeouts(), Sweep()
    for page in _pages(factory, now, timeouts, limit):
        asked = _ask(factory, gateway, page, clock, sweep)
        by_site = sorted(asked.due, key=lambda due: (due.site_id, due.registration_id))
        for _, group in groupby(by_site, key=lambda due: due.site_id):
            ids = [due.registration_id for due in group]
            done = _expire_site(factory, ids, asked.closed, now, timeouts)
            sweep.entries += done.entries
            sweep.registrations += done.registrations
            sweep.orders_closed += done.orders_closed
    return sweep


# ---------------------------------------------------------------- what is due


def _pages(
    factory: sessionmaker[KaowuSession], now: dt.datetime, timeouts: Timeouts, limit: int
) -> Iterator[list[_Due]]:
    """By ascending id, so that orders which are kept do not stand in the way of the rest."""
    last = 0
    while True:
        with reading(factory, system(TASK)) as session:
            rows = session.execute(
                select(Registration.id, Registration.site_id, PaymentOrder.number)
                .join(Exam, Exam.id == Registration.exam_id)
                .join(SiteSettings, SiteSettings.site_id == Registration.site_id)
                .outerjoin(PaymentOrder, _OPEN_ORDER)
                .where(
                    Registration.id > last,
                    Exam.state == ExamState.CURRENT.value,
                    Registration.life.in_(LIVE),
                    _is_due(now, timeouts),
                )
                .order_by(Registration.id)
                .limit(limit)
            ).all()
        if not rows:
            return
        yield [_Due(row.id, row.site_id, row.number) for row in rows]
        last = rows[-1].id


_OPEN_ORDER = and_(
    PaymentOrder.registration_id == Registration.id, PaymentOrder.state == OrderState.OPEN.value
)


def _is_due(now: dt.datetime, timeouts: Timeouts) -> ColumnElement[bool]:
    """`states.deadline` in SQL; what it finds is decided again on the locked rows."""
    live_entry = exists().where(
        Entry.registration_id == Registration.id,
        Entry.state.in_([state.value for state in HOLDING]),
    )
    owed_entry = exists().where(Entry.registration_id == Registration.id, Entry.state.in_(OWED))
    waits_for_payment = or_(
        SiteSettings.review_required.is_(False), Registration.review == Review.APPROVED.value
    )
    changed = Registration.state_changed_at
    without_order = and_(
        PaymentOrder.id.is_(None),
        Registration.mode == Mode.INDIVIDUAL.value,
        or_(
            and_(~live_entry, changed < now - timeouts.submit),
            and_(owed_entry, waits_for_payment, changed < now - timeouts.pay),
            and_(
                owed_entry,
                ~waits_for_payment,
                Registration.review != Review.PENDING.value,
                changed < now - timeouts.submit,
            ),
        ),
    )
    return or_(PaymentOrder.expires_at < now, without_order)


# ---------------------------------------------------------------- the gateway first


def _ask(
    factory: sessionmaker[KaowuSession],
    gateway: payment.Gateway,
    page: Sequence[_Due],
    clock: Clock,
    sweep: Sweep,
) -> _Page:
    """Query and close every order at the gateway; take money that came, keep what is unknown."""
    asked = _Page()
    for due in page:
        if due.order_number is None:
            asked.due.append(due)
            continue
        answer = gateway.query(due.order_number)
        if answer.state not in ("paid", "unknown"):
            answer = gateway.close(due.order_number)
        money = payment.money_in(due.order_number, answer)
        if money is not None:
            _receive(factory, money, clock)
            sweep.orders_paid += 1
        elif answer.state == "closed":
            asked.due.append(due)
            asked.closed.add(due.order_number)
        else:
            sweep.orders_kept += 1
            logger.warning("order %s kept: the gateway does not answer", due.order_number)
    return asked


def _receive(factory: sessionmaker[KaowuSession], money: payment.Received, clock: Clock) -> None:
    run_unit(factory, system(TASK), lambda session: payment.receive(session, money, clock=clock))


# ---------------------------------------------------------------- one site at a time


def _expire_site(
    factory: sessionmaker[KaowuSession],
    registration_ids: list[int],
    closed_orders: set[str],
    now: dt.datetime,
    timeouts: Timeouts,
) -> Sweep:
    def work(session: KaowuSession) -> Sweep:
        with permit(session, permits.EXPIRE, Verb.RUN, clock=lambda: now):
            return _expire_locked(session, registration_ids, closed_orders, now, timeouts)

    return run_unit(factory, system(TASK), work)


def _expire_locked(
    session: Session,
    registration_ids: list[int],
    closed_orders: set[str],
    now: dt.datetime,
    timeouts: Timeouts,
) -> Sweep:
    done, seats = Sweep(), Counter[str]()
    rows = _lock_free(session, registration_ids)
    if not rows:
        return done
    settings = session.scalars(
        select(SiteSettings).where(SiteSettings.site_id == rows[0].site_id)
    ).one()
    entries = entries_of(session, [row.id for row in rows])
    for row in rows:
        held = Held(row, [entry for entry in entries if entry.registration_id == row.id])
        order = open_order(session, row.id)
        if order is not None and order.number not in closed_orders:
            continue  # made after the gateway was asked
        until = deadline(held, settings, order, timeouts)
        if until is None or until >= now:
            continue  # paid, submitted or changed meanwhile
        seats.update(_expire(session, held, order, done))
    if seats:
        capacity.release(session, rows[0], seats)
    return done


def _lock_free(session: Session, registration_ids: list[int]) -> list[Registration]:
    """Those that nobody else holds: whoever does will change them, or is another sweep."""
    return list(
        session.scalars(
            select(Registration)
            .where(Registration.id.in_(registration_ids), Registration.life.in_(LIVE))
            .order_by(Registration.id)
            .with_for_update(skip_locked=True, key_share=True)
            .execution_options(populate_existing=True)
        )
    )


def _expire(
    session: Session, held: Held, order: PaymentOrder | None, done: Sweep
) -> dict[str, int]:
    """Expire one registration's unpaid entries; return the seats that they held."""
    if order is not None:
        close_order(held, order)
        done.orders_closed += 1
    if held.is_collective:  # its entries never expire (R22.8): only the order did
        refresh(held)
        return {}
    owed = held.having(EntryState.UNPAID)
    seats = end_entries(held, owed, EntryState.EXPIRED)
    done.entries += len(owed)
    if not held.entries:
        end_registration(session, held.registration, Life.EXPIRED)
        done.registrations += 1
    return seats
