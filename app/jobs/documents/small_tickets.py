"""小版准考证 (chapter 34): all tickets of a site, six on an A4 page, in the order chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, BinaryIO, cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.jobs.documents.stamping.archive import StoredZip
from app.jobs.documents.stamping.tickets import preflight, write_small_tickets
from app.jobs.documents.ticket_pages import to_tickets
from app.metadata.actor import Actor
from app.metadata.declarations import PRODUCE, Document, Place
from app.metadata.errors import N_, KaowuError, Message
from app.metadata.fields import Field, Kind
from app.metadata.registry import register
from app.metadata.vocabulary import Area, Level, Personal, Verb
from app.models.arrangement import AdmissionTicket, Room, Seat, Sitting
from app.models.exam import Exam, ExamSubject
from app.models.organisation import Organisation
from app.models.registration import Entry, EntryState, Photo, Registration
from app.rules.tickets import TicketRow, rows_of

BY_ROOM = "room"
ORDERS = {
    BY_ROOM: N_("考场、批次、座位"),
    "class": N_("班级、学号"),
    "department": N_("院系、班级、姓名"),
    "name": N_("姓名"),
    "id_number": N_("证件号码"),
}
_NAMED = 20


class Unprintable(KaowuError):
    """Characters that no font has, found before anything is printed."""

    code = "document.unprintable"
    template = N_("{count} 处文字中有无法打印的字符，请先核对：{cases}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All tickets of a site in the order chosen."""

    site_code: str
    order: str
    lines: tuple[TicketRow, ...]


def _statement(*columns: Any) -> Any:
    """Columns of the numbered entries with ticket, seat, sitting, room, person and photo; the
    session's scope bounds them to the actor's site."""
    return (
        select(*columns)
        .select_from(AdmissionTicket)
        .join(Entry, Entry.id == AdmissionTicket.entry_id)
        .join(Registration, Registration.id == Entry.registration_id)
        .join(Seat, Seat.entry_id == Entry.id)
        .join(Sitting, Sitting.id == Seat.sitting_id)
        .join(Room, Room.id == Sitting.room_id)
        .outerjoin(Photo, Photo.id == Registration.photo_id)
        .where(
            AdmissionTicket.voided_at.is_(None),
            Entry.state == EntryState.NUMBERED.value,
        )
    )


def collect(session: Session, actor: Actor, parameters: Mapping[str, Any]) -> Snapshot:
    """Everything that is printed, in order."""
    order = str(parameters.get("order") or BY_ROOM)
    lines = sorted(rows_of(session, actor.organisation_id or 0), key=_KEYS[order])
    return Snapshot(actor.organisation_code, order, tuple(lines))


Key = Callable[[TicketRow], tuple[Any, ...]]
_KEYS: dict[str, Key] = {
    BY_ROOM: lambda line: (line.room_number, line.sitting, line.seat),
    "class": lambda line: (line.class_name, line.student_number, line.number),
    "department": lambda line: (line.department, line.class_name, line.name, line.number),
    "name": lambda line: (line.name, line.number),
    "id_number": lambda line: (line.id_number, line.number),
}


def fingerprint(session: Session, actor: Actor, _parameters: Mapping[str, Any]) -> str:
    """Digest of what is printed: it changes with any of it, and with nothing else.

    Asked for on every look at the page, so it reads columns only, and none that is encrypted
    (the number's digest stands for the number); the same for every order.
    """
    known: dict[Any, str] = session.info.setdefault("kaowu_small_tickets", {})
    key = (actor.exam_id, actor.site_id)
    if key not in known:
        digest = hashlib.sha256()
        heads = [
            session.execute(select(Exam.title).where(Exam.id == actor.exam_id)),
            session.execute(
                select(Organisation.code, Organisation.name, Organisation.address).where(
                    Organisation.id == actor.organisation_id
                )
            ),
            session.execute(
                select(ExamSubject.subject_code, ExamSubject.name).order_by(
                    ExamSubject.subject_code
                )
            ),
            session.execute(_printed().order_by(AdmissionTicket.number)),
        ]
        for result in heads:
            for row in result:
                digest.update(repr(tuple(row)).encode())
        known[key] = digest.hexdigest()
    return known[key]


