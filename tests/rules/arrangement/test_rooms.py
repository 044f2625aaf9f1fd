"""考场管理 (chapter 30): sittings on exam days between 8:00 and 20:00, no overlap, R30.2-R30.5."""

from __future__ import annotations

import datetime as dt

import pytest

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.declarations import Resource
from app.metadata.errors import Duplicate, InvalidInput
from app.metadata.registry import find
from app.metadata.vocabulary import Window
from app.models.arrangement import Room, Sitting
from app.rules import crud, operations
from app.rules.arrangement import rooms
from app.rules.operations import Chosen
from app.rules.policy import WindowClosed
from tests import factories
from tests.factories import EXAM_DAYS, Tree

ROOM: Resource = find("room", Resource)  # type: ignore[assignment]
SITTING: Resource = find("sitting", Resource)  # type: ignore[assignment]
DAY = dt.timedelta(days=1)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    made = factories.make_tree(session)
    become(session, made.actor())
    return made


def add_room(session: KaowuSession, number: str = "07") -> Room:
    row: Room = crud.create(session, ROOM, {"number": number, "address": "实训楼 301"})
    return row


def add_sitting(
    session: KaowuSession, room: Room, start: str, end: str, day: dt.date = EXAM_DAYS[0]
) -> Sitting:
    values = {
        "room_id": str(room.id),
        "day": str(day),
        "start": start,
        "end": end,
        "capacity": "60",
    }
    row: Sitting = crud.create(session, SITTING, values)
    return row


@pytest.mark.parametrize("number", ["0", "00", "7", "100", "ab"])
def test_r30_room_numbers_are_01_to_99(session: KaowuSession, tree: Tree, number: str) -> None:
    with pytest.raises(InvalidInput):
        add_room(session, number)


def test_r30_a_room_number_exists_once(session: KaowuSession, tree: Tree) -> None:
    add_room(session)
    with pytest.raises(Duplicate):
        add_room(session)


@pytest.mark.parametrize(
    ("start", "end"), [("07:59", "10:00"), ("18:30", "20:01"), ("10:00", "9:00")]
)
def test_scenario_48_r30_3_outside_8_to_20(
    session: KaowuSession, tree: Tree, start: str, end: str
) -> None:
    with pytest.raises(rooms.OutsideHours):
        add_sitting(session, add_room(session), start, end)


@pytest.mark.parametrize(("start", "end"), [("08:00", "10:00"), ("18:00", "20:00")])
def test_scenario_48_r30_3_the_edges_are_allowed(
    session: KaowuSession, tree: Tree, start: str, end: str
) -> None:
    row = add_sitting(session, add_room(session), start, end)
    assert (row.site_id, row.number, row.arranged) == (tree.site.id, 1, 0)


def test_r30_3_only_on_exam_days(session: KaowuSession, tree: Tree) -> None:
    with pytest.raises(rooms.NotExamDay, match=str(EXAM_DAYS[0])):
        add_sitting(session, add_room(session), "08:00", "10:00", max(EXAM_DAYS) + DAY)


def test_r30_5_sittings_of_a_room_do_not_overlap_and_are_numbered_by_start(
    session: KaowuSession, tree: Tree
) -> None:
    room = add_room(session)
    late = add_sitting(session, room, "12:40", "14:40")
    with pytest.raises(rooms.Overlap, match="12:40"):
        add_sitting(session, room, "14:00", "16:00")
    early = add_sitting(session, room, "10:20", "12:40")
    assert (early.number, late.number) == (1, 2)
    assert early.display == "07#1"
    other = add_room(session, "08")
    assert add_sitting(session, other, "14:00", "16:00").number == 1


def test_r30_5_a_sitting_is_as_long_as_the_shortest_subject(
    session: KaowuSession, tree: Tree
) -> None:
    with pytest.raises(rooms.TooShort, match="90"):
        add_sitting(session, add_room(session), "08:00", "09:29")


def test_scenario_49_r30_2_what_is_arranged_stays(session: KaowuSession, tree: Tree) -> None:
    room = add_room(session)
    row = add_sitting(session, room, "08:00", "10:00")
    with factories.seeding(session):
        session.get_one(Sitting, row.id).arranged = 3
    become(session, tree.actor())
    with pytest.raises(rooms.RoomArranged):
        crud.remove(session, SITTING, row.id)
    with pytest.raises(rooms.RoomArranged):
        crud.update(session, SITTING, row.id, {"start": "08:30"})
    session.expire_all()
    with pytest.raises(rooms.CapacityBelowArranged):
        crud.update(session, SITTING, row.id, {"capacity": "2"})
    session.expire_all()
    with pytest.raises(rooms.RoomArranged):
        crud.remove(session, ROOM, room.id)


def test_r30_1_a_batch_adds_sittings_of_several_rooms_and_days(
    session: KaowuSession, tree: Tree
) -> None:
    ids = tuple(add_room(session, number).id for number in ("07", "08"))
    add_sitting(session, session.get_one(Room, ids[1]), "08:00", "10:00")
    values = {
        "days": [str(day) for day in EXAM_DAYS[:2]],
        "start": "08:00",
        "end": "10:00",
        "capacity": "60",
    }
    report = operations.run(session, rooms.ADD_SITTINGS, Chosen(ids=ids), values)
    assert (report.done, report.skipped) == (1, 1)
    assert "重叠" in report.outcomes[1].reason


def test_r30_4_outside_w5_nothing_is_added(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.site, Window.ARRANGEMENT, tree.now + DAY, tree.now + 2 * DAY)
    become(session, tree.actor())
    with pytest.raises(WindowClosed, match="编排时间"):
        add_room(session)
