"""Registration against a plain Python ledger: any order of steps keeps the books (load.md §6).

Invariants after every step: (1) each counter equals the entries that hold its seats; (2) never
above the limit; (3) derived columns equal the entries; (4) a paid entry belongs to exactly one
paid order; (5) each transaction is either kept or to be returned.

Caught: a release forgotten on any path, a limit off by one, a late payment that oversells, a
double payment taken as money, a sweep that expires what was paid.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import bindparam, select
from sqlalchemy.orm import sessionmaker

from app.adapters.gateway import MemoryLedger, SandboxGateway
from app.database.session import KaowuSession
from app.database.unit_of_work import reading, unit_of_work
from app.metadata.actor import system
from app.metadata.errors import KaowuError
from app.models.capacity import CapacityPool
from app.models.payment import GatewayTransaction, PaymentOrder
from app.models.registration import HOLDING, PAID_STATES, Entry, Registration
from app.rules import capacity
from app.rules.clock import fixed
from app.rules.orders import create_order
from app.rules.payment import REFUND_DUE, Outcome, Received, abandon_order, receive
from app.rules.registration.expiry import expire_due
from app.rules.registration.states import Held, payment_of
from app.rules.registration.subjects import choose_subjects, withdraw_registration
from tests import factories
from tests.factories import EXAM_DAYS, Tree

SUBJECTS = ("14", "24", "26")
LIMITS = {"TOTAL": 5, **{f"S:{code}": 2 for code in SUBJECTS}, f"D:{EXAM_DAYS[0]}": 2}
Choice = dict[str, dt.date | None]
choices = st.dictionaries(
    st.sampled_from(SUBJECTS), st.sampled_from([None, None, EXAM_DAYS[0]]), max_size=3
)


def seats(choice: Choice) -> Counter[str]:
    return Counter(capacity.seats_of(choice.items()))


class Books(RuleBasedStateMachine):
    """One site with few seats. `held` is the ledger: {registration: {subject: day}} per state."""

    factory: ClassVar[sessionmaker[KaowuSession]]
    tree: ClassVar[Tree]
    numbers: ClassVar[Iterator[int]] = itertools.count(10)
    registrations = Bundle("registrations")

    def __init__(self) -> None:
        super().__init__()
        self.gateway = SandboxGateway(MemoryLedger(), b"secret")
        self.limits = dict(LIMITS)
        self.unpaid: dict[int, Choice] = {}
        self.paying: dict[int, Choice] = {}
        self.paid: dict[int, Choice] = {}
        #: closed orders by registration: what a late payment would buy
        self.late: dict[int, tuple[PaymentOrder, Choice]] = {}
        self.orders: dict[int, PaymentOrder] = {}
        self.dead: set[int] = set()
        self.rows: dict[int, Registration] = {}
        with unit_of_work(self.factory, system("seed")) as session:
            self.site = factories.add_site(
                session, self.tree, f"99{next(self.numbers):04d}", day_quota=9
            )
            for pool, limit in LIMITS.items():
                factories.set_capacity(session, self.site, pool, limit)

    # ------------------------------------------------------------ the ledger

    def used(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for state in (self.unpaid, self.paying, self.paid):
            for choice in state.values():
                total += seats(choice)
        return total

    def fits(self, change: Counter[str]) -> bool:
        used = self.used()
        return all(
            count <= 0 or used[pool] + count <= self.limits[pool] for pool, count in change.items()
        )

    @contextmanager
    def candidate(self, number: int) -> Iterator[KaowuSession]:
        with unit_of_work(self.factory, self.tree.owner_of(self.rows[number])) as session:
            yield session

    def attempt(self, work: Callable[[], Any]) -> Any | None:
        """The result, or None when a rule refused."""
        try:
            return work()
        except KaowuError:
            return None

    # ------------------------------------------------------------ steps

    @initialize(target=registrations)
    def begin(self) -> Any:
        return multiple(self.enter(), self.enter(), self.enter())

    @rule(target=registrations)
    def enter_another(self) -> Any:
        return multiple() if len(self.rows) == 5 else self.enter()

    def enter(self) -> int:
        with unit_of_work(self.factory, system("seed")) as session:
            row = factories.make_registration(
                session, self.tree, self.site, subjects=(), life="draft"
            )
        self.rows[row.id] = row
        return row.id

    @rule(number=registrations, choice=choices)
    def choose(self, number: int, choice: Choice) -> None:
        paid = self.paid.get(number, {})
        wanted = {code: day for code, day in choice.items() if code not in paid}
        change = seats(wanted)
        change.subtract(seats(self.unpaid.get(number, {})))
        legal = number not in self.dead and number not in self.paying and self.fits(change)

        def work() -> bool:
            with self.candidate(number) as session:
                choose_subjects(session, number, choice, clock=fixed(self.tree.now))
            return True

        assert bool(self.attempt(work)) == legal
        if legal:
            self.unpaid[number] = wanted

    @rule(number=registrations)
    def order(self, number: int) -> None:
        legal = number not in self.dead and bool(self.unpaid.get(number) or number in self.paying)

        def work() -> PaymentOrder:
            with self.candidate(number) as session:
                return create_order(session, number, channel="sandbox", clock=fixed(self.tree.now))

        made = self.attempt(work)
        assert (made is not None) == legal
        if made is not None and number not in self.paying:
            self.paying[number] = self.unpaid.pop(number)
            self.orders[number] = made
            self.late.pop(number, None)  # its entries belong to the new order now
            self.gateway.start(made.number, made.amount)

    @rule(number=registrations, again=st.booleans(), wrong=st.booleans())
    def pay(self, number: int, again: bool, wrong: bool) -> None:
        order = self.orders.get(number)
        if order is None or number not in self.paying:
            return
        amount = order.amount + wrong
        outcome = self.deliver(order, f"{order.number}/{wrong}", amount)
        if wrong:
            assert outcome in (Outcome.AMOUNT_MISMATCH, Outcome.DUPLICATE)
            return
        assert outcome is Outcome.PAID
        self.paid.setdefault(number, {}).update(self.paying.pop(number))
        if again:
            second = self.deliver(order, f"{order.number}/second", amount)
            assert second is Outcome.DOUBLE_PAYMENT
        assert self.deliver(order, f"{order.number}/False", amount) is Outcome.DUPLICATE

    @rule(number=registrations)
    def pay_late(self, number: int) -> None:
        if number not in self.late:
            return
        order, choice = self.late.pop(number)
        live = {**self.unpaid.get(number, {}), **self.paid.get(number, {})}
        legal = (number not in self.paying and not live.keys() & choice.keys()) and self.fits(
            seats(choice)
        )
        outcome = self.deliver(order, f"{order.number}/late", order.amount)
        assert outcome is (Outcome.PAID_LATE if legal else Outcome.LATE_NO_SEAT)
        if legal:
            self.paid.setdefault(number, {}).update(choice)
            self.dead.discard(number)

    def deliver(self, order: PaymentOrder, transaction: str, amount: int) -> Outcome:
        with unit_of_work(self.factory, system("call-back")) as session:
            return receive(session, Received(order.number, transaction, amount))

    @rule(number=registrations)
    def abandon(self, number: int) -> None:
        if number in self.paying:
            actor = self.tree.owner_of(self.rows[number])
            abandon_order(self.factory, actor, self.gateway, self.orders[number].number)
            self.unpaid[number] = self.paying.pop(number)

    @rule(number=registrations)
    def expire(self, number: int) -> None:
        """Only this registration's time runs out."""
        if number in self.dead or (number in self.paid and not self.owed(number)):
            return
        self.turn_back(number)
        expire_due(self.factory, self.gateway, clock=fixed(self.tree.now), limit=2)
        if number in self.paying:
            self.late[number] = (self.orders[number], self.paying[number])
        self.unpaid.pop(number, None)
        self.paying.pop(number, None)
        if not self.paid.get(number):
            self.dead.add(number)

    @rule(number=registrations, choice=choices, at_once=st.booleans())
    def expire_on_the_pay_page(self, number: int, choice: Choice, at_once: bool) -> None:
        """What makes late payments: rare by chance, so it is told as one story."""
        if not self.unpaid.get(number):
            self.choose(number, choice)
        if self.unpaid.get(number):
            self.order(number)
            self.expire(number)
        if at_once:
            self.pay_late(number)

    def owed(self, number: int) -> Choice:
        return {**self.unpaid.get(number, {}), **self.paying.get(number, {})}

    def turn_back(self, number: int) -> None:
        past = self.tree.now - dt.timedelta(days=10)
        with unit_of_work(self.factory, system("t")) as session, factories.seeding(session):
            row = session.scalars(select(Registration).where(Registration.id == number)).one()
            row.state_changed_at = past
            for order in session.scalars(
                select(PaymentOrder).where(
                    PaymentOrder.registration_id == number, PaymentOrder.state == "open"
                )
            ):
                order.expires_at = past

    @rule(number=consumes(registrations))
    def withdraw(self, number: int) -> None:
        blocked = (self.dead, self.paying, {n for n, c in self.paid.items() if c})
        legal = not any(number in reason for reason in blocked)

        def work() -> bool:
            with self.candidate(number) as session:
                withdraw_registration(session, number, clock=fixed(self.tree.now))
            return True

        assert bool(self.attempt(work)) == legal
        if legal:
            self.unpaid.pop(number, None)
            self.dead.add(number)
            self.late.pop(number, None)

    @rule(pool=st.sampled_from(sorted(LIMITS)), limit=st.integers(1, 6))
    def limit(self, pool: str, limit: int) -> None:
        """An administrator's edit, without the ranges of chapter 13; never below what is used."""
        if limit < self.used()[pool]:
            return
        with unit_of_work(self.factory, system("seed")) as session:
            factories.set_capacity(session, self.site, pool, limit)
        self.limits[pool] = limit

    # ------------------------------------------------------------ invariants

    @invariant()
    def books_agree(self) -> None:
        with reading(self.factory, system("check")) as session:
            wrong = [found for found in capacity.recount(session) if found.site_id == self.site.id]
            assert wrong == []
            pools = session.scalars(
                select(CapacityPool).where(CapacityPool.site_id == self.site.id)
            )
            used = self.used()
            for pool in pools:
                assert pool.used == used[pool.pool], pool.pool
                assert pool.used <= pool.capacity
            self.rows_agree(session)
            self.money_agrees(session)

    def rows_agree(self, session: KaowuSession) -> None:
        rows = session.scalars(select(Registration).where(Registration.site_id == self.site.id))
        for row in rows:
            held = [entry for entry in row.entries if entry.state in HOLDING]
            codes = sorted(entry.subject_code for entry in held)
            assert row.subject_codes == ".".join(codes)
            assert row.subject_count == len(codes)
            assert row.payment == payment_of(held)
            mine = {**self.owed(row.id), **self.paid.get(row.id, {})}
            assert {entry.subject_code: entry.preference_day for entry in held} == mine
            assert (row.life in ("draft", "active")) == (row.id not in self.dead)

    def money_agrees(self, session: KaowuSession) -> None:
        orders = {
            order.id: order
            for order in session.scalars(
                select(PaymentOrder).where(PaymentOrder.site_id == self.site.id)
            )
        }
        entries = session.scalars(select(Entry).where(Entry.site_id == self.site.id)).all()
        for entry in entries:
            if entry.state in PAID_STATES:
                assert orders[entry.order_id or 0].state == "paid"
        transactions = session.scalars(
            select(GatewayTransaction).where(GatewayTransaction.order_id.in_(orders))
        ).all()
        kept = Counter(t.order_id for t in transactions if t.outcome not in REFUND_DUE)
        assert kept == Counter(order.id for order in orders.values() if order.state == "paid")


