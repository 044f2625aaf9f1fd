"""Choosing and giving up subjects (R10.4, R12.5, R14.6, R22.8a): always through the counters."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.actor import system
from app.metadata.errors import NotFound
from app.models.audit import AuditEntry
from app.models.capacity import CapacityPool
from app.models.registration import Entry, EntryState, Life, PersonClaim, Registration, Review
from app.rules import capacity
from app.rules.capacity import CapacityExceeded, PoolMissing
from app.rules.clock import fixed
from app.rules.fees import FeeUnset
from app.rules.identity import AgeOutOfRange
from app.rules.registration.states import (
    BatchLocked,
    NotLive,
    OnlyThroughSite,
    OrderInFlight,
)
from app.rules.registration.subjects import (
    NothingToWithdraw,
    PaidAlready,
    PreferenceUnavailable,
    SubjectUnavailable,
    TooManySubjects,
    withdraw_entry,
    withdraw_registration,
)
from app.rules.site import OutsideOnlineTime
from tests import factories
from tests.factories import EXAM_DAYS, Tree, choose, enter

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session, day_quota=5)


def used(session: KaowuSession) -> dict[str, int]:
    rows = session.scalars(
        select(CapacityPool).where(CapacityPool.used > 0).execution_options(populate_existing=True)
    )
    return {row.pool: row.used for row in rows}


def entries(session: KaowuSession, row: Registration) -> dict[str, str]:
    found = session.scalars(select(Entry).where(Entry.registration_id == row.id).order_by(Entry.id))
    return {entry.subject_code: entry.state for entry in found}


def given(session: KaowuSession, tree: Tree, **values: object) -> Registration:
    """A finished registration; the session is its candidate's."""
    row = factories.make_registration(session, tree, **values)  # type: ignore[arg-type]
    become(session, tree.owner_of(row))
    return row


def assert_counted(session: KaowuSession) -> None:
    owner = session.info["kaowu"].actor
    become(session, system("check"))
    assert capacity.recount(session) == []
    become(session, owner)


def test_a_choice_takes_its_seats_and_shows_in_the_row(session: KaowuSession, tree: Tree) -> None:
    row = enter(session, tree)
    row = choose(session, tree, row, {"26": None, "14": EXAM_DAYS[0]})
    assert (row.subject_codes, row.subject_count, row.payment) == ("14.26", 2, "unpaid")
    assert (row.life, row.submitted_at) == (Life.ACTIVE, tree.now)
    assert used(session) == {f"D:{EXAM_DAYS[0]}": 1, "S:14": 1, "S:26": 1, "TOTAL": 2}
    assert_counted(session)


def test_a_changed_choice_moves_only_what_differs(session: KaowuSession, tree: Tree) -> None:
    row = choose(session, tree, enter(session, tree), {"14": EXAM_DAYS[0], "24": None})
    row = choose(session, tree, row, {"14": EXAM_DAYS[1], "26": None})
    assert entries(session, row) == {"14": "unpaid", "24": "deleted", "26": "unpaid"}
    assert used(session) == {f"D:{EXAM_DAYS[1]}": 1, "S:14": 1, "S:26": 1, "TOTAL": 2}
    row = choose(session, tree, row, [])
    assert (row.subject_codes, row.payment, row.life) == ("", "none", Life.DRAFT)
    assert used(session) == {}
    row = choose(session, tree, row, ["24"])
    assert row.subject_codes == "24"
    assert_counted(session)


def test_a_refused_choice_changes_nothing(session: KaowuSession, tree: Tree) -> None:
    row = choose(session, tree, enter(session, tree), ["14"])
    factories.set_capacity(session, tree.site, "S:24", 1)
    factories.make_registration(session, tree, subjects=("24",))
    become(session, tree.owner_of(row))
    with pytest.raises(CapacityExceeded, match="科目24"), session.begin_nested():
        choose(session, tree, row, ["24", "26"])
    session.expire_all()
    assert entries(session, row) == {"14": "unpaid"}
    assert_counted(session)


