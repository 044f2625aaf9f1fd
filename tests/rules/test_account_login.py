"""Log-in: by e-mail in any case or mobile, counted, locked, never telling who exists."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, select

from app.database.policy import become
from app.metadata.actor import Actor, candidate
from app.metadata.errors import KaowuError
from app.metadata.query import ListQuery
from app.metadata.vocabulary import ADMINISTRATORS, Level
from app.models.audit import AuditEntry
from app.rules import listing, rate_limit
from app.rules.account import login
from app.rules.account.access import Limits
from app.rules.account.codes import Purpose
from app.rules.account.errors import CodeRefused, LoginRefused
from app.rules.account.login import Totp, authenticate, authenticate_by_code
from app.rules.account.visitor import own_log_ins, visitor
from app.rules.audit_log import AUDIT_LOG
from app.rules.password import verify_password
from tests.factories import bind_administrator, make_registration, make_tree, seeding
from tests.rules.account_world import HASH, OTHER_PASSWORD, PASSWORD, World, open_world


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    with open_world(fresh_database) as made:
        yield made


@pytest.mark.parametrize("spelling", ["zhang@example.com", " Zhang@Example.COM ", "13800990001"])
def test_r5_0_login_name_is_email_in_any_case_or_mobile(world: World, spelling: str) -> None:
    owner = world.passport(email="zhang@example.com", mobile="13800990001")
    identity = authenticate(world.access(), spelling, PASSWORD)
    assert identity.passport_id == owner.id
    assert (identity.must_change, identity.totp, identity.administrator) == (
        False,
        Totp.NONE,
        False,
    )


def test_login_is_logged_with_passport_and_address(world: World) -> None:
    owner = world.passport()
    authenticate(world.access(), owner.email or "", PASSWORD)
    with world.looking() as session:
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "account.passport.log_in")
        ).one()
        assert (entry.passport_id, entry.address, entry.outcome) == (
            owner.id,
            "203.0.113.7",
            "done",
        )


def _seen_by(world: World, actor: Actor) -> set[tuple[int | None, str]]:
    """(passport, outcome) of the log-ins in the audit log that an administrator reads."""
    with world.looking() as session:
        become(session, actor)
        query = ListQuery(AUDIT_LOG.name, {"action": "log_in"})
        rows = listing.page(session, AUDIT_LOG, query, size=200).rows
        return {(row.passport_id, row.outcome) for row in rows}


def test_log_ins_are_read_by_the_own_organisation_and_those_above(world: World) -> None:
    """§5 审计日志: scope for superiors, own organisation for a site, nobody beside or below."""
    tree = world.tree
    with world.writing() as session:
        people = {
            level: bind_administrator(session, tree, level, password_hash=HASH)[0]
            for level in ADMINISTRATORS
        }
        other = make_tree(session, number=57, state="history")
    stranger = world.passport()
    for owner in (*people.values(), stranger):
        authenticate(world.access(), owner.email or "", PASSWORD)
    with pytest.raises(LoginRefused):
        authenticate(world.access(), people[Level.SITE].email or "", OTHER_PASSWORD)
    site = {(people[Level.SITE].id, outcome) for outcome in ("done", "refused")}
    city = site | {(people[Level.CITY].id, "done")}
    province = city | {(people[Level.PROVINCE].id, "done")}
    everybody = province | {(people[Level.CENTER].id, "done"), (stranger.id, "done")}
    assert _seen_by(world, tree.actor(Level.SITE)) == site
    assert _seen_by(world, tree.actor(Level.CITY)) == city
    assert _seen_by(world, tree.actor(Level.PROVINCE)) == province
    assert _seen_by(world, tree.actor(Level.CENTER)) == everybody
    assert _seen_by(world, tree.actor(Level.SITE, 1)) == set()
    assert _seen_by(world, other.actor(Level.PROVINCE)) == set()
    assert _seen_by(world, candidate(stranger.id, tree.exam.id)) == set()


def test_everybody_reads_his_own_log_ins_and_no_others(world: World) -> None:
    owner, other = world.passport(), world.passport()
    authenticate(world.access(), owner.email or "", PASSWORD)
    with pytest.raises(LoginRefused):
        authenticate(world.access(), owner.email or "", OTHER_PASSWORD)
    authenticate(world.access(), other.email or "", PASSWORD)
    login.log_out(world.access(), owner.id)
    with world.looking() as session:
        mine = own_log_ins(session, owner.id)
        assert [(entry.is_out, entry.outcome) for entry in mine] == [
            (True, "done"),
            (False, "refused"),
            (False, "done"),
        ]
        assert {entry.address for entry in mine} == {"203.0.113.7"}
        assert len(own_log_ins(session, owner.id, limit=2)) == 2
        assert len(own_log_ins(session, other.id)) == 1


def test_log_ins_of_an_administrator_are_found_by_his_name(world: World) -> None:
    """Architecture §4.7: who is the person with level and organisation, not the task."""
    with world.writing() as session:
        owner, _ = bind_administrator(session, world.tree, name="李建国", password_hash=HASH)
    authenticate(world.access(), owner.email or "", PASSWORD)
    with pytest.raises(LoginRefused):
        authenticate(world.access(), owner.email or "", "wrong")
    authenticate_by_code(
        world.access(), owner.email or "", world.code_for(Purpose.LOGIN, owner.email or "")
    )
    login.log_out(world.access(), owner.id)
    with world.looking() as session:
        entries = session.scalars(
            select(AuditEntry)
            .where(AuditEntry.actor_name == "李建国", AuditEntry.passport_id == owner.id)
            .order_by(AuditEntry.id)
        ).all()
        deeds = [(entry.action.rpartition(".")[2], entry.outcome) for entry in entries]
        assert deeds == [
            ("log_in", "done"),
            ("log_in", "refused"),
            ("log_in", "done"),
            ("log_out", "done"),
        ]
        assert {entry.actor_level for entry in entries} == {"site"}
        assert {entry.organisation_code for entry in entries} == {"990701"}


def test_eight_parallel_wrong_passwords_count_five_and_lock(world: World) -> None:
    owner = world.passport(email="lock@example.com")

    def attempt(number: int) -> str:
        try:
            authenticate(world.access(), "LOCK@example.com", f"wrong {number}")
        except KaowuError as error:
            return error.code
        return "in"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, range(8)))
    assert answers == ["account.login_refused"] * 8
    stored = world.reload(owner.id)
    assert stored.failures == 5
    assert stored.locked_until == world.clock.now + login.LOCK


def test_locked_account_refuses_the_right_password_until_the_time_is_over(world: World) -> None:
    owner = world.passport()
    name = owner.email or ""
    for _ in range(5):
        with pytest.raises(LoginRefused):
            authenticate(world.access(), name, "wrong")
    with pytest.raises(LoginRefused):
        authenticate(world.access(), name, PASSWORD)
    world.clock.forward(minutes=15)
    assert authenticate(world.access(), name, PASSWORD).passport_id == owner.id
    assert world.reload(owner.id).failures == 0


def test_after_a_lock_is_over_counting_begins_again(world: World) -> None:
    owner = world.passport(failures=5, locked_until=world.clock.now)
    with pytest.raises(LoginRefused):
        authenticate(world.access(), owner.email or "", "wrong")
    stored = world.reload(owner.id)
    assert (stored.failures, stored.locked_until) == (1, None)


def test_success_resets_the_counter(world: World) -> None:
    owner = world.passport()
    with pytest.raises(LoginRefused):
        authenticate(world.access(), owner.email or "", "wrong")
    assert world.reload(owner.id).failures == 1
    authenticate(world.access(), owner.email or "", PASSWORD)
    assert world.reload(owner.id).failures == 0


def test_unknown_wrong_locked_and_disabled_are_told_the_same(world: World) -> None:
    known = world.passport(email="known@example.com")
    world.passport(email="disabled@example.com", active=False)
    world.passport(
        email="locked@example.com", failures=5, locked_until=world.clock.now + login.LOCK
    )
    answers = set()
    for name, password in (
        (known.email, "wrong"),
        ("nobody@example.com", PASSWORD),
        ("disabled@example.com", PASSWORD),
        ("locked@example.com", PASSWORD),
        ("not an address", PASSWORD),
    ):
        with pytest.raises(LoginRefused) as refusal:
            authenticate(world.access(), name or "", password)
        answers.add((refusal.value.code, refusal.value.message(), refusal.value.status))
    assert len(answers) == 1


def test_known_and_unknown_accounts_meet_the_same_limit(world: World) -> None:
    world.passport(email="known@example.com")
    limits = Limits(login_account=(3, 900))
    answers: dict[str, list[str]] = {"known@example.com": [], "nobody@example.com": []}
    for name, codes in answers.items():
        for _ in range(5):
            with pytest.raises(KaowuError) as refusal:
                authenticate(world.access(limits=limits), name, "wrong")
            codes.append(refusal.value.code)
    assert answers["known@example.com"] == answers["nobody@example.com"]
    assert answers["known@example.com"][3:] == ["rate.too_many"] * 2


def test_an_empty_name_is_refused_like_any_other_and_shares_no_limit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str | None] = []

    def verify(stored: str | None, password: str) -> bool:
        checked.append(stored)
        return verify_password(stored, password)

    monkeypatch.setattr(login, "verify_password", verify)
    limits = Limits(login_account=(2, 900), login_address=(5, 900))
    for name in ("", "  ", "\u3000", "\t"):
        with pytest.raises(LoginRefused):
            authenticate(world.access(limits=limits), name, PASSWORD)
    assert checked == [None] * 4  # the same work as for an unknown name
    with pytest.raises(LoginRefused):
        authenticate(world.access(limits=limits), "nobody@example.com", PASSWORD)
    with pytest.raises(rate_limit.TooMany):  # the address is limited all the same
        authenticate(world.access(limits=limits), "", PASSWORD)


def test_one_address_is_limited_over_all_accounts(world: World) -> None:
    owner = world.passport()
    limits = Limits(login_address=(2, 60))
    for number in range(2):
        with pytest.raises(LoginRefused):
            authenticate(world.access(limits=limits), f"n{number}@example.com", "wrong")
    with pytest.raises(rate_limit.TooMany):
        authenticate(world.access(limits=limits), owner.email or "", PASSWORD)
    world.clock.forward(seconds=60)
    assert authenticate(world.access(limits=limits), owner.email or "", PASSWORD)


def test_no_transaction_is_open_while_the_password_is_hashed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = world.passport()
    engine = world.factory.kw["bind"]
    open_now, seen = [0], []
    event.listen(engine, "checkout", lambda *_: open_now.__setitem__(0, open_now[0] + 1))
    event.listen(engine, "checkin", lambda *_: open_now.__setitem__(0, open_now[0] - 1))
    verify = verify_password

    def watched(stored: str | None, password: str) -> bool:
        seen.append(open_now[0])
        return verify(stored, password)

    monkeypatch.setattr(login, "verify_password", watched)
    authenticate(world.access(), owner.email or "", PASSWORD)
    with pytest.raises(LoginRefused):
        authenticate(world.access(), "nobody@example.com", PASSWORD)
    assert seen == [0, 0]  # exactly one hash per attempt, known or not


def test_login_by_code_also_opens_a_locked_account_and_works_once(world: World) -> None:
    owner = world.passport(failures=5, locked_until=world.clock.now + login.LOCK)
    target = owner.email or ""
    code = world.code_for(Purpose.LOGIN, target)
    assert authenticate_by_code(world.access(), target, code).passport_id == owner.id
    assert world.reload(owner.id).locked_until is None
    with pytest.raises(CodeRefused):
        authenticate_by_code(world.access(), target, code)


def test_logout_ends_every_cookie_of_the_passport(world: World) -> None:
    owner = world.passport()
    with world.looking() as session:
        assert visitor(session, owner.id, 1) is not None
    login.log_out(world.access(), owner.id)
    with world.looking() as session:
        assert visitor(session, owner.id, 1) is None
        assert visitor(session, owner.id, 2) is not None


def test_r5_4_initial_password_opens_only_the_first_page_of_a_bound_administrator(
    world: World,
) -> None:
    with world.writing() as session:
        owner, _ = bind_administrator(session, world.tree, must_change=True)
    identity = authenticate(world.access(), owner.email or "", "123456")
    assert identity.first
    assert identity.must_change
    stranger = world.passport(password_hash="!", must_change=True)
    with pytest.raises(LoginRefused):
        authenticate(world.access(), stranger.email or "", "123456")


def test_8_3_initial_password_of_a_candidate_ends_with_the_session(world: World) -> None:
    owner = world.passport(password_hash="!", must_change=True)
    with world.writing() as session:
        registration = make_registration(
            session, world.tree, passport=owner, collective=True, subjects=()
        )
    assert authenticate(world.access(), owner.email or "", "123456").first
    with world.writing() as session, seeding(session):
        session.merge(registration).life = "expired"
    with pytest.raises(LoginRefused):
        authenticate(world.access(), owner.email or "", "123456")


def test_8_3_administrators_passwords_expire_after_ninety_days(world: World) -> None:
    with world.writing() as session:
        administrator, _ = bind_administrator(
            session,
            world.tree,
            password_hash=HASH,
            password_changed_at=world.clock.now,
        )
    candidate = world.passport()
    world.clock.forward(days=91)
    identity = authenticate(world.access(), administrator.email or "", PASSWORD)
    assert (identity.must_change, identity.first) == (True, False)
    assert not authenticate(world.access(), candidate.email or "", PASSWORD).must_change


def test_second_factor_is_asked_for_where_it_is_confirmed_or_required(world: World) -> None:
    with world.writing() as session:
        plain, _ = bind_administrator(session, world.tree, password_hash=HASH)
        secured, _ = bind_administrator(
            session,
            world.tree,
            password_hash=HASH,
            totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
            totp_confirmed=True,
        )
    access = world.access(totp_required=True)
    assert authenticate(access, plain.email or "", PASSWORD).totp is Totp.SETUP
    assert authenticate(access, secured.email or "", PASSWORD).totp is Totp.REQUIRED
    assert authenticate(world.access(), plain.email or "", PASSWORD).totp is Totp.NONE
