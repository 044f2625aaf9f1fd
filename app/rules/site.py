"""What a site offers to candidates now: its settings in force, times, subjects, notices.

Every function costs one or two statements, so that a page loads only what it shows.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import bindparam, exists, or_, select
from sqlalchemy.orm import Session, aliased

from app.database.policy import elevated
from app.metadata.errors import N_, KaowuError, NotFound
from app.metadata.vocabulary import Window
from app.models.capacity import UNLIMITED, CapacityPool
from app.models.exam import ExamProvince, ExamSubject, OperationWindow
from app.models.organisation import Organisation
from app.models.settings import ClassOption, Notice, SiteSettings
from app.rules import gate, windows
from app.rules.capacity import TOTAL, AtSite
from app.rules.clock import Clock, system_clock
from app.rules.windows import Interval, intersect


class SiteClosed(KaowuError):
    """考点不开考 or 停考 (R10.4a), or not 启用 in this session (R7.2)."""

    code = "site.closed"
    template = N_("考点“{name}”未开考或已停考，不能报考或支付。请选择其他考点，或咨询考点。")


class SiteSuspended(SiteClosed):
    """The province has stopped the site: the reason is told (R10.4a)."""

    code = "site.suspended"
    template = N_(
        "考点“{name}”已停考（{reason}），不能报考或支付。如有疑问，请咨询考点或省考试机构。"
    )


class ProvinceNotTakingPart(KaowuError):
    """R1.1a: the centre has not let the site's province take part in the session."""

    code = "site.province_not_taking_part"
    template = N_(
        "考点“{name}”所在的省份不参加本考次，不能报考。请选择参加省份的考点，或咨询省级考试机构。"
    )
    status = 403


class OnlineOff(KaowuError):
    """开启个人网报 is off (R15.4)."""

    code = "site.online_off"
    template = N_("考点“{name}”未开启个人网上报名。如需报考，请联系考点办理。")


class OutsideOnlineTime(KaowuError):
    """Outside the site's 考生网上报名时间 ∩ W4 (R15)."""

    code = "site.outside_online_time"
    template = N_("现在不在考点“{name}”的网上报名时间内（{interval}），不能操作。")


class SettingsInForce(Protocol):
    """考点报名综合设置 and 考生报名时间设置 of a site, as rules ask for them: the row of
    `SiteSettings`, or its columns."""

    @property
    def suspension_reason(self) -> str | None: ...
    @property
    def online_enabled(self) -> bool: ...
    @property
    def online_start(self) -> dt.datetime | None: ...
    @property
    def online_end(self) -> dt.datetime | None: ...
    @property
    def open(self) -> bool: ...
    @property
    def review_required(self) -> bool: ...
    @property
    def class_required(self) -> bool: ...
    @property
    def max_subjects(self) -> int: ...
    @property
    def self_printing(self) -> bool: ...
    @property
    def preference_allowed(self) -> bool: ...


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
    settings: SettingsInForce
    #: 启用 in the session and 考点开考
    open: bool
    #: its province takes part in the session (R1.1a)
    takes_part: bool
    #: 考生网上报名时间 of the site within W4; unset when 开启个人网报 is off
    online: Interval
    #: W3
    registration: Interval
    #: W6
    printing: Interval

    @property
    def display(self) -> str:
        return f"({self.code}){self.name}"

    @property
    def suspension(self) -> str | None:
        """Why the province has stopped the site; None where it has not (R10.4a)."""
        return self.settings.suspension_reason

    def require_open(self) -> None:
        """Raises SiteSuspended, SiteClosed."""
        if self.suspension is not None:
            raise SiteSuspended(name=self.display, reason=self.suspension)
        if not self.open:
            raise SiteClosed(name=self.display)

    def require_online(self, now: dt.datetime) -> None:
        """The way in for candidates: of a province that takes part (R1.1a), open, and inside the
        online registration time (R15). Raises the cause."""
        if not self.takes_part:
            raise ProvinceNotTakingPart(name=self.display)
        self.require_open()
        if not self.settings.online_enabled:
            raise OnlineOff(name=self.display)
        if not self.online.is_open(now):
            raise OutsideOnlineTime(name=self.display, interval=self.online.show())


_province = aliased(Organisation)
_takes_part = exists().where(
    _province.id == Organisation.province_id,
    ExamProvince.exam_id == Organisation.exam_id,
    ExamProvince.province_code == _province.code,
)
#: what `site_of` reads of the organisation: only what is public
PUBLIC_COLUMNS: tuple[Any, ...] = (
    Organisation.exam_id,
    Organisation.province_id,
    Organisation.city_id,
    Organisation.id.label("site_id"),
    Organisation.code,
    Organisation.name,
    Organisation.address,
    Organisation.enabled,
    _takes_part.label("takes_part"),
)
_SITE_COLUMNS = (*PUBLIC_COLUMNS, SiteSettings, OperationWindow)


