"""The sweep over unpaid entries (R22.8, R22.8a, N5), and orders that ask the gateway.

These rules own their transactions, so each test has a database of its own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import sessionmaker

from app.adapters.gateway import (
    Answer,
    BankRecord,
    GatewayState,
    MemoryLedger,
    SandboxGateway,
)
from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit, unit_of_work
from app.metadata.actor import system
from app.models.payment import OrderState, PaymentOrder
from app.models.registration import Entry, EntryState, Life, PersonClaim, Registration
from app.rules import capacity
from app.rules.clock import fixed
from app.rules.orders import create_order
from app.rules.payment import (
    GatewaySilent,
    OrderNotOpen,
    UnknownOrder,
    abandon_order,
    refresh_order,
)
from app.rules.registration.expiry import Sweep, expire_due
from app.rules.sandbox_ledger import DatabaseLedger
from tests import factories
from tests.factories import Tree

HOUR = dt.timedelta(hours=1)


class SilentLedger(MemoryLedger):
    """A bank that cannot be reached while `silent`."""

    silent = False

    def find(self, order_number: str) -> BankRecord | None:  # type: ignore[override]
        if self.silent:
            raise ConnectionError
        return super().find(order_number)

    def close(self, order_number: str) -> BankRecord:  # type: ignore[override]
        if self.silent:
            raise TimeoutError
        return super().close(order_number)


@dataclass
class World:
    """A database with a tree, and a bank."""

    factory: sessionmaker[KaowuSession]
    tree: Tree
    ledger: SilentLedger
    gateway: SandboxGateway

    def registration(self, **values: Any) -> Registration:
        with unit_of_work(self.factory, system("seed")) as session:
            return factories.make_registration(session, self.tree, **values)

    def order(self, row: Registration, hours: float = 0) -> PaymentOrder:
        clock = fixed(self.tree.now + hours * HOUR)
        order = run_unit(
            self.factory,
            self.tree.owner_of(row),
            lambda session: create_order(session, row.id, channel="sandbox", clock=clock),
        )
        self.gateway.start(order.number, order.amount)
        return order

    def sweep(self, hours: float, **options: Any) -> Sweep:
        return expire_due(
            self.factory, self.gateway, clock=fixed(self.tree.now + hours * HOUR), **options
        )

    def states(self, row: Registration) -> tuple[str, dict[str, str]]:
        """Life and entries; the counters are checked along the way."""
        with reading(self.factory, system("check")) as session:
            assert capacity.recount(session) == []
            entries = session.scalars(select(Entry).where(Entry.registration_id == row.id))
            states = {entry.subject_code: entry.state for entry in entries}
            found = session.scalars(select(Registration).where(Registration.id == row.id)).one()
            claims = session.scalars(
                select(PersonClaim).where(PersonClaim.registration_id == row.id)
            ).all()
            assert len(claims) == (found.life in ("draft", "active"))
            return found.life, states

    def state_of(self, order: PaymentOrder) -> str | None:
        with reading(self.factory, system("check")) as session:
            return session.scalar(select(PaymentOrder.state).where(PaymentOrder.id == order.id))


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    factory, tree = factories.populate(fresh_database)
    ledger = SilentLedger()
    yield World(factory, tree, ledger, SandboxGateway(ledger, b"secret"))
    factory.kw["bind"].dispose()


def review(world: World) -> None:
    with unit_of_work(world.factory, system("seed")) as session:
        factories.set_settings(session, world.tree.site, review_required=True)


# ---------------------------------------------------------------- clocks


def test_r22_8a_unpaid_entries_expire_after_the_pay_timeout(world: World) -> None:
    row = world.registration(subjects=("14", "24"))
    assert world.sweep(24) == Sweep()
    assert world.sweep(24.01) == Sweep(entries=2, registrations=1)
    assert world.states(row) == (Life.EXPIRED, {"14": "expired", "24": "expired"})
    assert world.sweep(100) == Sweep()


@pytest.mark.parametrize(
    ("state", "kept_at", "gone_at"),
    [("none", 72, 73), ("open", 72, 73), ("rejected", 72, 73), ("approved", 24, 25)],
)
def test_r22_8a_where_the_site_reviews(
    world: World, state: str, kept_at: float, gone_at: float
) -> None:
    review(world)
    row = world.registration(review=state)
    assert world.sweep(kept_at).entries == 0
    assert world.sweep(gone_at).entries == 1
    assert world.states(row)[0] == Life.EXPIRED


def test_r22_8a_scenario_33_pending_is_kept_for_ever(world: World) -> None:
    review(world)
    row = world.registration(review="pending")
    assert world.sweep(10_000) == Sweep()
    assert world.states(row) == (Life.ACTIVE, {"14": "unpaid"})


@pytest.mark.parametrize(
    "values",
    [
        {"collective": True},
        {"state": EntryState.BATCH_LOCKED},
        {"state": EntryState.PAID},
        {"state": EntryState.ARRANGED},
    ],
)
def test_r22_8_what_never_expires(world: World, values: dict[str, Any]) -> None:
    row = world.registration(**values)
    before = world.states(row)
    assert world.sweep(10_000) == Sweep()
    assert world.states(row) == before


def test_r22_8a_paid_entries_stay_and_keep_the_registration(world: World) -> None:
    row = world.registration(state=EntryState.PAID)
    with unit_of_work(world.factory, world.tree.owner_of(row)) as session:
        factories.choose(session, world.tree, row, ["24"])
    assert world.sweep(25) == Sweep(entries=1)
    assert world.states(row) == (Life.ACTIVE, {"14": "paid", "24": "expired"})


def test_an_empty_draft_frees_the_person_in_the_end(world: World) -> None:
    row = world.registration(subjects=(), life="draft")
    assert world.sweep(72) == Sweep()
    assert world.sweep(73) == Sweep(registrations=1)
    assert world.states(row) == (Life.EXPIRED, {})


def test_a_history_session_is_left_alone(world: World) -> None:
    row = world.registration()
    with unit_of_work(world.factory, system("seed")) as session, factories.seeding(session):
        session.merge(world.tree.exam).state = "history"
    assert world.sweep(10_000) == Sweep()
    assert world.states(row)[0] == Life.ACTIVE


def test_many_sites_and_pages(world: World) -> None:
    rows = [world.registration(site=world.tree.sites[n % 2]) for n in range(7)]
    assert world.sweep(25, limit=3) == Sweep(entries=7, registrations=7)
    assert {world.states(row)[0] for row in rows} == {Life.EXPIRED}


# ---------------------------------------------------------------- orders in flight


def test_n5_the_gateway_is_asked_first_and_money_counts(world: World) -> None:
    row = world.registration()
    order = world.order(row)
    world.gateway.pay(order.number)  # the call-back got lost
    assert world.sweep(25) == Sweep(orders_paid=1)
    assert world.states(row) == (Life.ACTIVE, {"14": "paid"})
    assert world.state_of(order) == OrderState.PAID


def test_n5_no_answer_keeps_the_seat_and_others_still_expire(world: World) -> None:
    row = world.registration()
    order = world.order(row)
    other = world.registration()
    world.ledger.silent = True
    assert world.sweep(25, limit=1) == Sweep(entries=1, registrations=1, orders_kept=1)
    assert world.states(row) == (Life.ACTIVE, {"14": "paying"})
    assert world.states(other)[0] == Life.EXPIRED
    world.ledger.silent = False
    assert world.sweep(26) == Sweep(entries=1, registrations=1, orders_closed=1)
    assert world.state_of(order) == OrderState.CLOSED
    assert world.ledger.close(order.number).state is GatewayState.CLOSED


def test_an_order_made_late_extends_the_time(world: World) -> None:
    row = world.registration()
    world.order(row, hours=23.9)
    assert world.sweep(24.2) == Sweep()
    assert world.sweep(24.5) == Sweep(entries=1, registrations=1, orders_closed=1)


def test_r22_8_a_collective_candidates_order_ends_but_not_his_entries(world: World) -> None:
    row = world.registration(collective=True)
    order = world.order(row)
    assert world.sweep(25) == Sweep(orders_closed=1)
    assert world.states(row) == (Life.ACTIVE, {"14": "unpaid"})
    assert world.order(row, hours=26).id != order.id


# ---------------------------------------------------------------- refresh and abandon


def test_r25_5_refreshing_an_order_asks_the_gateway(world: World) -> None:
    row = world.registration()
    order = world.order(row)
    owner, site = world.tree.owner_of(row), world.tree.actor()
    assert refresh_order(world.factory, owner, world.gateway, order.number) is OrderState.OPEN
    world.gateway.pay(order.number)
    assert refresh_order(world.factory, site, world.gateway, order.number) is OrderState.PAID
    assert refresh_order(world.factory, owner, world.gateway, order.number) is OrderState.PAID
    assert world.states(row)[1] == {"14": "paid"}


def test_p1_only_those_who_see_an_order_may_ask(world: World) -> None:
    order = world.order(world.registration())
    for actor in (world.tree.actor(number=1), world.tree.owner_of(world.registration())):
        with pytest.raises(UnknownOrder):
            refresh_order(world.factory, actor, world.gateway, order.number)


def test_a_silent_gateway_is_said_so(world: World) -> None:
    row = world.registration()
    order, owner = world.order(row), world.tree.owner_of(row)
    world.ledger.silent = True
    for ask in (refresh_order, abandon_order):
        with pytest.raises(GatewaySilent):
            ask(world.factory, owner, world.gateway, order.number)
    assert world.states(row)[1] == {"14": "paying"}


def test_an_order_may_be_abandoned_to_change_the_choice(world: World) -> None:
    row = world.registration()
    order, owner = world.order(row), world.tree.owner_of(row)
    abandon: Callable[[], OrderState] = lambda: abandon_order(  # noqa: E731
        world.factory, owner, world.gateway, order.number
    )
    assert abandon() is OrderState.CLOSED
    assert world.states(row)[1] == {"14": "unpaid"}
    with pytest.raises(OrderNotOpen):
        abandon()
    assert world.order(row).id != order.id


def test_money_that_was_faster_than_the_abandoning_counts(world: World) -> None:
    row = world.registration()
    order, owner = world.order(row), world.tree.owner_of(row)
    world.gateway.pay(order.number)
    abandoned = abandon_order(world.factory, owner, world.gateway, order.number)
    assert abandoned is OrderState.PAID
    assert world.states(row)[1] == {"14": "paid"}


def test_the_sandbox_keeps_its_records_in_the_database(world: World) -> None:
    gateway = SandboxGateway(DatabaseLedger(world.factory), b"secret")
    assert gateway.query("1") == Answer(GatewayState.OPEN)
    gateway.start("1", 8200)
    gateway.start("1", 9999)
    fields = gateway.pay("1")
    assert gateway.pay("1") == fields
    assert gateway.query("1") == Answer(GatewayState.PAID, fields["transaction_number"], 8200)
    assert gateway.close("1").state is GatewayState.PAID
    assert gateway.close("2").state is GatewayState.CLOSED
    gateway.start("2", 1)
    assert gateway.query("2").state is GatewayState.CLOSED
