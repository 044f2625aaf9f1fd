"""Entering a registration: who may, where, with which personal data (chapters 3, 10, 15–19)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.errors import InvalidInput, StaleRow
from app.models.registration import EntryState, Life, PersonClaim, Photo, Registration, Review
from app.models.roster import RosterPolicy
from app.models.settings import ClassOption, Notice
from app.rules.clock import fixed
from app.rules.policy import NotVisibleExam
from app.rules.registration import eligibility
from app.rules.registration.person import (
    IdentityFixed,
    PersonTaken,
    register,
    update_person,
)
from app.rules.registration.states import InformationLocked, OnlyThroughSite
from app.rules.registration.subjects import withdraw_registration
from app.rules.site import (
    load_site,
    notices_of,
)
from tests import factories
from tests.factories import COUNTED, Tree, enter, person


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


def update(session: KaowuSession, row: Registration, tree: Tree, **values: Any) -> Registration:
    return update_person(
        session, row.id, values, version=row.version, counted=COUNTED, clock=fixed(tree.now)
    )


def field_errors(session: KaowuSession, tree: Tree, **values: Any) -> dict[str, list[str]]:
    with pytest.raises(InvalidInput) as refused:
        enter(session, tree, **values)
    return refused.value.errors


# ---------------------------------------------------------------- the candidate


def test_a_registration_begins_as_a_draft_with_its_claim(session: KaowuSession, tree: Tree) -> None:
    row = enter(session, tree)
    assert (row.life, row.payment, row.review) == (Life.DRAFT, "none", Review.NONE)
    assert (row.site_id, row.province_id) == (tree.site.id, tree.province.id)
    assert row.notice_accepted_at == tree.now
    claim = session.scalars(select(PersonClaim)).one()
    assert (claim.registration_id, claim.id_digest) == (row.id, row.id_digest)


def test_r3_4_an_administrator_does_not_register(session: KaowuSession, tree: Tree) -> None:
    passport, actor = factories.bind_administrator(session, tree)
    with pytest.raises(eligibility.CandidatesOnly):
        enter(session, tree, passport=passport)
    become(session, actor)
    with pytest.raises(eligibility.CandidatesOnly):
        eligibility.require_candidate(session)


def test_r14_5_one_registration_per_passport_and_session(session: KaowuSession, tree: Tree) -> None:
    passport = factories.make_passport(session)
    first = enter(session, tree, passport=passport)
    with pytest.raises(eligibility.AlreadyRegistered):
        enter(session, tree, tree.sites[1], passport=passport)
    withdraw_registration(session, first.id)
    assert enter(session, tree, tree.sites[1], passport=passport).site_id == tree.sites[1].id


def test_n12_a_person_registers_at_one_site_only(session: KaowuSession, tree: Tree) -> None:
    number = factories.id_number()
    first = enter(session, tree, id_number=number)
    with pytest.raises(PersonTaken):
        enter(session, tree, tree.sites[1], id_number=number)
    become(session, tree.owner_of(first))
    withdraw_registration(session, first.id)
    assert enter(session, tree, tree.sites[1], id_number=number).life == Life.DRAFT


@pytest.mark.parametrize("spelling", ["full width", "small x", "blanks"])
def test_n6_all_spellings_of_a_number_are_one_person(
    session: KaowuSession, tree: Tree, spelling: str
) -> None:
    number = next(
        found
        for found in (factories.id_number(index) for index in range(50_000, 50_100))
        if found.endswith("X")
    )
    spelt = {
        "full width": number.translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789X"}),
        "small x": number.lower(),
        "blanks": f" {number[:6]} {number[6:14]} {number[14:]} ",
    }[spelling]
    enter(session, tree, id_number=number)
    with pytest.raises(PersonTaken):
        enter(session, tree, id_number=spelt)


def test_n7_fifteen_digits_are_the_same_person(session: KaowuSession, tree: Tree) -> None:
    old = "990101850203001"
    row = enter(session, tree, id_number=old, birth="1985-02-03")
    assert row.id_number == "990101198502030015"[:17] + row.id_number[-1]
    with pytest.raises(PersonTaken):
        enter(session, tree, id_number=row.id_number, birth="1985-02-03")


def test_r16_r17_the_notices_in_force_must_be_accepted(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.candidate(factories.make_passport(session)))
    version = notices_of(session, load_site(session, tree.site.id)).version
    for organisation in (tree.province, tree.site):
        notice = Notice(
            **tree.path(organisation), organisation_id=organisation.id, html=organisation.name
        )
        factories.plant(session, notice)
        with pytest.raises(eligibility.NoticesChanged):
            register(session, tree.site.id, person(), notice_version=version, counted=COUNTED)
    notices = notices_of(session, load_site(session, tree.site.id))
    assert (notices.province, notices.site) == (tree.province.name, tree.site.name)
    row = register(session, tree.site.id, person(), notice_version=notices.version, counted=COUNTED)
    assert row.notice_version == notices.version
    become(session, tree.actor())
    assert notices_of(session, load_site(session, tree.site.id)) == notices


@pytest.mark.parametrize(
    ("enabled", "province_only", "site_only", "admitted"),
    [
        (False, True, True, True),
        (True, False, False, True),
        (True, True, False, False),
        (True, False, True, False),
        (True, True, True, False),
    ],
)
def test_r19_4_people_outside_the_roster(
    session: KaowuSession,
    tree: Tree,
    enabled: bool,
    province_only: bool,
    site_only: bool,
    admitted: bool,
) -> None:
    policy = RosterPolicy(
        **tree.path(tree.site),
        roster_enabled=enabled,
        own_province_only=province_only,
        own_site_only=site_only,
    )
    factories.plant(session, policy)
    if admitted:
        assert enter(session, tree).id
    else:
        with pytest.raises(eligibility.NotAdmitted):
            enter(session, tree)


def test_r3_6_candidates_see_the_current_session_only(session: KaowuSession) -> None:
    old = factories.make_tree(session, number=57, state="history")
    with pytest.raises(NotVisibleExam):
        enter(session, old)


# ---------------------------------------------------------------- personal data


def test_personal_data_are_cleaned(session: KaowuSession, tree: Tree) -> None:
    row = enter(
        session,
        tree,
        name="阿依古丽•买买提",
        ethnic="维吾尔族",
        education="大学本科",
        mobile="+86 139-1234-5678",
        email="Someone@Example.COM",
    )
    assert row.name == "阿依古丽·买买提"
    assert (row.mobile, row.email, row.education) == ("13912345678", "someone@example.com", "20")


def test_birth_and_sex_are_read_from_the_document(session: KaowuSession, tree: Tree) -> None:
    number = factories.id_number(birth=dt.date(1999, 5, 6), sex="2")
    row = enter(session, tree, id_number=number, birth="", sex="")
    assert (row.birth, row.sex) == (dt.date(1999, 5, 6), "2")


def test_all_mistakes_are_reported_at_once(session: KaowuSession, tree: Tree) -> None:
    errors = field_errors(session, tree, name="张3", mobile="123", postcode="1")
    assert set(errors) == {"name", "mobile", "postcode"}
    errors = field_errors(session, tree, sex="2")
    assert errors["sex"] == ["性别：性别与身份证号不一致。请核对性别和证件号码。"]
    errors = field_errors(session, tree, id_number=factories.id_number()[:17] + "?")
    assert "id_number" in errors


@pytest.mark.parametrize(("age", "legal"), [(5, False), (6, True), (80, True), (81, False)])
def test_r3_9_the_age_range_includes_both_ends(
    session: KaowuSession, tree: Tree, age: int, legal: bool
) -> None:
    today = (tree.now + dt.timedelta(hours=8)).date()
    birth = today.replace(year=today.year - age, day=min(today.day, 28))
    values: dict[str, Any] = {
        "birth": birth.isoformat(),
        "id_number": factories.id_number(birth=birth),
        "guardian_mobile": "13900000000",
    }
    if legal:
        assert enter(session, tree, **values).birth == birth
    else:
        assert "birth" in field_errors(session, tree, **values)


def test_under_fourteen_a_guardian_is_named(session: KaowuSession, tree: Tree) -> None:
    birth = dt.date(tree.now.year - 10, 1, 1)
    values = {"birth": birth.isoformat(), "id_number": factories.id_number(birth=birth)}
    assert set(field_errors(session, tree, **values)) == {"guardian_mobile"}


def test_r18_2_scenario_20_the_class_is_one_of_the_options(
    session: KaowuSession, tree: Tree
) -> None:
    for position, name in enumerate(("会计一班", "会计二班")):
        factories.plant(session, ClassOption(**tree.path(tree.site), name=name, position=position))
    assert (
        "会计一班、会计二班" in field_errors(session, tree, class_name="会计三班")["class_name"][0]
    )
    assert enter(session, tree, class_name="会计二班").class_name == "会计二班"


def test_r10_4_the_class_may_be_compulsory(session: KaowuSession, tree: Tree) -> None:
    factories.set_settings(session, tree.site, class_required=True)
    assert set(field_errors(session, tree)) == {"class_name"}


# ---------------------------------------------------------------- changing them


def test_n3_a_save_on_an_old_form_is_refused_with_the_difference(
    session: KaowuSession, tree: Tree
) -> None:
    row = enter(session, tree)
    seen = row.version
    update(session, row, tree, address="新路1号")
    with pytest.raises(StaleRow) as refused:
        update_person(session, row.id, {"address": "新路2号"}, version=seen)
    assert refused.value.parameters["difference"] == {"联系地址": ("新路2号", "新路1号")}


def test_r19_3a_who_becomes_somebody_else_must_have_been_counted(
    session: KaowuSession, tree: Tree
) -> None:
    """He was not where the form named him as he then was; it is as old as if others had saved."""
    row = enter(session, tree)
    for changed in ({"name": "王五"}, {"id_number": factories.id_number()}):
        with pytest.raises(StaleRow):
            update_person(session, row.id, changed, version=row.version, clock=fixed(tree.now))
    update_person(session, row.id, {"address": "路3号"}, version=row.version, clock=fixed(tree.now))
    assert (row.name, row.address) == ("测试考生", "路3号")


def test_r25_25_locked_data_are_not_changed(session: KaowuSession, tree: Tree) -> None:
    row = factories.make_registration(session, tree, locked=True)
    become(session, tree.owner_of(row))
    with pytest.raises(InformationLocked):
        update(session, row, tree, address="新路1号")


def test_r15_4_collective_candidates_change_nothing_themselves(
    session: KaowuSession, tree: Tree
) -> None:
    row = factories.make_registration(session, tree, collective=True)
    become(session, tree.owner_of(row))
    with pytest.raises(OnlyThroughSite):
        update(session, row, tree, address="新路1号")


def test_r25_28_a_change_after_approval_must_be_submitted_again(
    session: KaowuSession, tree: Tree
) -> None:
    factories.set_settings(session, tree.site, review_required=True)
    row = factories.make_registration(session, tree, review="approved")
    become(session, tree.owner_of(row))
    row = update(session, row, tree, address=row.address)
    assert row.review == Review.APPROVED
    row = update(session, row, tree, address="新路1号")
    assert (row.review, row.state_changed_at) == (Review.OPEN, tree.now)


def test_a_corrected_number_moves_the_claim_and_asks_for_a_new_photo(
    session: KaowuSession, tree: Tree
) -> None:
    other = enter(session, tree)
    row = enter(session, tree)
    assert row.photo_id is not None
    with pytest.raises(PersonTaken):
        update(session, row, tree, id_number=other.id_number)
    session.refresh(row)
    number = factories.id_number()
    row = update(session, row, tree, id_number=number)
    assert (row.id_number, row.photo_id) == (number, None)
    claim = session.scalars(select(PersonClaim).where(PersonClaim.registration_id == row.id)).one()
    assert claim.id_digest == row.id_digest


def test_a_paid_seat_is_not_passed_on(session: KaowuSession, tree: Tree) -> None:
    row = factories.make_registration(session, tree, state=EntryState.PAID)
    become(session, tree.owner_of(row))
    with pytest.raises(IdentityFixed):
        update(session, row, tree, id_number=factories.id_number())


def test_n13_at_another_site_the_old_photo_is_not_shown(session: KaowuSession, tree: Tree) -> None:
    passport, number = factories.make_passport(session), factories.id_number()
    first = enter(session, tree, passport=passport, id_number=number)
    withdraw_registration(session, first.id)
    second = enter(session, tree, tree.sites[1], passport=passport, id_number=number, photo=False)
    assert second.photo_id is None
    assert session.scalars(select(Photo)).one().site_id == tree.site.id