def site_of(row: Any, settings: SettingsInForce, intervals: windows.Intervals) -> Site:
    """The site of a row of PUBLIC_COLUMNS, with its settings and windows."""
    online = Interval()
    if settings.online_enabled:
        own = Interval(settings.online_start, settings.online_end)
        online = intersect(own, intervals[Window.ONLINE])
    return Site(
        exam_id=row.exam_id,
        province_id=row.province_id,
        city_id=row.city_id,
        site_id=row.site_id,
        code=row.code,
        name=row.name,
        address=row.address,
        settings=settings,
        open=row.enabled and settings.open,
        takes_part=bool(row.takes_part),
        online=online,
        registration=intervals[Window.REGISTRATION],
        printing=intervals[Window.TICKET],
    )


_SITE = (
    select(*_SITE_COLUMNS)
    .select_from(Organisation)
    .join(SiteSettings, SiteSettings.site_id == Organisation.id)
    .outerjoin(OperationWindow, OperationWindow.organisation_id == Organisation.id)
    .where(Organisation.id == bindparam("site"), Organisation.exam_id == SiteSettings.exam_id)
)


def load_site(session: Session, site_id: int) -> Site:
    """The site in the actor's session. One statement. Raises NotFound."""
    with elevated(session, "read operation windows", OperationWindow):
        row = session.execute(_SITE, {"site": site_id}).first()
    if row is None:
        raise NotFound()
    return site_of(row, row.SiteSettings, windows.remember(session, site_id, row.OperationWindow))


def hold_site(session: Session, site_id: int) -> Site:
    """The site as it is when its gate has been passed, and stays until this transaction ends:
    whoever changes its settings waits, and then counts this candidate too (R10.4a). Who asks for
    the time asks after this, which may have waited. Raises NotFound."""
    gate.enter(session, site_id)
    session.execute(
        select(SiteSettings.id).where(SiteSettings.site_id == site_id).with_for_update(read=True)
    )
    return load_site(session, site_id)


@dataclass(frozen=True, slots=True)
class SiteChoice:
    """A site as a candidate may choose it; `left` is None where the total is 不限."""

    site: Site
    left: int | None

    @property
    def full(self) -> bool:
        return self.left == 0


def seats_left(capacity: int, used: int) -> int | None:
    """None is 不限."""
    return None if capacity == UNLIMITED else capacity - used


def sites_to_choose(
    session: Session, exam_id: int, province_id: int, clock: Clock = system_clock
) -> list[SiteChoice]:
    """Sites of a province that are open and inside their online time, by code (R15.4).

    Sites without 总科次数 are left out (R13.3a); full ones stay, marked. One statement.
    """
    statement = (
        select(*_SITE_COLUMNS, CapacityPool.capacity, CapacityPool.used)
        .select_from(Organisation)
        .join(SiteSettings, SiteSettings.site_id == Organisation.id)
        .join(OperationWindow, OperationWindow.organisation_id == Organisation.id)
        .join(CapacityPool, CapacityPool.site_id == Organisation.id)
        .where(
            Organisation.exam_id == exam_id,
            Organisation.province_id == province_id,
            _takes_part,
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
    for row in rows:
        site = site_of(row, row.SiteSettings, windows.intervals_of(row.OperationWindow))
        if site.online.is_open(now):
            found.append(SiteChoice(site, seats_left(row.capacity, row.used)))
    return found


# ---------------------------------------------------------------- subjects


_NAMES = select(ExamSubject.subject_code, ExamSubject.name).where(
    ExamSubject.exam_id == bindparam("exam")
)


def subject_names(session: Session, exam_id: int) -> dict[str, str]:
    """{code: name} of the subjects of a session. One statement."""
    rows = session.execute(_NAMES, {"exam": exam_id})
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


_NOTICES = select(Notice.organisation_id, Notice.html).where(
    Notice.exam_id == bindparam("exam"),
    or_(
        Notice.organisation_id == bindparam("province"), Notice.organisation_id == bindparam("site")
    ),
)


def notices_of(session: Session, site: Site) -> Notices:
    """Both notices of a site. One statement."""
    asked = {"exam": site.exam_id, "province": site.province_id, "site": site.site_id}
    # the site's own people, too, see the notice of the province above them
    with elevated(session, "notices are public", Notice):
        rows = session.execute(_NOTICES, asked).all()
    html = {row.organisation_id: row.html or None for row in rows}
    return Notices(html.get(site.province_id), html.get(site.site_id))


_CLASSES = (
    select(ClassOption.name)
    .where(ClassOption.exam_id == bindparam("exam"), ClassOption.site_id == bindparam("site"))
    .order_by(ClassOption.position)
)


def class_options_of(session: Session, site: AtSite) -> list[str]:
    """班级选项 in their order; empty when none are set (R18). One statement."""
    return list(session.scalars(_CLASSES, {"exam": site.exam_id, "site": site.site_id}))


__all__ = [
    "Notices",
    "OnlineOff",
    "OutsideOnlineTime",
    "Site",
    "SiteChoice",
    "SiteClosed",
    "class_options_of",
    "intersect",
    "load_site",
    "notices_of",
    "sites_to_choose",
    "subject_names",
]
