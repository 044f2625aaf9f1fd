"""N1: many clients, one last seat. The race is proven first, then the guard.

Caught: counting and then inserting; a read-modify-write of the counter; a lock order that
deadlocks; two entries of one subject by a double click.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select

from app.database import direct
from app.database.session import KaowuSession
from app.metadata.errors import KaowuError
from app.models.registration import Entry, Registration
from app.rules import capacity
from app.rules.capacity import CapacityExceeded
from app.rules.clock import fixed
from app.rules.registration.subjects import choose_subjects
from tests import factories
from tests.concurrency.clients import Crowd, crowd, pauses, together
from tests.factories import EXAM_DAYS

CLIENTS = 64


def rush(crowd: Crowd, rows: list[Registration]) -> list[object]:
    """Everybody chooses subject 14 at once."""

    def choose(client: int, row: Registration) -> Registration:
        return crowd.as_owner(client, row, partial(_choose, crowd, row, ["14"]))

    return together([partial(choose, client, row) for client, row in enumerate(rows)])


def _choose(
    crowd: Crowd, row: Registration, subjects: list[str], session: KaowuSession
) -> Registration:
    choices = dict.fromkeys(subjects)
    choose_subjects(session, row.id, choices, clock=fixed(crowd.tree.now))
    return row


@pytest.mark.postgres
def test_n1_without_the_guard_the_last_seat_is_sold_many_times(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Count, then insert: everybody counts before anybody has inserted."""
    counted = threading.Barrier(CLIENTS, timeout=60)

    def count_then_insert(
        session: KaowuSession,
        site: capacity.AtSite,
        seats: capacity.Seats,
        changes: Sequence[direct.Change],
    ) -> None:
        with session.no_autoflush:
            taken = session.connection().scalar(select(func.count()).select_from(Entry.__table__))
        assert taken is not None
        if taken + seats["TOTAL"] > 1:
            raise CapacityExceeded("TOTAL")
        counted.wait()
        direct.write(session, changes)

    monkeypatch.setattr(capacity, "move", count_then_insert)
    with crowd(fresh_database, CLIENTS, capacity=1, sites=1) as clients:
        results = rush(clients, clients.drafts(CLIENTS))
        sold = [result for result in results if isinstance(result, Registration)]
        assert len(sold) == clients.held() > 1


@pytest.mark.parametrize("pool", ["S:14", "TOTAL"])
def test_n1_the_last_seat_is_sold_once(fresh_database: str, pool: str) -> None:
    with crowd(fresh_database, CLIENTS, capacity=100, total=200, sites=1) as clients:
        rows = clients.drafts(CLIENTS)
        clients.as_system(
            0, lambda session: factories.set_capacity(session, clients.tree.site, pool, 1)
        )
        results = rush(clients, rows)
        assert sum(isinstance(result, Registration) for result in results) == 1
        refused = [result for result in results if isinstance(result, KaowuError)]
        assert {type(error) for error in refused} == {CapacityExceeded}
        assert len(refused) == CLIENTS - 1
        assert (clients.held(), clients.used(pool)) == (1, 1)
        clients.assert_books_agree()


@pytest.mark.postgres
def test_seats_are_sold_to_the_last_one_in_crossing_choices(fresh_database: str) -> None:
    """Different subjects and days, each in another order: no deadlock, no seat lost."""
    orders = (["14", "24", "26"], ["26", "14"], ["24"], ["26", "24"])
    with crowd(fresh_database, 32, capacity=9, total=200, day_quota=9, sites=1) as clients:
        rows = clients.drafts(48)

        def choose(client: int, row: Registration) -> None:
            day = EXAM_DAYS[client % 2]
            choices = dict.fromkeys(orders[client % 4], day)
            clients.as_owner(
                client,
                row,
                lambda session: choose_subjects(
                    session, row.id, choices, clock=fixed(clients.tree.now)
                ),
            )

        with pauses(clients, "UPDATE capacity_pool"):
            for half in (rows[:24], rows[24:]):
                together([partial(choose, client, row) for client, row in enumerate(half)])
        assert max(clients.used(f"S:{code}") for code in ("14", "24", "26")) <= 9
        assert clients.used(f"D:{EXAM_DAYS[0]}") + clients.used(f"D:{EXAM_DAYS[1]}") >= 9
        clients.assert_books_agree()


def test_a_double_click_makes_one_entry(fresh_database: str) -> None:
    with crowd(fresh_database, 8, sites=1) as clients:
        [row] = clients.drafts(1)
        results = rush(clients, [row] * 8)
        assert all(isinstance(result, Registration) for result in results)
        assert (clients.held(), clients.used("S:14")) == (1, 1)
        clients.assert_books_agree()


def test_limits_and_claims_at_once_never_cross(fresh_database: str) -> None:
    """R13.5 while candidates come: the limit stays above what is used."""
    with crowd(fresh_database, 16, capacity=40, total=200, sites=1) as clients:
        rows = clients.drafts(24)

        def edit(client: int) -> None:
            def work(session: KaowuSession) -> None:
                with factories.permitted(session):
                    capacity.set_limits(session, clients.tree.site, {"S:14": 5 + client})

            clients.as_system(client, work)

        def choose(client: int, row: Registration) -> Registration:
            return clients.as_owner(client, row, partial(_choose, clients, row, ["14"]))

        work: list[Any] = [partial(choose, client, row) for client, row in enumerate(rows)]
        together([*work, *(partial(edit, client) for client in range(6))])
        assert clients.held() == clients.used("S:14") >= 5
        clients.assert_books_agree()
