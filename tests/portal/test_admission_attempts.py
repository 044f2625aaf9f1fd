"""R19.3a: the answer to a registration tells who is admitted, so attempts are counted before."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from app.models.account import RateLimit
from app.models.audit import AuditEntry
from app.models.organisation import Organisation
from app.portal import context
from app.rules.registration import eligibility
from app.rules.roster import attempts
from app.rules.roster.attempts import Counted
from tests.factories import id_number, person, set_settings
from tests.portal.passport_world import ADDRESS, Portal, open_portal
from tests.portal.registration_world import Candidate, change_row
from tests.rules.roster.roster_world import add_record, set_policy

PATH, PERSON = "/registration/register", "/registration/person"
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
    assert sorted(answers) == [422] * attempts.RATE[0] + [429] * (CLIENTS - attempts.RATE[0])
    assert len(people) == attempts.RATE[0]
    assert log_entries(portal) == attempts.RATE[0]


@pytest.mark.postgres
def test_without_the_count_beforehand_all_are_looked_up(
    portal: Portal, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def uncounted(_session: Any, _typed: Any, _asking: Any, *, clock: Any) -> Counted:
        return Counted(at=clock())

    monkeypatch.setattr(attempts, "count", uncounted)
    people = looked_up(monkeypatch)
    assert at_once(portal, candidate) == [422] * CLIENTS
    assert len(people) == CLIENTS


def counts(portal: Portal) -> list[int]:
    """What is counted of attempts, of candidates and of people."""
    with portal.looking() as session:
        rows = session.scalars(select(RateLimit).where(RateLimit.bucket.startswith("admission")))
        return sorted(row.count for row in rows)


def stranger(portal: Portal, site: Organisation | None = None) -> Candidate:
    """Somebody with a passport who has read the notices of the site."""
    made = Candidate(portal)
    made.accept(site or portal.tree.site)
    return made


def drain(portal: Portal, owner: dict[str, Any], **form: str) -> list[int]:
    """The answers to strangers who try one wrong name until nobody may ask for the owner."""
    answers = []
    for _ in range(3):
        asking = stranger(portal)
        for _ in range(attempts.RATE[0] - 1):
            answers.append(asking.fill_in(**(owner | {"name": "某某"} | form)).status_code)
    return answers


def test_r19_3a_strangers_do_not_keep_the_owner_of_a_number_out(portal: Portal) -> None:
    """They are told that they try too often; he comes in, here and elsewhere."""
    owner = person(650)
    with portal.writing() as session:
        add_record(session, portal.tree, name=owner["name"], id_number=owner["id_number"])
    answers, most = drain(portal, owner), attempts.RATE_PERSON[0]
    assert answers == [422] * most + [429] * (len(answers) - most)
    assert stranger(portal).fill_in(**owner).status_code == 302


def test_r19_3a_strangers_do_not_keep_the_owner_from_his_record(portal: Portal) -> None:
    """What is loaded is limited as admission is: he gets it, they are told nothing any more."""
    owner = person(651)
    with portal.writing() as session:
        add_record(session, portal.tree, name=owner["name"], id_number=owner["id_number"])
    answers, most = drain(portal, owner, do="load"), attempts.RATE_PERSON[0]
    assert answers == [200] * most + [429] * (len(answers) - most)
    answer = stranger(portal).fill_in(**owner, do="load")
    assert (answer.status_code, "信息学院" in answer.text) == (200, True)


def test_r19_3a_what_nobody_can_be_called_keeps_no_owner_out(portal: Portal) -> None:
    """The button that loads sends whatever is in the form: no such name is looked for, or one of
    the few that he may try."""
    owner, himself = person(656), stranger(portal)
    with portal.writing() as session:
        add_record(session, portal.tree, name=owner["name"], id_number=owner["id_number"])
    wrong = [owner | {"name": name} for name in ("", "王1", "王?", "王2")]
    answers = [himself.fill_in(**values, do="load") for values in wrong]
    assert {answer.status_code for answer in answers} == {200}
    assert all("没有可以载入的学籍信息" in answer.text for answer in answers)
    assert [himself.fill_in(**values).status_code for values in wrong] == [422] * len(wrong)
    assert "信息学院" in himself.fill_in(**owner, do="load").text
    assert himself.fill_in(**owner).status_code == 302


def test_r19_3a_who_has_tried_too_many_names_reads_why_and_what_to_do(portal: Portal) -> None:
    owner, guessing = person(657), stranger(portal)
    for name in ("王一", "王二", "王三"):
        guessing.fill_in(**(owner | {"name": name}), do="load")
    for form in ({}, {"do": "load"}):
        answer = guessing.fill_in(**owner, **form)
        assert answer.status_code == 429
        assert "尝试过的姓名过多。请核对姓名，或联系考点" in answer.text


def test_r19_3a_an_attempt_that_is_refused_counts_among_the_writes(portal: Portal) -> None:
    """It is refused before the write, and opens a transaction all the same."""
    asking = stranger(portal)
    answers = [asking.fill_in(do="load").status_code for _ in range(attempts.RATE[0] + 3)]
    assert answers == [200] * attempts.RATE[0] + [429] * 3
    with portal.looking() as session:
        writes = RateLimit.bucket == f"write:{asking.passport.id}"
        assert session.scalar(select(func.sum(RateLimit.count)).where(writes)) == len(answers)


def test_r19_3a_above_the_limit_nobody_learns_the_name_of_who_is_registered(
    portal: Portal,
) -> None:
    """The right one is refused because he is registered, a wrong one because of the record."""
    owner = person(652)
    with portal.writing() as session:
        add_record(session, portal.tree, name=owner["name"], id_number=owner["id_number"])
    assert stranger(portal).fill_in(**owner).status_code == 302
    assert stranger(portal).fill_in(**owner).status_code == 409
    drain(portal, owner)
    last = stranger(portal)
    pages = [last.fill_in(**(owner | {"name": name})) for name in ("某某", owner["name"])]
    assert [page.status_code for page in pages] == [429, 429]
    assert pages[0].text.count("过于频繁") == pages[1].text.count("过于频繁") == 1


def test_r19_3a_an_admission_is_no_way_to_try_names(portal: Portal) -> None:
    """Where a wrong name is admitted and the right one is refused, each admission answers."""
    owner, (home, elsewhere) = person(653), portal.tree.sites[:2]
    with portal.writing() as session:
        set_policy(session, portal.tree, home, allowed=[home])
        add_record(session, portal.tree, name=owner["name"], id_number=owner["id_number"])
    guessing = stranger(portal, elsewhere)
    assert guessing.fill_in(**(owner | {"name": "王一"})).status_code == 302
    row = guessing.row()

    def become(name: str) -> int:
        values = owner | {"name": name, "version": str(guessing.row().version)}
        return guessing.post(PERSON, form=PERSON, **values).status_code

    assert [become("王二"), become("王三"), become("王二")] == [302, 302, 302]
    assert counts(portal) == [4, 4], "who was admitted has asked as well"
    assert [become("王四"), become(owner["name"])] == [429, 429]
    assert guessing.row().name == "王二"
    assert guessing.row().id == row.id


def test_r19_3a_who_was_counted_is_who_is_looked_for(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though another request changes the name meanwhile, and this one sends none."""
    changing = stranger(portal, portal.tree.sites[1])
    assert changing.fill_in(name="王一").status_code == 302
    row, note = changing.row(), context.note

    def overtaken(work: Callable[[Any], Any]) -> Any:
        found = note(work)
        monkeypatch.setattr(context, "note", note)
        change_row(portal, row, name="王二")
        return found

    values = {"id_number": person()["id_number"], "version": str(row.version + 1)}
    monkeypatch.setattr(context, "note", overtaken)
    answer = changing.post(PERSON, form=PERSON, **values)
    assert (answer.status_code, changing.row().name) == (302, "王一")