def test_r10_4_at_most_so_many_subjects(session: KaowuSession, tree: Tree) -> None:
    factories.set_settings(session, tree.site, max_subjects=2)
    row = enter(session, tree)
    with pytest.raises(TooManySubjects):
        choose(session, tree, row, ["14", "24", "26"])
    choose(session, tree, row, ["14", "24"])
    factories.set_settings(session, tree.site, max_subjects=1)
    become(session, tree.owner_of(row))
    row = choose(session, tree, row, {"14": EXAM_DAYS[0], "24": None})  # what was, may stay
    assert row.subject_count == 2
    with pytest.raises(TooManySubjects):
        choose(session, tree, row, ["14", "26"])


def test_r10_4_paid_subjects_count(session: KaowuSession, tree: Tree) -> None:
    row = given(session, tree, subjects=("14", "24"), state=EntryState.PAID)
    row = choose(session, tree, row, ["26"])
    assert (row.subject_codes, row.payment) == ("14.24.26", "partly")
    factories.set_settings(session, tree.site, max_subjects=2)
    become(session, tree.owner_of(row))
    row = choose(session, tree, row, [])
    assert (row.subject_codes, row.payment) == ("14.24", "paid")
    with pytest.raises(TooManySubjects):
        choose(session, tree, row, ["26"])


def test_r11_only_what_the_site_offers(session: KaowuSession, tree: Tree) -> None:
    row = enter(session, tree)
    for code in ("42", "99"):
        with pytest.raises(SubjectUnavailable, match=code):
            choose(session, tree, row, [code])
    factories.set_capacity(session, tree.site, "S:14", 0)
    become(session, tree.owner_of(row))
    with pytest.raises(PoolMissing):
        choose(session, tree, row, ["14"])


def test_n21_an_unset_fee_blocks_and_a_fee_of_nothing_does_not(
    session: KaowuSession, tree: Tree
) -> None:
    unset = factories.add_site(session, tree, "990703", subject_fee=None)
    person = factories.add_site(session, tree, "990704", person_fee=None)
    free = factories.add_site(session, tree, "990705", person_fee=0, subject_fee=0)
    for site in (unset, person):
        row = enter(session, tree, site)
        with pytest.raises(FeeUnset):
            choose(session, tree, row, ["14"])
    row = choose(session, tree, enter(session, tree, free), ["14"])
    assert row.subject_codes == "14"


def test_r14_6_preferences_are_for_allowed_days_only(session: KaowuSession, tree: Tree) -> None:
    row = enter(session, tree)
    with pytest.raises(PreferenceUnavailable):
        choose(session, tree, row, {"14": dt.date(2030, 1, 1)})
    factories.set_settings(session, tree.site, preference_allowed=False)
    become(session, tree.owner_of(row))
    with pytest.raises(PreferenceUnavailable):
        choose(session, tree, row, {"14": EXAM_DAYS[0]})
    assert choose(session, tree, row, {"14": None}).subject_count == 1


def test_r14_3_a_full_day_is_named(session: KaowuSession, tree: Tree) -> None:
    factories.set_capacity(session, tree.site, f"D:{EXAM_DAYS[0]}", 1)
    row = enter(session, tree)
    with pytest.raises(CapacityExceeded, match=f"意向日期{EXAM_DAYS[0]}"):
        choose(session, tree, row, dict.fromkeys(["14", "24"], EXAM_DAYS[0]))


def test_r15_4_and_r14_6_collective_candidates_choose_nothing(
    session: KaowuSession, tree: Tree
) -> None:
    row = given(session, tree, collective=True)
    with pytest.raises(OnlyThroughSite):
        choose(session, tree, row, ["24"])
    with pytest.raises(OnlyThroughSite):
        withdraw_entry(session, row.id, "14")


@pytest.mark.parametrize(
    ("state", "error"),
    [(EntryState.PAYING, OrderInFlight), (EntryState.BATCH_LOCKED, BatchLocked)],
)
def test_r25_11_what_is_being_paid_stays(
    session: KaowuSession, tree: Tree, state: EntryState, error: type[Exception]
) -> None:
    row = given(session, tree, state=state)
    with pytest.raises(error):
        choose(session, tree, row, ["24"])
    with pytest.raises(error):
        withdraw_entry(session, row.id, "14")
    with pytest.raises(error):
        withdraw_registration(session, row.id)


def test_r25_6_locked_data_do_not_lock_unpaid_subjects(session: KaowuSession, tree: Tree) -> None:
    row = given(session, tree, locked=True, review="pending")
    assert choose(session, tree, row, ["24"]).subject_codes == "24"


