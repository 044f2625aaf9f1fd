"""The ground of a demo session: catalogue, organisations, windows, settings, subjects, fees.

The rules of the pages make it, so that it is what administrators could have made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.policy import become
from app.demo.plan import (
    CITIES,
    OTHER_PROVINCES,
    PERSON_FEE,
    PROVINCE,
    PROVINCE_NOTICE,
    SITES,
    SUBJECT_FEE,
    SUPERIOR,
    Calendar,
    SitePlan,
    WindowDays,
    title_of,
)
from app.demo.writing import writer, writing
from app.metadata.text import LOCAL_ZONE
from app.metadata.vocabulary import Level, Verb, Window
from app.models.codes import (
    ACTIVE_SUBJECTS,
    EDUCATIONS,
    ETHNIC_GROUPS,
    ID_TYPES,
    LATEST_PERIOD,
    OCCUPATIONS,
    PROVINCES,
    REJECTION_TYPES,
    SUBJECTS,
    VIOLATION_TYPES,
    CodeTable,
)
from app.models.exam import CodeEntry, Exam, ExamDay, Subject
from app.models.organisation import Organisation
from app.models.roster import RosterPolicy
from app.models.settings import PERSON_FEE as ONCE
from app.models.settings import (
    ProvinceSubject,
    SiteSettings,
    SiteSubject,
)
from app.rules import (
    capacity,
    capacity_grid,
    crud,
    exam,
    fee_grid,
    general_settings,
    window_setting,
)
from app.rules.class_options import CLASS_OPTIONS
from app.rules.notices import NEW, SITE_NOTICE, set_province_notice
from app.rules.online_time import ONLINE_TIME
from app.rules.policy import permit
from app.rules.site import Notices

_CODES: Mapping[str, CodeTable[Any]] = {
    "id_type": ID_TYPES,
    "ethnic": ETHNIC_GROUPS,
    "education": EDUCATIONS,
    "occupation": OCCUPATIONS,
    "violation": VIOLATION_TYPES,
    "rejection": REJECTION_TYPES,
}


@dataclass(slots=True)
class Ground:
    """One session: its organisations by code, and its days."""

    exam: Exam
    calendar: Calendar
    organisations: dict[str, Organisation]

    @property
    def province(self) -> Organisation:
        return self.organisations[PROVINCE]

    def site(self, code: str) -> Organisation:
        return self.organisations[code]

    def path(self, code: str) -> dict[str, int | None]:
        """Scope columns of a row of that organisation."""
        place = self.organisations[code]
        return {
            "exam_id": self.exam.id,
            "province_id": place.province_id,
            "city_id": place.city_id,
            "site_id": place.site_id,
        }


def add_catalogues(session: Session) -> None:
    """Subjects and code tables of the country."""
    active = set(ACTIVE_SUBJECTS[LATEST_PERIOD])
    with writing(session):
        for row in SUBJECTS:
            session.add(
                Subject(
                    code=row.code,
                    name=row.label,
                    level=str(row.level),
                    minutes=row.minutes,
                    active=row.code in active,
                )
            )
        for name, table in _CODES.items():
            for position, code in enumerate(table, start=1):
                rank = code.rank if code.rank is not None else position
                session.add(
                    CodeEntry(
                        table_name=name,
                        code=code.code,
                        name=code.label,
                        rank=rank,
                        active=code.active,
                    )
                )


# ---------------------------------------------------------------- session and organisations


def add_exam(session: Session, number: int, calendar: Calendar) -> Ground:
    """A session in preparation; it copies the organisations of the one before (R0.6b)."""
    become(session, writer())
    values = {"number": number, "code": f"{number:02d}", "title": title_of(calendar)}
    made = crud.create(session, Exam.__admin__, values | {"age_min": 6, "age_max": 80})
    become(session, writer(made.id))
    row = session.scalars(select(Exam).where(Exam.id == made.id)).one()
    ground = Ground(row, calendar, {})
    if session.scalar(select(Organisation.id).where(Organisation.exam_id == row.id)) is None:
        _add_organisations(session, row)
    found = session.scalars(select(Organisation).where(Organisation.exam_id == row.id))
    ground.organisations = {place.code: place for place in found}
    _offer(session, ground)
    return ground


def _add_organisations(session: Session, row: Exam) -> None:
    with writing(session):
        center = Organisation(exam_id=row.id, level=Level.CENTER, code="00", name="考试中心")
        session.add(center)
    province = _add_organisation(session, PROVINCE, "测试省", center.id)
    for code in OTHER_PROVINCES:
        _add_organisation(session, code, PROVINCES.name(code), center.id)
    cities = {
        code: _add_organisation(session, code, name, province.id) for code, name in CITIES.items()
    }
    for plan in SITES:
        _add_organisation(
            session, plan.code, plan.name, cities[plan.code[:4]].id, address=plan.address or ""
        )


def _add_organisation(
    session: Session, code: str, name: str, parent_id: int, **values: str
) -> Organisation:
    made: Organisation = crud.create(
        session,
        Organisation.__admin__,
        {"code": code, "name": name, "enabled": True, **values},
        preset={"parent_id": parent_id},
    )
    return made


def _offer(session: Session, ground: Ground) -> None:
    """Participating provinces, exam days, subjects of the session and of the province."""
    with permit(session, exam.SET_PROVINCES, Verb.RUN):
        exam.set_provinces(session, ground.exam, (PROVINCE, *OTHER_PROVINCES))
    for day in ground.calendar.exam_days:
        crud.create(session, ExamDay.__admin__, {"day": day.isoformat()})
    with permit(session, exam.FROM_CATALOGUE, Verb.RUN):
        exam.add_from_catalogue(session, ground.exam.id)
    first, *_between, last = (day.isoformat() for day in ground.calendar.exam_days)
    for code in ACTIVE_SUBJECTS[LATEST_PERIOD]:
        crud.create(
            session,
            ProvinceSubject.__admin__,
            {"subject_code": code, "first_day": first, "last_day": last},
            preset={"province_id": ground.province.id},
        )


def make_current(session: Session, ground: Ground) -> None:
    """The session becomes current; the former one history."""
    with permit(session, exam.MAKE_CURRENT, Verb.RUN):
        exam.make_current(session, ground.exam)
    session.info.pop("kaowu_exam_states", None)


# ---------------------------------------------------------------- windows


def set_windows(session: Session, ground: Ground, plans: Iterable[SitePlan]) -> None:
    """Windows of the province, its cities and the sites, from above, so that they nest (R0.3)."""
    _set(session, ground, [ground.province], SUPERIOR)
    _set(session, ground, [ground.site(code) for code in CITIES], SUPERIOR)
    for plan in plans:
        _set(session, ground, [ground.site(plan.code)], plan.windows)


def _set(session: Session, ground: Ground, places: list[Organisation], days: WindowDays) -> None:
    values = {window: ground.calendar.edges(window, span) for window, span in days.items()}
    outcome = window_setting.set_windows(session, places, values)
    for row in outcome.rows:
        if not row.done:
            raise RuntimeError(f"{row.title}: {row.reason}")


# ---------------------------------------------------------------- sites


def set_site(session: Session, ground: Ground, plan: SitePlan) -> None:
    """Settings, subjects, capacity, fees, classes and notice of a site."""
    site = ground.site(plan.code)
    with writing(session):
        row = general_settings.site_settings_of(session, site)
        # a session copies the policies of the one before (R0.6b)
        policy = select(RosterPolicy.id).where(RosterPolicy.site_id == site.id)
        if session.scalar(policy) is None:
            session.add(RosterPolicy(**ground.path(plan.code)))
    if plan.settings:
        crud.update(session, SiteSettings.__admin__, row.id, plan.settings)
    if plan.online:
        _set_online_time(session, ground, row, plan)
    _set_subjects(session, ground, plan)
    if plan.classes:
        crud.update(session, CLASS_OPTIONS, row.id, {"class_text": "；".join(plan.classes)})
    if plan.notice:
        crud.update(session, SITE_NOTICE, row.id, {NEW: plan.notice})


def _set_online_time(session: Session, ground: Ground, row: SiteSettings, plan: SitePlan) -> None:
    if plan.online is None:
        return
    start, end = ground.calendar.edges(Window.ONLINE, plan.online)
    values = {
        "online_enabled": True,
        "online_start": _local(start),
        "online_end": _local(end),
    }
    crud.update(session, ONLINE_TIME, row.id, values)


def _local(moment: Any) -> str:
    """As a form sends it."""
    return str(moment.astimezone(LOCAL_ZONE).strftime("%Y-%m-%d %H:%M:%S"))


def _set_subjects(session: Session, ground: Ground, plan: SitePlan) -> None:
    site, path = ground.site(plan.code), ground.path(plan.code)
    first, *_between, last = (day.isoformat() for day in ground.calendar.exam_days)
    for code in plan.capacity:
        crud.create(
            session,
            SiteSubject.__admin__,
            {"subject_code": code, "first_day": first, "last_day": last},
            preset={key: value for key, value in path.items() if key != "exam_id"},
        )
    if plan.total is None:
        return
    limits = {capacity.TOTAL: plan.total}
    limits |= {capacity.subject_pool(code): limit for code, limit in plan.capacity.items()}
    if plan.day_quota is not None:
        days = ground.calendar.exam_days
        limits |= {capacity.day_pool(day): plan.day_quota for day in days}
    with permit(session, capacity_grid.CAPACITY, Verb.EDIT):
        capacity.set_limits(session, site, limits)
    fees = {ONCE: PERSON_FEE} | dict.fromkeys(plan.capacity, SUBJECT_FEE)
    with permit(session, fee_grid.FEES, Verb.EDIT):
        fee_grid.set_fees(session, site, fees)


def add_province_notice(session: Session, ground: Ground) -> None:
    """省报名通告."""
    set_province_notice(session, ground.province, {NEW: PROVINCE_NOTICE})


def notice_version(plan: SitePlan) -> str:
    """What the candidates of the site have accepted."""
    return Notices(PROVINCE_NOTICE, plan.notice).version
