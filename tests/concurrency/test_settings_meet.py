"""R11.2, R11.3, R13.8, R14, R30.3: what somebody builds on does not go at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from app.database import locks
from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.metadata.actor import system
from app.metadata.declarations import Resource
from app.metadata.registry import find
from app.metadata.vocabulary import Level
from app.models.arrangement import Room, Sitting
from app.models.capacity import CapacityPool
from app.models.exam import ExamDay, ExamSubject
from app.models.organisation import Organisation
from app.models.settings import ProvinceSubject, SiteSettings, SiteSubject
from app.rules import capacity, crud, grids, operations
from app.rules.capacity import day_pool
from app.rules.capacity_grid import CAPACITY
from app.rules.general_settings import PREFERENCE as SWITCH
from app.rules.operations import Chosen
from app.rules.preference import PREFERENCE, settings_of
from app.runtime import load_declarations
from tests import factories
from tests.concurrency.clients import Crowd, crowd, together, wait_for_waiter
from tests.factories import EXAM_DAYS

load_declarations()
FIRST, SECOND, LAST = EXAM_DAYS
SPAN = {"first_day": str(FIRST), "last_day": str(LAST)}
Work = Callable[[Crowd, KaowuSession], object]


def resource(name: str) -> Resource:
    found: Resource = find(name, Resource)  # type: ignore[assignment]
    return found


@dataclass(frozen=True)
class Meeting:
    """`build` as an administrator of one level meets `take` of another; `torn` are the rows that
    contradict each other afterwards."""

    build: Work
    builder: Level
    take: Work
    taker: Level
    torn: Any


def add(resource_name: str, **values: str) -> Work:
    return lambda _clients, session: crud.create(session, resource(resource_name), values)


def drop(resource_name: str, condition: Any) -> Work:
    def work(_clients: Crowd, session: KaowuSession) -> None:
        declared = resource(resource_name)
        row = session.scalars(select(declared.model).where(condition)).one()
        crud.remove(session, declared, row.id)

    return work


def shorten(_clients: Crowd, session: KaowuSession) -> None:
    row = session.scalars(select(ProvinceSubject).filter_by(subject_code="42")).one()
    crud.update(session, resource("province_subject"), row.id, {"last_day": str(FIRST)})


def fill(clients: Crowd, session: KaowuSession) -> None:
    quotas = {day_pool(day): "10" for day in EXAM_DAYS}
    grids.save(session, PREFERENCE, {clients.tree.site.code: quotas}, {})


def add_sitting(_clients: Crowd, session: KaowuSession) -> None:
    room = session.scalars(select(Room)).one()
    hours = {"start": "09:00", "end": "11:30"}
    values = {"room_id": str(room.id), "day": str(SECOND), "capacity": "30"} | hours
    crud.create(session, resource("sitting"), values)


def lower_total(clients: Crowd, session: KaowuSession) -> None:
    grids.save(session, CAPACITY, {clients.tree.sites[1].code: {"TOTAL": "110"}}, {})


def switch_on(clients: Crowd, session: KaowuSession) -> object:
    row = settings_of(session, clients.tree.sites[1:])[clients.tree.sites[1].id]
    return operations.run(session, SWITCH, Chosen(ids=(row.id,)), {"allowed": "1"})


def offered(code: str, *conditions: Any) -> Any:
    """Does the site offer the subject though its province does not, or on other days?"""
    province = select(ProvinceSubject.id).where(ProvinceSubject.subject_code == code, *conditions)
    return select(SiteSubject).where(SiteSubject.subject_code == code, ~province.exists())


MEETINGS = {
    "a subject leaves the province": Meeting(
        add("site_subject", subject_code="35", **SPAN),
        Level.SITE,
        drop("province_subject", ProvinceSubject.subject_code == "35"),
        Level.PROVINCE,
        offered("35"),
    ),
    "the province shortens its days": Meeting(
        add("site_subject", subject_code="42", **SPAN),
        Level.SITE,
        shorten,
        Level.PROVINCE,
        offered("42", ProvinceSubject.last_day >= SiteSubject.last_day),
    ),
    "a subject leaves the session": Meeting(
        add("province_subject", subject_code="55", **SPAN),
        Level.PROVINCE,
        drop("exam_subject", ExamSubject.subject_code == "55"),
        Level.CENTER,
        select(ProvinceSubject).where(
            ProvinceSubject.subject_code == "55",
            ~select(ExamSubject.id).where(ExamSubject.subject_code == "55").exists(),
        ),
    ),
    "a day with quotas goes": Meeting(
        fill,
        Level.SITE,
        drop("exam_day", ExamDay.day == FIRST),
        Level.CENTER,
        select(CapacityPool).where(
            CapacityPool.pool == day_pool(FIRST),
            ~select(ExamDay.id).where(ExamDay.day == FIRST).exists(),
        ),
    ),
    "a day with sittings goes": Meeting(
        add_sitting,
        Level.SITE,
        drop("exam_day", ExamDay.day == SECOND),
        Level.CENTER,
        select(Sitting).where(
            Sitting.day == SECOND, ~select(ExamDay.id).where(ExamDay.day == SECOND).exists()
        ),
    ),
    "quotas that do not fit are switched on": Meeting(
        lower_total,
        Level.PROVINCE,
        switch_on,
        Level.PROVINCE,
        select(SiteSettings)
        .join(CapacityPool, CapacityPool.site_id == SiteSettings.site_id)
        .where(
            SiteSettings.preference_allowed,
            CapacityPool.pool == "TOTAL",
            CapacityPool.capacity == 110,
            CapacityPool.site_id.in_(select(Organisation.id).where(Organisation.code == "990702")),
        ),
    ),
}


def prepare(session: KaowuSession, clients: Crowd) -> None:
    """The site may have intentions and has a room; the session has one subject more. Another
    site has quotas and may not have intentions."""
    tree = clients.tree
    factories.set_settings(session, tree.site, preference_allowed=True)
    factories.add_site(session, tree, "990702", total=200, day_quota=60, preference_allowed=False)
    with factories.seeding(session):
        session.add(Room(**tree.path(tree.site), number="01", address="一号楼"))
        subject = {"name": "嵌入式系统开发", "level": "3", "minutes": 120}
        session.add(ExamSubject(exam_id=tree.exam.id, subject_code="55", **subject))


def meet(clients: Crowd, meeting: Meeting, *, taker_first: bool, guarded: bool) -> bool:
    """The second comes when the first has done his work and has not committed: is anything torn
    afterwards?"""
    people = [(meeting.builder, meeting.build), (meeting.taker, meeting.take)]
    (former, work), (latter, later) = reversed(people) if taker_first else people
    second = partial(run_unit, clients.factory(1), clients.tree.actor(latter))
    answers: list[Future[list[object]]] = []

    def first(session: KaowuSession, pool: ThreadPoolExecutor) -> None:
        work(clients, session)
        answers.append(pool.submit(together, [partial(second, partial(later, clients))]))
        if guarded:
            wait_for_waiter(session)
        else:
            answers[0].result()

    with ThreadPoolExecutor(1) as pool:
        run_unit(clients.factory(0), clients.tree.actor(former), partial(first, pool=pool))
        answers[0].result()
    with reading(clients.factory(), system("look")) as session:
        return bool(session.scalars(meeting.torn).all())


def met(url: str, *, taker_first: bool = False, guarded: bool = True) -> dict[str, bool]:
    with crowd(url, 2, sites=1) as clients:
        clients.as_system(0, lambda session: prepare(session, clients))
        return {
            name: meet(clients, meeting, taker_first=taker_first, guarded=guarded)
            for name, meeting in MEETINGS.items()
        }


@pytest.mark.postgres
@pytest.mark.parametrize("taker_first", [False, True])
def test_r11_2_r11_3_r14_r30_3_nothing_is_built_on_what_goes(
    fresh_database: str, taker_first: bool
) -> None:
    assert met(fresh_database, taker_first=taker_first) == dict.fromkeys(MEETINGS, False)


@pytest.mark.postgres
def test_without_the_shared_lock_settings_contradict_each_other(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "share", lambda _session, _names: None)
    looking = capacity.with_days
    monkeypatch.setattr(capacity, "with_days", lambda *asked, **_lock: looking(*asked))
    assert met(fresh_database, guarded=False) == dict.fromkeys(MEETINGS, True)
