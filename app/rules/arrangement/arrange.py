"""Arranging a site's paid entries into sittings (chapter 31), and clearing the arrangement."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from app.database.policy import actor_of
from app.metadata.declarations import ONLY_RUN, On, Operation, RowOutcome
from app.metadata.errors import N_, KaowuError, NotFound
from app.metadata.fields import Field, Kind
from app.metadata.registry import register
from app.metadata.vocabulary import Level, Personal, Window
from app.models.arrangement import AdmissionTicket, ArrangementRun, Room, Seat, Sitting
from app.models.exam import ExamSubject
from app.models.organisation import Organisation
from app.models.registration import HOLDING, PAID_STATES, Entry, EntryState, Registration
from app.models.settings import SiteSubject
from app.rules.arrangement.solver import (
    Candidate,
    EntryKey,
    Instance,
    Mode,
    Slot,
    Solution,
    Subject,
    assign_seats,
    solve,
)
from app.rules.arrangement.solver import Entry as SolverEntry
from app.rules.arrangement.solver import Seat as SolverSeat
from app.rules.clock import Clock, system_clock

#: what 编排 and 清除 write
TABLES = (Seat, Sitting, Entry, ArrangementRun, AdmissionTicket)
MODES = {
    Mode.BALANCED.value: N_("兼顾（先全部编排，再尽量符合意向）"),
    Mode.PREFERENCE_ONLY.value: N_("按考生意向编排（仅编排意向考生）"),
    Mode.SELECTED.value: N_("选中考生编排（不考虑意向）"),
}


class Unpaid(KaowuError):
    """R31.2: all entries of the site must be paid; the blockers are named (R31.11)."""

    code = "arrangement.unpaid"
    template = N_("还有 {count} 科次未支付，不能编排。请先收费、删除或审核：{names}。")


class AddressMissing(KaowuError):
    """R31.3."""

    code = "arrangement.address_missing"
    template = N_(
        "考点地址为空，不能编排。请先在《用户与机构管理》中填写考点地址（将打印到准考证上）。"
    )


class NothingToArrange(KaowuError):
    """No paid entry is waiting."""

    code = "arrangement.nothing"
    template = N_("没有待编排的科次。")


class NoSittings(KaowuError):
    """There is no room with a sitting."""

    code = "arrangement.no_sittings"
    template = N_("还没有考场批次，请先在《考场管理》中新增考场和批次。")


@dataclass(slots=True)
class Result:
    """What a run did: how many were placed, and who was not, with the reason."""

    placed: int
    wishes: int
    proven: bool
    unplaced: list[tuple[str, str, str]] = field(default_factory=list)


def _site(session: Session, site_id: int) -> Organisation:
    row = session.get(Organisation, site_id)
    if row is None:
        raise NotFound()
    return row


def require_ready(session: Session, site_id: int) -> None:
    """Raises AddressMissing, Unpaid (naming up to ten candidates)."""
    if not (_site(session, site_id).address or "").strip():
        raise AddressMissing()
    paid = [state.value for state in PAID_STATES]
    waiting = [state.value for state in HOLDING if state not in PAID_STATES]
    rows = session.execute(
        select(Registration.name, func.count(Entry.id))
        .join(Entry, Entry.registration_id == Registration.id)
        .where(Entry.site_id == site_id, Entry.state.in_(waiting), Entry.state.not_in(paid))
        .group_by(Registration.id, Registration.name)
        .order_by(Registration.id)
    ).all()
    if rows:
        names = "、".join(name for name, _ in rows[:10]) + ("…" if len(rows) > 10 else "")
        raise Unpaid(count=sum(count for _, count in rows), names=names)


def _subjects(session: Session, site_id: int) -> tuple[Subject, ...]:
    rows = session.execute(
        select(SiteSubject, ExamSubject.minutes)
        .join(ExamSubject, ExamSubject.subject_code == SiteSubject.subject_code)
        .where(SiteSubject.site_id == site_id)
        .order_by(SiteSubject.subject_code)
    )
    return tuple(
        Subject(
            code=row.subject_code,
            minutes=minutes,
            start=dt.datetime.combine(row.first_day, dt.time.min),
            end=dt.datetime.combine(row.last_day, dt.time(23, 59)),
        )
        for row, minutes in rows
    )


def _sittings(session: Session, site_id: int) -> list[Sitting]:
    statement = (
        select(Sitting)
        .join(Room, Room.id == Sitting.room_id)
        .where(Sitting.site_id == site_id)
        .options(joinedload(Sitting.room))
        .order_by(Room.number, Sitting.day, Sitting.start)
    )
    return list(session.scalars(statement).unique())


def _slot(row: Sitting) -> Slot:
    return Slot(
        id=str(row.id),
        room=row.room.number,
        start=dt.datetime.combine(row.day, row.start),
        end=dt.datetime.combine(row.day, row.end),
        capacity=row.capacity,
    )


def gather(session: Session, site_id: int, mode: Mode, seed: int = 0) -> Instance:
    """The site's problem: entries that wait, sittings, and what is arranged already (fixed)."""
    entries = session.scalars(
        select(Entry)
        .where(Entry.site_id == site_id, Entry.state == EntryState.PAID.value)
        .options(joinedload(Entry.registration))
        .order_by(Entry.registration_id, Entry.subject_code)
    ).all()
    by_candidate: dict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_candidate[entry.registration_id].append(entry)
    candidates = tuple(
        Candidate(
            id=str(registration_id),
            group=found[0].registration.class_name or "",
            entries=tuple(SolverEntry(e.subject_code, e.preference_day) for e in found),
        )
        for registration_id, found in sorted(by_candidate.items())
    )
    seats = session.scalars(
        select(Seat).where(Seat.site_id == site_id).options(joinedload(Seat.entry))
    )
    existing: dict[EntryKey, str] = {
        (str(seat.entry.registration_id), seat.entry.subject_code): str(seat.sitting_id)
        for seat in seats
    }
    return Instance(
        subjects=_subjects(session, site_id),
        slots=tuple(_slot(row) for row in _sittings(session, site_id)),
        candidates=candidates,
        existing=existing,
        mode=mode,
        seed=seed,
    )