def test_r15_no_choice_outside_the_online_time(session: KaowuSession, tree: Tree) -> None:
    row = enter(session, tree)
    with pytest.raises(OutsideOnlineTime):
        choose(session, tree, row, ["14"], clock=fixed(tree.now + 21 * 24 * HOUR))


def test_r3_9_the_age_counts_on_the_day_of_the_first_submission(
    session: KaowuSession, tree: Tree
) -> None:
    row = enter(session, tree)
    with factories.seeding(session):
        exam = session.merge(tree.exam)
        exam.age_max = 10
    become(session, tree.owner_of(row))
    with pytest.raises(AgeOutOfRange):
        choose(session, tree, row, ["14"])


def test_r22_8a_the_clock_starts_with_the_first_unpaid_entry(
    session: KaowuSession, tree: Tree
) -> None:
    row = enter(session, tree)
    row = choose(session, tree, row, ["14"], clock=fixed(tree.now + HOUR))
    assert row.state_changed_at == tree.now + HOUR
    row = choose(session, tree, row, ["14", "24"], clock=fixed(tree.now + 2 * HOUR))
    assert row.state_changed_at == tree.now + HOUR


def test_r10_4_review_switched_on_later_asks_for_a_submission(
    session: KaowuSession, tree: Tree
) -> None:
    row = enter(session, tree)
    factories.set_settings(session, tree.site, review_required=True)
    become(session, tree.owner_of(row))
    assert choose(session, tree, row, ["14"]).review == Review.OPEN


# ---------------------------------------------------------------- giving up


def test_withdrawing_an_entry_frees_its_seats_at_any_time(
    session: KaowuSession, tree: Tree
) -> None:
    row = choose(session, tree, enter(session, tree), {"14": EXAM_DAYS[0], "24": None})
    row = withdraw_entry(session, row.id, "14", clock=fixed(tree.now + 25 * 24 * HOUR))
    assert (row.subject_codes, row.life) == ("24", Life.ACTIVE)
    assert used(session) == {"S:24": 1, "TOTAL": 1}
    with pytest.raises(NothingToWithdraw):
        withdraw_entry(session, row.id, "14")
    assert_counted(session)


def test_withdrawing_everything_frees_seats_person_and_passport(
    session: KaowuSession, tree: Tree
) -> None:
    passport, number = factories.make_passport(session), factories.id_number()
    row = enter(session, tree, passport=passport, id_number=number)
    choose(session, tree, row, ["14", "24"])
    withdraw_registration(session, row.id)
    assert used(session) == {}
    assert session.scalars(select(PersonClaim)).all() == []
    with pytest.raises(NotLive):
        choose(session, tree, row, ["14"])
    again = enter(session, tree, tree.sites[1], passport=passport, id_number=number)
    assert again.id != row.id
    assert_counted(session)


def test_r25_20_paid_subjects_are_cancelled_by_the_site_only(
    session: KaowuSession, tree: Tree
) -> None:
    row = given(session, tree, state=EntryState.PAID)
    with pytest.raises(NothingToWithdraw):
        withdraw_entry(session, row.id, "14")
    with pytest.raises(PaidAlready):
        withdraw_registration(session, row.id)


def test_p1_another_candidates_registration_is_not_found(session: KaowuSession, tree: Tree) -> None:
    row = factories.make_registration(session, tree)
    become(session, tree.candidate(factories.make_passport(session)))
    with pytest.raises(NotFound):
        choose(session, tree, row, ["24"])
    with pytest.raises(NotFound):
        withdraw_registration(session, row.id)


def test_every_step_leaves_an_entry_in_the_log(session: KaowuSession, tree: Tree) -> None:
    row = choose(session, tree, enter(session, tree), ["14"])
    withdraw_entry(session, row.id, "14")
    become(session, system("check"))
    rows = session.scalars(
        select(AuditEntry).where(AuditEntry.passport_id == row.passport_id).order_by(AuditEntry.id)
    )
    actions = [entry.action for entry in rows]
    for action in (
        "registration.registration.add",
        "registration.personclaim.add",
        "registration.photo.add",
        "registration.entry.add",
        "registration.entry.edit",
    ):
        assert action in actions
