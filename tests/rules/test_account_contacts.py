"""E-mail and mobile of an account: changed with proof, and taken over by imports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select

from app.metadata.actor import Actor
from app.metadata.vocabulary import Level
from app.models.account import Passport
from app.models.audit import AuditEntry
from app.rules.account.codes import Purpose
from app.rules.account.contacts import change_email, change_mobile
from app.rules.account.errors import (
    FieldErrors,
    PassportIsAdministrator,
    PassportMixed,
)
from app.rules.account.login import FAILURES
from app.rules.account.passports import (
    live_registration,
    provide_passport,
    refuse_administrator,
)
from tests.factories import bind_administrator, make_registration
from tests.rules.account_world import PASSWORD, World, open_world


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    with open_world(fresh_database) as made:
        yield made


def codes_of(error: FieldErrors) -> dict[str, list[str]]:
    return {name: [problem.code for problem in found] for name, found in error.problems.items()}


# ---------------------------------------------------------------- contacts (R5.1a)


def test_r5_1a_new_email_is_proved_by_its_code_and_the_old_one_is_told(world: World) -> None:
    owner = world.passport(email="old@example.com")
    code = world.code_for(Purpose.EMAIL, "new@example.com")
    change_email(world.access(), owner.id, "new@example.com", code=code, password=PASSWORD)
    assert world.reload(owner.id).email == "new@example.com"
    target, body = world.messages()[-1]
    assert target == "old@example.com"
    assert "n***@example.com" in body
    with world.looking() as session:
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "account.passport.edit")
        ).one()
        assert entry.passport_id == owner.id
        assert set(entry.changes) >= {"email"}


def test_r5_1a_taken_and_same_contacts_are_refused(world: World) -> None:
    other = world.passport(mobile="13800990001")
    owner = world.passport(mobile="13800990002")
    assert other.id != owner.id
    for mobile, expected in (
        ("13800990001", "account.mobile_taken"),
        ("13800990002", "account.same_contact"),
    ):
        code = world.code_for(Purpose.MOBILE, mobile)
        with pytest.raises(FieldErrors) as refusal:
            change_mobile(world.access(), owner.id, mobile, code=code, password=PASSWORD)
        assert codes_of(refusal.value) == {"mobile": [expected]}


def test_r5_1a_new_mobile_logs_in(world: World) -> None:
    owner = world.passport(mobile="13800990002")
    code = world.code_for(Purpose.MOBILE, "13800990003")
    change_mobile(world.access(), owner.id, "13800990003", code=code, password=PASSWORD)
    stored = world.reload(owner.id)
    assert stored.mobile == "13800990003"
    with pytest.raises(FieldErrors):
        change_mobile(world.access(), owner.id, "13800990004", code=code, password=PASSWORD)


def test_r5_1a_the_password_is_asked_for_before_a_contact_is_changed(world: World) -> None:
    """Whoever finds an open browser cannot take the account over."""
    owner = world.passport(mobile="13800990002")
    code = world.code_for(Purpose.MOBILE, "13800990003")
    for _ in range(FAILURES):
        with pytest.raises(FieldErrors) as refusal:
            change_mobile(world.access(), owner.id, "13800990003", code=code, password="guess")
        assert codes_of(refusal.value) == {"password": ["account.password_refused"]}
    with pytest.raises(FieldErrors):  # guesses lock, as they do at the log-in
        change_mobile(world.access(), owner.id, "13800990003", code=code, password=PASSWORD)
    assert world.reload(owner.id).mobile == "13800990002"


# ---------------------------------------------------------------- imports (R5.4, N10, N11)


def test_n10_one_email_in_two_cases_is_one_passport(world: World) -> None:
    with world.writing() as session:
        first = provide_passport(session, email="Li@Example.com", mobile=None, name="李")
        second = provide_passport(session, email="li@example.COM", mobile="13800990001", name=None)
        assert first.passport is second.passport
        assert (first.created, second.created) == (True, False)
    stored = world.reload(first.passport.id)
    assert (stored.email, stored.mobile) == ("li@example.com", "13800990001")
    assert (stored.must_change, stored.origin, stored.password_hash) == (True, "import", "!")


@pytest.mark.parametrize(
    "opened", [{"origin": "self"}, {"origin": "import"}, {"origin": "import", "must_change": True}]
)
def test_r5_1a_a_row_adds_no_log_in_name_to_a_passport_with_a_password(
    world: World, opened: dict[str, Any]
) -> None:
    by_email = world.passport(email="li@example.com", mobile=None, **opened)
    by_mobile = world.passport(email=None, mobile="13800990002", **opened)
    with world.writing() as session:
        for email, mobile in (("li@example.com", "13800990001"), ("b@example.com", "13800990002")):
            assert not provide_passport(session, email=email, mobile=mobile, name="李").created
    kept = [world.reload(row.id) for row in (by_email, by_mobile)]
    assert [(row.email, row.mobile) for row in kept] == [
        ("li@example.com", None),
        (None, "13800990002"),
    ]


def test_n10_the_next_session_reuses_the_passport_and_this_one_knows_its_use(world: World) -> None:
    owner = world.passport(email="li@example.com")
    with world.writing() as session:
        registration = make_registration(session, world.tree, passport=owner)
        found = provide_passport(session, email="LI@example.com", mobile=None, name="别人").passport
        assert found.id == owner.id
        assert found.name == owner.name  # nothing of an existing passport is overwritten
        assert live_registration(session, owner.id) == registration.id


def test_n10_another_site_sees_the_use_and_nothing_more(world: World) -> None:
    owner = world.passport()
    with world.writing() as session:
        registration = make_registration(session, world.tree, passport=owner)
    elsewhere: Actor = world.tree.actor(Level.SITE, 1)
    with world.writing(elsewhere) as session:
        assert live_registration(session, owner.id) == registration.id


def test_n11_an_administrator_s_email_is_refused_for_candidates(world: World) -> None:
    with world.writing() as session:
        owner, _ = bind_administrator(session, world.tree, email="boss@example.com")
    with (
        world.writing(world.tree.actor(Level.SITE, 1)) as session,
        pytest.raises(PassportIsAdministrator),
    ):
        refuse_administrator(session, owner.id)


def test_r5_4_email_and_mobile_of_two_people_are_refused(world: World) -> None:
    world.passport(email="a@example.com", mobile="13800990001")
    world.passport(email="b@example.com", mobile="13800990002")
    with world.writing() as session, pytest.raises(PassportMixed):
        provide_passport(session, email="a@example.com", mobile="13800990002", name=None)


@pytest.mark.parametrize(
    ("email", "mobile", "code"),
    [
        ("b@example.com", "13800990001", "account.mobile_of_another"),
        ("a@example.com", "13800990002", "account.email_of_another"),
    ],
)
def test_r5_4_one_identifier_of_a_known_passport_and_another_second_are_refused(
    world: World, email: str, mobile: str, code: str
) -> None:
    owner = world.passport(email="a@example.com", mobile="13800990001")
    with world.writing() as session:
        before = session.scalar(select(func.count()).select_from(Passport))
        with pytest.raises(PassportMixed) as refusal:
            provide_passport(session, email=email, mobile=mobile, name="李")
        assert session.scalar(select(func.count()).select_from(Passport)) == before
    assert refusal.value.code == code
    for secret in (owner.email, owner.mobile, owner.name):
        assert secret
        assert secret not in refusal.value.message()
