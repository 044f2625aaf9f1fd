"""What a site offers to candidates now: its settings in force, times, subjects, notices.

Every function costs one or two statements, so that a page loads only what it shows.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.policy import elevated
from app.metadata.errors import N_, KaowuError, NotFound
from app.metadata.vocabulary import Window
from app.models.capacity import UNLIMITED, CapacityPool
from app.models.exam import ExamSubject, OperationWindow
from app.models.organisation import Organisation
from app.models.settings import ClassOption, Notice, SiteSettings, SiteSubject
from app.rules import windows
from app.rules.capacity import TOTAL, AtSite, day_pool, subject_pool
from app.rules.clock import Clock, system_clock
from app.rules.fees import fees_of
from app.rules.windows import Interval, intersect


class SiteClosed(KaowuError):
    """考点不开考 or 停考 (R10.4a), or not 启用 in this session (R7.2)."""

    code = "site.closed"
    template = N_("考点“{name}”未开考或已停考，不能报考或支付。请选择其他考点，或咨询考点。")


class OnlineOff(KaowuError):
    """开启个人网报 is off (R15.4)."""

    code = "site.online_off"
    template = N_("考点“{name}”未开启个人网上报名。如需报考，请联系考点办理。")


class OutsideOnlineTime(KaowuError):
    """Outside the site's 考生网上报名时间 ∩ W4 (R15)."""

    code = "site.outside_online_time"
    template = N_("现在不在考点“{name}”的网上报名时间内（{interval}），不能操作。")


@dataclass(frozen=True, slots=True)
class Site:
    """A site with its settings in force. Public: address and name, never contacts (R7.4)."""

    exam_id: int
    province_id: int | None
    city_id: int | None
    site_id: int
    code: str
    name: str
    address: str | None
    settings: SiteSettings
    #: 启用 in the session and 考点开考
    open: bool
    #: 考生网上报名时间 of the site within W4; unset when 开启个人网报 is off
    online: Interval
    #: W3
    registration: Interval
    #: W6
    printing: Interval

    @property
    def display(self) -> str:
        return f"({self.code}){self.name}"

    def require_open(self) -> None:
        """Raises SiteClosed."""
        if not self.open:
            raise SiteClosed(name=self.display)

    def require_online(self, now: dt.datetime) -> None:
        """Open, and inside the online registration time (R15); raises the cause."""
        self.require_open()
        if not self.settings.online_enabled:
            raise OnlineOff(name=self.display)
        if not self.online.is_open(now):
            raise OutsideOnlineTime(name=self.display, interval=self.online.show())


def _site(organisation: Organisation, settings: SiteSettings, intervals: windows.Intervals) -> Site:
    online = Interval()
    if settings.online_enabled:
        own = Interval(settings.online_start, settings.online_end)
        online = intersect(own, intervals[Window.ONLINE])
    return Site(
        exam_id=organisation.exam_id,
        province_id=organisation.province_id,
        city_id=organisation.city_id,
        site_id=organisation.id,
        code=organisation.code,
        name=organisation.name,
        address=organisation.address,
        settings=settings,
        open=organisation.enabled and settings.open,
        online=online,
        registration=intervals[Window.REGISTRATION],
        printing=intervals[Window.TICKET],
    )


def load_site(session: Session, site_id: int) -> Site:
    """The site in the actor's session. One statement. Raises NotFound."""
    statement = (
        select(Organisation, SiteSettings, OperationWindow)
        .join(SiteSettings, SiteSettings.site_id == Organisation.id)
        .outerjoin(OperationWindow, OperationWindow.organisation_id == Organisation.id)
        .where(Organisation.id == site_id, Organisation.exam_id == SiteSettings.exam_id)
    )
    with elevated(session, "read operation windows", OperationWindow):
        row = session.execute(statement).first()
    if row is None:
        raise NotFound()
    organisation, settings, window = row
    return _site(organisation, settings, windows.remember(session, site_id, window))


@dataclass(frozen=True, slots=True)
class SiteChoice:
    """A site as a candidate may choose it; `left` is None where the total is 不限."""

    site: Site
    left: int | None

    @property
    def full(self) -> bool:
        return self.left == 0


def sites_to_choose(
    session: Session, exam_id: int, province_id: int, clock: Clock = system_clock
) -> list[SiteChoice]:
    """Sites of a province that are open and inside their online time, by code (R15.4).

    Sites without 总科次数 are left out (R13.3a); full ones stay, marked. One statement.
    """
    statement = (
        select(Organisation, SiteSettings, OperationWindow, CapacityPool)
        .join(SiteSettings, SiteSettings.site_id == Organisation.id)
        .join(OperationWindow, OperationWindow.organisation_id == Organisation.id)
        .join(CapacityPool, CapacityPool.site_id == Organisation.id)
        .where(
            Organisation.exam_id == exam_id,
            Organisation.province_id == province_id,
            Organisation.enabled.is_(True),
            SiteSettings.open.is_(True),
            SiteSettings.online_enabled.is_(True),
            CapacityPool.pool == TOTAL,
            CapacityPool.capacity > 0,
        )
        .order_by(Organisation.code)
    )
    tables = (Organisation, SiteSettings, OperationWindow, CapacityPool)
    with elevated(session, "sites that candidates may choose", *tables):
        rows = session.execute(statement).all()
    now = clock()
    found = []
    for organisation, settings, window, pool in rows:
        site = _site(organisation, settings, windows.intervals_of(window))
        if site.online.is_open(now):
            left = None if pool.capacity == UNLIMITED else pool.capacity - pool.used
            found.append(SiteChoice(site, left))
    return found


