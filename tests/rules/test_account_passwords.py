"""Passwords: changed, reset, set for the first time; and the second factor."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
from sqlalchemy import func, select

from app.metadata.errors import KaowuError, NotFound
from app.metadata.vocabulary import Level
from app.models.account import PasswordHistory
from app.rules.account import login, passwords
from app.rules.account.access import Access
from app.rules.account.codes import Purpose, send_code
from app.rules.account.errors import (
    FieldErrors,
    PasswordChanged,
    SecondFactorKnown,
    SecondFactorRefused,
)
from app.rules.account.login import Totp, authenticate
from app.rules.account.passwords import (
    Proof,
    change_password,
    issue_activation_code,
    proof_options,
    reset_password,
    send_first_code,
    set_first_password,
)
from app.rules.account.second_factor import begin_totp, confirm_totp, verify_totp
from tests.factories import bind_administrator, make_registration
from tests.rules.account_world import HASH, OTHER_PASSWORD, PASSWORD, World, open_world


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    with open_world(fresh_database) as made:
        yield made


def codes_of(error: FieldErrors) -> dict[str, list[str]]:
    return {name: [problem.code for problem in found] for name, found in error.problems.items()}


# ---------------------------------------------------------------- change and reset


def test_change_needs_the_old_password_and_ends_other_sessions(world: World) -> None:
    owner = world.passport()
    with pytest.raises(FieldErrors) as refusal:
        change_password(world.access(), owner.id, "wrong", OTHER_PASSWORD)
    assert codes_of(refusal.value) == {"old_password": ["account.wrong_password"]}
    assert world.reload(owner.id).failures == 1
    identity = change_password(world.access(), owner.id, PASSWORD, OTHER_PASSWORD)
    assert identity.session_version == owner.session_version + 1
    assert authenticate(world.access(), owner.email or "", OTHER_PASSWORD)


def test_8_3_a_locked_account_proves_no_password(world: World) -> None:
    """Not the right one either; when the lock is over it is proved, and failures begin anew."""
    owner = world.passport(failures=5, locked_until=world.clock.now + login.LOCK)
    assert not login.verify_own_password(world.access(), owner.id, PASSWORD)
    with pytest.raises(FieldErrors) as refusal:
        change_password(world.access(), owner.id, PASSWORD, OTHER_PASSWORD)
    assert codes_of(refusal.value) == {"old_password": ["account.wrong_password"]}
    world.clock.now += login.LOCK
    assert login.verify_own_password(world.access(), owner.id, PASSWORD)
    assert world.reload(owner.id).failures == 0


def test_8_3_the_last_five_passwords_are_barred(world: World) -> None:
    owner = world.passport()
    current = PASSWORD
    fresh = [f"Maple;Harbour8{letter}" for letter in "QRSTU"]
    for new in fresh[:4]:
        change_password(world.access(), owner.id, current, new)
        current = new
    with pytest.raises(FieldErrors) as refusal:
        change_password(world.access(), owner.id, current, PASSWORD)
    assert codes_of(refusal.value) == {"password": ["password.used_before"]}
    change_password(world.access(), owner.id, current, fresh[4])
    change_password(world.access(), owner.id, fresh[4], PASSWORD)  # six ago: allowed again
    with world.looking() as session:
        count = session.scalar(
            select(func.count())
            .select_from(PasswordHistory)
            .where(PasswordHistory.passport_id == owner.id)
        )
    assert count == 5


def test_8_3_administrators_need_twelve_characters(world: World) -> None:
    with world.writing() as session:
        owner, _ = bind_administrator(session, world.tree, password_hash=HASH)
    with pytest.raises(FieldErrors) as refusal:
        change_password(world.access(), owner.id, PASSWORD, "Vq7#mTz!2k")
    assert codes_of(refusal.value) == {"password": ["password.too_short"]}


def test_parallel_changes_of_one_password_do_not_both_succeed(world: World) -> None:
    owner = world.passport()

    def change(new: str) -> str:
        try:
            change_password(world.access(), owner.id, PASSWORD, new)
        except KaowuError as error:
            return error.code
        return "done"

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(change, ["Maple;Harbour8Q", "Maple;Harbour8R"]))
    assert answers.count("done") == 1


def test_a_password_changed_after_it_was_proved_is_not_replaced(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order that two threads take by chance: both prove the old one, then both replace it."""
    owner = world.passport()
    prove = login.proved_hash

    def overtaken(access: Access, passport_id: int, old: str) -> str | None:
        proved = prove(access, passport_id, old)
        monkeypatch.setattr(passwords, "proved_hash", prove)
        change_password(world.access(), owner.id, PASSWORD, OTHER_PASSWORD)
        return proved

    monkeypatch.setattr(passwords, "proved_hash", overtaken)
    with pytest.raises(PasswordChanged):
        change_password(world.access(), owner.id, PASSWORD, "Maple;Harbour8Q")
    assert authenticate(world.access(), owner.email or "", OTHER_PASSWORD)


