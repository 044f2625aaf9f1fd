"""The ground: a session, its organisations, windows, settings, subjects, fees and capacity."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

import app.models  # noqa: F401 - maps every table
from app.database import keys
from app.database.base import Base, OwnedByPassport
from app.database.keys import Keyring, install_keyring
from app.database.policy import become, state_of
from app.database.session import KaowuSession, make_engine, make_session_factory
from app.database.unit_of_work import unit_of_work
from app.metadata.actor import Actor, candidate, system
from app.metadata.declarations import MANAGE, Declaration
from app.metadata.vocabulary import ADMINISTRATORS, Level, Verb, Window
from app.models.account import Passport
from app.models.capacity import CapacityPool
from app.models.codes import SUBJECTS
from app.models.exam import Exam, ExamDay, ExamProvince, ExamSubject, OperationWindow, Subject
from app.models.organisation import Organisation
from app.models.settings import PERSON_FEE, Fee, ProvinceSubject, SiteSettings, SiteSubject
from app.rules import policy

#: Keys of the tests; production keys come from the environment.
KEYRING = Keyring({"1": b"t" * 32}, b"d" * 32)
if keys._keyring is None:
    install_keyring(KEYRING)

PROVINCE = "99"
SUBJECT_CODES = ("14", "24", "26", "35", "42")
EXAM_DAYS = (dt.date(2026, 9, 19), dt.date(2026, 9, 20), dt.date(2026, 9, 21))
_HALF = dt.timedelta(days=30)

#: Grants everything on every table: for seeding only.
SEED = Declaration(
    name="seed",
    label="测试数据",
    verbs=dict.fromkeys(ADMINISTRATORS, MANAGE),
    writes=tuple(mapper.class_ for mapper in Base.registry.mappers),
)


@contextmanager
def seeding(session: Session) -> Iterator[None]:
    """Write anything as the system; afterwards the session is its former owner's again."""
    former = state_of(session).actor
    become(session, system("seed"))
    with policy.permit(session, SEED, Verb.ADD):
        yield
    become(session, former)
    if former is None:
        session.expunge_all()


@contextmanager
def permitted(session: Session) -> Iterator[None]:
    """A permit for everything, for the session's own actor (administrator or system): for tests
    of rules that expect their caller's permit."""
    with policy.permit(session, SEED, Verb.EDIT):
        yield


def plant(session: Session, row: Any) -> Any:
    """Add one row of any table as the system."""
    with seeding(session):
        session.add(row)
    return row


@dataclass
class Tree:
    """One session with its organisations; `sites` in the order of their codes."""

    exam: Exam
    center: Organisation
    province: Organisation
    city: Organisation
    sites: list[Organisation] = field(default_factory=list)
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @property
    def site(self) -> Organisation:
        """The first site."""
        return self.sites[0]

    def organisation(self, level: Level, number: int = 0) -> Organisation:
        """The organisation of a level; `number` counts sites."""
        if level is Level.SITE:
            return self.sites[number]
        found: Organisation = getattr(self, level.value)
        return found

    def actor(self, level: Level = Level.SITE, number: int = 0, **changes: Any) -> Actor:
        """An administrator of the organisation, without a passport of his own."""
        place = self.organisation(level, number)
        codes = {row.id: row.code for row in (self.province, self.city, *self.sites)}
        made = Actor(
            passport_id=None,
            level=level,
            exam_id=self.exam.id,
            organisation_id=place.id,
            province_id=place.province_id,
            city_id=place.city_id,
            site_id=place.site_id,
            organisation_code=place.code,
            province_code=codes.get(place.province_id or 0, ""),
            city_code=codes.get(place.city_id or 0, ""),
            site_code=codes.get(place.site_id or 0, ""),
            roles=frozenset({level.value}),
            name=f"{place.name}管理员",
        )
        return replace(made, **changes)

    def candidate(self, passport: Passport) -> Actor:
        """The candidate of that passport in this session."""
        return candidate(passport.id, self.exam.id)

    def owner_of(self, row: OwnedByPassport) -> Actor:
        """The candidate whose registration, entry, photo or order it is."""
        return candidate(row.passport_id, self.exam.id)

    def path(self, site: Organisation) -> dict[str, int | None]:
        """Scope columns of a row of that site (or province, or city)."""
        return {
            "exam_id": self.exam.id,
            "province_id": site.province_id,
            "city_id": site.city_id,
            "site_id": site.site_id,
        }