def arrange(session: Session, site_id: int, mode: Mode = Mode.BALANCED, *, seed: int = 0) -> Result:
    """Place what waits, under the operation's permit; atomic, reproducible by mode and seed.

    Raises AddressMissing, Unpaid, NoSittings, NothingToArrange.
    """
    require_ready(session, site_id)
    instance = gather(session, site_id, mode, seed)
    if not instance.candidates:
        raise NothingToArrange()
    if not instance.slots:
        raise NoSittings()
    solution = solve(instance, mode=mode, seed=seed)
    _seat(session, site_id, solution, seed)
    names = _names(session, {item.candidate for item in solution.unplaced})
    unplaced = [
        (names.get(item.candidate, item.candidate), item.subject, item.reason.text())
        for item in solution.unplaced
    ]
    _log_run(session, site_id, solution, seed, unplaced)
    return Result(len(solution.placements), solution.wishes, solution.proven, unplaced)


def _names(session: Session, ids: Iterable[str]) -> dict[str, str]:
    numbers = [int(text) for text in ids]
    rows = session.execute(
        select(Registration.id, Registration.name).where(Registration.id.in_(numbers))
    )
    return {str(number): name for number, name in rows}


def _seat(session: Session, site_id: int, solution: Solution, seed: int) -> None:
    """Seats of the new placements; entries that sit already keep theirs."""
    entries = {
        (str(entry.registration_id), entry.subject_code): entry
        for entry in session.scalars(
            select(Entry)
            .where(Entry.site_id == site_id, Entry.state == EntryState.PAID.value)
            .with_for_update()
        )
    }
    seated = session.scalars(
        select(Seat).where(Seat.site_id == site_id).options(joinedload(Seat.entry))
    ).all()
    taken = {
        (str(seat.entry.registration_id), seat.entry.subject_code): SolverSeat(
            str(seat.sitting_id), seat.number
        )
        for seat in seated
    }
    sittings = {str(row.id): row for row in _sittings(session, site_id)}
    placements = {key: seat.slot for key, seat in taken.items()} | dict(solution.placements)
    capacities = {key: row.capacity for key, row in sittings.items()}
    for key, seat in assign_seats(placements, capacities, seed=seed, taken=taken).items():
        if key not in taken:
            _sit(session, entries[key], sittings[seat.slot], seat.number)
            sittings[seat.slot].arranged += 1
    session.flush()