def test_n12_r19_3a_whose_number_is_registered_is_not_asked_for_again_and_again(
    portal: Portal,
) -> None:
    """By a registration or by a change of one: the answer tells it, so it is not given back."""
    elsewhere = portal.tree.sites[1]
    taken = person(654)
    assert stranger(portal, elsewhere).fill_in(**taken).status_code == 302
    asking, changing = stranger(portal, elsewhere), stranger(portal, elsewhere)
    assert changing.fill_in(**person(655)).status_code == 302
    values = taken | {"version": str(changing.row().version)}
    answers = [asking.fill_in(**taken).status_code for _ in range(attempts.RATE[0])]
    answers += [
        changing.post(PERSON, form=PERSON, **values).status_code
        for _ in range(attempts.RATE[0] - 1)
    ]
    most = attempts.RATE_PERSON[0] - 1
    assert answers == [409] * most
    assert asking.fill_in(**taken).status_code == 429
    assert changing.post(PERSON, form=PERSON, **values).status_code == 429


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"online_enabled": False}, {"online_enabled": True}),
        ({"open": False}, {"open": True}),
        ({"suspension_reason": "停电", "open": False}, {"suspension_reason": None, "open": True}),
    ],
)
def test_r19_3a_who_waits_for_a_site_to_open_has_tried_nobody(
    portal: Portal, before: dict[str, Any], after: dict[str, Any]
) -> None:
    site = portal.tree.sites[1]
    early = Candidate(portal)
    early.accept(site)
    with portal.writing() as session:
        set_settings(session, site, **before)
    for _ in range(attempts.RATE[0] + 1):
        assert early.fill_in().status_code not in (302, 429)
    assert set(counts(portal)) == {0}
    with portal.writing() as session:
        set_settings(session, site, **after)
    assert early.fill_in().status_code == 302
    assert counts(portal)[-2:] == [1, 1]


