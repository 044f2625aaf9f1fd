"""Passwords (§8.3): many at once guess no faster, and two at once do not both replace one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from app.metadata.errors import KaowuError
from app.models.account import Passport
from app.rules.account import login
from app.rules.account.activation import set_password_by_link, token_of
from app.rules.account.errors import FieldErrors, PasswordChanged
from app.rules.account.login import FAILURES, authenticate, verify_own_password
from app.rules.account.passports import NO_PASSWORD
from app.rules.account.passwords import change_password, issue_activation_code, replace_password
from app.rules.password import hash_password, verify_password
from tests.concurrency.clients import wait_for_waiter
from tests.factories import bind_administrator, seeding
from tests.rules.account_world import HASH, OTHER_PASSWORD, PASSWORD, World, open_world

Guess = Callable[[World, Passport, str], bool]


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    with open_world(fresh_database) as made:
        yield made


def log_in(world: World, owner: Passport, password: str) -> bool:
    try:
        authenticate(world.access(), owner.email or "", password)
    except KaowuError:
        return False
    return True


def confirm(world: World, owner: Passport, password: str) -> bool:
    """Before the contacts are changed, and what administrators are asked for."""
    return verify_own_password(world.access(), owner.id, password)


def change(world: World, owner: Passport, password: str) -> bool:
    try:
        change_password(world.access(), owner.id, password, OTHER_PASSWORD)
    except FieldErrors:
        return False
    return True


def right_one_last(world: World, monkeypatch: pytest.MonkeyPatch, guess: Guess) -> bool:
    """All look at the account while it is open; five wrong passwords are settled, and then the
    right one has been hashed. Is it accepted?"""
    owner, together = world.passport(), threading.Barrier(FAILURES + 1, timeout=60)
    wrong: list[Future[bool]] = []

    def hashing(stored: str | None, password: str) -> bool:
        together.wait()  # every one of them has looked
        if password == PASSWORD:
            assert not any(one.result(60) for one in wrong)
        return verify_password(stored, password)

    monkeypatch.setattr(login, "verify_password", hashing)
    with ThreadPoolExecutor(FAILURES + 1) as pool:
        wrong += [pool.submit(guess, world, owner, f"wrong-{turn}") for turn in range(FAILURES)]
        return pool.submit(guess, world, owner, PASSWORD).result(60)


@pytest.mark.postgres
@pytest.mark.parametrize("guess", [log_in, confirm, change])
def test_8_3_of_guesses_at_once_none_gets_past_the_lock(
    world: World, monkeypatch: pytest.MonkeyPatch, guess: Guess
) -> None:
    assert not right_one_last(world, monkeypatch, guess)


@pytest.mark.postgres
def test_without_settling_the_last_of_many_guesses_gets_past_the_lock(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "_settle_success", lambda *_: True)
    assert right_one_last(world, monkeypatch, confirm)


# ---------------------------------------------------------------- two who replace one password


def change_proved(world: World, owner: Passport) -> str:
    """By who has proved the password that was stored before."""
    with pytest.raises(PasswordChanged) as refusal:
        replace_password(world.access(), owner.id, OTHER_PASSWORD, None, owner.password_hash)
    return refusal.value.code


def open_by_link(world: World, owner: Passport) -> str:
    with world.writing() as session:
        code = issue_activation_code(session, owner.id, world.clock.now)
    with pytest.raises(FieldErrors) as refusal:
        set_password_by_link(world.access(), token_of(owner.number, code), OTHER_PASSWORD)
    (problem,) = refusal.value.problems["link"]
    return problem.code


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("replace", "stored", "told"),
    [
        (change_proved, HASH, "account.password_changed"),
        (open_by_link, NO_PASSWORD, "account.link_refused"),
    ],
)
def test_8_3_who_comes_second_is_told_that_the_password_was_changed(
    world: World, replace: Callable[[World, Passport], str], stored: str, told: str
) -> None:
    """Not that some record was changed by others: he waits for the first, and then looks."""
    with world.writing() as session:
        owner, _ = bind_administrator(
            session, world.tree, password_hash=stored, must_change=stored != HASH, origin="import"
        )
    with ThreadPoolExecutor(1) as pool:
        with world.writing() as first, seeding(first):
            first.get_one(Passport, owner.id).password_hash = hash_password("Maple;Harbour8Q")
            first.flush()
            second = pool.submit(replace, world, owner)
            wait_for_waiter(first)
        assert second.result(60) == told
