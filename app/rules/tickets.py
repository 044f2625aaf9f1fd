"""Admission tickets: what stands on them, and when a candidate may have his (R34-R36, W6)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from app.database.policy import elevated
from app.metadata.declarations import ONLY_RUN, Declaration
from app.metadata.errors import N_, KaowuError
from app.metadata.registry import register
from app.metadata.vocabulary import Level, Verb
from app.models.arrangement import AdmissionTicket, Room, Seat, Sitting
from app.models.codes import ID_TYPES, SEXES
from app.models.exam import Exam, ExamSubject
from app.models.organisation import Organisation
from app.models.registration import Entry, Photo, Registration, Review
from app.rules.clock import Clock, system_clock
from app.rules.policy import permit
from app.rules.registration.states import review_in_force
from app.rules.site import Site


class NotYetPrintable(KaowuError):
    """Before W6 (R36.4)."""

    code = "ticket.not_yet"
    template = N_("准考证尚未开放打印。开放时间：{interval}。")


class SelfPrintingOff(KaowuError):
    """允许考生个人打印准考证 is off (R10.4): the site hands tickets out."""

    code = "ticket.self_printing_off"
    template = N_("考点不开放个人打印准考证，请到考点领取。")


class NotPaid(KaowuError):
    """No paid entry: nothing to print."""

    code = "ticket.not_paid"
    template = N_("没有已支付的科目，不能打印准考证。")


class NotApproved(KaowuError):
    """未通过 candidates get no ticket, even where they have paid (R26.6)."""

    code = "ticket.not_approved"
    template = N_("报名信息审核未通过，不能打印准考证，请联系考点。")


class NotNumbered(KaowuError):
    """Not every paid entry has its number yet."""

    code = "ticket.not_numbered"
    template = N_("准考证号尚未生成，请稍后再来。")


@dataclass(frozen=True, slots=True)
class TicketRow:
    """One entry as it is printed; `photo_key` names the print derivative in the file store."""

    ticket_id: int
    entry_id: int
    registration_id: int
    number: str
    name: str
    sex: str
    id_type: str
    id_number: str
    subject: str
    site_code: str
    site_name: str
    site_address: str
    exam_title: str
    room_number: str
    room_address: str
    sitting: int
    day: dt.date
    starts: dt.time
    ends: dt.time
    seat: int
    photo_key: str | None
    class_name: str
    student_number: str
    department: str


_SITE = aliased(Organisation)
_PRINTED = (
    AdmissionTicket,
    Entry,
    Registration,
    Seat,
    Sitting,
    Room,
    ExamSubject,
    _SITE,
    Exam,
    Photo,
)


def rows_of(
    session: Session, site_id: int, *, registration_id: int | None = None
) -> list[TicketRow]:
    """Numbered entries of a site (or of one registration) in the order of their numbers.

    One statement, within the actor's scope: a candidate gets his own. Void numbers are left out.
    """
    statement = (
        select(*_PRINTED)
        .join(Entry, Entry.id == AdmissionTicket.entry_id)
        .join(Registration, Registration.id == Entry.registration_id)
        .join(Seat, Seat.entry_id == Entry.id)
        .join(Sitting, Sitting.id == Seat.sitting_id)
        .join(Room, Room.id == Sitting.room_id)
        .join(
            ExamSubject,
            (ExamSubject.exam_id == Entry.exam_id)
            & (ExamSubject.subject_code == Entry.subject_code),
        )
        .join(_SITE, _SITE.id == Entry.site_id)
        .join(Exam, Exam.id == Entry.exam_id)
        .outerjoin(Photo, Photo.id == Registration.photo_id)
        .where(AdmissionTicket.site_id == site_id, AdmissionTicket.voided_at.is_(None))
        .order_by(AdmissionTicket.number)
    )
    if registration_id is not None:
        statement = statement.where(Registration.id == registration_id)
    # rooms and sittings are for administrators, but stand on the ticket of whoever sits there
    with elevated(session, "room and sitting on a ticket", Room, Sitting):
        return [_row(found) for found in session.execute(statement)]


def _row(found: Any) -> TicketRow:
    ticket, entry, person, seat, sitting, room, subject, site, exam, photo = found
    return TicketRow(
        ticket_id=ticket.id,
        entry_id=entry.id,
        registration_id=person.id,
        number=ticket.number,
        name=person.name,
        sex=SEXES.name(person.sex),
        id_type=ID_TYPES.name(person.id_type),
        id_number=person.id_number,
        subject=subject.display,
        site_code=site.code,
        site_name=site.name,
        site_address=site.address or "",
        exam_title=exam.title,
        room_number=room.number,
        room_address=room.address,
        sitting=sitting.number,
        day=sitting.day,
        starts=sitting.start,
        ends=sitting.end,
        seat=seat.number,
        photo_key=photo.print_key if photo else None,
        class_name=person.class_name or "",
        student_number=person.student_number or "",
        department=person.department or "",
    )


def require_printable(
    session: Session, registration: Registration, site: Site, clock: Clock = system_clock
) -> list[TicketRow]:
    """The candidate's own tickets, for preview and PDF (W6, R10.4, R36.4). One statement.

    `site` is the registration's. Raises SelfPrintingOff, NotYetPrintable, NotApproved, NotPaid,
    NotNumbered.
    """
    if not site.settings.self_printing:
        raise SelfPrintingOff()
    if not site.printing.is_open(clock()):
        raise NotYetPrintable(interval=site.printing.show())
    if review_in_force(registration, site.settings) is Review.REJECTED:
        raise NotApproved()
    held = [entry for entry in registration.entries if entry.holds_seat]
    if not any(entry.is_paid for entry in held):
        raise NotPaid()
    rows = rows_of(session, site.site_id, registration_id=registration.id)
    if len(rows) != sum(entry.is_paid for entry in held):
        raise NotNumbered()
    return rows


#: the candidate's download is counted (ch. 37); no other level has the verb
DOWNLOAD = register(
    Declaration(
        name="candidate.download_ticket",
        label=N_("下载准考证"),
        verbs={Level.CANDIDATE: ONLY_RUN},
        writes=(AdmissionTicket,),
    )
)


def count_download(session: Session, ticket_ids: list[int], clock: Clock = system_clock) -> None:
    """Count one download of each of the candidate's tickets."""
    with permit(session, DOWNLOAD, Verb.RUN, clock=clock):
        for ticket in session.scalars(
            select(AdmissionTicket).where(AdmissionTicket.id.in_(ticket_ids))
        ):
            ticket.downloads += 1
            ticket.first_downloaded_at = ticket.first_downloaded_at or clock()
