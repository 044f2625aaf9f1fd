"""R14: quotas of days that go are locked in the one order of all seats."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import select

from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.metadata.actor import system
from app.metadata.vocabulary import Level
from app.models.capacity import CapacityPool
from app.models.exam import ExamDay
from app.rules import crud
from app.rules.capacity import day_pool
from app.runtime import load_declarations
from tests import factories
from tests.concurrency.clients import Crowd, crowd, together, wait_for_waiter
from tests.factories import EXAM_DAYS

load_declarations()
FIRST, SECOND, LAST = EXAM_DAYS


def prepare(session: KaowuSession, clients: Crowd) -> None:
    """The national days were entered from the last to the first; a site has quotas on all."""
    with factories.seeding(session):
        for row in session.scalars(select(ExamDay)):
            session.delete(row)
        for day in reversed(EXAM_DAYS):
            session.flush()
            session.add(ExamDay(exam_id=clients.tree.exam.id, day=day))
    factories.add_site(session, clients.tree, "990702", day_quota=10)


def first_own_day(session: KaowuSession) -> object:
    """The province gives the other days up."""
    return crud.create(session, ExamDay.__admin__, {"day": str(SECOND)})


@pytest.mark.postgres
def test_r14_days_that_go_are_locked_in_the_order_of_all_seats(fresh_database: str) -> None:
    with crowd(fresh_database, 2, sites=1) as clients:
        clients.as_system(0, lambda session: prepare(session, clients))
        province = partial(
            run_unit, clients.factory(1), clients.tree.actor(Level.PROVINCE), first_own_day
        )
        answers: list[Future[list[object]]] = []

        def in_order(session: KaowuSession, pool: ThreadPoolExecutor) -> None:
            """Somebody else takes the seats of one day, and then of a later one."""
            lock = select(CapacityPool.id).with_for_update()
            session.execute(lock.where(CapacityPool.pool == day_pool(FIRST)))
            answers.append(pool.submit(together, [province]))
            wait_for_waiter(session)
            session.execute(lock.where(CapacityPool.pool == day_pool(LAST)))

        with ThreadPoolExecutor(1) as pool:
            run_unit(clients.factory(0), system("seats"), partial(in_order, pool=pool))
            (answer,) = answers[0].result()
        assert isinstance(answer, ExamDay)
        clients.assert_books_agree()
        with reading(clients.factory(), system("look")) as session:
            left = session.scalars(
                select(CapacityPool.pool).where(CapacityPool.pool.startswith("D:"))
            )
            assert left.all() == [day_pool(SECOND)]
