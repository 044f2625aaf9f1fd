"""Codes: pace, tries, one use, one purpose; registration, contacts, imports that use them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from app.metadata.errors import KaowuError
from app.models.account import Passport, VerificationCode
from app.models.audit import AuditEntry
from app.rules import rate_limit
from app.rules.account.access import Limits
from app.rules.account.codes import Purpose, check_code, read_target, send_code, spend_code
from app.rules.account.contacts import change_email
from app.rules.account.errors import (
    CodeRefused,
    CodeTooOften,
    CodeTooSoon,
    FieldErrors,
    LoginRefused,
)
from app.rules.account.login import authenticate
from app.rules.account.passports import (
    TERMS_VERSION,
)
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
