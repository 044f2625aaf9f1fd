"""Rooms, sittings, seats and ticket numbers of the sites that are that far."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.demo.ground import Ground
from app.demo.writing import writing
from app.models.arrangement import AdmissionTicket, Room, Seat, Sitting
from app.models.registration import Entry, EntryState
from app.rules import crud

#: two hours each, with twenty minutes and more between them (§3.18)
SLOTS = (("08:00", "10:00"), ("10:20", "12:20"), ("14:00", "16:00"))
ROOMS = {"01": "实训楼 301", "02": "实训楼 302"}
SEATS = 30
GAP = dt.timedelta(minutes=15)


def add_rooms(session: Session, ground: Ground, code: str) -> list[Sitting]:
    """Two rooms with all slots on the first two exam days; their sittings in order of time."""
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
    statement = select(Sitting).where(Sitting.site_id == ground.site(code).id)
    return list(session.scalars(statement.order_by(Sitting.day, Sitting.start, Sitting.room_id)))


@dataclass
class Seating:
    """Seats entries one after the other: in the first sitting that has room and leaves the
    candidate more than fifteen minutes before and after his other ones (R31.5)."""

    sittings: list[Sitting]
    taken: dict[int, list[Sitting]] = field(default_factory=lambda: defaultdict(list))

    def place(self, entry: Entry) -> Seat:
        """A seat; the sitting counts it."""
        for sitting in self._by_preference(entry):
            others = self.taken[entry.registration_id]
            if sitting.arranged < sitting.capacity and all(apart(sitting, o) for o in others):
                sitting.arranged += 1
                others.append(sitting)
                return Seat(
                    **_scope(entry),
                    entry_id=entry.id,
                    sitting_id=sitting.id,
                    number=sitting.arranged,
                )
        raise RuntimeError(f"no seat for entry {entry.id}")

    def _by_preference(self, entry: Entry) -> list[Sitting]:
        wanted = entry.preference_day
        return sorted(self.sittings, key=lambda sitting: wanted not in (None, sitting.day))


def apart(one: Sitting, other: Sitting) -> bool:
    """More than fifteen minutes lie between the two."""
    first, second = sorted((one, other), key=lambda sitting: (sitting.day, sitting.start))
    end = dt.datetime.combine(first.day, first.end)
    return dt.datetime.combine(second.day, second.start) - end > GAP


def _scope(entry: Entry) -> dict[str, Any]:
    names = ("exam_id", "province_id", "city_id", "site_id", "passport_id")
    return {name: getattr(entry, name) for name in names}


def seat(session: Session, sittings: list[Sitting], entries: Iterable[Entry]) -> list[Seat]:
    """Seat the entries and mark them as arranged."""
    seating = Seating(sittings)
    with writing(session):
        seats = []
        for entry in entries:
            seats.append(seating.place(entry))
            if entry.state == EntryState.PAID:
                entry.state = EntryState.ARRANGED.value
        session.add_all(seats)
    return seats


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