# ---------------------------------------------------------------- organisations and settings


def make_tree(
    session: Session,
    *,
    number: int = 58,
    state: str = "current",
    sites: int = 2,
    now: dt.datetime | None = None,
    province: str = PROVINCE,
    **site_options: Any,
) -> Tree:
    """A session whose windows are all open at `now` (default: the real moment), with open sites.

    Sites are 990701, 990702, … in city 9907; see `add_site` for what they offer.
    """
    now = now or dt.datetime.now(dt.UTC)
    with seeding(session):
        exam = _exam(session, number, state, province)
        center = _organisation(session, exam, Level.CENTER, "00", "考试中心", None, now)
        top, city = _province(session, exam, province, "测试省", center, now)
    tree = Tree(exam, center, top, city, now=now)
    for index in range(sites):
        add_site(session, tree, f"{city.code}{index + 1:02d}", **site_options)
    return tree


def add_province(session: Session, tree: Tree, code: str) -> Tree:
    """Another province of the tree's session, with a city and all subjects but without sites."""
    with seeding(session):
        top, city = _province(session, tree.exam, code, f"测试省{code}", tree.center, tree.now)
    return Tree(tree.exam, tree.center, top, city, now=tree.now)


def _province(
    session: Session, exam: Exam, code: str, name: str, center: Organisation, now: dt.datetime
) -> tuple[Organisation, Organisation]:
    """A province and its one city."""
    top = _organisation(session, exam, Level.PROVINCE, code, name, center, now)
    city = _organisation(session, exam, Level.CITY, f"{code}07", "地市七", top, now)
    days = {"first_day": EXAM_DAYS[0], "last_day": EXAM_DAYS[-1]}
    for subject in SUBJECT_CODES:
        place = {"exam_id": exam.id, "province_id": top.id}
        session.add(ProvinceSubject(**place, subject_code=subject, **days))
    return top, city


def _exam(session: Session, number: int, state: str, province: str) -> Exam:
    exam = Exam(
        number=number, code=f"{number % 100:02d}", title="2026全国计算机等级考试", state=state
    )
    session.add(exam)
    session.flush()
    session.add(ExamProvince(exam_id=exam.id, province_code=province))
    session.add_all(ExamDay(exam_id=exam.id, province_id=None, day=day) for day in EXAM_DAYS)
    known = set(session.scalars(select(Subject.code)))
    for code in SUBJECT_CODES:
        row = SUBJECTS[code]
        values = {"name": row.label, "level": str(row.level), "minutes": row.minutes}
        session.add(ExamSubject(exam_id=exam.id, subject_code=code, **values))
        if code not in known:
            session.add(Subject(code=code, active=True, **values))
    session.flush()
    return exam


def _organisation(
    session: Session,
    exam: Exam,
    level: Level,
    code: str,
    name: str,
    parent: Organisation | None,
    now: dt.datetime,
) -> Organisation:
    row = Organisation(
        exam_id=exam.id,
        level=level.value,
        code=code,
        name=name,
        parent_id=parent.id if parent else None,
        province_id=parent.province_id if parent else None,
        city_id=parent.city_id if parent else None,
        address="测试路1号" if level is Level.SITE else None,
    )
    session.add(row)
    session.flush()
    if level is not Level.CENTER:
        setattr(row, f"{level.value}_id", row.id)
        session.add(_windows(row, now))
    session.flush()
    return row


def _windows(row: Organisation, now: dt.datetime) -> OperationWindow:
    """All nine open from 30 days before to 30 days after `now`."""
    made = OperationWindow(
        exam_id=row.exam_id,
        province_id=row.province_id,
        city_id=row.city_id,
        site_id=row.site_id,
        organisation_id=row.id,
    )
    for window in Window:
        setattr(made, f"{window.value}_start", now - _HALF)
        if not window.open_ended:
            setattr(made, f"{window.value}_end", now + _HALF)
    return made


