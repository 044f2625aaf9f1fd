"""Codes: pace, tries, one use, one purpose; registration, contacts, imports that use them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from app.metadata.actor import Actor
from app.metadata.errors import KaowuError
from app.metadata.vocabulary import Level
from app.models.account import Passport, VerificationCode
from app.models.audit import AuditEntry
from app.rules import rate_limit
from app.rules.account.access import Limits
from app.rules.account.codes import Purpose, check_code, read_target, send_code, spend_code
from app.rules.account.contacts import change_email, change_mobile
from app.rules.account.errors import (
    CodeRefused,
    CodeTooOften,
    CodeTooSoon,
    FieldErrors,
    LoginRefused,
    PassportIsAdministrator,
    PassportMixed,
)
from app.rules.account.login import FAILURES, authenticate
from app.rules.account.passports import (
    TERMS_VERSION,
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


# ---------------------------------------------------------------- codes


def test_codes_are_stored_as_digests_and_sent_by_the_outbox(world: World) -> None:
    code = world.code_for(Purpose.REGISTER, "13800990001")
    assert world.messages()[-1][0] == "13800990001"
    with world.looking() as session:
        row = session.scalars(select(VerificationCode)).one()
        assert code not in row.code_digest
        assert "13800990001" not in row.target_digest
        assert (row.expires_at - row.created_at).total_seconds() == 600


def test_sixty_seconds_between_two_codes_and_five_an_hour(world: World) -> None:
    access, target = world.access(), "13800990001"
    for _ in range(5):
        send_code(access, Purpose.REGISTER, target)
        with pytest.raises(CodeTooSoon):
            send_code(access, Purpose.RESET, target)  # whatever the purpose
        world.clock.forward(seconds=60)
    with pytest.raises(CodeTooOften):
        send_code(access, Purpose.REGISTER, target)
    world.clock.forward(minutes=56)
    assert send_code(access, Purpose.REGISTER, target).wait == 60


def test_parallel_requests_send_one_message(world: World) -> None:
    def ask(_: int) -> str:
        try:
            send_code(world.access(), Purpose.REGISTER, "13800990001")
        except KaowuError as error:
            return error.code
        return "sent"

    with ThreadPoolExecutor(6) as pool:
        answers = sorted(pool.map(ask, range(6)))
    assert answers == ["account.code_too_soon"] * 5 + ["sent"]
    assert world.message_count() == 1


def test_codes_are_limited_per_address(world: World) -> None:
    access = world.access(limits=Limits(code_address=(2, 3600)))
    for number in range(2):
        send_code(access, Purpose.REGISTER, f"1380099000{number}")
    with pytest.raises(rate_limit.TooMany):
        send_code(access, Purpose.REGISTER, "13800990009")


def test_five_wrong_tries_spoil_a_code(world: World) -> None:
    code = world.code_for(Purpose.REGISTER, "13800990001")
    wrong = "000000" if code != "000000" else "000001"
    for _ in range(5):
        with pytest.raises(CodeRefused):
            check_code(world.access(), Purpose.REGISTER, "13800990001", wrong)
    with pytest.raises(CodeRefused):
        check_code(world.access(), Purpose.REGISTER, "13800990001", code)


def test_parallel_guesses_get_no_sixth_try(world: World) -> None:
    code = world.code_for(Purpose.LOGIN, world.passport().email or "")
    target = world.messages()[-1][0]
    wrong = "000000" if code != "000000" else "000001"

    def guess(_: int) -> bool:
        try:
            check_code(world.access(), Purpose.LOGIN, target, wrong)
        except CodeRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(guess, range(8)))
    with world.looking() as session:
        assert session.scalar(select(VerificationCode.tries)) == 5


def test_a_right_code_costs_no_try_and_ends_after_ten_minutes(world: World) -> None:
    code = world.code_for(Purpose.REGISTER, "13800990001")
    for _ in range(7):
        assert check_code(world.access(), Purpose.REGISTER, "13800990001", code)
    world.clock.forward(minutes=10)
    with pytest.raises(CodeRefused):
        check_code(world.access(), Purpose.REGISTER, "13800990001", code)


def test_a_code_is_good_for_its_purpose_its_target_and_once(world: World) -> None:
    code = world.code_for(Purpose.REGISTER, "13800990001")
    for purpose, target in ((Purpose.RESET, "13800990001"), (Purpose.REGISTER, "13800990002")):
        with pytest.raises(CodeRefused):
            check_code(world.access(), purpose, target, code)
    code_id = check_code(world.access(), Purpose.REGISTER, "13800990001", code)
    with world.writing() as session:
        spend_code(session, code_id, world.clock.now)
    with pytest.raises(CodeRefused):
        check_code(world.access(), Purpose.REGISTER, "13800990001", code)
    with world.writing() as session, pytest.raises(CodeRefused):
        spend_code(session, code_id, world.clock.now)


@pytest.mark.parametrize("purpose", [Purpose.LOGIN, Purpose.RESET])
def test_a_stranger_s_target_gets_the_same_answers_and_no_message(
    world: World, purpose: Purpose
) -> None:
    known = world.passport().email or ""
    answers = []
    for target in (known, "nobody@example.com"):
        sent = send_code(world.access(), purpose, target)
        with pytest.raises(CodeTooSoon) as soon:
            send_code(world.access(), purpose, target)
        with pytest.raises(CodeRefused) as wrong:
            check_code(world.access(), purpose, target, "12345x")
        answers.append((sent, soon.value.message(), wrong.value.message()))
    assert answers[0] == answers[1]
    assert [target for target, _ in world.messages()] == [known]


def test_targets_are_read_in_any_spelling() -> None:
    assert read_target(" Zhang@Example.COM ") == "zhang@example.com"
    assert read_target("+86 138 0099 0001") == "13800990001"
    with pytest.raises(FieldErrors) as refusal:
        read_target("12345", "mobile")
    assert codes_of(refusal.value) == {"mobile": ["mobile.form"]}


# ---------------------------------------------------------------- registration (R5.1)


def test_r5_1_registration_stores_contacts_consent_and_the_log(world: World) -> None:
    identity = world.register("Zhang@Example.com", "13800990001")
    stored = world.reload(identity.passport_id)
    assert (stored.email, stored.mobile) == (None, "13800990001")
    assert stored.pending_email == "zhang@example.com"
    assert stored.terms_version == TERMS_VERSION
    assert stored.terms_accepted_at == world.clock.now
    assert len(stored.number) == 32
    with world.looking() as session:
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "account.passport.add")
        ).one()
        assert entry.actor_name == "passport registration"
        assert "zhang@example.com" not in str(entry.changes)


def test_r5_1_code_may_go_to_the_mailbox(world: World) -> None:
    identity = world.register("zhang@example.com", "13800990001", prove="email")
    stored = world.reload(identity.passport_id)
    assert (stored.email, stored.mobile) == ("zhang@example.com", None)
    assert (stored.mobile_digest, stored.pending_mobile) == (None, "13800990001")


def test_r5_1_a_contact_that_is_not_proved_opens_nothing_and_blocks_nobody(world: World) -> None:
    world.register("Li@example.com", "13800990001")
    with pytest.raises(LoginRefused):
        authenticate(world.access(), "li@example.com", PASSWORD)
    sent = world.message_count()
    send_code(world.access(), Purpose.RESET, "li@example.com")
    assert world.message_count() == sent
    world.clock.forward(minutes=2)
    owner = world.register("li@example.com", "13800990002", prove="email")
    assert authenticate(world.access(), "li@example.com", PASSWORD) == owner


def test_r5_1_the_other_contact_is_confirmed_later_and_then_logs_in(world: World) -> None:
    identity = world.register("li@example.com", "13800990001")
    proof = {"code": world.code_for(Purpose.EMAIL, "li@example.com"), "password": PASSWORD}
    change_email(world.access(), identity.passport_id, "li@example.com", **proof)
    stored = world.reload(identity.passport_id)
    assert (stored.email, stored.pending_email) == ("li@example.com", None)
    assert authenticate(world.access(), "LI@example.com", PASSWORD) == identity
    assert world.messages()[-1][0] == "13800990001"  # the other log-in name is told


def test_r5_1_who_proves_an_address_first_has_it(world: World) -> None:
    late = world.register("li@example.com", "13800990001")
    world.register("li@example.com", "13800990002", prove="email")
    world.clock.forward(minutes=2)
    proof = {"code": world.code_for(Purpose.EMAIL, "li@example.com"), "password": PASSWORD}
    with pytest.raises(FieldErrors) as refusal:
        change_email(world.access(), late.passport_id, "li@example.com", **proof)
    assert codes_of(refusal.value) == {"email": ["account.email_taken"]}


def test_r5_1_every_mistake_of_the_form_is_told_at_once(world: World) -> None:
    with pytest.raises(FieldErrors) as refusal:
        world.register("abc", "123", password="short", consent=False, code="123456")
    found = codes_of(refusal.value)
    assert found["email"] == ["email.form"]
    assert found["mobile"] == ["mobile.form"]
    assert found["consent"] == ["account.consent_missing"]
    assert "password.too_short" in found["password"]


@pytest.mark.parametrize(
    ("email", "mobile", "field", "code"),
    [
        ("TAKEN@example.com", "13800990002", "email", "account.email_taken"),
        ("free@example.com", "13800990001", "mobile", "account.mobile_taken"),
    ],
)
def test_r5_1_taken_contacts_are_told_only_after_the_code(
    world: World, email: str, mobile: str, field: str, code: str
) -> None:
    world.passport(email="taken@example.com", mobile="13800990001")
    with pytest.raises(FieldErrors) as stranger:
        world.register(email, mobile, prove=field, code="000000")
    assert codes_of(stranger.value) == {"code": ["account.code_refused"]}
    with pytest.raises(FieldErrors) as owner:
        world.register(email, mobile, prove=field)
    assert codes_of(owner.value) == {field: [code]}


def test_r5_1_a_code_survives_other_mistakes_and_registers_once(world: World) -> None:
    code = world.code_for(Purpose.REGISTER, "13800990001")
    with pytest.raises(FieldErrors):
        world.register("free@example.com", "13800990001", code=code, password="short")
    world.register("free@example.com", "13800990001", code=code)
    with pytest.raises(FieldErrors) as again:
        world.register("other@example.com", "13800990001", code=code)
    assert codes_of(again.value) == {"code": ["account.code_refused"]}


def test_r5_1_parallel_registrations_make_one_passport(world: World) -> None:
    code = world.code_for(Purpose.REGISTER, "13800990001")

    def attempt(_: int) -> str:
        try:
            world.register("zhang@example.com", "13800990001", code=code)
        except KaowuError as error:
            return error.code
        return "made"

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(attempt, range(4)))
    assert answers.count("made") == 1
    with world.looking() as session:
        count = session.scalar(
            select(func.count())
            .select_from(Passport)
            .where(Passport.pending_email == "zhang@example.com")
        )
    assert count == 1


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
