"""Money and time at once (N4, N5, N12; the table of load.md §6), on real connections.

Caught: a call-back without the row lock (two of five copies take effect, or fail on the unique
key), a sweep that expires what is being paid, two sweeps that give one seat back twice.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.metadata.actor import system
from app.models.payment import GatewayTransaction, PaymentOrder
from app.models.registration import Entry, Registration
from app.rules import capacity, payment
from app.rules.clock import fixed
from app.rules.orders import create_order
from app.rules.payment import REFUND_DUE, Outcome, Received, receive
from app.rules.registration.expiry import Sweep, expire_due
from app.rules.registration.person import PersonTaken, register
from app.rules.registration.subjects import choose_subjects, withdraw_entry
from app.rules.site import load_site, notices_of
from tests import factories
from tests.concurrency.clients import Crowd, crowd, pauses, together

LATER = dt.timedelta(hours=25)


def make_order(clients: Crowd, row: Registration, client: int = 0) -> PaymentOrder:
    order = clients.as_owner(
        client,
        row,
        lambda session: create_order(
            session, row.id, channel="sandbox", clock=fixed(clients.tree.now)
        ),
    )
    clients.gateway.start(order.number, order.amount)
    return order


def call_back(clients: Crowd, order: PaymentOrder, transaction: str, client: int) -> Outcome:
    money = Received(order.number, transaction, order.amount)
    return clients.as_system(client, lambda session: receive(session, money))


def sweep(clients: Crowd, client: int) -> Sweep:
    moment = clients.tree.now + LATER
    return expire_due(clients.factory(client), clients.gateway, clock=fixed(moment), limit=7)


def assert_money_adds_up(clients: Crowd) -> None:
    """Each order is paid by one transaction or by none; all others are to be returned; paid
    entries belong to paid orders, and the other way round."""
    clients.assert_books_agree()
    with reading(clients.factory(), system("check")) as session:
        orders = {order.id: order for order in session.scalars(select(PaymentOrder))}
        kept = Counter(
            transaction.order_id
            for transaction in session.scalars(select(GatewayTransaction))
            if transaction.outcome not in REFUND_DUE
        )
        paid = {order.id for order in orders.values() if order.state == "paid"}
        assert kept == Counter(paid)
        for entry in session.scalars(select(Entry).where(Entry.order_id.is_not(None))):
            assert (entry.state == "paid") == (entry.order_id in paid)


def test_n4_five_copies_at_once_count_once(fresh_database: str) -> None:
    with crowd(fresh_database, 8, sites=1) as clients:
        for number, row in enumerate(clients.unpaid(6)):
            order = make_order(clients, row)
            copies = [
                partial(call_back, clients, order, f"T{number}", client) for client in range(5)
            ]
            outcomes = Counter(together(copies))
            assert outcomes == {Outcome.PAID: 1, Outcome.DUPLICATE: 4}
        assert_money_adds_up(clients)


@pytest.mark.postgres
def test_without_the_row_lock_the_copies_are_not_told_apart(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutant that survived a suite without pauses: it must not pass unnoticed here."""

    def unlocked(session: KaowuSession, row_id: int, model: Any = Registration) -> Any:
        statement = select(model).where(model.id == row_id)
        return session.scalars(statement.execution_options(populate_existing=True)).one()

    monkeypatch.setattr(payment, "lock_registration", unlocked)
    monkeypatch.setattr(payment, "_lock_order", partial(unlocked, model=PaymentOrder))
    with crowd(fresh_database, 8, sites=1) as clients:
        outcomes: list[object] = []
        with pauses(clients, "SELECT gateway_transaction"):
            for number, row in enumerate(clients.unpaid(5)):
                order = make_order(clients, row)
                copies = [
                    partial(call_back, clients, order, f"T{number}", client) for client in range(5)
                ]
                outcomes += together(copies)
        assert Counter(outcomes) != {Outcome.PAID: 5, Outcome.DUPLICATE: 20}


@pytest.mark.postgres
def test_different_transactions_at_once_pay_once(fresh_database: str) -> None:
    with crowd(fresh_database, 8, sites=1) as clients:
        [row] = clients.unpaid(1)
        order = make_order(clients, row)
        payments = [partial(call_back, clients, order, f"T{client}", client) for client in range(5)]
        with pauses(clients, "SELECT gateway_transaction"):
            outcomes = Counter(together(payments))
        assert outcomes == {Outcome.PAID: 1, Outcome.DOUBLE_PAYMENT: 4}
        assert_money_adds_up(clients)


