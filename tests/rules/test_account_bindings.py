"""Who administers which organisation: R3.3, R3.4, R8.2, R8.6."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from app.database.policy import NoPermit
from app.metadata.errors import NotFound
from app.metadata.vocabulary import Level
from app.models.account import AdminBinding
from app.models.audit import AuditEntry
from app.rules.account.bindings import (
    bind_administrator,
    binding_obstacle,
    find_passport,
    unbind,
)
from app.rules.account.errors import (
    AlreadyBound,
    AlreadyBoundHere,
    LastAdministrator,
    NotYourself,
    PassportIsCandidate,
    PassportNotFound,
)
from app.rules.account.second_factor import remove_totp
from app.rules.policy import WrongOrganisation
from app.rules.rate_limit import TooMany
from tests.factories import bind_administrator as make_administrator
from tests.factories import make_registration
from tests.rules.account_world import World, open_world


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    with open_world(fresh_database) as made:
        yield made


@pytest.mark.parametrize("level", [Level.CENTER, Level.PROVINCE, Level.CITY, Level.SITE])
def test_r8_2_every_level_binds_in_its_own_scope(world: World, level: Level) -> None:
    owner = world.passport()
    with world.writing(world.tree.actor(level)) as session:
        binding = bind_administrator(session, owner.id, world.tree.site.code, "张老师")
        place = (binding.level, binding.province_code, binding.city_code, binding.site_code)
    assert place == ("site", "99", world.tree.city.code, world.tree.site.code)
    assert world.reload(owner.id).session_version == owner.session_version + 1


def test_r7_4_a_site_binds_neither_siblings_nor_superiors(world: World) -> None:
    owner = world.passport()
    for code in (world.tree.sites[1].code, world.tree.province.code):
        with (
            world.writing(world.tree.actor(Level.SITE)) as session,
            pytest.raises(WrongOrganisation),
        ):
            bind_administrator(session, owner.id, code, "张老师")


def test_r3_4_a_candidate_of_the_current_session_is_refused(world: World) -> None:
    owner = world.passport()
    with world.writing() as session:
        make_registration(session, world.tree, world.tree.sites[1], passport=owner)
    with world.writing(world.tree.actor(Level.SITE)) as session, pytest.raises(PassportIsCandidate):
        bind_administrator(session, owner.id, world.tree.site.code, "张老师")


def test_r8_6_one_passport_one_organisation_not_told_outside_the_scope(world: World) -> None:
    with world.writing() as session:
        owner, _ = make_administrator(session, world.tree, Level.SITE, 0)
    with (
        world.writing(world.tree.actor(Level.SITE, 1)) as session,
        pytest.raises(AlreadyBound) as refusal,
    ):
        bind_administrator(session, owner.id, world.tree.sites[1].code, "张老师")
    assert world.tree.site.code not in refusal.value.message()
    assert world.tree.site.name not in refusal.value.message()
    with (
        world.writing(world.tree.actor(Level.CITY)) as session,
        pytest.raises(AlreadyBoundHere) as told,
    ):
        bind_administrator(session, owner.id, world.tree.sites[1].code, "张老师")
    assert world.tree.site.display in told.value.message()


def test_r8_2_nobody_removes_himself_and_the_last_one_is_told_so(world: World) -> None:
    with world.writing() as session:
        _, actor = make_administrator(session, world.tree)
        mine = session.scalars(
            select(AdminBinding.id).where(AdminBinding.passport_id == actor.passport_id)
        ).one()
    with world.writing(actor) as session, pytest.raises(LastAdministrator):
        unbind(session, mine)
    with world.writing() as session:
        other, _ = make_administrator(session, world.tree)
        theirs = session.scalars(
            select(AdminBinding.id).where(AdminBinding.passport_id == other.id)
        ).one()
    with world.writing(actor) as session, pytest.raises(NotYourself):
        unbind(session, mine)
    with world.writing(actor) as session:
        unbind(session, theirs)
    assert world.reload(other.id).session_version == other.session_version + 1
    with world.looking() as session:
        actions = session.scalars(select(AuditEntry.action)).all()
    assert "account.adminbinding.delete" in actions


def test_p2_a_sibling_s_administrator_cannot_be_found_or_removed(world: World) -> None:
    with world.writing() as session:
        owner, _ = make_administrator(session, world.tree)
        theirs = session.scalars(
            select(AdminBinding.id).where(AdminBinding.passport_id == owner.id)
        ).one()
    with world.writing(world.tree.actor(Level.SITE, 1)) as session, pytest.raises(NotFound):
        unbind(session, theirs)


def test_r8_6_look_up_by_email_in_any_case_and_by_id_is_logged(world: World) -> None:
    owner = world.passport(email="teacher@example.com")
    with world.writing(world.tree.actor(Level.SITE)) as session:
        by_email = find_passport(session, email=" Teacher@EXAMPLE.com")
        by_number = find_passport(session, number=owner.number.upper())
        with pytest.raises(PassportNotFound):
            find_passport(session, email="nobody@example.com")
    assert by_email == by_number
    assert (by_email.number, by_email.email) == (owner.number, "teacher@example.com")
    with world.looking() as session:
        titles = session.scalars(
            select(AuditEntry.object_title).where(AuditEntry.action == "account.passport.look_up")
        ).all()
    assert titles == [owner.number] * 2


def test_r8_6_the_look_up_names_only_users_in_the_scope(world: World) -> None:
    stranger = world.passport(name="陌生人", email="stranger@example.com")
    with world.writing() as session:
        user, _ = make_administrator(session, world.tree, Level.SITE, 0, name="考点人员")
    names = {}
    for level, index in ((Level.SITE, 0), (Level.CITY, 0), (Level.SITE, 1)):
        with world.writing(world.tree.actor(level, index)) as session:
            found = find_passport(session, number=user.number)
            assert find_passport(session, email=stranger.email or "").name == ""
            names[level, index] = found.name
    assert names == {
        (Level.SITE, 0): "考点人员",
        (Level.CITY, 0): "考点人员",
        (Level.SITE, 1): "",
    }


def test_r8_6_r3_4_what_hinders_a_binding_is_known_at_the_look_up(world: World) -> None:
    free, candidate = world.passport(), world.passport()
    with world.writing() as session:
        user, _ = make_administrator(session, world.tree, Level.SITE, 0)
        make_registration(session, world.tree, world.tree.sites[1], passport=candidate)
    with world.writing(world.tree.actor(Level.SITE, 1)) as session:
        found = [binding_obstacle(session, row.id) for row in (free, candidate, user)]
    assert [type(error) for error in found] == [type(None), PassportIsCandidate, AlreadyBound]
    with world.writing(world.tree.actor(Level.CITY)) as session:
        here = binding_obstacle(session, user.id)
    assert isinstance(here, AlreadyBoundHere)
    assert world.tree.site.display in here.message()


def test_look_ups_are_limited_per_administrator(world: World) -> None:
    owner = world.passport()
    with world.writing(world.tree.actor(Level.SITE)) as session:
        for _ in range(2):
            find_passport(session, number=owner.number, rate=(2, 60), clock=world.clock)
        with pytest.raises(TooMany):
            find_passport(session, number=owner.number, rate=(2, 60), clock=world.clock)


def test_a_second_factor_is_taken_back_only_inside_a_permit(world: World) -> None:
    owner = world.passport(totp_confirmed=True)
    with world.writing(world.tree.actor(Level.CENTER)) as session, pytest.raises(NoPermit):
        remove_totp(session, owner.id)
    with world.writing() as session:
        remove_totp(session, owner.id)
    assert not world.reload(owner.id).totp_confirmed
