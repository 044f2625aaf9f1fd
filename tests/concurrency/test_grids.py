"""Several people in one cell of a grid at once: one is saved, the others see what he made of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.metadata.actor import system
from app.metadata.declarations import Grid
from app.metadata.errors import StaleRow
from app.metadata.vocabulary import Level
from app.models.audit import AuditEntry
from app.models.capacity import CapacityPool
from app.models.settings import Fee
from app.rules import grids
from app.rules.capacity_grid import CAPACITY
from app.rules.fee_grid import FEES
from app.rules.grids import GridRefused
from tests import factories
from tests.concurrency.clients import Crowd, crowd, pauses, together, wait_for_waiter

PEOPLE = 6
#: statements after which PostgreSQL pauses
WIDE = ("SELECT capacity_pool", "SELECT fee", "UPDATE", "INSERT INTO audit")


def save(clients: Crowd, grid: Grid, column: str, seen: str, client: int) -> int:
    """One of them, all of whom saw the same; both sites, so that rows are locked in order."""
    codes = [site.code for site in clients.tree.sites]
    sent = {code: {column: str(300 + client)} for code in codes}
    shown = {code: {column: seen} for code in codes}
    actor = clients.tree.actor(Level.PROVINCE)
    return run_unit(
        clients.factory(client), actor, lambda unit: grids.save(unit, grid, sent, shown)
    )


@pytest.mark.parametrize(
    ("grid", "column", "seen", "kind"),
    [(CAPACITY, "S:14", "500", "CapacityPool"), (FEES, "14", "72.00", "Fee")],
    ids=["capacity", "fee"],
)
def test_one_cell_is_saved_once(
    database_kind: str, fresh_database: str, grid: Grid, column: str, seen: str, kind: str
) -> None:
    with crowd(fresh_database, PEOPLE) as clients:
        with pauses(clients, *(WIDE if database_kind == "postgresql" else ())):
            results = together(
                [partial(save, clients, grid, column, seen, client) for client in range(PEOPLE)]
            )
        saved = [result for result in results if isinstance(result, int)]
        refused = [result for result in results if not isinstance(result, int)]
        assert saved == [2]
        assert all(isinstance(result, (GridRefused, StaleRow)) for result in refused)

        def entries() -> int:
            found = select(AuditEntry).where(
                AuditEntry.object_type == kind, AuditEntry.actor_level == "province"
            )
            return len(clients.as_system(0, lambda unit: unit.scalars(found).all()))

        assert entries() == 2
        clients.assert_books_agree()


#: per grid: the column without a value, the values stored for it, and their rows
FIRST_VALUES: dict[Grid, tuple[str, Any, Any]] = {
    CAPACITY: ("S:14", CapacityPool.capacity, CapacityPool.pool == "S:14"),
    FEES: ("14", Fee.amount, Fee.subject_code == "14"),
}


@pytest.fixture
def unset(fresh_database: str) -> Iterator[Crowd]:
    """A site that has set neither seats nor fee of a subject, but those of others."""
    with crowd(fresh_database, 2, sites=1) as clients:

        def remove(session: KaowuSession) -> None:
            with factories.seeding(session):
                for _, value, where in FIRST_VALUES.values():
                    session.delete(session.scalars(select(value.class_).where(where)).one())

        clients.as_system(0, remove)
        yield clients


def fill(clients: Crowd, grid: Grid, value: str, session: KaowuSession) -> int:
    """Somebody who saw 未设置 sets the first value."""
    column, code = FIRST_VALUES[grid][0], clients.tree.site.code
    return grids.save(session, grid, {code: {column: value}}, {code: {column: ""}})


def filled_twice(clients: Crowd, grid: Grid) -> tuple[object, int]:
    """The province sets 60 when somebody has set 50 and has not committed: what is it told, and
    which value is stored?"""
    _, value, where = FIRST_VALUES[grid]
    province = clients.tree.actor(Level.PROVINCE)
    former = clients.tree.actor(Level.SITE) if grid is CAPACITY else province
    late = partial(run_unit, clients.factory(1), province, partial(fill, clients, grid, "60"))
    answers: list[Future[list[object]]] = []

    def early(session: KaowuSession, pool: ThreadPoolExecutor) -> None:
        fill(clients, grid, "50", session)
        answers.append(pool.submit(together, [late]))
        wait_for_waiter(session)

    with ThreadPoolExecutor(1) as pool:
        run_unit(clients.factory(0), former, partial(early, pool=pool))
        (answer,) = answers[0].result()
    with reading(clients.factory(), system("look")) as session:
        return answer, session.scalars(select(value).where(where)).one()


@pytest.mark.postgres
@pytest.mark.parametrize("grid", FIRST_VALUES, ids=["capacity", "fee"])
def test_r12_r13_a_first_value_is_not_overwritten_unseen(unset: Crowd, grid: Grid) -> None:
    answer, stored = filled_twice(unset, grid)
    assert isinstance(answer, GridRefused)
    (conflict,) = answer.examined.conflicts.values()
    assert conflict.stored == stored == (50 if grid is CAPACITY else 5000)


@pytest.mark.postgres
@pytest.mark.parametrize("grid", FIRST_VALUES, ids=["capacity", "fee"])
def test_without_the_held_site_a_first_value_is_lost(
    unset: Crowd, grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grids, "hold", lambda _session, _sites: None, raising=False)
    assert filled_twice(unset, grid) == (1, 60 if grid is CAPACITY else 6000)
