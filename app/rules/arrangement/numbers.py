"""Ticket numbers of a site (chapter 32, §3.12): SS KK DDDDDD RR NNNN, serial through the room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.database.policy import actor_of
from app.metadata.declarations import ONLY_RUN, On, Operation, RowOutcome
from app.metadata.errors import N_, KaowuError, NotFound
from app.metadata.registry import register
from app.metadata.vocabulary import Level, Window
from app.models.arrangement import AdmissionTicket, Room, Seat, Sitting
from app.models.exam import Exam
from app.models.organisation import Organisation
from app.models.registration import Entry, EntryState
from app.rules import windows
from app.rules.clock import Clock, system_clock

#: what 生成准考证号 writes
TABLES = (AdmissionTicket, Entry)
MAX_SERIAL = 9_999


class NotAllArranged(KaowuError):
    """R32.2: “流水号未生成”, some entries are not arranged."""

    code = "numbers.not_all_arranged"
    template = N_("流水号未生成：还有 {count} 科次未编排。请先完成编排。")


class NothingArranged(KaowuError):
    """No entry of the site is arranged."""

    code = "numbers.nothing"
    template = N_("没有已编排的科次，不能生成准考证号。")


class SerialsExhausted(KaowuError):
    """A room has used all four-digit serials."""

    code = "numbers.exhausted"
    template = N_("考场 {room} 的流水号已用完（9999），请增加考场。")


@dataclass(frozen=True, slots=True)
class Seated:
    """An arranged entry; `place` orders it within its room (sitting, then seat)."""

    entry_id: int
    subject: str
    room: str
    place: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Issued:
    """A live number of an entry."""

    entry_id: int
    room: str
    serial: int


def plan_serials(
    seated: Iterable[Seated], issued: Mapping[int, Issued], used: Mapping[str, set[int]]
) -> dict[int, int]:
    """Serial of every entry: {entry id: serial}.

    Entries with a live number in their present room keep it; the others get the next serials of
    their room that were never used, in the order of sitting and seat (§3.12, R32.4). With nothing
    issued or used this is the first run: 1, 2, 3 … through all sittings of the room.
    Raises SerialsExhausted.
    """
    serials: dict[int, int] = {}
    waiting: dict[str, list[Seated]] = {}
    for entry in sorted(seated, key=lambda item: (item.room, item.place)):
        known = issued.get(entry.entry_id)
        if known is not None and known.room == entry.room:
            serials[entry.entry_id] = known.serial
        else:
            waiting.setdefault(entry.room, []).append(entry)
    for room, entries in waiting.items():
        start = max(used.get(room, set()), default=0)
        if start + len(entries) > MAX_SERIAL:
            raise SerialsExhausted(room=room)
        for step, entry in enumerate(entries, start=1):
            serials[entry.entry_id] = start + step
    return serials


def number_of(subject: str, exam_code: str, site_code: str, room: str, serial: int) -> str:
    """Sixteen digits: subject 2, session 2, site 6, room 2, serial 4."""
    return f"{subject}{exam_code}{site_code}{room}{serial:04d}"


def is_frozen(session: Session, site_id: int, clock: Clock = system_clock) -> bool:
    """From W6 on, or once tickets were downloaded, issued numbers stay (R32.4)."""
    if windows.load(session, site_id)[Window.TICKET].is_open(clock()):
        return True
    downloads = session.scalar(
        select(func.sum(AdmissionTicket.downloads)).where(AdmissionTicket.site_id == site_id)
    )
    return bool(downloads)


def _require_all_arranged(session: Session, site_id: int) -> None:
    waiting = session.scalar(
        select(func.count())
        .select_from(Entry)
        .where(Entry.site_id == site_id, Entry.state == EntryState.PAID.value)
    )
    if waiting:
        raise NotAllArranged(count=waiting)


def _seated(session: Session, site_id: int) -> list[Seated]:
    rows = session.execute(
        select(Entry.id, Entry.subject_code, Room.number, Sitting.day, Sitting.start, Seat.number)
        .join(Seat, Seat.entry_id == Entry.id)
        .join(Sitting, Sitting.id == Seat.sitting_id)
        .join(Room, Room.id == Sitting.room_id)
        .where(Entry.site_id == site_id)
    )
    return [
        Seated(entry_id, subject, room, (day, start, seat))
        for entry_id, subject, room, day, start, seat in rows
    ]


def generate(session: Session, site_id: int, *, clock: Clock = system_clock) -> list[str]:
    """Number all arranged entries, under the operation's permit; returns the new numbers.

    Before W6 (and before any download) all numbers are made anew; afterwards those of unchanged
    seats stay and no serial is used twice. Idempotent. Raises NotAllArranged, NothingArranged,
    SerialsExhausted.
    """
    _require_all_arranged(session, site_id)
    seated = _seated(session, site_id)
    if not seated:
        raise NothingArranged()
    tickets = session.scalars(
        select(AdmissionTicket).where(AdmissionTicket.site_id == site_id)
    ).all()
    if not is_frozen(session, site_id, clock):
        for ticket in tickets:
            session.delete(ticket)
        session.flush()
        tickets = []
    live = {row.entry_id: row for row in tickets if row.voided_at is None}
    used: dict[str, set[int]] = {}
    for row in tickets:
        used.setdefault(row.room_number, set()).add(row.serial)
    issued = {key: Issued(key, row.room_number, row.serial) for key, row in live.items()}
    serials = plan_serials(seated, issued, used)
    site = session.get(Organisation, site_id)
    if site is None:
        raise NotFound()
    changed = [item for item in seated if not _keeps(live.get(item.entry_id), item, serials)]
    for item in changed:
        if item.entry_id in live:
            live[item.entry_id].voided_at = clock()
    session.flush()
    return _issue(session, site, changed, serials)


def _keeps(ticket: AdmissionTicket | None, item: Seated, serials: Mapping[int, int]) -> bool:
    return ticket is not None and (ticket.room_number, ticket.serial) == (
        item.room,
        serials[item.entry_id],
    )


def _issue(
    session: Session, site: Organisation, seated: Sequence[Seated], serials: Mapping[int, int]
) -> list[str]:
    exam_code = session.scalar(select(Exam.code).where(Exam.id == site.exam_id)) or ""
    entries = {
        entry.id: entry
        for entry in session.scalars(
            select(Entry).where(
                Entry.site_id == site.id,
                Entry.state.in_([EntryState.ARRANGED.value, EntryState.NUMBERED.value]),
            )
        )
    }
    made = []
    for item in seated:
        entry, serial = entries[item.entry_id], serials[item.entry_id]
        number = number_of(item.subject, exam_code, site.code, item.room, serial)
        session.add(
            AdmissionTicket(
                exam_id=entry.exam_id,
                province_id=entry.province_id,
                city_id=entry.city_id,
                site_id=entry.site_id,
                passport_id=entry.passport_id,
                entry_id=entry.id,
                number=number,
                room_number=item.room,
                serial=serial,
            )
        )
        entry.state = EntryState.NUMBERED.value
        made.append(number)
    session.flush()
    return made


def _apply(session: Session, _rows: object, _values: object, context: Any) -> list[RowOutcome]:
    site_id = actor_of(session).site_id or 0
    numbers = generate(session, site_id, clock=context.clock)
    return [RowOutcome(0, number, True) for number in numbers]


GENERATE = register(
    Operation(
        name="ticket_numbers",
        label=N_("生成准考证号"),
        resource="admission_ticket",
        on=frozenset({On.PAGE}),
        apply=_apply,
        verbs={Level.SITE: ONLY_RUN},
        window=Window.ARRANGEMENT,
        writes=TABLES,
        icon="fa-hashtag",
        confirm=N_(
            "为本考点全部已编排科次生成准考证号？打印开始前重新生成会全部重新编号，"
            "之后未变动座位的准考证号保持不变。"
        ),
    )
)
