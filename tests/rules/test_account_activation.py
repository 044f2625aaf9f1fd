"""§8.3 `initial_password_mode = random_link`: one-time links in place of 123456."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from app.metadata.vocabulary import Level
from app.models.account import AdminBinding, Passport
from app.rules.account import activation
from app.rules.account.activation import (
    Reach,
    opened_by,
    send_links,
    set_password_by_link,
    token_of,
)
from app.rules.account.codes import check_code
from app.rules.account.errors import FieldErrors, LoginRefused
from app.rules.account.login import authenticate
from app.rules.account.passwords import issue_activation_code
from app.rules.account.subordinates import hand_out_activation_code
from app.rules.rate_limit import TooMany
from tests.factories import bind_administrator, make_registration
from tests.rules.account_world import OTHER_PASSWORD, PASSWORD, World, open_world

UNOPENED = {"password_hash": "!", "must_change": True, "origin": "import"}


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    with open_world(fresh_database) as made:
        yield made


def administrator(world: World, number: int = 0, **values: object) -> Passport:
    """An imported administrator of a site who has no password yet."""
    with world.writing() as session:
        owner, _ = bind_administrator(
            session, world.tree, Level.SITE, number, **(UNOPENED | values)
        )
    return owner


def link_of(world: World, owner: Passport) -> str:
    """The token that his superior is shown."""
    with world.writing() as session:
        code = issue_activation_code(session, owner.id, world.clock.now)
    return token_of(owner.number, code)


def refusal(world: World, token: str, password: str = PASSWORD) -> dict[str, list[str]]:
    with pytest.raises(FieldErrors) as caught:
        set_password_by_link(world.access(), token, password)
    return {name: [one.code for one in found] for name, found in caught.value.problems.items()}


def send(world: World, *, mail: bool = True, sms: bool = True) -> int:
    with world.writing() as session:
        reach = Reach(mail, sms, lambda token: f"https://id.example.org/?token={token}")
        return send_links(session, reach, clock=world.clock)


def test_8_3_where_links_open_accounts_123456_opens_nothing(world: World) -> None:
    owner = administrator(world)
    with pytest.raises(LoginRefused):
        authenticate(world.access(initial_password=False), owner.email or "", "123456")
    assert authenticate(world.access(), owner.email or "", "123456").first  # the other mode


def test_8_3_a_link_sets_the_first_password_once(world: World) -> None:
    owner = administrator(world)
    token = link_of(world, owner)
    assert refusal(world, token, "123456").keys() == {"password"}  # and uses nothing up
    assert set_password_by_link(world.access(), token, PASSWORD).passport_id == owner.id
    assert authenticate(world.access(), owner.email or "", PASSWORD).administrator
    assert opened_by(world.access(), token) is None
    assert refusal(world, token, OTHER_PASSWORD) == {"link": ["account.link_refused"]}


def test_8_3_of_two_who_use_one_link_at_once_the_second_is_told_that_it_is_used(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = administrator(world)
    token, meet = link_of(world, owner), threading.Barrier(2, timeout=60)

    def both(*asked: Any) -> int:
        found = check_code(*asked)
        meet.wait()  # each of them has found the link good
        return found

    def use(password: str) -> list[object]:
        try:
            return [set_password_by_link(world.access(), token, password).passport_id]
        except FieldErrors as refused:
            return [problem.code for problem in refused.problems["link"]]

    monkeypatch.setattr(activation, "check_code", both)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(use, (PASSWORD, OTHER_PASSWORD)))
    assert sorted(answers, key=str) == sorted([[owner.id], ["account.link_refused"]], key=str)


def test_8_3_a_link_ends_with_time_with_a_newer_one_and_with_the_account_s_use(
    world: World,
) -> None:
    owner, other = administrator(world), administrator(world, 1)
    former, newer = link_of(world, owner), link_of(world, owner)
    mixed = f"{other.number}.{newer[-12:]}"
    for wrong in (former, mixed, "", "x", newer[:-1], newer.lower()):
        assert refusal(world, wrong) == {"link": ["account.link_refused"]}
    world.clock.forward(days=14, seconds=1)
    assert refusal(world, newer) == {"link": ["account.link_refused"]}
    stranger = world.passport(**UNOPENED)  # bound to nothing, registered nowhere
    assert opened_by(world.access(), f"{stranger.number}.{newer[-12:]}") is None


def test_8_3_guesses_at_links_are_throttled(world: World) -> None:
    owner = administrator(world)
    token = link_of(world, owner)
    for _ in range(5):
        refusal(world, f"{owner.number}.{'A' * 12}")
    with pytest.raises(TooMany):
        set_password_by_link(world.access(), token, PASSWORD)
    world.clock.forward(days=1)
    # a code takes five guesses in its life: a new one is needed
    assert refusal(world, token) == {"link": ["account.link_refused"]}
    set_password_by_link(world.access(), link_of(world, owner), PASSWORD)


def test_8_3_links_are_sent_once_to_those_who_are_reached(world: World) -> None:
    bound = administrator(world)
    unreached = administrator(world, 1, email=None)
    enrolled, idle = world.passport(**UNOPENED), world.passport(**UNOPENED)
    with world.writing() as session:
        make_registration(session, world.tree, passport=enrolled, collective=True)
    assert send(world, sms=False) == 2
    sent = dict(world.messages())
    assert sent.keys() == {bound.email, enrolled.email}
    assert send(world, sms=False) == 0  # once
    assert world.reload(unreached.id).invited_at is None
    found = re.search(r"token=([0-9a-f]{32}\.\w{12}) ", sent[enrolled.email or ""])
    assert found is not None
    set_password_by_link(world.access(), found[1], PASSWORD)
    assert send(world) == 1  # reached by a gateway that came later
    assert world.messages()[-1][0] == unreached.mobile
    assert world.reload(idle.id).invited_at is None


def test_8_3_without_a_gateway_nobody_counts_as_reached(world: World) -> None:
    owner = administrator(world)
    assert send(world, mail=False, sms=False) == 0
    assert send(world) == 1
    assert world.reload(owner.id).invited_at == world.clock.now


def test_8_3_the_upkeep_does_not_void_the_link_of_the_superior(world: World) -> None:
    owner = administrator(world)
    with world.writing(world.tree.actor(Level.PROVINCE)) as session:
        binding = session.scalars(select(AdminBinding).filter_by(passport_id=owner.id)).one()
        code = hand_out_activation_code(session, binding.id, link=True, clock=world.clock)
    assert send(world) == 0
    set_password_by_link(world.access(), token_of(owner.number, code), PASSWORD)


def test_8_3_a_code_beside_123456_is_no_link(world: World) -> None:
    """When links open accounts later on, the code alone opens nothing."""
    owner = administrator(world)
    with world.writing(world.tree.actor(Level.PROVINCE)) as session:
        binding = session.scalars(select(AdminBinding).filter_by(passport_id=owner.id)).one()
        hand_out_activation_code(session, binding.id, clock=world.clock)
    assert send(world) == 1