def set_window(
    session: Session,
    organisation: Organisation,
    window: Window,
    start: dt.datetime | None,
    end: dt.datetime | None = None,
) -> None:
    """Set one window of an organisation; None unsets it."""
    with seeding(session):
        row = session.scalars(
            select(OperationWindow).where(OperationWindow.organisation_id == organisation.id)
        ).one()
        setattr(row, f"{window.value}_start", start)
        if not window.open_ended:
            setattr(row, f"{window.value}_end", end)
    session.info.pop("kaowu_windows", None)


def add_site(
    session: Session,
    tree: Tree,
    code: str,
    *,
    subjects: Sequence[str] = ("14", "24", "26"),
    total: int = 1000,
    capacity: int = 500,
    day_quota: int | None = None,
    person_fee: int | None = 1000,
    subject_fee: int | None = 7200,
    under_city: bool = True,
    **settings: Any,
) -> Organisation:
    """A site that is open for online registration from 20 days before to 20 after `tree.now`.

    Fees are in fen, None leaves them unset; `day_quota` makes a preference pool per exam day.
    `settings` are columns of `SiteSettings`.
    """
    parent = tree.city if under_city else tree.province
    span = dt.timedelta(days=20)
    values = {
        "open": True,
        "online_enabled": True,
        "online_start": tree.now - span,
        "online_end": tree.now + span,
        "preference_allowed": day_quota is not None,
    } | settings
    with seeding(session):
        name = f"地市七考点{len(tree.sites) + 1}"
        site = _organisation(session, tree.exam, Level.SITE, code, name, parent, tree.now)
        path = tree.path(site)
        session.add(SiteSettings(**path, **values))
        session.add(CapacityPool(**path, pool="TOTAL", capacity=total))
        for subject in subjects:
            days = {"first_day": EXAM_DAYS[0], "last_day": EXAM_DAYS[-1]}
            session.add(SiteSubject(**path, subject_code=subject, **days))
            session.add(CapacityPool(**path, pool=f"S:{subject}", capacity=capacity))
            if subject_fee is not None:
                session.add(Fee(**path, subject_code=subject, amount=subject_fee))
        if person_fee is not None:
            session.add(Fee(**path, subject_code=PERSON_FEE, amount=person_fee))
        for day in EXAM_DAYS if day_quota is not None else ():
            session.add(CapacityPool(**path, pool=f"D:{day.isoformat()}", capacity=day_quota))
    tree.sites.append(site)
    return site


def set_settings(session: Session, site: Organisation, **values: Any) -> None:
    """Change columns of a site's `SiteSettings`."""
    with seeding(session):
        row = session.scalars(select(SiteSettings).where(SiteSettings.site_id == site.id)).one()
        for name, value in values.items():
            setattr(row, name, value)


def settings_row(session: Session, tree: Tree, number: int = 0) -> SiteSettings:
    """The settings of a site of the tree, as the session's actor reads them."""
    statement = select(SiteSettings).where(SiteSettings.site_id == tree.sites[number].id)
    return session.scalars(statement).one()


def set_capacity(session: Session, site: Organisation, pool: str, capacity: int) -> None:
    """Set a pool's capacity ("TOTAL", "S:14", "D:2026-09-19") past the rules."""
    with seeding(session):
        row = session.scalars(
            select(CapacityPool).where(CapacityPool.site_id == site.id, CapacityPool.pool == pool)
        ).one()
        row.capacity = capacity


# ---------------------------------------------------------------- databases of their own


def populate(url: str, **options: Any) -> tuple[sessionmaker[KaowuSession], Tree]:
    """Fill the database at `url` with a tree and commit; the caller disposes of the engine
    (`factory.kw["bind"].dispose()`)."""
    factory = make_session_factory(make_engine(url))
    with unit_of_work(factory, system("seed")) as session:
        tree = make_tree(session, **options)
    return factory, tree