def _sit(session: Session, entry: Entry, sitting: Sitting, number: int) -> None:
    session.add(
        Seat(
            exam_id=entry.exam_id,
            province_id=entry.province_id,
            city_id=entry.city_id,
            site_id=entry.site_id,
            passport_id=entry.passport_id,
            entry_id=entry.id,
            sitting_id=sitting.id,
            number=number,
        )
    )
    entry.state = EntryState.ARRANGED.value


def _log_run(
    session: Session,
    site_id: int,
    solution: Solution,
    seed: int,
    unplaced: Sequence[tuple[str, str, str]],
) -> None:
    site = _site(session, site_id)
    session.add(
        ArrangementRun(
            exam_id=site.exam_id,
            province_id=site.province_id,
            city_id=site.city_id,
            site_id=site_id,
            mode=solution.mode.value,
            seed=seed,
            placed=len(solution.placements),
            unplaced=[
                {"candidate": item.candidate, "subject": item.subject, "reason": reason}
                for item, (_, _, reason) in zip(solution.unplaced, unplaced, strict=True)
            ],
            bound=solution.bound.placed,
            proven=solution.proven,
        )
    )
    session.flush()


def clear(session: Session, seats: Iterable[Seat], *, clock: Clock = system_clock) -> int:
    """清除: entries wait again, their ticket numbers are void (R31.10); returns how many."""
    count = 0
    for seat in seats:
        sitting = session.get(Sitting, seat.sitting_id)
        entry = session.get(Entry, seat.entry_id)
        if sitting is None or entry is None:  # pragma: no cover - foreign keys hold
            raise NotFound()
        sitting.arranged -= 1
        entry.state = EntryState.PAID.value
        void_ticket(session, entry.id, clock)
        session.delete(seat)
        count += 1
    session.flush()
    return count


def void_ticket(session: Session, entry_id: int, clock: Clock = system_clock) -> None:
    """The entry's live ticket number becomes void; the number is never used again (R32.4)."""
    ticket = session.scalars(
        select(AdmissionTicket).where(
            AdmissionTicket.entry_id == entry_id, AdmissionTicket.voided_at.is_(None)
        )
    ).first()
    if ticket is not None:
        ticket.voided_at = clock()


# ---------------------------------------------------------------- operations of the page


def _apply_arrange(
    session: Session, _rows: object, values: Mapping[str, Any], _context: object
) -> list[RowOutcome]:
    site_id = actor_of(session).site_id or 0
    result = arrange(session, site_id, Mode(values["mode"]))
    done = [RowOutcome(0, N_("已编排科次"), True) for _ in range(result.placed)]
    if done and result.unplaced:
        word = (
            N_("已证明：不可能编排更多科次")
            if result.proven
            else N_("尚未证明这是最多，可再次编排")
        )
        done[0] = replace(done[0], reason=word)
    skipped = [
        RowOutcome(0, f"{name}（{subject}）", False, reason)
        for name, subject, reason in result.unplaced
    ]
    return done + skipped


def _apply_clear(
    session: Session, rows: Sequence[Seat], _values: object, context: Any
) -> list[RowOutcome]:
    outcomes = [RowOutcome(row.id, row.sitting.display, True) for row in rows]
    clear(session, rows, clock=context.clock)
    return outcomes


ARRANGE = register(
    Operation(
        name="arrangement_run",
        label=N_("编排"),
        resource="seat",
        on=frozenset({On.PAGE}),
        apply=_apply_arrange,
        verbs={Level.SITE: ONLY_RUN},
        window=Window.ARRANGEMENT,
        writes=TABLES,
        icon="fa-wand-magic-sparkles",
        confirm=N_("编排本考点全部待编排的科次？报考多科目考生每科间隔大于15分钟。"),
        fields=(
            Field(
                name="mode",
                label=N_("编排方式"),
                personal=Personal.NONE,
                kind=Kind.CHOICE,
                choices=MODES,
                required=True,
                default=Mode.BALANCED.value,
            ),
        ),
    )
)
CLEAR = register(
    Operation(
        name="arrangement_clear",
        label=N_("清除编排结果"),
        resource="seat",
        on=frozenset({On.ROW, On.SELECTION, On.QUERY}),
        apply=_apply_clear,
        verbs={Level.SITE: ONLY_RUN},
        window=Window.ARRANGEMENT,
        writes=TABLES,
        danger=True,
        icon="fa-eraser",
        confirm=N_("确定清除 {count} 科次的编排结果？已生成的准考证号将作废。"),
    )
)