@pytest.mark.postgres
@pytest.mark.parametrize("capacity_left", [True, False])
def test_a_call_back_against_the_sweep(fresh_database: str, capacity_left: bool) -> None:
    """Whoever locks the registration first; the other sees what became of it."""
    with crowd(fresh_database, 32, capacity=12, total=200, sites=1) as clients:
        rows = clients.unpaid(12)
        orders = [make_order(clients, row) for row in rows]
        others = [] if capacity_left else clients.drafts(8)
        work: list[Any] = [
            partial(call_back, clients, order, f"T{number}", number)
            for number, order in enumerate(orders)
        ]
        work += [partial(sweep, clients, client) for client in range(2)]
        work += [partial(_take, clients, row, client) for client, row in enumerate(others)]
        with pauses(clients, "UPDATE capacity_pool", "SELECT payment_order"):
            results = together(work)
        outcomes = Counter(result for result in results if isinstance(result, Outcome))
        allowed = {Outcome.PAID, Outcome.PAID_LATE}
        assert set(outcomes) <= (allowed if capacity_left else allowed | {Outcome.LATE_NO_SEAT})
        assert sum(outcomes.values()) == 12
        assert_money_adds_up(clients)


def _take(clients: Crowd, row: Registration, client: int) -> None:
    clients.as_owner(
        client,
        row,
        lambda session: choose_subjects(
            session, row.id, {"14": None}, clock=fixed(clients.tree.now)
        ),
    )


@pytest.mark.postgres
def test_several_sweeps_expire_each_entry_once(fresh_database: str) -> None:
    with crowd(fresh_database, 8, sites=1) as clients:
        rows = clients.unpaid(40, subjects=("14", "24"))
        for row in rows[:10]:
            make_order(clients, row)
        with pauses(clients, "UPDATE capacity_pool"):
            sweeps = together([partial(sweep, clients, client) for client in range(4)])
        done = [found for found in sweeps if isinstance(found, Sweep)]
        assert len(done) == 4
        rest = sweep(clients, 0)  # what every sweep skipped because another one held it
        assert sum(found.entries for found in [*done, rest]) == 80
        assert sum(found.registrations for found in [*done, rest]) == 40
        assert clients.held() == 0
        assert_money_adds_up(clients)


def test_two_clicks_on_pay_make_one_order(fresh_database: str) -> None:
    with crowd(fresh_database, 8, sites=1) as clients:
        [row] = clients.unpaid(1)
        orders = together([partial(make_order, clients, row, client) for client in range(6)])
        numbers = {order.number for order in orders if isinstance(order, PaymentOrder)}
        assert len(numbers) == 1
        assert_money_adds_up(clients)


def test_n12_one_person_at_two_sites_at_once(fresh_database: str) -> None:
    with crowd(fresh_database, 8, sites=2) as clients:
        number = factories.id_number()
        passports = [clients.as_system(0, factories.make_passport) for _ in range(6)]

        def come(client: int) -> Registration:
            site = clients.tree.sites[client % 2]
            actor = clients.tree.candidate(passports[client])

            def work(session: KaowuSession) -> Registration:
                version = notices_of(session, load_site(session, site.id)).version
                return register(
                    session,
                    site.id,
                    factories.person(id_number=number),
                    notice_version=version,
                    counted=factories.COUNTED,
                    clock=fixed(clients.tree.now),
                )

            return run_unit(clients.factory(client), actor, work)

        results = together([partial(come, client) for client in range(6)])
        winners = [result for result in results if isinstance(result, Registration)]
        losers = [result for result in results if isinstance(result, PersonTaken)]
        assert (len(winners), len(losers)) == (1, 5)


@pytest.mark.postgres
def test_everything_at_once_keeps_the_books(fresh_database: str) -> None:
    """Choosing, giving up, paying, paying twice, sweeping, and limits, all over one small site."""
    with crowd(fresh_database, 48, capacity=18, total=200, sites=1) as clients:
        paying, idle, drafts = clients.unpaid(10), clients.unpaid(6), clients.drafts(16)
        orders = [make_order(clients, row) for row in paying]
        work: list[Any] = [
            partial(_take, clients, row, client) for client, row in enumerate(drafts)
        ]
        for number, order in enumerate(orders):
            work.append(partial(call_back, clients, order, f"A{number}", number))
            if number % 3 == 0:
                work.append(partial(call_back, clients, order, f"B{number}", number))
        work += [partial(_give_up, clients, row, client) for client, row in enumerate(idle[:3])]
        work += [partial(sweep, clients, client) for client in range(3)]
        work += [partial(_limit, clients, client) for client in range(4)]
        with pauses(clients, "UPDATE capacity_pool", "INSERT INTO entry"):
            together(work)
        assert clients.used("S:14") <= 18
        assert_money_adds_up(clients)


def _give_up(clients: Crowd, row: Registration, client: int) -> Registration:
    return clients.as_owner(client, row, lambda session: withdraw_entry(session, row.id, "14"))


def _limit(clients: Crowd, client: int) -> None:
    def work(session: KaowuSession) -> None:
        with factories.permitted(session):
            capacity.set_limits(session, clients.tree.site, {"S:14": 18, "TOTAL": 150 + client})

    clients.as_system(client, work)