def test_reset_by_code_unlocks_and_a_stranger_learns_nothing(world: World) -> None:
    owner = world.passport(failures=5, locked_until=world.clock.now + login.LOCK)
    target = owner.email or ""
    code = world.code_for(Purpose.RESET, target)
    reset_password(world.access(), target, code, OTHER_PASSWORD)
    stored = world.reload(owner.id)
    assert (stored.locked_until, stored.session_version) == (None, 2)
    assert authenticate(world.access(), target, OTHER_PASSWORD)
    send_code(world.access(), Purpose.RESET, "nobody@example.com")
    answers = []
    for name in (target, "nobody@example.com"):
        with pytest.raises(FieldErrors) as refusal:
            reset_password(world.access(), name, code, PASSWORD)
        answers.append(codes_of(refusal.value))
    assert answers == [{"code": ["account.code_refused"]}] * 2


def test_reset_sets_the_first_password_of_an_imported_account(world: World) -> None:
    owner = world.passport(password_hash="!", must_change=True)
    target = owner.mobile or ""
    code = world.code_for(Purpose.RESET, target)
    identity = reset_password(world.access(), target, code, PASSWORD)
    assert not identity.must_change


# ---------------------------------------------------------------- the first password (§8.3)


def test_8_3_administrators_prove_themselves_by_a_code_to_the_imported_address(
    world: World,
) -> None:
    with world.writing() as session:
        owner, _ = bind_administrator(session, world.tree, must_change=True)
    options = proof_options(world.access(), owner.id)
    assert set(options.targets) == {"email", "mobile"}
    assert (owner.email or "") not in options.targets.values()
    send_first_code(world.access(), owner.id, "email")
    code = world.last_code()
    with pytest.raises(FieldErrors) as refusal:
        set_first_password(world.access(), owner.id, PASSWORD, Proof("code", "x", "email"))
    assert codes_of(refusal.value) == {"proof": ["account.code_refused"]}
    identity = set_first_password(world.access(), owner.id, PASSWORD, Proof("code", code, "email"))
    assert not identity.must_change
    assert authenticate(world.access(), owner.email or "", PASSWORD).administrator


def test_8_3_a_superior_hands_out_an_activation_code_that_works_once(world: World) -> None:
    with world.writing() as session:
        owner, _ = bind_administrator(session, world.tree, must_change=True)
    with world.writing(world.tree.actor(Level.PROVINCE)) as session:
        code = issue_activation_code(session, owner.id, world.clock.now)
    access = world.access(mail=False, sms=False)
    set_first_password(access, owner.id, PASSWORD, Proof("activation", code.lower()))
    with pytest.raises(NotFound):  # the account has its password now
        set_first_password(access, owner.id, OTHER_PASSWORD, Proof("activation", code))


def test_8_3_a_sibling_cannot_issue_activation_codes(world: World) -> None:
    with world.writing() as session:
        owner, _ = bind_administrator(session, world.tree, must_change=True)
    with world.writing(world.tree.actor(Level.SITE, 1)) as session, pytest.raises(NotFound):
        issue_activation_code(session, owner.id, world.clock.now)