def _printed() -> Any:
    person = Registration
    return _statement(
        AdmissionTicket.number,
        person.id,
        person.name,
        person.sex,
        person.id_type,
        person.id_digest,
        person.department,
        person.class_name,
        person.student_number,
        Entry.subject_code,
        Seat.number,
        Sitting.number,
        Sitting.day,
        Sitting.start,
        Sitting.end,
        Room.number,
        Room.address,
        Photo.print_key,
    )


def ready(session: Session, actor: Actor, _parameters: Mapping[str, Any]) -> str | None:
    """R34.1: after arrangement and numbers."""
    numbered = session.scalar(
        select(func.count()).select_from(AdmissionTicket).where(AdmissionTicket.voided_at.is_(None))
    )
    if numbered:
        return None
    return N_("还没有生成准考证号。请先完成考场编排，再生成准考证号。")


def filename(session: Session, actor: Actor, parameters: Mapping[str, Any]) -> str:
    """“小版准考证(990701)按姓名.zip”."""
    order = str(parameters.get("order") or BY_ROOM)
    return f"小版准考证({actor.organisation_code})按{ORDERS[order]}.zip"


def render(
    stream: BinaryIO, snapshot: Snapshot, _parameters: Mapping[str, Any], progress: Any
) -> None:
    """A stored zip: one PDF per room in the order of rooms, else one PDF (R34.2, R34.3).

    Raises Unprintable before the first page.
    """
    _preflight(snapshot, progress)
    total, done = len(snapshot.lines), 0
    with StoredZip(stream) as archive:
        for name, lines in _parts(snapshot):
            with archive.entry(name) as target:
                done += write_small_tickets(
                    cast(BinaryIO, target),
                    to_tickets(lines, progress.files),
                    progress=_from(done, total, progress),
                    cancelled=progress.cancelled,
                )
    progress(total, total)


def _from(done: int, total: int, progress: Any) -> Callable[[int], None]:
    return lambda further: progress(done + further, total)


def _parts(snapshot: Snapshot) -> Iterator[tuple[str, Sequence[TicketRow]]]:
    if snapshot.order != BY_ROOM:
        yield f"小版准考证({snapshot.site_code}).pdf", snapshot.lines
        return
    for number, lines in groupby(snapshot.lines, key=lambda line: line.room_number):
        yield f"{number}考场.pdf", list(lines)


def _preflight(snapshot: Snapshot, progress: Any) -> None:
    tickets = to_tickets(snapshot.lines, None)
    wrong = [problem for problem in preflight(tickets) if problem.kind == "uncovered"]
    if wrong:
        cases = "；".join(
            f"{problem.name}（{problem.number}）“{problem.text}”中的 {problem.detail}"
            for problem in wrong[:_NAMED]
        )
        raise Unprintable(count=len(wrong), cases=cases)
    without = sum(line.photo_key is None for line in snapshot.lines)
    if without:
        text = N_("{count} 张准考证没有照片，照片位置为空。")
        progress.note(Message(text, count=without).message())


_LOOK = frozenset({Verb.VIEW})
SMALL_TICKETS = register(
    Document(
        name="small_tickets",
        label=N_("考点小版准考证下载"),
        menu=Place(Area.TICKET, 10),
        verbs={
            Level.CENTER: _LOOK,
            Level.PROVINCE: _LOOK,
            Level.CITY: _LOOK,
            Level.SITE: PRODUCE,
        },
        parameters=(
            Field(
                name="order",
                label=N_("排序方式"),
                personal=Personal.NONE,
                kind=Kind.CHOICE,
                choices=ORDERS,
                required=True,
                default=BY_ROOM,
            ),
        ),
        collect=collect,
        fingerprint=fingerprint,
        ready=ready,
        render=render,
        filename=filename,
        media_type="application/zip",
        help=N_("每页 A4 纸 6 张，打包为 .zip。考场编排或报名信息有变化时请重新生成。"),
    )
)
