"""Where a registration stands, and the one thing to do next (interface §8)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flask_babel import gettext

from app.metadata.errors import KaowuError
from app.models.payment import PaymentOrder
from app.models.registration import Entry, Mode, Registration, Review
from app.rules.registration.review import PHOTO_REJECTION
from app.rules.registration.states import Held, Timeouts, deadline, review_in_force
from app.rules.site import Site
from app.rules.windows import local

#: 基本信息有问题: answered on the page of personal data
PERSON_REJECTION = "1"
_REVIEW_STATES = {Review.APPROVED: "done", Review.REJECTED: "bad", Review.PENDING: "now"}


@dataclass(frozen=True, slots=True)
class Step:
    """The one next action: its page, its words, and the number of the step bar (0-6)."""

    endpoint: str
    label: str
    number: int


@dataclass(frozen=True, slots=True)
class Milestone:
    """A line of the timeline. `state` is "done", "now", "bad" or empty; `link` leads to
    `endpoint` where something may be done."""

    title: str
    state: str
    text: str
    endpoint: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """A live registration with its entries loaded, at its site, at a moment."""

    row: Registration
    site: Site
    now: dt.datetime

    @property
    def review(self) -> Review:
        return review_in_force(self.row, self.site.settings)

    @property
    def held(self) -> Held:
        """The entries that hold seats; not locked, for looking only."""
        return Held(self.row, [entry for entry in self.row.entries if entry.holds_seat])

    @property
    def individual(self) -> bool:
        """Collective candidates view, pay and print only (R15.4)."""
        return self.row.mode == Mode.INDIVIDUAL

    @property
    def editable(self) -> bool:
        """May personal data and photo be changed?"""
        return self.individual and not self.row.locked

    @property
    def has_photo(self) -> bool:
        """A photo that has not been rejected (R26.3)."""
        return self.row.photo_id is not None and not self.row.photo_renewal

    @property
    def submittable(self) -> bool:
        """May it be submitted for review now?"""
        complete = self.individual and self.has_photo and self.row.subject_count > 0
        return complete and self.review in (Review.OPEN, Review.REJECTED)

    @property
    def in_time(self) -> bool:
        """Is the site open, and online registration running?"""
        return self.site.open and self.site.online.is_open(self.now)

    def why_not_data(self) -> KaowuError | None:
        """Why personal data and photo cannot be changed, or None."""
        return _refusal(self.held.require_individual, self.held.require_unlocked)

    def why_not_subjects(self) -> KaowuError | None:
        """Why subjects cannot be changed, or None."""
        return _refusal(self.held.require_individual, self.held.require_no_payment)

    def until(self, order: PaymentOrder | None, timeouts: Timeouts) -> dt.datetime | None:
        """When the unpaid entries expire (R22.8a); None where no clock runs."""
        return deadline(self.held, self.site.settings, order, timeouts)


def _refusal(*checks: object) -> KaowuError | None:
    for check in checks:
        try:
            check()  # type: ignore[operator] # bound methods, of a union
        except KaowuError as error:
            return error
    return None


# ---------------------------------------------------------------- the next step


def next_step(standing: Standing | None) -> Step:
    """What the candidate does next: exactly one primary action."""
    if standing is None:
        return Step("registration.start", gettext("开始报名"), 0)
    row, review = standing.row, standing.review
    if row.payment == "paid":
        return _after_payment(standing)
    if standing.individual:
        if (missing := _missing(standing)) is not None:
            return missing
        if review in (Review.OPEN, Review.REJECTED):
            return Step("registration.status", gettext("提交审核"), 4)
    if row.subject_count and review in (Review.NONE, Review.APPROVED):
        return Step("payment.page", gettext("去缴费"), 5)
    return Step("registration.status", gettext("查看进度"), 4)


def _missing(standing: Standing) -> Step | None:
    row, rejected = standing.row, standing.review is Review.REJECTED
    if not standing.has_photo:
        label = gettext("重新上传照片") if row.photo_renewal else gettext("上传照片")
        return Step("registration.photo", label, 4 if rejected else 2)
    if row.subject_count == 0:
        return Step("registration.subjects_page", gettext("选择科目"), 3)
    return None


def _after_payment(standing: Standing) -> Step:
    site = standing.site
    if site.settings.self_printing and site.printing.is_open(standing.now):
        return Step("ticket.page", gettext("打印准考证"), 6)
    return Step("registration.status", gettext("查看进度"), 6)


def is_answered_by_data(standing: Standing) -> bool:
    """Was it rejected for its personal data, so that those are to be mended first?"""
    row = standing.row
    return standing.review is Review.REJECTED and row.reject_type == PERSON_REJECTION


def is_photo_rejected(standing: Standing) -> bool:
    """Was it rejected for its photo (R26.3)?"""
    row = standing.row
    return standing.review is Review.REJECTED and row.reject_type == PHOTO_REJECTION


# ---------------------------------------------------------------- the timeline


def subjects_text(entries: Iterable[Entry], names: Mapping[str, str]) -> str:
    """“24 C语言程序设计、66 Python语言程序设计”."""
    codes = [entry.subject_code for entry in entries]
    return "、".join(f"{code} {names.get(code, '')}".strip() for code in codes)


def milestones(standing: Standing, names: Mapping[str, str]) -> list[Milestone]:
    """The timeline from personal data to the ticket."""
    found = [_person(standing), _photo(standing), _subjects(standing, names)]
    if standing.review is not Review.NONE:
        found.append(_review(standing))
    return [*found, _payment(standing), _ticket(standing)]


def _person(standing: Standing) -> Milestone:
    saved = gettext("%(time)s 已保存", time=local(standing.row.created_at))
    link = gettext("修改") if standing.editable else gettext("查看")
    return Milestone(gettext("填写报名信息"), "done", saved, "registration.person_page", link)


def _photo(standing: Standing) -> Milestone:
    title, row = gettext("上传照片"), standing.row
    link = gettext("更换") if row.photo_id else gettext("上传")
    endpoint = "registration.photo" if standing.editable else ""
    if row.photo_renewal:
        return Milestone(title, "bad", gettext("须重新上传"), endpoint, link)
    text = gettext("已上传") if row.photo_id else gettext("未上传")
    return Milestone(title, "done" if row.photo_id else "now", text, endpoint, link)


def _subjects(standing: Standing, names: Mapping[str, str]) -> Milestone:
    title, entries = gettext("选择科目"), standing.held.entries
    endpoint = "registration.subjects_page" if standing.why_not_subjects() is None else ""
    if entries:
        return Milestone(title, "done", subjects_text(entries, names), endpoint, gettext("修改"))
    state = "now" if standing.has_photo else ""
    return Milestone(title, state, gettext("未选择"), endpoint, gettext("选择"))


def _review(standing: Standing) -> Milestone:
    review, moment = standing.review, standing.row.state_changed_at
    texts = {
        Review.OPEN: gettext("未提交"),
        Review.PENDING: gettext("待审核"),
        Review.APPROVED: gettext("审核通过"),
        Review.REJECTED: gettext("审核不通过"),
    }
    state = _REVIEW_STATES.get(review, "now" if standing.submittable else "")
    text = texts[review]
    if review is not Review.OPEN and moment is not None:
        text = f"{local(moment)} {text}"
    return Milestone(gettext("考点审核"), state, text)


def _payment(standing: Standing) -> Milestone:
    row, title = standing.row, gettext("缴费")
    texts = {
        "none": gettext("未报考"),
        "unpaid": gettext("待支付"),
        "partly": gettext("部分支付"),
        "paid": gettext("已支付"),
    }
    if row.payment == "paid":
        moments = [entry.paid_at for entry in standing.held.paid if entry.paid_at]
        paid = f"{local(max(moments))} {texts['paid']}" if moments else texts["paid"]
        return Milestone(title, "done", paid, "payment.page", gettext("查看订单"))
    if row.subject_count == 0:
        return Milestone(title, "", texts[row.payment])
    if standing.review not in (Review.NONE, Review.APPROVED):
        return Milestone(title, "", gettext("审核通过后支付"))
    return Milestone(title, "now", texts[row.payment], "payment.page", gettext("去缴费"))


def _ticket(standing: Standing) -> Milestone:
    title, site = gettext("下载准考证"), standing.site
    if not site.settings.self_printing:
        return Milestone(title, "", gettext("由考点发放"))
    if site.printing.start is None:
        return Milestone(title, "", gettext("开放时间未设置"))
    text = gettext("%(time)s 起", time=local(site.printing.start))
    ready = standing.row.payment == "paid" and site.printing.is_open(standing.now)
    return Milestone(title, "now" if ready else "", text, "ticket.page", gettext("查看"))
