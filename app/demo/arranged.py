"""Rooms, sittings, seats and ticket numbers of the sites that are that far."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.demo.ground import Ground
from app.metadata.vocabulary import Verb
from app.models.arrangement import Room, Seat, Sitting
from app.rules import crud
from app.rules.arrangement import arrange as rules
from app.rules.arrangement import numbers
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


def number(session: Session, ground: Ground, code: str) -> None:
    """Ticket numbers of a site that is wholly arranged."""
    with permit(session, numbers.GENERATE, Verb.RUN):
        numbers.generate(session, ground.site(code).id)
