"""R10.4a: a site is stopped at any time, also while candidates come in without a break."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import select, text

from app.database.session import KaowuSession
from app.database.unit_of_work import run_unit, unit_of_work
from app.metadata.actor import system
from app.metadata.declarations import Operation
from app.metadata.errors import KaowuError
from app.metadata.registry import find
from app.metadata.vocabulary import Level
from app.models.registration import Registration
from app.models.settings import SiteSettings
from app.rules import gate, operations
from app.rules.clock import fixed
from app.rules.operations import Chosen
from app.rules.registration.subjects import choose_subjects
from app.rules.site import SiteSuspended, hold_site
from app.runtime import load_declarations
from tests.concurrency.clients import Crowd, crowd, wait_for_waiter

load_declarations()
SUSPEND: Operation = find("site_suspend", Operation)  # type: ignore[assignment]


def suspend(clients: Crowd) -> None:
    """停考 by the province."""

    def work(session: KaowuSession) -> None:
        number = session.scalars(select(SiteSettings.id)).one()
        given = {operations.REASON: "场地停电"}
        clock = fixed(clients.tree.now)
        operations.run(session, SUSPEND, Chosen((number,)), given, clock=clock)

    run_unit(clients.factory(1), clients.tree.actor(Level.PROVINCE), work)


def choose(clients: Crowd, row: Registration, subject: str = "14") -> object:
    """A candidate makes it his only subject: None, or the refusal."""
    clock = fixed(clients.tree.now)

    def work(session: KaowuSession) -> None:
        choose_subjects(session, row.id, {subject: None}, clock=clock)

    try:
        clients.as_owner(0, row, work)
    except KaowuError as refusal:
        return refusal
    return None


def second_to_come(fresh_database: str) -> object:
    """One candidate holds the site, the province waits to stop it, a second candidate comes:
    what does he get? None where he passes the province that stands before him."""
    with crowd(fresh_database, 3, sites=1) as clients, ThreadPoolExecutor(2) as pool:
        _, second = clients.drafts(2)
        with unit_of_work(clients.factory(), system("first candidate")) as first:
            hold_site(first, clients.tree.site.id)
            stopping = pool.submit(suspend, clients)
            wait_for_waiter(first)
            coming = pool.submit(choose, clients, second)
            until_done_or_waiting(clients, coming)
            passed = coming.done()
        stopping.result(60)
        return coming.result(60) if not passed else None


def until_done_or_waiting(clients: Crowd, coming: Future[object]) -> None:
    """Until he is done, or two wait: the province and he."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with clients.factory().kw["bind"].connect() as connection:
        for _ in range(20_000):
            if coming.done() or connection.scalar(waiting) >= 2:
                return
    raise AssertionError("neither done nor waiting")


@pytest.mark.postgres
def test_r10_4a_who_comes_after_the_province_waits_for_it(fresh_database: str) -> None:
    assert isinstance(second_to_come(fresh_database), SiteSuspended)


@pytest.mark.postgres
def test_without_the_gate_candidates_pass_the_province(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "close", lambda *_: None)
    assert second_to_come(fresh_database) is None


@pytest.mark.postgres
def test_r10_4a_a_site_is_stopped_in_the_rush(fresh_database: str) -> None:
    """Eight candidates choose and give up without a break until they are told to stop."""
    with crowd(fresh_database, 9, sites=1) as clients, ThreadPoolExecutor(9) as pool:
        rows = clients.drafts(8)
        crowded = [pool.submit(choose_until_stopped, clients, row) for row in rows]
        pool.submit(suspend, clients).result(60)
        assert all(isinstance(one.result(60), SiteSuspended) for one in crowded)
        clients.assert_books_agree()


def choose_until_stopped(clients: Crowd, row: Registration) -> object:
    for turn in range(20_000):
        answer = choose(clients, row, "14" if turn % 2 else "24")
        if answer is not None:
            return answer
    return None
