"""Rooms, sittings, seats and ticket numbers of the sites that are that far."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.demo.ground import Ground
from app.demo.writing import writing
from app.metadata.vocabulary import Verb
from app.models.arrangement import AdmissionTicket, Room, Seat, Sitting
from app.models.registration import Entry, EntryState
from app.rules import crud
from app.rules.arrangement import arrange as rules
from app.rules.policy import permit

#: two hours each, with twenty minutes and more between them (§3.18)
SLOTS = (("08:00", "10:00"), ("10:20", "12:20"), ("14:00", "16:00"))
ROOMS = {"01": "实训楼 301", "02": "实训楼 302"}
SEATS = 30


def add_rooms(session: Session, ground: Ground, code: str) -> None:
    """Two rooms with all slots on the first two exam days."""
    place = {key: value for key, value in ground.path(code).items() if key != "exam_id"}
    for number, address in ROOMS.items():
        room = crud.create(
            session, Room.__admin__, {"number": number, "address": address}, preset=place
        )
        for day in ground.calendar.exam_days[:2]:
            for start, end in SLOTS:
                values = {
                    "day": day.isoformat(),
                    "start": start,
                    "end": end,
                    "capacity": SEATS,
                    "room_id": str(room.id),
                }
                crud.create(session, Sitting.__admin__, values)


def arrange_site(session: Session, ground: Ground, code: str) -> list[Seat]:
    """Arrange all paid entries of a site; its seats afterwards."""
    site_id = ground.site(code).id
    with permit(session, rules.ARRANGE, Verb.RUN):
        rules.arrange(session, site_id)
    statement = select(Seat).where(Seat.site_id == site_id)
    return list(session.scalars(statement.order_by(Seat.sitting_id, Seat.number)))


def clear_but(session: Session, seats: list[Seat], count: int) -> None:
    """Clear the arrangement of all but the first `count` seats: the work is half done."""
    with permit(session, rules.CLEAR, Verb.RUN):
        rules.clear(session, seats[count:])


def _scope(entry: Entry) -> dict[str, Any]:
    names = ("exam_id", "province_id", "city_id", "site_id", "passport_id")
    return {name: getattr(entry, name) for name in names}


def number(session: Session, ground: Ground, code: str, seats: list[Seat]) -> None:
    """Ticket numbers: the serial runs through all sittings of a room, in order (§3.12)."""
    site_id = ground.site(code).id
    rooms = {row.id: row for row in session.scalars(select(Room).where(Room.site_id == site_id))}
    statement = select(Sitting).where(Sitting.site_id == site_id)
    sittings = {row.id: row for row in session.scalars(statement)}
    ordered = sorted(seats, key=lambda row: (sittings[row.sitting_id].number, row.number))
    serials: dict[str, int] = defaultdict(int)
    with writing(session):
        for row in ordered:
            entry = session.get_one(Entry, row.entry_id)
            room = rooms[sittings[row.sitting_id].room_id].number
            serials[room] += 1
            exam = ground.exam.code
            session.add(
                AdmissionTicket(
                    **_scope(entry),
                    entry_id=entry.id,
                    number=f"{entry.subject_code}{exam}{code}{room}{serials[room]:04d}",
                    room_number=room,
                    serial=serials[room],
                )
            )
            entry.state = EntryState.NUMBERED.value
