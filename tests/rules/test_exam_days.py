"""考试日期: what hangs on a day that goes or moves (R14, R30.3)."""

from __future__ import annotations

import datetime as dt
from functools import partial

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.declarations import Resource
from app.metadata.errors import Duplicate
from app.metadata.registry import find
from app.metadata.vocabulary import Level
from app.models.arrangement import Room, Sitting
from app.models.capacity import CapacityPool
from app.models.exam import ExamDay
from app.rules import crud, exam_days
from app.rules.capacity import day_pool
from app.rules.offer import offer_of
from app.rules.site import load_site
from app.runtime import load_declarations
from tests import factories
from tests.factories import EXAM_DAYS, Tree

load_declarations()
DAY: Resource = find("exam_day", Resource)  # type: ignore[assignment]
MOVED = EXAM_DAYS[-1] + dt.timedelta(days=7)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session, day_quota=40)


def national(session: KaowuSession, tree: Tree) -> ExamDay:
    become(session, tree.actor(Level.CENTER))
    return session.scalars(select(ExamDay).where(ExamDay.day == EXAM_DAYS[0])).one()


def quotas(session: KaowuSession, day: dt.date) -> list[int]:
    rows = select(CapacityPool.capacity).where(CapacityPool.pool == day_pool(day))
    return list(session.scalars(rows))


def test_r14_quotas_go_with_their_day(session: KaowuSession, tree: Tree) -> None:
    crud.remove(session, DAY, national(session, tree).id)
    assert quotas(session, EXAM_DAYS[0]) == []
    assert quotas(session, EXAM_DAYS[1]) == [40, 40]


def test_r14_quotas_move_with_their_day(session: KaowuSession, tree: Tree) -> None:
    crud.update(session, DAY, national(session, tree).id, {"day": MOVED.isoformat()})
    assert quotas(session, EXAM_DAYS[0]) == []
    assert quotas(session, MOVED) == [40, 40]


@pytest.mark.parametrize("deleted", [True, False])
def test_r14_a_day_that_candidates_chose_stays(
    session: KaowuSession, tree: Tree, deleted: bool
) -> None:
    row = national(session, tree)
    with factories.seeding(session):
        pool = session.scalars(
            select(CapacityPool).where(
                CapacityPool.pool == day_pool(row.day), CapacityPool.site_id == tree.site.id
            )
        ).one()
        pool.used = 3
    become(session, tree.actor(Level.CENTER))
    change = crud.remove if deleted else partial(crud.update, values={"day": f"{MOVED}"})
    with pytest.raises(exam_days.DayChosen, match="已有 3 科次"):
        change(session, DAY, row.id)


def test_r30_3_a_day_with_sittings_stays(session: KaowuSession, tree: Tree) -> None:
    row = national(session, tree)
    with factories.seeding(session):
        room = Room(**tree.path(tree.site), number="01", address="一号楼")
        session.add(room)
        session.flush()
        session.add(
            Sitting(
                **tree.path(tree.site),
                room_id=room.id,
                number=1,
                day=row.day,
                start=dt.time(9),
                end=dt.time(11),
                capacity=60,
            )
        )
    become(session, tree.actor(Level.CENTER))
    with pytest.raises(exam_days.DayHasSittings, match="1 个考场批次"):
        crud.remove(session, DAY, row.id)


def test_r14_a_province_gives_the_national_days_up_with_its_first_own(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    crud.create(session, DAY, {"day": MOVED.isoformat()})
    assert [quotas(session, day) for day in EXAM_DAYS] == [[] for _ in EXAM_DAYS]
    crud.create(session, DAY, {"day": EXAM_DAYS[0].isoformat()})  # a second one gives up nothing


def test_r14_a_province_keeps_the_national_days_that_candidates_chose(
    session: KaowuSession, tree: Tree
) -> None:
    with factories.seeding(session):
        pool = session.scalars(
            select(CapacityPool).where(
                CapacityPool.pool == day_pool(EXAM_DAYS[1]),
                CapacityPool.site_id == tree.site.id,
            )
        ).one()
        pool.used = 1
    become(session, tree.actor(Level.PROVINCE))
    with pytest.raises(exam_days.DayChosen):
        crud.create(session, DAY, {"day": MOVED.isoformat()})


def test_r0_6_provinces_with_days_of_their_own_are_not_concerned(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    crud.create(session, DAY, {"day": EXAM_DAYS[0].isoformat()})
    crud.remove(session, DAY, national_of_the_centre(session, tree).id)
    assert quotas(session, EXAM_DAYS[0]) == [40, 40]


def test_r10_4_r14_6_a_day_without_a_quota_is_not_offered(session: KaowuSession) -> None:
    tree = factories.make_tree(session)
    factories.set_settings(session, tree.site, preference_allowed=True)
    become(session, tree.candidate(factories.make_passport(session)))
    assert offer_of(session, load_site(session, tree.site.id)).days == ()


def test_r14_6_only_exam_days_are_offered_whatever_quotas_there_are(
    session: KaowuSession, tree: Tree
) -> None:
    with factories.seeding(session):
        path = tree.path(tree.site)
        session.add(CapacityPool(**path, pool=day_pool(MOVED), capacity=10, used=0))

    def offered() -> list[dt.date]:
        become(session, tree.candidate(passport))
        return [choice.day for choice in offer_of(session, load_site(session, tree.site.id)).days]

    passport = factories.make_passport(session)
    assert offered() == list(EXAM_DAYS)
    factories.plant(session, ExamDay(**place(tree), day=MOVED))
    assert offered() == [MOVED]
    factories.plant(session, ExamDay(**place(tree), day=EXAM_DAYS[1]))
    assert offered() == [EXAM_DAYS[1], MOVED]


def place(tree: Tree) -> dict[str, int]:
    return {"exam_id": tree.exam.id, "province_id": tree.province.id}


@pytest.mark.parametrize("level", [Level.CENTER, Level.PROVINCE])
def test_r0_6_a_day_is_there_once(session: KaowuSession, tree: Tree, level: Level) -> None:
    become(session, tree.actor(level))
    if level is Level.PROVINCE:
        for day in EXAM_DAYS:
            crud.create(session, DAY, {"day": day.isoformat()})
    own = None if level is Level.CENTER else tree.province.id
    row = session.scalars(
        select(ExamDay).where(ExamDay.day == EXAM_DAYS[0], ExamDay.province_id == own)
    ).one()
    with pytest.raises(Duplicate, match="该考试日期已存在"):
        crud.create(session, DAY, {"day": EXAM_DAYS[1].isoformat()})
    with pytest.raises(Duplicate):
        crud.update(session, DAY, row.id, {"day": EXAM_DAYS[1].isoformat()})
    session.expire_all()
    assert quotas(session, EXAM_DAYS[0]) == [40, 40]
    crud.update(session, DAY, row.id, {"day": EXAM_DAYS[0].isoformat()})  # what it is already


def test_r0_6_nor_does_the_database_hold_a_national_day_twice(
    session: KaowuSession, tree: Tree
) -> None:
    with pytest.raises(IntegrityError), session.begin_nested():
        factories.plant(session, ExamDay(exam_id=tree.exam.id, day=EXAM_DAYS[0]))


def national_of_the_centre(session: KaowuSession, tree: Tree) -> ExamDay:
    become(session, tree.actor(Level.CENTER))
    statement = select(ExamDay).where(ExamDay.day == EXAM_DAYS[0], ExamDay.province_id.is_(None))
    return session.scalars(statement).one()
