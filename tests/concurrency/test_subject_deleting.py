"""R11.5: a subject is deleted while somebody sets its seats: one of the two is refused."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import select

from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.metadata.actor import system
from app.metadata.declarations import Resource
from app.models.capacity import CapacityPool
from app.models.settings import SiteSubject
from app.rules import crud, grids
from app.rules.capacity_grid import CAPACITY
from app.rules.grids import GridRefused
from app.rules.settings import CapacitySet
from tests import factories
from tests.concurrency.clients import Crowd, crowd, pauses, together

SUBJECT: Resource = SiteSubject.__admin__
ROUNDS = 5
POOL = "S:24"
#: statements after which PostgreSQL pauses
WIDE = ("SELECT site_subject", "SELECT capacity_pool", "SELECT count", "DELETE", "UPDATE", "INSERT")


def drop(clients: Crowd) -> str:
    def work(session: KaowuSession) -> str:
        row = session.scalars(select(SiteSubject).where(SiteSubject.subject_code == "24")).one()
        crud.remove(session, SUBJECT, row.id)
        return "dropped"

    return run_unit(clients.factory(0), clients.tree.actor(), work)


def fill(clients: Crowd) -> str:
    def work(session: KaowuSession) -> str:
        sent = {clients.tree.site.code: {POOL: "100"}}
        grids.save(session, CAPACITY, sent, {})
        return "filled"

    return run_unit(clients.factory(1), clients.tree.actor(), work)


def before(clients: Crowd, is_unset: bool) -> None:
    """The subject is offered, its seats are 0 or have never been set."""

    def work(session: KaowuSession) -> None:
        here = CapacityPool.site_id == clients.tree.site.id
        with factories.seeding(session):
            if not session.scalars(
                select(SiteSubject).where(SiteSubject.subject_code == "24")
            ).all():
                first = session.scalars(select(SiteSubject)).first()
                assert first is not None
                days = {"first_day": first.first_day, "last_day": first.last_day}
                path = clients.tree.path(clients.tree.site)
                session.add(SiteSubject(**path, subject_code="24", **days))
            pool = session.scalars(
                select(CapacityPool).where(here, CapacityPool.pool == POOL)
            ).first()
            if is_unset and pool is not None:
                session.delete(pool)
            elif pool is not None:
                pool.capacity = 0

    clients.as_system(0, work)


@pytest.mark.parametrize("is_unset", [False, True], ids=["zero", "unset"])
def test_r11_5_no_seats_are_left_without_their_subject(
    database_kind: str, fresh_database: str, is_unset: bool
) -> None:
    with crowd(fresh_database, 2, sites=1) as clients:
        for _ in range(ROUNDS):
            before(clients, is_unset)
            with pauses(clients, *(WIDE if database_kind == "postgresql" else ())):
                dropped, filled = together([partial(drop, clients), partial(fill, clients)])
            assert (dropped == "dropped") != (filled == "filled")
            assert dropped == "dropped" or isinstance(dropped, CapacitySet)
            assert filled == "filled" or isinstance(filled, GridRefused)
            with reading(clients.factory(), system("look")) as session:
                offered = session.scalars(
                    select(SiteSubject.id).where(SiteSubject.subject_code == "24")
                ).all()
                seats = session.scalar(
                    select(CapacityPool.capacity).where(CapacityPool.pool == POOL)
                )
            assert bool(offered) == bool(seats)
        clients.assert_books_agree()
