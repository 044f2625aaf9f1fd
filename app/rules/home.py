"""The welcome page (R6.4): labels, order and formats exactly as the manual, the progress of the
session, and what waits for this person."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.database.policy import actor_of, elevated
from app.metadata.actor import Actor
from app.metadata.errors import N_, Message
from app.metadata.vocabulary import Level, Window
from app.models.capacity import CapacityPool
from app.models.exam import Exam, OperationWindow
from app.models.organisation import Organisation
from app.models.registration import Registration, Review
from app.models.settings import Notice, SiteSettings
from app.rules import listing, windows
from app.rules.clock import Clock, system_clock
from app.rules.waiting import Counted, Waiting, waiting
from app.rules.windows import Interval, WindowState

_ORDER = (
    Window.SETUP,
    Window.ELIGIBILITY,
    Window.REGISTRATION,
    Window.ONLINE,
    Window.ARRANGEMENT,
    Window.TICKET,
    Window.DISCIPLINE,
    Window.PRE_EXAM,
    Window.POST_EXAM,
)
UNSET = N_("未设置")
#: lines that everybody sees: who and where he is, and the session
NAMES = 3
#: a plain (translatable) text or one with parameters
Text = str | Message
_TONES = {
    WindowState.UNSET: "off",
    WindowState.BEFORE: "off",
    WindowState.OPEN: "ok",
    WindowState.AFTER: "off",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the card 基本信息; `badge` is (text, tone)."""

    label: str
    value: Text
    badge: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, and the list that shows what was counted."""

    label: str
    value: str
    page: str
    filters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of 考次进度."""

    label: str
    text: str
    badge: tuple[Text, str]
    state: str
    page: str | None = None


@dataclass(slots=True)
class Welcome:
    """Everything the page shows."""

    lines: list[Line] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    province_notice: str = ""


def _badge(interval: Interval, at: dt.datetime) -> tuple[str, str] | None:
    state = interval.state(at)
    if state is WindowState.UNSET:
        return None
    today = windows.local(at)[:10]
    if state is WindowState.OPEN and interval.end and windows.local(interval.end)[:10] == today:
        return N_("今日截止"), "warn"
    return state.label, _TONES[state]


def online_interval(settings: SiteSettings | None, bounds: Interval) -> Interval | None:
    """The site's own 网报 time cut to W4 (R15 inf); None when 开启个人网报 is off."""
    if settings is None or not settings.online_enabled or settings.online_start is None:
        return None
    start, end = settings.online_start, settings.online_end
    if bounds.start is not None:
        start = max(start, bounds.start)
    if bounds.end is not None and end is not None:
        end = min(end, bounds.end)
    return Interval(start, end)


def welcome(session: Session, clock: Clock = system_clock) -> Welcome:
    """Gather the page for the session's actor."""
    actor = actor_of(session)
    at = clock()
    organisation = session.get(Organisation, actor.organisation_id)
    exam = session.get(Exam, actor.exam_id)
    settings = _settings(session)
    intervals = windows.load(session, actor.organisation_id)
    page = Welcome()
    role = N_("系统管理员") if actor.is_super else actor.level.role_label
    page.lines += [
        Line(N_("机构名称"), organisation.name if organisation else ""),
        Line(N_("角色"), role),
        Line(N_("当前考次"), exam.display if exam else ""),
    ]
    if not _is_central(actor) and _is_set_up(session, settings, intervals):
        page.lines += _setting_lines(session, settings, intervals, at)
        has_notice = bool(_notice_text(session, actor.organisation_id))
        page.lines.append(Line(N_("考点报名通告"), N_("已设置") if has_notice else UNSET))
    if exam is not None and (len(page.lines) > NAMES or _is_central(actor)):
        ages = f"{exam.age_min}-{exam.age_max}"
        page.lines.append(Line(N_("注册考生年龄区间"), Message(N_("{ages}周岁"), ages=ages)))
    counted = _counted(session)
    page.figures = _figures(session, counted)
    central = _is_central(actor)
    page.steps = _steps_of_provinces(session, at) if central else _steps(intervals, at)
    page.waiting = waiting(session, counted, settings, intervals, at)
    page.province_notice = _notice_text(session, actor.province_id)
    return page


def _is_set_up(
    session: Session, settings: SiteSettings | None, intervals: dict[Window, Interval]
) -> bool:
    """Whether anything has been set for the organisation. A site has its row of 综合设置 from the
    first day, so the row alone says nothing."""
    actor = actor_of(session)
    return (
        any(item.start for item in intervals.values())
        or (settings is not None and (settings.open or settings.online_enabled))
        or bool(_notice_text(session, actor.organisation_id))
    )


def _settings(session: Session) -> SiteSettings | None:
    actor = actor_of(session)
    if actor.level is not Level.SITE:
        return None
    return session.scalars(
        select(SiteSettings).where(SiteSettings.site_id == actor.site_id)
    ).first()