def run(url: str, **options: Any) -> None:
    factory, tree = factories.populate(url, sites=0)
    Books.factory, Books.tree = factory, tree
    chosen = settings(
        stateful_step_count=25,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        **options,
    )
    try:
        run_state_machine_as_test(Books, settings=chosen)
    finally:
        factory.kw["bind"].dispose()


def test_any_order_of_steps_keeps_the_books(fresh_database: str) -> None:
    run(fresh_database, max_examples=12)


def _no_release(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(capacity, "release", lambda *_: None)


def _one_seat_less(patch: pytest.MonkeyPatch) -> None:
    original: Any = capacity._move_statement
    pool = CapacityPool.__table__

    def mutant(count: int, dialect: str) -> Any:
        gives = bindparam("seats_0") < 0
        return original(count, dialect).where(gives | (pool.c.used + 1 < pool.c.capacity))

    patch.setattr(capacity, "_move_statement", mutant)


def _late_without_seats(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(capacity, "claim", lambda *_: None)


def _expires_what_is_paid(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Held, "having", lambda self, *_: list(self.entries))


@pytest.mark.parametrize(
    "mutate", [_no_release, _one_seat_less, _late_without_seats, _expires_what_is_paid]
)
@pytest.mark.parametrize("database_kind", ["sqlite"], scope="session")
def test_the_machine_catches_mutants(
    fresh_database: str,
    monkeypatch: pytest.MonkeyPatch,
    mutate: Callable[[pytest.MonkeyPatch], None],
) -> None:
    mutate(monkeypatch)
    with pytest.raises((AssertionError, KaowuError, ExceptionGroup)):
        run(
            fresh_database,
            max_examples=200,
            derandomize=True,
            phases=[Phase.generate],
            report_multiple_bugs=False,
        )
