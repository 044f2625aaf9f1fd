"""Seats and ticket numbers for entries, as arrangement and numbering leave them."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models.arrangement import AdmissionTicket, Room, Seat, Sitting
from app.models.registration import Entry, EntryState, Registration
from tests.factories import EXAM_DAYS, Tree, seeding


def number_entries(session: Session, tree: Tree, row: Registration) -> list[str]:
    """Seat every paid entry of a registration, one after the other on the first exam day, and
    number it; returns the ticket numbers."""
    with seeding(session):
        entries = session.scalars(
            select(Entry)
            .where(Entry.registration_id == row.id, Entry.state == EntryState.PAID.value)
            .order_by(Entry.subject_code)
        ).all()
        numbers = []
        for position, entry in enumerate(entries):
            sitting = _sitting(session, tree, row, position)
            serial = _next_serial(session, sitting)
            owner = {"passport_id": row.passport_id}
            path = _path(row)
            session.add(
                Seat(**path, **owner, entry_id=entry.id, sitting_id=sitting.id, number=serial)
            )
            number = f"{entry.subject_code}{tree.exam.code}99070107{serial:02d}{position:02d}"
            session.add(
                AdmissionTicket(
                    **path,
                    **owner,
                    entry_id=entry.id,
                    number=number,
                    room_number="07",
                    serial=serial,
                )
            )
            sitting.arranged += 1
            entry.state = EntryState.NUMBERED.value
            numbers.append(number)
            session.flush()
    return numbers


def _path(row: Registration) -> dict[str, int | None]:
    names = ("exam_id", "province_id", "city_id", "site_id")
    return {name: getattr(row, name) for name in names}


def _next_serial(session: Session, sitting: Sitting) -> int:
    found = select(func.max(Seat.number)).where(Seat.sitting_id == sitting.id)
    return (session.scalar(found) or 0) + 1


def _sitting(session: Session, tree: Tree, row: Registration, position: int) -> Sitting:
    """The sitting of room 07 that begins at 8, 10:30, 13 o'clock; made on first use."""
    room = session.scalars(
        select(Room).where(Room.site_id == row.site_id, Room.number == "07")
    ).one_or_none()
    if room is None:
        room = Room(**_path(row), number="07", address="实训楼 301")
        session.add(room)
        session.flush()
    hour, minute = divmod(8 * 60 + position * 150, 60)
    start = dt.time(hour, minute)
    sitting = session.scalars(
        select(Sitting).where(Sitting.room_id == room.id, Sitting.start == start)
    ).one_or_none()
    if sitting is None:
        sitting = Sitting(
            **_path(row),
            room_id=room.id,
            number=position + 1,
            day=EXAM_DAYS[0],
            start=start,
            end=start.replace(hour=start.hour + 2),
            capacity=30,
            arranged=0,
        )
        session.add(sitting)
        session.flush()
    return sitting
