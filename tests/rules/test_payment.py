"""Orders and call-backs (R12.5, R15.6, N4, N21; the table of load.md §6).

Caught here: no idempotency, a wrong amount taken for money, a late payment that oversells, a fee
charged twice. The races between processes are in `tests/concurrency/test_payment_races.py`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from app.adapters.gateway import ForgedCallback, MemoryLedger, PaymentClosed, SandboxGateway
from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.actor import system
from app.metadata.vocabulary import Verb, Window
from app.models.payment import GatewayTransaction, OrderState, PaymentOrder
from app.models.registration import Entry, EntryState, Life, PersonClaim, Registration
from app.rules import capacity
from app.rules.clock import Clock, fixed
from app.rules.orders import (
    LEAST_TIME_TO_PAY,
    NotApproved,
    NothingToPay,
    OutsidePaymentTime,
    close_order,
    create_order,
)
from app.rules.payment import REFUND_DUE, Outcome, Received, UnknownOrder, receive
from app.rules.policy import permit
from app.rules.registration import permits
from app.rules.registration.review import Incomplete
from app.rules.registration.states import (
    BatchLocked,
    end_entries,
    end_registration,
    hold,
    open_order,
)
from app.rules.site import SiteClosed
from tests import factories
from tests.factories import Tree, choose, enter
from tests.rules.waiting import held_up

HOUR = dt.timedelta(hours=1)
DAY = 24 * HOUR


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


def order_for(
    session: KaowuSession, tree: Tree, row: Registration, clock: Clock | None = None
) -> PaymentOrder:
    become(session, tree.owner_of(row))
    return create_order(session, row.id, channel="sandbox", clock=clock or fixed(tree.now))


def pay(
    session: KaowuSession,
    tree: Tree,
    order: PaymentOrder,
    transaction: str = "T1",
    amount: int | None = None,
) -> Outcome:
    become(session, system("payment call-back"))
    money = Received(order.number, transaction, order.amount if amount is None else amount)
    return receive(session, money, clock=fixed(tree.now))


def expire(session: KaowuSession, order: PaymentOrder) -> None:
    """As the sweep does: the order closed, its entries expired, the person free."""
    become(session, system("test"))
    with permit(session, permits.EXPIRE, Verb.RUN):
        held = hold(session, order.registration_id)
        found = open_order(session, order.registration_id)
        if found is not None:
            close_order(held, found)
        seats = end_entries(held, held.having(EntryState.UNPAID), EntryState.EXPIRED)
        if not held.entries:
            end_registration(session, held.registration, Life.EXPIRED)
        capacity.release(session, held.registration, seats)


@dataclass(frozen=True)
class Now:
    """What is true in the database."""

    registration: Registration
    order: PaymentOrder
    states: dict[str, str]
    outcomes: list[str]


def now(session: KaowuSession, order: PaymentOrder) -> Now:
    """Read everything afresh, and check that money and counters add up (load.md §6)."""
    become(session, system("check"))
    session.expire_all()
    row = session.scalars(
        select(Registration).where(Registration.id == order.registration_id)
    ).one()
    entries = session.scalars(select(Entry).where(Entry.registration_id == row.id)).all()
    found = session.scalars(select(PaymentOrder).where(PaymentOrder.id == order.id)).one()
    transactions = session.scalars(
        select(GatewayTransaction)
        .where(GatewayTransaction.order_id == order.id)
        .order_by(GatewayTransaction.id)
    ).all()
    taken = [t for t in transactions if t.outcome in (Outcome.PAID, Outcome.PAID_LATE)]
    assert len(taken) == (found.state == OrderState.PAID)
    assert all((t in taken) != (t.outcome in REFUND_DUE) for t in transactions)
    assert capacity.recount(session) == []
    states = {entry.subject_code: entry.state for entry in entries}
    return Now(row, found, states, [t.outcome for t in transactions])


# ---------------------------------------------------------------- making an order


def test_r12_5_an_order_freezes_the_fees(session: KaowuSession, tree: Tree) -> None:
    row = choose(session, tree, enter(session, tree), ["14", "24"])
    order = order_for(session, tree, row)
    assert (order.person_fee, order.subject_fee, order.amount) == (1000, 14_400, 15_400)
    assert (order.subject_codes, len(order.number), order.channel) == ("14.24", 24, "sandbox")
    found = now(session, order)
    assert found.states == {"14": "paying", "24": "paying"}
    assert found.registration.locked


def test_q15_the_person_fee_is_due_once_per_registration(session: KaowuSession, tree: Tree) -> None:
    row = factories.make_registration(session, tree, state=EntryState.PAID)
    become(session, tree.owner_of(row))
    row = choose(session, tree, row, ["24"])
    order = order_for(session, tree, row)
    assert (order.person_fee, order.subject_fee) == (0, 7200)
    assert pay(session, tree, order) is Outcome.PAID
    assert now(session, order).registration.payment == "paid"


def test_starting_twice_gives_the_same_order(session: KaowuSession, tree: Tree) -> None:
    row = choose(session, tree, enter(session, tree), ["14"])
    assert order_for(session, tree, row).id == order_for(session, tree, row).id


def test_n21_an_order_of_nothing_is_paid_at_once(session: KaowuSession, tree: Tree) -> None:
    site = factories.add_site(session, tree, "990703", person_fee=0, subject_fee=0)
    row = choose(session, tree, enter(session, tree, site), ["14"])
    order = order_for(session, tree, row)
    become(session, system("check"))
    found = session.scalars(select(PaymentOrder).where(PaymentOrder.id == order.id)).one()
    assert (found.state, found.channel, found.amount) == ("paid", "free", 0)
    paid = session.scalars(select(Registration).where(Registration.id == row.id)).one()
    assert paid.payment == "paid"


def test_an_order_lasts_as_long_as_the_clock_and_at_least_half_an_hour(
    session: KaowuSession, tree: Tree
) -> None:
    row = choose(session, tree, enter(session, tree), ["14"])
    other = choose(session, tree, enter(session, tree), ["14"])
    order = order_for(session, tree, row, fixed(tree.now + HOUR))
    assert order.expires_at == tree.now + DAY
    late = tree.now + DAY - dt.timedelta(minutes=1)
    assert order_for(session, tree, other, fixed(late)).expires_at == late + LEAST_TIME_TO_PAY


def test_scenario_38_review_comes_before_payment(session: KaowuSession, tree: Tree) -> None:
    factories.set_settings(session, tree.site, review_required=True)
    for review in ("open", "pending", "rejected", "none"):
        row = factories.make_registration(session, tree, review=review)
        with pytest.raises(NotApproved):
            order_for(session, tree, row)
    row = factories.make_registration(session, tree, review="approved")
    assert order_for(session, tree, row).amount == 8200
    row = factories.make_registration(session, tree, review="pending", collective=True)
    with pytest.raises(NotApproved):
        order_for(session, tree, row)


def test_what_cannot_be_paid(session: KaowuSession, tree: Tree) -> None:
    for values, error in (
        ({"state": EntryState.BATCH_LOCKED}, BatchLocked),
        ({"state": EntryState.PAID}, NothingToPay),
        ({"photo": False}, Incomplete),
    ):
        row = factories.make_registration(session, tree, **values)
        with pytest.raises(error):
            order_for(session, tree, row)
    row = factories.make_registration(session, tree)
    factories.set_settings(session, tree.site, open=False)
    with pytest.raises(SiteClosed):
        order_for(session, tree, row)


def test_r15_6_individuals_pay_in_the_online_time(session: KaowuSession, tree: Tree) -> None:
    row = factories.make_registration(session, tree)
    with pytest.raises(OutsidePaymentTime):
        order_for(session, tree, row, fixed(tree.now + 21 * DAY))
    assert order_for(session, tree, row, fixed(tree.now + 19 * DAY)).amount


def test_r15_6_an_order_that_waited_until_the_online_time_was_over_comes_too_late(
    session: KaowuSession, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = factories.make_registration(session, tree)
    clock = held_up(monkeypatch, "app.rules.orders", tree.now, 21 * DAY)
    with pytest.raises(OutsidePaymentTime):
        order_for(session, tree, row, clock)


def test_r15_6_a_late_approval_leaves_time_to_pay(session: KaowuSession, tree: Tree) -> None:
    factories.set_settings(session, tree.site, review_required=True)
    approved = tree.now + 21 * DAY
    row = factories.make_registration(session, tree, review="approved", state_changed_at=approved)
    with pytest.raises(OutsidePaymentTime):
        order_for(session, tree, row, fixed(approved + 25 * HOUR))
    order = order_for(session, tree, row, fixed(approved + 23 * HOUR))
    assert order.expires_at == approved + DAY
    other = factories.make_registration(session, tree, review="approved", state_changed_at=approved)
    factories.set_window(session, tree.site, Window.REGISTRATION, tree.now - DAY, approved + HOUR)
    with pytest.raises(OutsidePaymentTime):
        order_for(session, tree, other, fixed(approved + 2 * HOUR))


def test_r15_6_collective_candidates_pay_in_w3(session: KaowuSession, tree: Tree) -> None:
    factories.set_settings(session, tree.site, online_enabled=False)
    row = factories.make_registration(session, tree, collective=True)
    with pytest.raises(OutsidePaymentTime):
        order_for(session, tree, row, fixed(tree.now + 31 * DAY))
    order = order_for(session, tree, row, fixed(tree.now + 29 * DAY))
    assert order.expires_at == tree.now + 30 * DAY


# ---------------------------------------------------------------- call-backs


@pytest.fixture
def order(session: KaowuSession, tree: Tree) -> PaymentOrder:
    row = choose(session, tree, enter(session, tree), ["14", "24"])
    return order_for(session, tree, row)


def test_n4_a_call_back_counts_once(session: KaowuSession, tree: Tree, order: PaymentOrder) -> None:
    outcomes = [pay(session, tree, order) for _ in range(5)]
    assert outcomes == [Outcome.PAID, *[Outcome.DUPLICATE] * 4]
    found = now(session, order)
    assert found.states == {"14": "paid", "24": "paid"}
    assert (found.registration.payment, found.outcomes) == ("paid", ["paid"])
    assert found.order.paid_at == tree.now


def test_a_wrong_amount_buys_nothing(
    session: KaowuSession, tree: Tree, order: PaymentOrder
) -> None:
    wrong = pay(session, tree, order, "T1", order.amount - 1)
    assert wrong is Outcome.AMOUNT_MISMATCH
    assert pay(session, tree, order, "T1", order.amount - 1) is Outcome.DUPLICATE
    assert now(session, order).states == {"14": "paying", "24": "paying"}
    assert pay(session, tree, order, "T2") is Outcome.PAID
    assert now(session, order).outcomes == ["amount_mismatch", "paid"]


def test_a_second_payment_is_to_be_returned(
    session: KaowuSession, tree: Tree, order: PaymentOrder
) -> None:
    pay(session, tree, order, "T1")
    assert pay(session, tree, order, "T2") is Outcome.DOUBLE_PAYMENT
    assert now(session, order).outcomes == ["paid", "double_payment"]


def test_an_order_nobody_made(session: KaowuSession, tree: Tree) -> None:
    become(session, system("payment call-back"))
    with pytest.raises(UnknownOrder):
        receive(session, Received("0", "T1", 1))


def test_a_late_payment_takes_the_seats_again(
    session: KaowuSession, tree: Tree, order: PaymentOrder
) -> None:
    expire(session, order)
    assert now(session, order).registration.life == Life.EXPIRED
    assert pay(session, tree, order) is Outcome.PAID_LATE
    found = now(session, order)
    assert found.states == {"14": "paid", "24": "paid"}
    assert (found.registration.life, found.registration.payment) == (Life.ACTIVE, "paid")
    claim = session.scalars(
        select(PersonClaim).where(PersonClaim.registration_id == found.registration.id)
    ).one()
    assert claim.id_digest == found.registration.id_digest
    assert pay(session, tree, order) is Outcome.DUPLICATE


@pytest.mark.parametrize("pool", ["S:24", "TOTAL"])
def test_a_late_payment_never_oversells(
    session: KaowuSession, tree: Tree, order: PaymentOrder, pool: str
) -> None:
    expire(session, order)
    factories.make_registration(session, tree, subjects=("24",))
    factories.set_capacity(session, tree.site, pool, 1)
    assert pay(session, tree, order) is Outcome.LATE_NO_SEAT
    found = now(session, order)
    assert found.states == {"14": "expired", "24": "expired"}
    assert (found.order.state, found.registration.life) == ("refund_due", Life.EXPIRED)
    assert pay(session, tree, order) is Outcome.DUPLICATE
    assert pay(session, tree, order, "T2") is Outcome.LATE_NO_SEAT


def test_a_late_payment_yields_to_a_newer_registration(
    session: KaowuSession, tree: Tree, order: PaymentOrder
) -> None:
    old = now(session, order).registration
    passport, number = old.passport_id, old.id_number
    expire(session, order)
    owner = factories.make_passport(session)
    enter(session, tree, tree.sites[1], passport=owner, id_number=number)
    assert pay(session, tree, order) is Outcome.LATE_NO_SEAT
    found = now(session, order)
    assert (found.registration.life, found.registration.passport_id) == (Life.EXPIRED, passport)


def test_a_late_payment_yields_to_a_newer_entry_of_the_subject(
    session: KaowuSession, tree: Tree
) -> None:
    row = factories.make_registration(session, tree, state=EntryState.PAID)
    become(session, tree.owner_of(row))
    order = order_for(session, tree, choose(session, tree, row, ["24"]))
    expire(session, order)
    become(session, tree.owner_of(row))
    choose(session, tree, row, ["24"])
    assert pay(session, tree, order) is Outcome.LATE_NO_SEAT
    assert now(session, order).registration.payment == "partly"


def test_r10_4a_a_late_payment_at_a_stopped_site(
    session: KaowuSession, tree: Tree, order: PaymentOrder
) -> None:
    expire(session, order)
    factories.set_settings(session, tree.site, open=False)
    assert pay(session, tree, order) is Outcome.LATE_NO_SEAT
    assert now(session, order).registration.life == Life.EXPIRED


# ---------------------------------------------------------------- the sandbox


def test_n4_a_forged_call_back_is_refused() -> None:
    gateway = SandboxGateway(MemoryLedger(), b"secret")
    gateway.start("1", 8200)
    fields = gateway.pay("1")
    assert gateway.read_callback(fields).amount == 8200
    for forged in (
        fields | {"amount": "1"},
        fields | {"signature": "0" * 64},
        {name: value for name, value in fields.items() if name != "signature"},
        {},
        SandboxGateway(MemoryLedger(), b"other").callback("1", "T", 8200),
    ):
        with pytest.raises(ForgedCallback):
            gateway.read_callback(forged)


def test_the_sandbox_takes_no_money_for_a_closed_order() -> None:
    gateway = SandboxGateway(MemoryLedger(), b"secret")
    gateway.start("1", 8200)
    assert gateway.query("1").state == "open"
    assert gateway.close("1").state == "closed"
    with pytest.raises(PaymentClosed):
        gateway.pay("1")
    with pytest.raises(PaymentClosed):
        gateway.pay("2")
    gateway.start("3", 100)
    first = gateway.pay("3")
    assert gateway.pay("3") == first
    answer = gateway.close("3")
    assert (answer.state, answer.amount) == ("paid", 100)
    assert gateway.query("4").state == "open"
