"""R19.3a: the answer to a registration tells who is admitted, so attempts are counted before."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from app.models.audit import AuditEntry
from app.rules.registration import eligibility
from app.rules.roster import attempts, autoload
from app.rules.roster.attempts import Counted
from tests.factories import person
from tests.portal.passport_world import ADDRESS, Portal, open_portal
from tests.portal.registration_world import Candidate
from tests.rules.roster.roster_world import set_policy

PATH = "/registration/register"
CLIENTS = 16


@pytest.fixture
def portal(fresh_database: str, tmp_path: Path) -> Iterator[Portal]:
    """Its first site takes nobody but its own students, and it has none."""
    with open_portal(fresh_database, tmp_path) as made:
        with made.writing() as session:
            set_policy(session, made.tree, made.tree.site, own_site_only=True)
        yield made


@pytest.fixture
def candidate(portal: Portal) -> Candidate:
    made = Candidate(portal)
    made.accept(portal.tree.site)
    return made


def at_once(portal: Portal, candidate: Candidate) -> list[int]:
    """The answers to as many people as there are clients, asked for together."""
    token, cookie = candidate.token(PATH), candidate.cookie
    start = threading.Barrier(CLIENTS)

    def ask(number: int) -> int:
        client = portal.app.test_client()
        client.set_cookie("kaowu_portal", cookie, domain="127.0.0.1")
        form = {"csrf_token": token} | person(number + 700)
        start.wait()
        return client.post(PATH, base_url=ADDRESS, data=form).status_code

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(ask, range(CLIENTS)))


def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Whoever is looked for from now on."""
    people: list[Any] = []
    admits = eligibility.admits

    def counting(*arguments: Any) -> None:
        people.append(arguments[-1])
        admits(*arguments)

    monkeypatch.setattr(eligibility, "admits", counting)
    return people


def log_entries(portal: Portal) -> int:
    with portal.looking() as session:
        statement = select(func.count()).select_from(AuditEntry)
        action = AuditEntry.action == "roster.studentrecord.admission"
        return session.scalar(statement.where(action)) or 0


@pytest.mark.postgres
def test_r19_3a_requests_at_once_ask_for_no_more_people_than_one_after_another(
    portal: Portal, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = looked_up(monkeypatch)
    answers = at_once(portal, candidate)
    assert sorted(answers) == [422] * autoload.RATE[0] + [429] * (CLIENTS - autoload.RATE[0])
    assert len(people) == autoload.RATE[0]
    assert log_entries(portal) == autoload.RATE[0]


@pytest.mark.postgres
def test_without_the_count_beforehand_all_are_looked_up(
    portal: Portal, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def uncounted(_session: Any, _typed: Any, *, clock: Any) -> Counted:
        return Counted((), clock())

    monkeypatch.setattr(attempts, "count", uncounted)
    people = looked_up(monkeypatch)
    assert at_once(portal, candidate) == [422] * CLIENTS
    assert len(people) == CLIENTS


def test_r19_3a_what_is_only_mistyped_is_given_back(portal: Portal, candidate: Candidate) -> None:
    """Nobody was looked for, so nothing was told; a form takes some people many tries."""
    for _ in range(autoload.RATE[0] + 1):
        assert candidate.fill_in(mobile="12").status_code == 422
    assert log_entries(portal) == 0
    assert "只接受符合其学籍报考设置的考生" in candidate.fill_in().text


def test_r19_3a_becoming_somebody_else_is_an_attempt_as_well(
    portal: Portal, candidate: Candidate
) -> None:
    other = Candidate(portal)
    site = portal.tree.sites[1]
    other.accept(site)
    other.fill_in()
    row = other.row()
    with portal.writing() as session:
        set_policy(session, portal.tree, site, own_site_only=True)
    for number in range(autoload.RATE[0]):
        values = person(number + 800) | {"version": str(row.version)}
        answer = other.post("/registration/person", form="/registration/person", **values)
        assert answer.status_code == (422 if number < autoload.RATE[0] - 1 else 429)
    assert log_entries(portal) == autoload.RATE[0] - 1