def test_r19_3a_a_number_counts_alike_however_its_type_is_written(portal: Portal) -> None:
    number = id_number(7, birth=dt.date(1960, 1, 2))
    with portal.writing() as session:
        record = add_record(session, portal.tree, portal.tree.sites[1], id_number=number)
        set_policy(session, portal.tree, portal.tree.sites[1])
    typed = {"id_number": number[:6] + number[8:17], "birth": "1960-01-02", "name": "猜猜"}
    for written in ("1", "居民身份证", "１"):
        stranger = Candidate(portal)
        stranger.accept(portal.tree.site)
        values = person(7) | typed | {"id_type": written}
        assert stranger.fill_in(**values).status_code == 422
    with portal.looking() as session:
        entries = select(AuditEntry).where(AuditEntry.action == "roster.studentrecord.admission")
        assert {entry.object_id for entry in session.scalars(entries)} == {record.id}
    assert counts(portal) == [1, 1, 1, 3]


def test_n7_a_type_that_is_corrected_makes_the_number_whole(portal: Portal) -> None:
    """Fifteen digits of another document become eighteen: that is another person to ask for."""
    himself, site = Candidate(portal), portal.tree.sites[1]
    himself.accept(site)
    number = id_number(7, birth=dt.date(1960, 1, 2))
    short = number[:6] + number[8:17]
    values = person(7) | {"id_number": short, "birth": "1960-01-02", "id_type": "3"}
    assert himself.fill_in(**values).status_code == 302
    values |= {"id_type": "1", "version": str(himself.row().version)}
    answer = himself.post("/registration/person", form="/registration/person", **values)
    assert answer.status_code == 302
    assert himself.row().id_number == number


def test_r19_3a_what_is_only_mistyped_is_given_back(portal: Portal, candidate: Candidate) -> None:
    """Nobody was looked for, so nothing was told; a form takes some people many tries."""
    for _ in range(attempts.RATE[0] + 1):
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
    for number in range(attempts.RATE[0]):
        values = person(number + 800) | {"version": str(row.version)}
        answer = other.post("/registration/person", form="/registration/person", **values)
        assert answer.status_code == (422 if number < attempts.RATE[0] - 1 else 429)
    assert log_entries(portal) == attempts.RATE[0] - 1