def test_8_3_candidates_without_a_gateway_prove_themselves_by_the_id_number(world: World) -> None:
    owner = world.passport(password_hash="!", must_change=True)
    with world.writing() as session:
        registration = make_registration(session, world.tree, passport=owner, collective=True)
    tail = registration.id_number[-6:]
    connected = world.access()
    with pytest.raises(FieldErrors):  # a code can be sent, so this way is shut
        set_first_password(connected, owner.id, PASSWORD, Proof("id_number", tail))
    cut_off = world.access(mail=False, sms=False)
    assert proof_options(cut_off, owner.id).id_number
    identity = set_first_password(cut_off, owner.id, PASSWORD, Proof("id_number", tail.lower()))
    assert not identity.must_change


def test_8_3_guesses_of_the_second_proof_are_throttled_per_day(world: World) -> None:
    owner = world.passport(password_hash="!", must_change=True)
    with world.writing() as session:
        registration = make_registration(session, world.tree, passport=owner, collective=True)
    access = world.access(mail=False, sms=False)
    for _ in range(5):
        with pytest.raises(FieldErrors):
            set_first_password(access, owner.id, PASSWORD, Proof("id_number", "000000"))
    with pytest.raises(KaowuError) as refusal:
        set_first_password(
            access, owner.id, PASSWORD, Proof("id_number", registration.id_number[-6:])
        )
    assert refusal.value.code == "rate.too_many"


def test_8_3_an_account_with_a_password_has_no_first_page(world: World) -> None:
    owner = world.passport()
    with pytest.raises(NotFound):
        set_first_password(world.access(), owner.id, OTHER_PASSWORD, Proof("code", "1", "email"))


# ---------------------------------------------------------------- second factor


def _code(secret: str, moment: dt.datetime) -> str:
    return pyotp.TOTP(secret).at(moment)


def test_second_factor_is_set_up_confirmed_and_asked_for(world: World) -> None:
    owner = world.passport()
    setup = begin_totp(world.access(), owner.id)
    assert setup == begin_totp(world.access(), owner.id)  # a reload shows the same
    assert setup.uri.startswith("otpauth://totp/")
    with pytest.raises(SecondFactorRefused):  # not in force before it is confirmed
        verify_totp(world.access(), owner.id, _code(setup.secret, world.clock.now))
    confirm_totp(world.access(), owner.id, _code(setup.secret, world.clock.now))
    assert authenticate(world.access(), owner.email or "", PASSWORD).totp is Totp.REQUIRED
    with pytest.raises(SecondFactorKnown):
        begin_totp(world.access(), owner.id)


def test_a_used_code_of_the_second_factor_is_refused(world: World) -> None:
    owner = world.passport()
    secret = begin_totp(world.access(), owner.id).secret
    code = _code(secret, world.clock.now)
    confirm_totp(world.access(), owner.id, code)
    with pytest.raises(SecondFactorRefused):
        verify_totp(world.access(), owner.id, code)
    world.clock.forward(seconds=30)
    fresh = _code(secret, world.clock.now)

    def use(_: int) -> bool:
        try:
            verify_totp(world.access(), owner.id, fresh)
        except SecondFactorRefused:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(use, range(4))) == [False, False, False, True]


def test_guesses_of_the_second_factor_are_throttled(world: World) -> None:
    owner = world.passport()
    secret = begin_totp(world.access(), owner.id).secret
    confirm_totp(world.access(), owner.id, _code(secret, world.clock.now))
    for _ in range(10):
        with pytest.raises(SecondFactorRefused):
            verify_totp(world.access(), owner.id, "x")
    world.clock.forward(seconds=60)
    with pytest.raises(SecondFactorRefused):
        verify_totp(world.access(), owner.id, _code(secret, world.clock.now))
    world.clock.forward(minutes=15)
    verify_totp(world.access(), owner.id, _code(secret, world.clock.now))
    assert world.reload(owner.id).totp_last_step == int(world.clock.now.timestamp()) // 30