def _setting_lines(
    session: Session,
    settings: SiteSettings | None,
    intervals: dict[Window, Interval],
    at: dt.datetime,
) -> list[Line]:
    actor = actor_of(session)
    lines = []
    if actor.level is Level.SITE:
        opened = bool(settings and settings.open)
        lines.append(Line(N_("是否开考"), N_("是") if opened else N_("否")))
    for window in _ORDER:
        interval, label = intervals[window], window.label
        if window is Window.ONLINE:
            label = N_("考生个人网报时间")
            if actor.level is Level.SITE:
                own = online_interval(settings, interval)
                if own is None:
                    lines.append(Line(label, N_("未开启")))
                    continue
                interval = own
        lines.append(Line(label, interval.show(), _badge(interval, at)))
    return lines


def _notice_text(session: Session, organisation_id: int | None) -> str:
    if organisation_id is None:
        return ""
    with elevated(session, "read notice", Notice):
        return (
            session.scalar(select(Notice.html).where(Notice.organisation_id == organisation_id))
            or ""
        )


def _counted(session: Session) -> Counted:
    """What the list 考生管理 shows: figures and list must agree."""
    resource = Registration.__admin__
    rows = session.execute(
        listing.base_statement(session, resource)
        .with_only_columns(Registration.payment, Registration.review, func.count())
        .group_by(Registration.payment, Registration.review)
    )
    return Counted({(payment, review): count for payment, review, count in rows})


def _figures(session: Session, counted: Counted) -> list[Figure]:
    """At most four numbers: registrations, paid, to be reviewed, capacity in use."""
    used, capacity = session.execute(
        select(
            func.coalesce(func.sum(CapacityPool.used), 0),
            func.coalesce(func.sum(CapacityPool.capacity), 0),
        ).where(CapacityPool.pool == "TOTAL")
    ).one()
    share = f"{used * 100 // capacity}%" if capacity else "—"
    pending = Review.PENDING.value
    page = "registration"
    return [
        Figure(N_("报名考生"), str(counted.total), page),
        Figure(N_("已缴费"), str(counted.paid("paid")), page, {"payment": "paid"}),
        Figure(N_("待审核"), str(counted.reviewed(pending)), page, {"review": pending}),
        Figure(N_("容量使用率"), share, "capacity"),
    ]


_STEPS = (
    (Window.SETUP, N_("报名前设置"), N_("综合、科目、容量、网报时间")),
    (Window.REGISTRATION, N_("报名管理"), N_("报名、照片、审核、缴费")),
    (Window.ARRANGEMENT, N_("编排管理"), N_("考场、编排、准考证号")),
    (Window.TICKET, N_("准考证管理"), N_("下载、预生成")),
    (Window.PRE_EXAM, N_("机考与报表"), N_("照片包、机考数据、签到表")),
    (Window.DISCIPLINE, N_("违规与成绩"), N_("缺考违纪、成绩、证书")),
)


def _steps(intervals: dict[Window, Interval], at: dt.datetime) -> list[Step]:
    found = []
    for window, label, text in _STEPS:
        interval = intervals[window]
        state = interval.state(at)
        look = {WindowState.OPEN: "now", WindowState.AFTER: "done"}.get(state, "later")
        if state is WindowState.BEFORE and interval.start:
            start = windows.local(interval.start, "%m-%d")
            badge: tuple[Text, str] = (Message(N_("{day} 开始"), day=start), "off")
        else:
            badge = (state.label, "info" if state is WindowState.OPEN else "off")
        found.append(Step(label, text, badge, look))
    return found


def _is_central(actor: Actor) -> bool:
    """The centre (and the superuser) has no windows of its own."""
    return actor.level is Level.CENTER or actor.is_super


def _steps_of_provinces(session: Session, at: dt.datetime) -> list[Step]:
    """考次进度 as the centre sees it: how many provinces have got how far. One statement."""
    rows = session.execute(
        select(Organisation.id, OperationWindow)
        .outerjoin(OperationWindow, OperationWindow.organisation_id == Organisation.id)
        .where(
            Organisation.exam_id == actor_of(session).exam_id,
            Organisation.level == Level.PROVINCE.value,
            Organisation.enabled,
        )
    )
    provinces = [windows.intervals_of(row) for _, row in rows]
    return [
        _provincial_step(label, text, Counter(item[window].state(at) for item in provinces))
        for window, label, text in _STEPS
    ]


def _provincial_step(label: str, text: str, states: Counter[WindowState]) -> Step:
    total = states.total()
    opened, over = states[WindowState.OPEN], states[WindowState.AFTER]
    if opened:
        words = Message(N_("{count}/{total} 个省进行中"), count=opened, total=total)
        return Step(label, text, (words, "info"), "now")
    if total and over == total:
        return Step(label, text, (WindowState.AFTER.label, "off"), "done")
    done = total - states[WindowState.UNSET]
    words = Message(N_("{count}/{total} 个省已设置"), count=done, total=total)
    return Step(label, text, (words, "off"), "later")
