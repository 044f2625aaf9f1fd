"""Ticket numbers of a site (chapter 32, §3.12): SS KK DDDDDD RR NNNN, serial through the room."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.database.policy import actor_of
from app.metadata.declarations import ONLY_RUN, On, Operation, RowOutcome
from app.metadata.errors import N_, KaowuError, Message, NotFound
from app.metadata.registry import register
from app.metadata.vocabulary import Level, Window
from app.models.arrangement import AdmissionTicket, Room, Seat, Sitting
from app.models.exam import Exam
from app.models.organisation import Organisation
from app.models.registration import Entry, EntryState
from app.rules import windows
from app.rules.arrangement.serials import (
    IssuedNumber,
    NumberChange,
    Numbering,
    SeatedEntry,
    assign_serials,
)
from app.rules.clock import Clock, system_clock

#: what 生成准考证号 writes
TABLES = (AdmissionTicket, Entry)


class NotAllArranged(KaowuError):
    """R32.2: “流水号未生成”, some entries are not arranged."""

    code = "numbers.not_all_arranged"
    template = N_("流水号未生成：还有 {count} 科次未编排。请先完成编排。")


class NothingArranged(KaowuError):
    """No entry of the site is arranged."""

    code = "numbers.nothing"
    template = N_("没有已编排的科次，不能生成准考证号。")


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


def _seated(session: Session, site_id: int) -> list[SeatedEntry]:
    rows = session.execute(
        select(Entry.id, Entry.subject_code, Room.number, Sitting.id, Sitting.number, Seat.number)
        .join(Seat, Seat.entry_id == Entry.id)
        .join(Sitting, Sitting.id == Seat.sitting_id)
        .join(Room, Room.id == Sitting.room_id)
        .where(Entry.site_id == site_id)
    )
    return [
        SeatedEntry(str(entry_id), subject, room, str(slot), sitting, seat)
        for entry_id, subject, room, slot, sitting, seat in rows
    ]


def _issued(
    tickets: Iterable[AdmissionTicket], seated: Iterable[SeatedEntry]
) -> list[IssuedNumber]:
    """All numbers ever issued. A live one belongs to the seat that its entry has: whatever takes
    a seat away voids its ticket; it counts as moved only where the room has another number."""
    places = {item.candidate: item for item in seated}
    found = []
    for ticket in tickets:
        place = places.get(str(ticket.entry_id))
        stays = place is not None and place.room == ticket.room_number
        found.append(
            IssuedNumber(
                candidate=str(ticket.entry_id),
                subject=ticket.number[:2],
                number=ticket.number,
                slot=place.slot if place and stays else "",
                seat=place.seat if place and stays else 0,
                live=ticket.voided_at is None,
            )
        )
    return found


def generate(session: Session, site_id: int, *, clock: Clock = system_clock) -> list[NumberChange]:
    """Number all arranged entries, under the operation's permit; returns old → new (R32.4), where
    `candidate` is the id of the entry.

    Before W6 (and before any download) all numbers are made anew; afterwards those of unchanged
    seats stay and no serial is used twice. Idempotent. Raises NotAllArranged, NothingArranged,
    and what `assign_serials` raises.
    """
    _require_all_arranged(session, site_id)
    seated = _seated(session, site_id)
    if not seated:
        raise NothingArranged()
    site = session.get(Organisation, site_id)
    if site is None:
        raise NotFound()
    tickets = session.scalars(
        select(AdmissionTicket).where(AdmissionTicket.site_id == site_id)
    ).all()
    frozen = is_frozen(session, site_id, clock)
    numbering = assign_serials(
        seated,
        session_code=session.scalar(select(Exam.code).where(Exam.id == site.exam_id)) or "",
        site_code=site.code,
        issued=_issued(tickets, seated) if frozen else (),
    )
    changes = _changes(tickets, numbering)
    _withdraw(session, tickets, changes, clock() if frozen else None)
    _issue(session, site, {item.candidate: item for item in seated}, changes)
    return changes


def _changes(tickets: Iterable[AdmissionTicket], numbering: Numbering) -> list[NumberChange]:
    live = {str(row.entry_id): row.number for row in tickets if row.voided_at is None}
    return [
        NumberChange(candidate, subject, live.get(candidate), number)
        for (candidate, subject), number in numbering.numbers.items()
        if live.get(candidate) != number
    ]


def _withdraw(
    session: Session,
    tickets: Iterable[AdmissionTicket],
    changes: Iterable[NumberChange],
    voided_at: dt.datetime | None,
) -> None:
    """Void the numbers that change; those of a site where nothing was printed yet are deleted
    (and the void ones with them), so that their serials are free again."""
    changed = {change.candidate for change in changes}
    for ticket in tickets:
        if voided_at is None and (ticket.voided_at or str(ticket.entry_id) in changed):
            session.delete(ticket)
        elif ticket.voided_at is None and str(ticket.entry_id) in changed:
            ticket.voided_at = voided_at
    session.flush()


def _issue(
    session: Session,
    site: Organisation,
    places: Mapping[str, SeatedEntry],
    changes: Iterable[NumberChange],
) -> None:
    entries = {
        entry.id: entry
        for entry in session.scalars(
            select(Entry).where(
                Entry.site_id == site.id,
                Entry.state.in_([EntryState.ARRANGED.value, EntryState.NUMBERED.value]),
            )
        )
    }
    for change in changes:
        entry, number = entries[int(change.candidate)], change.new or ""
        session.add(
            AdmissionTicket(
                exam_id=entry.exam_id,
                province_id=entry.province_id,
                city_id=entry.city_id,
                site_id=entry.site_id,
                passport_id=entry.passport_id,
                entry_id=entry.id,
                number=number,
                room_number=places[change.candidate].room,
                serial=int(number[-4:]),
            )
        )
        entry.state = EntryState.NUMBERED.value
    session.flush()


def _apply(session: Session, _rows: object, _values: object, context: Any) -> list[RowOutcome]:
    site_id = actor_of(session).site_id or 0
    changes = generate(session, site_id, clock=context.clock)
    return [
        RowOutcome(
            int(change.candidate),
            change.new or "",
            True,
            Message(N_("原准考证号 {number}"), number=change.old) if change.old else "",
        )
        for change in changes
    ]


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
