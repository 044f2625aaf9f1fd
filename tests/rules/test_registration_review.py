"""报名信息审核 and 锁定 (chapter 26, R25.25–R25.28)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import select

from app.adapters.files import FileStore
from app.database.policy import NoPermit, become
from app.database.session import KaowuSession
from app.metadata.declarations import ONLY_RUN, Declaration
from app.metadata.errors import NotFound
from app.metadata.vocabulary import Level, Verb, Window
from app.models.registration import EntryState, Registration, Review
from app.rules import policy
from app.rules.clock import fixed
from app.rules.photo import upload_photo
from app.rules.policy import WindowClosed
from app.rules.registration import permits
from app.rules.registration.locking import lock, unlock
from app.rules.registration.review import (
    AlreadySubmitted,
    Incomplete,
    NoSubjects,
    NotPending,
    NotRejectable,
    PhotoRenewalRequired,
    RejectionUnexplained,
    ReviewNotUsed,
    approve,
    reject,
    submit_by_site,
    submit_for_review,
)
from app.rules.registration.states import BatchLocked, OnlyThroughSite, OrderInFlight
from tests import factories
from tests.factories import Tree, choose, enter, jpeg

SITE_WORK = Declaration(
    name="test.site_work",
    label="考生管理",
    verbs={Level.SITE: ONLY_RUN},
    window=Window.REGISTRATION,
    writes=permits.TABLES,
)
LATER = dt.timedelta(hours=5)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session, review_required=True)


@contextmanager
def site(session: KaowuSession, tree: Tree, number: int = 0) -> Iterator[None]:
    """At work as the site's administrator."""
    become(session, tree.actor(number=number))
    with policy.permit(session, SITE_WORK, Verb.RUN, clock=fixed(tree.now)):
        yield


def submitted(session: KaowuSession, tree: Tree) -> Registration:
    row = choose(session, tree, enter(session, tree), ["14"])
    return submit_for_review(session, row.id, clock=fixed(tree.now))


def test_r25_25_submitting_locks(session: KaowuSession, tree: Tree) -> None:
    row = choose(session, tree, enter(session, tree), ["14"])
    assert row.review == Review.OPEN
    row = submit_for_review(session, row.id, clock=fixed(tree.now + LATER))
    assert (row.review, row.locked, row.state_changed_at) == (
        Review.PENDING,
        True,
        tree.now + LATER,
    )
    with pytest.raises(AlreadySubmitted):
        submit_for_review(session, row.id)


def test_r22_10a_only_what_is_complete_is_submitted(session: KaowuSession, tree: Tree) -> None:
    row = enter(session, tree, photo=False)
    with pytest.raises(Incomplete, match="照片"):
        submit_for_review(session, row.id)
    row = enter(session, tree)
    with pytest.raises(NoSubjects):
        submit_for_review(session, row.id)


def test_r10_4_where_nobody_reviews_nothing_is_submitted(session: KaowuSession, tree: Tree) -> None:
    factories.set_settings(session, tree.site, review_required=False)
    row = choose(session, tree, enter(session, tree), ["14"])
    with pytest.raises(ReviewNotUsed):
        submit_for_review(session, row.id)


def test_r22_10a_the_site_submits_for_collective_candidates(
    session: KaowuSession, tree: Tree
) -> None:
    row = factories.make_registration(session, tree, collective=True)
    become(session, tree.owner_of(row))
    with pytest.raises(OnlyThroughSite):
        submit_for_review(session, row.id)
    with site(session, tree):
        row = submit_by_site(session, row.id)
    assert (row.review, row.locked) == (Review.PENDING, True)


# ---------------------------------------------------------------- approve, reject


def test_r26_2_scenario_40_only_pending_is_approved(session: KaowuSession, tree: Tree) -> None:
    row = submitted(session, tree)
    with site(session, tree):
        row = approve(session, row.id, clock=fixed(tree.now + LATER))
        assert (row.review, row.state_changed_at) == (Review.APPROVED, tree.now + LATER)
        with pytest.raises(NotPending):
            approve(session, row.id)
    open_row = choose(session, tree, enter(session, tree), ["14"])
    with site(session, tree), pytest.raises(NotPending):
        approve(session, open_row.id)


