"""What waits for a person on the welcome page (R6.4, R9.2a): each with the list to open.

At most five statements whatever the level, beside those of the figures and the windows.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from app.database.policy import actor_of
from app.metadata.errors import N_, Message
from app.metadata.text import LOCAL_ZONE
from app.metadata.vocabulary import Level, Window
from app.models.capacity import CapacityPool
from app.models.exam import OperationWindow
from app.models.job import JobRun, JobState
from app.models.organisation import Organisation, below
from app.models.registration import Entry, EntryState, Review
from app.models.settings import PERSON_FEE, Fee, SiteSettings, SiteSubject
from app.rules.exam import days_of
from app.rules.roster import moves
from app.rules.window_setting import REMIND_DAYS, Unset, is_unset
from app.rules.windows import Intervals


@dataclass(frozen=True, slots=True)
class Waiting:
    """One sentence; `page` names the declaration whose list it leads to, `filters` are the
    arguments of its address."""

    text: str
    page: str
    filters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Counted:
    """Registrations that the list 考生管理 shows, by (payment, review)."""

    by_state: Mapping[tuple[str, str], int]

    @property
    def total(self) -> int:
        return sum(self.by_state.values())

    def paid(self, payment: str) -> int:
        """Those of one state of payment."""
        return sum(count for (state, _), count in self.by_state.items() if state == payment)

    def reviewed(self, review: str) -> int:
        """Those of one state of review."""
        return sum(count for (_, state), count in self.by_state.items() if state == review)


def waiting(
    session: Session,
    counted: Counted,
    settings: SiteSettings | None,
    intervals: Intervals,
    at: dt.datetime,
) -> list[Waiting]:
    """What waits for the session's actor; `settings` are a site's own, `intervals` his windows."""
    found = _registrations(counted)
    level = actor_of(session).level
    if level is Level.SITE:
        if intervals[Window.SETUP].is_open(at):
            found += _setup(session, settings)
        found += _arrangement(session, intervals[Window.ARRANGEMENT].is_open(at))
        found += _failed_jobs(session)
        found += _moved_records(session)
    elif level in (Level.PROVINCE, Level.CITY):
        found += _unset_windows(session, at)
        if level is Level.PROVINCE:
            found += _moves_between_provinces(session)
    return found


def _registrations(counted: Counted) -> list[Waiting]:
    asked = (
        (
            N_("{count} 名考生的报名信息待审核"),
            counted.reviewed(Review.PENDING.value),
            {"review": Review.PENDING.value},
        ),
        (N_("{count} 名考生尚未支付"), counted.paid("unpaid"), {"payment": "unpaid"}),
        (N_("{count} 名考生只支付了部分科目"), counted.paid("partly"), {"payment": "partly"}),
    )
    return [
        Waiting(Message(text, count=count), "registration", filters)
        for text, count, filters in asked
        if count
    ]


_CHECKLIST = Waiting(N_("逐项核对《报名前检查》"), "setup_checklist")


def _setup(session: Session, settings: SiteSettings | None) -> list[Waiting]:
    """What a site has not set before registration. The row of 综合设置 is there from the first
    day and says nothing until somebody decides; a site that does not open needs no more."""
    if settings is None or settings.is_undecided:
        return [Waiting(N_("考点报名综合设置尚未设置"), "site_settings"), _CHECKLIST]
    if not settings.open:
        return []
    site = settings.site_id
    fees = select(Fee.subject_code).where(Fee.site_id == site)
    subjects, unpriced, seats, person = session.execute(
        select(
            _number(SiteSubject, SiteSubject.site_id == site),
            _number(
                SiteSubject, SiteSubject.site_id == site, SiteSubject.subject_code.not_in(fees)
            ),
            _number(
                CapacityPool,
                CapacityPool.site_id == site,
                CapacityPool.pool == "TOTAL",
                CapacityPool.capacity > 0,
            ),
            _number(Fee, Fee.site_id == site, Fee.subject_code == PERSON_FEE),
        )
    ).one()
    found = []
    if not subjects:
        found.append(Waiting(N_("考点开考科目尚未设置"), "site_subject"))
    if not seats:
        found.append(Waiting(N_("考点容量尚未设置"), "capacity"))
    if unpriced:
        text = Message(N_("{count} 个开考科目的费用尚未设置（由省设置）"), count=unpriced)
        found.append(Waiting(text, "fee"))
    elif not person:
        found.append(Waiting(N_("人次费尚未设置（由省设置）"), "fee"))
    if found:
        found.append(_CHECKLIST)
    return found


def _number(model: type, *conditions: Any) -> Any:
    return select(func.count()).select_from(model).where(*conditions).scalar_subquery()


def _arrangement(session: Session, is_open: bool) -> list[Waiting]:
    """科次, not people: both pages work on entries."""
    states = [EntryState.ARRANGED.value, *([EntryState.PAID.value] if is_open else [])]
    rows = session.execute(
        select(Entry.state, func.count()).where(Entry.state.in_(states)).group_by(Entry.state)
    )
    counts = {state: count for state, count in rows}  # noqa: C416 - rows are not pairs to mypy
    found = []
    if paid := counts.get(EntryState.PAID.value):
        found.append(Waiting(Message(N_("{count} 科次已支付尚未编排"), count=paid), "seat"))
    if arranged := counts.get(EntryState.ARRANGED.value):
        text = Message(N_("{count} 科次已编排尚未生成准考证号"), count=arranged)
        found.append(Waiting(text, "admission_ticket"))
    return found


def _failed_jobs(session: Session) -> list[Waiting]:
    failed = JobState.FAILED.value
    actor = actor_of(session)
    count = session.scalar(
        select(func.count())
        .select_from(JobRun)
        .where(JobRun.state == failed, JobRun.organisation_code == actor.organisation_code)
    )
    if not count:
        return []
    return [Waiting(Message(N_("{count} 个任务失败"), count=count), "jobs", {"state": failed})]


def _moved_records(session: Session) -> list[Waiting]:
    """Student records that other sites have taken over (R20.5), until somebody has read of it."""
    count = moves.unread(session)
    if not count:
        return []
    text = Message(N_("{count} 名学生的学籍已转到其他考点，请核对"), count=count)
    return [Waiting(text, "roster_move", {"from_site_code": actor_of(session).site_code})]


def _moves_between_provinces(session: Session) -> list[Waiting]:
    """Both provinces hear of it (R20.5), each until it has read of it; the list has the newest
    first."""
    count = moves.between_provinces(session)
    if not count:
        return []
    text = Message(N_("{count} 名学生的学籍跨省变动，请核对后标为已阅"), count=count)
    return [Waiting(text, "roster_move")]


def _unset_windows(session: Session, at: dt.datetime) -> list[Waiting]:
    """Organisations below with windows unset: W1-W3 always, W5-W9 from ten days before the
    first exam day on (R9.2a)."""
    actor = actor_of(session)
    if actor.exam_id is None:
        return []
    counts = {
        level: {Unset.BEFORE: before, Unset.EXAM: late}
        for level, before, late in session.execute(
            select(
                Organisation.level,
                func.sum(case((is_unset(Unset.BEFORE), 1), else_=0)),
                func.sum(case((is_unset(Unset.EXAM), 1), else_=0)),
            )
            .outerjoin(OperationWindow, OperationWindow.organisation_id == Organisation.id)
            .where(
                below(actor),
                Organisation.id != actor.organisation_id,
                Organisation.enabled,
            )
            .group_by(Organisation.level)
        )
    }
    days = days_of(session, actor.exam_id, actor.province_id)
    today = at.astimezone(LOCAL_ZONE).date()
    near = bool(days) and days[0] - today <= dt.timedelta(days=REMIND_DAYS)
    found = []
    for level, group in itertools.product((Level.CITY, Level.SITE), Unset):
        count = counts.get(level.value, {}).get(group, 0)
        if count and (group is Unset.BEFORE or near):
            sentence = Message(_UNSET_TEXTS[level, group], count=count)
            filters = {"level": level.value, "unset": group.value}
            found.append(Waiting(sentence, "operation_window", filters))
    return found


_UNSET_TEXTS = {
    (Level.CITY, Unset.BEFORE): N_("{count} 个地市尚未设置报名前至报名管理的操作时间"),
    (Level.CITY, Unset.EXAM): N_("临近考试，{count} 个地市尚未设置编排至考后的操作时间"),
    (Level.SITE, Unset.BEFORE): N_("{count} 个考点尚未设置报名前至报名管理的操作时间"),
    (Level.SITE, Unset.EXAM): N_("临近考试，{count} 个考点尚未设置编排至考后的操作时间"),
}
