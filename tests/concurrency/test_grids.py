"""Several people in one cell of a grid at once: one is saved, the others see what he made of it."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import select

from app.database.unit_of_work import run_unit
from app.metadata.declarations import Grid
from app.metadata.errors import StaleRow
from app.metadata.vocabulary import Level
from app.models.audit import AuditEntry
from app.rules import grids
from app.rules.capacity_grid import CAPACITY
from app.rules.fee_grid import FEES
from app.rules.grids import GridRefused
from tests.concurrency.clients import Crowd, crowd, pauses, together

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