# ---------------------------------------------------------------- subjects and days


@dataclass(frozen=True, slots=True)
class OfferedSubject:
    """A subject of the site; `left` None is 不限, `fee` (fen) None is unset."""

    code: str
    name: str
    level: str
    minutes: int
    first_day: dt.date
    last_day: dt.date
    capacity: int
    left: int | None
    fee: int | None

    @property
    def display(self) -> str:
        return f"({self.code}){self.name}"

    @property
    def available(self) -> bool:
        """Has capacity and a fee (R13.3a, R12.5); it may still be full."""
        return self.capacity > 0 and self.fee is not None


@dataclass(frozen=True, slots=True)
class PreferenceDay:
    """意向考试日期 with the seats left on it."""

    day: dt.date
    left: int


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be chosen at a site now; `left` is that of 总科次数 (None: 不限)."""

    subjects: dict[str, OfferedSubject]
    days: tuple[PreferenceDay, ...]
    left: int | None
    person_fee: int | None


def offer_of(session: Session, site: Site) -> Offer:
    """Subjects in the order of their codes, with days, fees and live seats. Three statements."""
    pools = _pools(session, site)
    fees = fees_of(session, site)
    rows = session.execute(
        select(SiteSubject, ExamSubject)
        .join(
            ExamSubject,
            (ExamSubject.exam_id == SiteSubject.exam_id)
            & (ExamSubject.subject_code == SiteSubject.subject_code),
        )
        .where(SiteSubject.site_id == site.site_id)
        .order_by(SiteSubject.subject_code)
    )
    subjects = {}
    for own, national in rows:
        capacity, used = pools.get(subject_pool(own.subject_code), (0, 0))
        subjects[own.subject_code] = OfferedSubject(
            code=own.subject_code,
            name=national.name,
            level=national.level,
            minutes=national.minutes,
            first_day=own.first_day,
            last_day=own.last_day,
            capacity=capacity,
            left=_left(capacity, used),
            fee=fees.subjects.get(own.subject_code),
        )
    capacity, used = pools.get(TOTAL, (0, 0))
    return Offer(subjects, _days(site, pools), _left(capacity, used), fees.person)


def _pools(session: Session, site: AtSite) -> dict[str, tuple[int, int]]:
    rows = session.execute(
        select(CapacityPool.pool, CapacityPool.capacity, CapacityPool.used).where(
            CapacityPool.exam_id == site.exam_id, CapacityPool.site_id == site.site_id
        )
    )
    return {row.pool: (row.capacity, row.used) for row in rows}


def _left(capacity: int, used: int) -> int | None:
    return None if capacity == UNLIMITED else capacity - used


def _days(site: Site, pools: dict[str, tuple[int, int]]) -> tuple[PreferenceDay, ...]:
    """Only where the province allows it, and only days with a quota (R10.4, R14)."""
    if not site.settings.preference_allowed:
        return ()
    days = (dt.date.fromisoformat(pool[2:]) for pool in sorted(pools) if pool.startswith("D:"))
    return tuple(
        PreferenceDay(day, capacity - used)
        for day in days
        for capacity, used in (pools[day_pool(day)],)
        if capacity > 0
    )


def subject_names(session: Session, exam_id: int) -> dict[str, str]:
    """{code: name} of the subjects of a session. One statement."""
    rows = session.execute(
        select(ExamSubject.subject_code, ExamSubject.name).where(ExamSubject.exam_id == exam_id)
    )
    return {row.subject_code: row.name for row in rows}


# ---------------------------------------------------------------- notices and classes


@dataclass(frozen=True, slots=True)
class Notices:
    """省报名通告 and 考点报名通告, sanitised HTML; either may be None (R16, R17)."""

    province: str | None
    site: str | None

    @property
    def version(self) -> str:
        """What a candidate accepts: changes whenever either text changes."""
        text = "\x1f".join((self.province or "", self.site or ""))
        return hashlib.sha256(text.encode()).hexdigest()[:40]


def notices_of(session: Session, site: Site) -> Notices:
    """Both notices of a site. One statement."""
    statement = select(Notice.organisation_id, Notice.html).where(
        Notice.exam_id == site.exam_id,
        Notice.organisation_id.in_([site.province_id, site.site_id]),
    )
    # the site's own people, too, see the notice of the province above them
    with elevated(session, "notices are public", Notice):
        rows = session.execute(statement).all()
    html = {row.organisation_id: row.html or None for row in rows}
    return Notices(html.get(site.province_id), html.get(site.site_id))


def class_options_of(session: Session, site: AtSite) -> list[str]:
    """班级选项 in their order; empty when none are set (R18). One statement."""
    return list(
        session.scalars(
            select(ClassOption.name)
            .where(ClassOption.exam_id == site.exam_id, ClassOption.site_id == site.site_id)
            .order_by(ClassOption.position)
        )
    )


__all__ = [
    "Notices",
    "Offer",
    "OfferedSubject",
    "OnlineOff",
    "OutsideOnlineTime",
    "PreferenceDay",
    "Site",
    "SiteChoice",
    "SiteClosed",
    "class_options_of",
    "intersect",
    "load_site",
    "notices_of",
    "offer_of",
    "sites_to_choose",
    "subject_names",
]