def test_r26_2_scenario_39_a_rejection_needs_type_and_reason(
    session: KaowuSession, tree: Tree
) -> None:
    row = submitted(session, tree)
    with site(session, tree):
        for kind, reason in (("", "不清楚"), ("9", "不清楚"), ("1", "  ")):
            with pytest.raises(RejectionUnexplained):
                reject(session, row.id, kind, reason)
        row = reject(session, row.id, "1", " 姓名有误 ")
        assert (row.review, row.locked, row.reject_reason, row.photo_renewal) == (
            Review.REJECTED,
            False,
            "姓名有误",
            False,
        )
        with pytest.raises(NotRejectable):
            reject(session, row.id, "1", "再次")


def test_r26_3_a_rejected_photo_is_answered_by_a_new_one(session: KaowuSession, tree: Tree) -> None:
    row = submitted(session, tree)
    with site(session, tree):
        reject(session, row.id, "2", "背景不是白色")
    become(session, tree.owner_of(row))
    with pytest.raises(PhotoRenewalRequired):
        submit_for_review(session, row.id)
    upload_photo(session, row.id, jpeg(), FileStore("memory://review"))
    assert submit_for_review(session, row.id).review == Review.PENDING


def test_r26_2_an_approval_may_be_taken_back(session: KaowuSession, tree: Tree) -> None:
    row = factories.make_registration(
        session, tree, review="approved", locked=True, state=EntryState.PAID
    )
    with site(session, tree):
        row = reject(session, row.id, "3", "资格不符")
    assert (row.review, row.payment) == (Review.REJECTED, "paid")


@pytest.mark.parametrize("change", [unlock, lambda s, i: reject(s, i, "1", "有误")])
@pytest.mark.parametrize(
    ("state", "error"),
    [(EntryState.PAYING, OrderInFlight), (EntryState.BATCH_LOCKED, BatchLocked)],
)
def test_r26_6_and_r25_28_not_while_money_is_on_its_way(
    session: KaowuSession,
    tree: Tree,
    change: Callable[[KaowuSession, int], Registration],
    state: EntryState,
    error: type[Exception],
) -> None:
    row = factories.make_registration(session, tree, review="approved", locked=True, state=state)
    with site(session, tree), pytest.raises(error):
        change(session, row.id)


# ---------------------------------------------------------------- lock, unlock


def test_r25_27_only_complete_data_are_locked(session: KaowuSession, tree: Tree) -> None:
    row = factories.make_registration(session, tree, photo=False)
    whole = factories.make_registration(session, tree)
    bare = factories.make_registration(session, tree, mobile=None)
    with site(session, tree):
        with pytest.raises(Incomplete, match="照片"):
            lock(session, row.id)
        with pytest.raises(Incomplete, match="联系电话"):
            lock(session, bare.id)
        assert lock(session, whole.id).locked


@pytest.mark.parametrize(
    ("before", "after"),
    [("pending", "open"), ("approved", "approved"), ("rejected", "rejected")],
)
def test_r25_28_unlocking_takes_a_submission_back(
    session: KaowuSession, tree: Tree, before: str, after: str
) -> None:
    row = factories.make_registration(session, tree, review=before, locked=True)
    with site(session, tree):
        row = unlock(session, row.id, clock=fixed(tree.now + LATER))
    assert (row.review, row.locked) == (after, False)
    assert row.state_changed_at == (tree.now + LATER if before == "pending" else tree.now)


def test_r25_28_unlocking_does_not_touch_paid_entries(session: KaowuSession, tree: Tree) -> None:
    row = factories.make_registration(session, tree, locked=True, state=EntryState.PAID)
    with site(session, tree):
        assert unlock(session, row.id).payment == "paid"


def test_p2_another_sites_candidates_are_not_found(session: KaowuSession, tree: Tree) -> None:
    row = factories.make_registration(session, tree, review="pending")
    with site(session, tree, number=1):
        for change in (approve, lock, unlock, submit_by_site):
            with pytest.raises(NotFound):
                change(session, row.id)


def test_the_rules_of_the_site_write_under_the_callers_permit_only(
    session: KaowuSession, tree: Tree
) -> None:
    row = factories.make_registration(session, tree, review="pending")
    become(session, tree.actor())
    with pytest.raises(NoPermit), session.begin_nested():
        approve(session, row.id)
    late = fixed(tree.now + dt.timedelta(days=31))
    with (
        pytest.raises(WindowClosed),
        policy.permit(session, SITE_WORK, Verb.RUN, clock=late),
    ):
        approve(session, row.id)
    review = session.scalar(select(Registration.review).where(Registration.id == row.id))
    assert review == "pending"
