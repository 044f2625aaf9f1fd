"""What the check-list looks at, read for many sites in a constant number of statements."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.database.policy import actor_of, elevated
from app.models.capacity import CapacityPool
from app.models.exam import OperationWindow
from app.models.organisation import Organisation
from app.models.roster import RosterPolicy, StudentRecord
from app.models.settings import Fee, Notice, ProvinceSubject, SiteSettings, SiteSubject
from app.rules.exam import days_of
from app.rules.windows import Intervals, intervals_of

#: first and last day on which a subject is held
Days = tuple[dt.date, dt.date]


@dataclass(slots=True)
class Facts:
    """All that is known of one site's settings. `provincial` are the subjects of its province."""

    site: Organisation
    settings: SiteSettings | None
    windows: Intervals
    roster: RosterPolicy | None
    exam_days: tuple[dt.date, ...]
    subjects: dict[str, Days] = field(default_factory=dict)
    provincial: dict[str, Days] = field(default_factory=dict)
    #: pool -> capacity
    pools: dict[str, int] = field(default_factory=dict)
    #: subject code or PERSON -> fen
    fees: dict[str, int] = field(default_factory=dict)
    has_notice: bool = False
    province_has_notice: bool = False
    students: int = 0


def load(session: Session, chosen: Select[Organisation]) -> list[Facts]:
    """Facts of the sites that a statement chooses (`grids.sites_of`), in its order; of others
    nothing is read.

    Eight statements however many sites there are, and one per province for its exam days.
    """
    actor = actor_of(session)
    statement = (
        chosen.add_columns(SiteSettings, OperationWindow, RosterPolicy)
        .outerjoin(SiteSettings, SiteSettings.site_id == Organisation.id)
        .outerjoin(OperationWindow, OperationWindow.organisation_id == Organisation.id)
        .outerjoin(RosterPolicy, RosterPolicy.site_id == Organisation.id)
    )
    rows = session.execute(statement).all()
    days = {
        province: tuple(days_of(session, actor.exam_id or 0, province))
        for province in {site.province_id for site, *_ in rows}
    }
    found: dict[int | None, Facts] = {
        site.id: Facts(site, settings, intervals_of(window), roster, days[site.province_id])
        for site, settings, window, roster in rows
    }
    _subjects(session, found)
    _numbers(session, found)
    _notices(session, found)
    _students(session, found)
    return list(found.values())


def _subjects(session: Session, found: dict[int | None, Facts]) -> None:
    own = select(
        SiteSubject.site_id, SiteSubject.subject_code, SiteSubject.first_day, SiteSubject.last_day
    ).where(SiteSubject.site_id.in_(found))
    for site_id, code, first, last in session.execute(own):
        found[site_id].subjects[code] = (first, last)
    provinces = {facts.site.province_id for facts in found.values()}
    offered = select(
        ProvinceSubject.province_id,
        ProvinceSubject.subject_code,
        ProvinceSubject.first_day,
        ProvinceSubject.last_day,
    ).where(ProvinceSubject.province_id.in_(provinces))
    by_province: dict[int | None, dict[str, Days]] = {}
    with elevated(session, "read the province's subjects", ProvinceSubject):
        for province_id, code, first, last in session.execute(offered):
            by_province.setdefault(province_id, {})[code] = (first, last)
    for facts in found.values():
        facts.provincial = by_province.get(facts.site.province_id, {})


def _numbers(session: Session, found: dict[int | None, Facts]) -> None:
    pools = select(CapacityPool.site_id, CapacityPool.pool, CapacityPool.capacity).where(
        CapacityPool.site_id.in_(found)
    )
    for site_id, pool, capacity in session.execute(pools):
        found[site_id].pools[pool] = capacity
    fees = select(Fee.site_id, Fee.subject_code, Fee.amount).where(Fee.site_id.in_(found))
    for site_id, code, amount in session.execute(fees):
        found[site_id].fees[code] = amount


def _notices(session: Session, found: dict[int | None, Facts]) -> None:
    owners = set(found) | {facts.site.province_id for facts in found.values()}
    written = select(Notice.organisation_id).where(
        Notice.organisation_id.in_(owners), Notice.html != ""
    )
    with elevated(session, "notices are public", Notice):
        having = set(session.scalars(written))
    for facts in found.values():
        facts.has_notice = facts.site.id in having
        facts.province_has_notice = facts.site.province_id in having


def _students(session: Session, found: dict[int | None, Facts]) -> None:
    """How many records a site has, where somebody is turned away for having none (R19.4)."""
    asked: dict[str | None, Facts] = {
        facts.site.code: facts
        for facts in found.values()
        if facts.roster is not None and facts.roster.roster_enabled
    }
    if not asked:
        return
    counts = (
        select(StudentRecord.site_code, func.count())
        .where(StudentRecord.site_code.in_(asked))
        .group_by(StudentRecord.site_code)
    )
    for code, count in session.execute(counts):
        asked[code].students = count
