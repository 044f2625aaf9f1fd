"""报名信息审核: submit, approve, reject (R10.4, R22.10a, R26)."""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session

from app.metadata.errors import N_, KaowuError
from app.metadata.vocabulary import Verb
from app.models.codes import REJECTION_TYPES
from app.models.registration import Registration, Review
from app.rules.clock import Clock, system_clock
from app.rules.policy import permit
from app.rules.registration import permits
from app.rules.registration.person import missing_of
from app.rules.registration.states import Held, hold, review_in_force
from app.rules.site import Site, load_site

#: 照片有问题: answered by a new photo (R26.3)
PHOTO_REJECTION = "2"


class ReviewNotUsed(KaowuError):
    """The site does not review (R10.4)."""

    code = "review.not_used"
    template = N_("考点不需要审核报名信息，可以直接支付。")


class AlreadySubmitted(KaowuError):
    """待审核 or 已通过."""

    code = "review.already_submitted"
    template = N_("报名信息已提交审核，请勿重复提交。")
    status = 409


class Incomplete(KaowuError):
    """Required data or the photo are missing (R22.10a, R25.27)."""

    code = "registration.incomplete"
    template = N_("报名信息不完整，缺少：{missing}。")


class NoSubjects(KaowuError):
    """Nothing has been chosen."""

    code = "registration.no_subjects"
    template = N_("未选择报考科目，请先选择科目。")


class PhotoRenewalRequired(KaowuError):
    """R26.3."""

    code = "review.photo_renewal"
    template = N_("上次审核未通过的原因是照片，请重新上传照片后再提交。")


class NotPending(KaowuError):
    """通过 only from 待审核 (R26.2)."""

    code = "review.not_pending"
    template = N_("该考生不是待审核状态，不能设置审核通过。")
    status = 409


class NotRejectable(KaowuError):
    """不通过 from 待审核 or 已通过 (R26.2)."""

    code = "review.not_rejectable"
    template = N_("该考生不是待审核或已通过状态，不能设置审核不通过。")
    status = 409


class RejectionUnexplained(KaowuError):
    """不通过 needs type and reason (R26.2)."""

    code = "review.unexplained"
    template = N_("请选择不通过类型，并填写不通过原因。")


def submit_for_review(
    session: Session, registration_id: int, *, clock: Clock = system_clock
) -> Registration:
    """The candidate submits; it locks his data (R25.25).

    Raises ReviewNotUsed, AlreadySubmitted, Incomplete, NoSubjects, PhotoRenewalRequired,
    OnlyThroughSite, causes of `Site.require_online`.
    """
    with permit(session, permits.SUBMIT_FOR_REVIEW, Verb.RUN, clock=clock):
        held = hold(session, registration_id)
        now = clock()  # not before: the lock may have been waited for
        held.require_individual()
        site = load_site(session, held.registration.site_id or 0)
        site.require_online(now)
        _submit(held, site, now)
    return held.registration


def submit_by_site(
    session: Session, registration_id: int, *, clock: Clock = system_clock
) -> Registration:
    """替考生提交信息审核, 提交审核 (R22.10a, R25.5); under the operation's permit.

    Raises as `submit_for_review`, but for time and mode.
    """
    held = hold(session, registration_id)
    _submit(held, load_site(session, held.registration.site_id or 0), clock())
    return held.registration


def _submit(held: Held, site: Site, now: dt.datetime) -> None:
    row = held.registration
    review = review_in_force(row, site.settings)
    if review is Review.NONE:
        raise ReviewNotUsed()
    if review in (Review.PENDING, Review.APPROVED):
        raise AlreadySubmitted()
    if missing := missing_of(row):
        raise Incomplete(missing=missing)
    if not held.entries:
        raise NoSubjects()
    if row.photo_renewal:
        raise PhotoRenewalRequired()
    row.review = Review.PENDING.value
    row.locked = True
    row.state_changed_at = now


def approve(session: Session, registration_id: int, *, clock: Clock = system_clock) -> Registration:
    """设置审核通过, under the operation's permit (R26.2). Raises NotPending."""
    row = hold(session, registration_id).registration
    if row.review != Review.PENDING:
        raise NotPending()
    row.review = Review.APPROVED.value
    row.locked = True
    row.state_changed_at = clock()
    session.flush()
    return row


def reject(
    session: Session,
    registration_id: int,
    reject_type: str,
    reason: str,
    *,
    clock: Clock = system_clock,
) -> Registration:
    """设置审核不通过, under the operation's permit: unlocks; paid entries stay (R26.2, R26.6).

    `reject_type` is a code of REJECTION_TYPES. Raises RejectionUnexplained, NotRejectable,
    OrderInFlight, BatchLocked.
    """
    reason = reason.strip()
    if reject_type not in REJECTION_TYPES or not reason:
        raise RejectionUnexplained()
    held = hold(session, registration_id)
    row = held.registration
    if row.review not in (Review.PENDING, Review.APPROVED):
        raise NotRejectable()
    held.require_no_payment()
    row.review = Review.REJECTED.value
    row.locked = False
    row.reject_type = reject_type
    row.reject_reason = reason[:200]
    row.photo_renewal = reject_type == PHOTO_REJECTION
    row.state_changed_at = clock()
    session.flush()
    return row
