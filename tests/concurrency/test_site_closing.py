"""R10.4a: a site is closed while somebody registers: one of the two is refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.metadata.actor import system
from app.metadata.declarations import Resource
from app.metadata.registry import find
from app.models.settings import SiteSettings
from app.rules import crud, effects
from app.rules.clock import fixed
from app.rules.general_settings import SiteInUse
from app.rules.registration import person
from app.rules.site import Site, SiteClosed, hold_open, load_site, notices_of
from app.runtime import load_declarations
from tests import factories
from tests.concurrency.clients import Crowd, crowd, together

load_declarations()
SETTINGS: Resource = find("site_settings", Resource)  # type: ignore[assignment]
Guard = Callable[[Session, Site], None]


def unguarded(_session: Session, _site: Site) -> None:
    """As if nobody held the site."""


def register(clients: Crowd) -> object:
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
            clock=fixed(tree.now),
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

        def passed(session: Session, site: Site) -> None:
            guard(session, site)
            answers.append(pool.submit(together, [partial(close, clients)]))
            if guard is unguarded:
                answers[0].result()

        monkeypatch.setattr(person, "hold_open", passed)
        register(clients)
        (answer,) = answers[0].result()
        with reading(clients.factory(), system("check")) as session:
            return not session.scalars(select(SiteSettings.open)).one(), answer


@pytest.mark.postgres
def test_r10_4a_nobody_is_left_in_a_closed_site(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, answer = closed_beneath(fresh_database, monkeypatch, hold_open)
    assert not closed
    assert isinstance(answer, SiteInUse)


@pytest.mark.postgres
def test_without_the_lock_somebody_is_left_behind(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, _ = closed_beneath(fresh_database, monkeypatch, unguarded)
    assert closed


@pytest.mark.postgres
def test_r10_4a_a_site_that_was_just_closed_takes_nobody(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with crowd(fresh_database, 2, sites=1) as clients:

        def too_late(session: Session, site: Site) -> None:
            close(clients)
            hold_open(session, site)

        monkeypatch.setattr(person, "hold_open", too_late)
        with pytest.raises(SiteClosed):
            register(clients)
