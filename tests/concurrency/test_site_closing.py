"""R10.4a: a site is closed while somebody registers: one of the two is refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.metadata.actor import system
from app.metadata.declarations import Resource
from app.metadata.registry import find
from app.metadata.vocabulary import Level
from app.models.registration import Registration
from app.models.settings import SiteSettings
from app.rules import crud, effects, gate
from app.rules.clock import Clock, fixed
from app.rules.general_settings import SiteInUse
from app.rules.registration import person
from app.rules.registration.subjects import choose_subjects
from app.rules.site import (
    OnlineOff,
    OutsideOnlineTime,
    Site,
    SiteClosed,
    SiteSuspended,
    hold_site,
    load_site,
    notices_of,
)
from app.runtime import load_declarations
from tests import factories
from tests.concurrency.clients import Crowd, crowd, together, wait_for_waiter

load_declarations()
SETTINGS: Resource = find("site_settings", Resource)  # type: ignore[assignment]
Guard = Callable[[Session, int], Site]
Change = Callable[[Crowd, Session], None]
Come = Callable[[Crowd, Registration], object]


def unguarded(session: Session, site_id: int) -> Site:
    """As if nobody held the site."""
    return load_site(session, site_id)


def register(clients: Crowd, clock: Clock | None = None) -> object:
    """A new candidate takes the way in."""
    tree = clients.tree
    passport = clients.as_system(0, factories.make_passport)

    def work(session: KaowuSession) -> object:
        version = notices_of(session, load_site(session, tree.site.id)).version
        return person.register(
            session,
            tree.site.id,
            factories.person(),
            notice_version=version,
            counted=factories.COUNTED,
            clock=clock or fixed(tree.now),
        )

    return run_unit(clients.factory(0), tree.candidate(passport), work)


def close(clients: Crowd) -> object:
    """The site switches 考点开考 off."""

    def work(session: KaowuSession) -> object:
        row = session.scalars(select(SiteSettings)).one()
        values = {"open": False}
        clock = fixed(clients.tree.now)
        return crud.update(session, SETTINGS, row.id, values, clock=clock, confirmed=effects.ALL)

    return run_unit(clients.factory(1), clients.tree.actor(), work)


def closed_beneath(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch, guard: Guard
) -> tuple[bool, object]:
    """The site is being closed from the moment at which the candidate has passed `guard`: is it
    closed, and what did the site's administrator read?"""
    with crowd(fresh_database, 2, sites=1) as clients, ThreadPoolExecutor(1) as pool:
        answers: list[Future[list[object]]] = []

        def passed(session: Session, site_id: int) -> Site:
            site = guard(session, site_id)
            answers.append(pool.submit(together, [partial(close, clients)]))
            if guard is unguarded:
                answers[0].result()
            return site

        monkeypatch.setattr(person, "hold_site", passed)
        register(clients)
        (answer,) = answers[0].result()
        with reading(clients.factory(), system("check")) as session:
            return not session.scalars(select(SiteSettings.open)).one(), answer


@pytest.mark.postgres
def test_r10_4a_nobody_is_left_in_a_closed_site(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, answer = closed_beneath(fresh_database, monkeypatch, hold_site)
    assert not closed
    assert isinstance(answer, SiteInUse)


@pytest.mark.postgres
def test_without_the_lock_somebody_is_left_behind(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, _ = closed_beneath(fresh_database, monkeypatch, unguarded)
    assert closed


def refused_after(fresh_database: str, change: Change, come: Come) -> object:
    """What a candidate is told who waits at the gate while `change` is being committed."""
    with crowd(fresh_database, 3, sites=1) as clients, ThreadPoolExecutor(1) as pool:
        waiting: list[Future[list[object]]] = []
        (row,) = clients.drafts(1)

        def work(session: KaowuSession) -> None:
            gate.close(session, [clients.tree.site.id])
            waiting.append(pool.submit(together, [partial(come, clients, row)]))
            wait_for_waiter(session)
            change(clients, session)

        run_unit(clients.factory(1), clients.tree.actor(Level.PROVINCE), work)
        (answer,) = waiting[0].result()
        return answer


def change_settings(clients: Crowd, session: Session, **values: Any) -> None:
    with factories.seeding(session):
        row = session.scalars(select(SiteSettings)).one()
        for name, value in values.items():
            setattr(row, name, value)
    session.flush()


def newly(clients: Crowd, _row: Registration) -> object:
    return register(clients)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"open": False}, SiteClosed),
        ({"open": False, "suspension_reason": "机房检修"}, SiteSuspended),
        ({"online_enabled": False}, OnlineOff),
    ],
)
def test_r10_4a_r15_4_who_waited_for_a_change_is_told_of_it(
    fresh_database: str, values: dict[str, Any], cause: type[Exception]
) -> None:
    def change(clients: Crowd, session: Session) -> None:
        change_settings(clients, session, **values)

    assert isinstance(refused_after(fresh_database, change, newly), cause)


@pytest.mark.postgres
@pytest.mark.parametrize("way", ["register", "choose"])
def test_r15_the_time_may_end_while_somebody_waits(fresh_database: str, way: str) -> None:
    """It is the moment of the seat that counts, not the one of the click."""
    moments: list[dt.datetime] = []

    def change(clients: Crowd, session: Session) -> None:
        end = clients.tree.now + dt.timedelta(minutes=1)
        change_settings(clients, session, online_end=end)
        moments.append(end + dt.timedelta(seconds=1))

    def come(clients: Crowd, row: Registration) -> object:
        def clock() -> dt.datetime:
            return moments[-1] if moments else clients.tree.now

        if way == "register":
            return register(clients, clock)
        return clients.as_owner(
            2, row, lambda session: choose_subjects(session, row.id, {"14": None}, clock=clock)
        )

    assert isinstance(refused_after(fresh_database, change, come), OutsideOnlineTime)
