"""Rooms and sittings (chapter 30): what may be added, changed and deleted (R30.2-R30.5)."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import func, inspect, select
from sqlalchemy.orm import Session

from app.database import locks
from app.database.identifiers import new_id
from app.database.policy import actor_of
from app.metadata.declarations import ONLY_RUN, On, Operation, RowOutcome
from app.metadata.errors import N_, Duplicate, InvalidInput, KaowuError
from app.metadata.fields import Field, Kind
from app.metadata.registry import register
from app.metadata.vocabulary import Level, Personal, Verb, Window
from app.models.arrangement import Room, Sitting
from app.models.exam import ExamSubject
from app.models.settings import SiteSubject
from app.rules.crud import Context, before
from app.rules.exam import days_lock, days_of
from app.rules.policy import widened

EARLIEST, LATEST = dt.time(8), dt.time(20)


class RoomArranged(KaowuError):
    """R30.2."""

    code = "arrangement.room_arranged"
    template = N_("“{title}”已有考生编排，不能删除或修改时间。请先在《考场编排管理》清除编排结果。")
    status = 409


class NotExamDay(KaowuError):
    """R30.3: strictly an exam day."""

    code = "arrangement.not_exam_day"
    template = N_("{day} 不是考试日。本考次考试日：{days}。")


class OutsideHours(KaowuError):
    """R30.3: within 8:00-20:00, start before end."""

    code = "arrangement.outside_hours"
    template = N_("批次时间应在 8:00–20:00 之内，且开始早于结束。")


class Overlap(KaowuError):
    """R30.5."""

    code = "arrangement.overlap"
    template = N_("与本考场批次 {other} 的时间重叠。")


class TooShort(KaowuError):
    """R30.5: no subject of the site fits."""

    code = "arrangement.too_short"
    template = N_("批次时长 {minutes} 分钟，短于本考点任何科目的考试时长（最短 {shortest} 分钟）。")


class CapacityBelowArranged(KaowuError):
    """R30.5."""

    code = "arrangement.capacity_below_arranged"
    template = N_("批次已编排 {arranged} 人，总容量不能小于 {arranged}。")


@before("room", Verb.ADD)
def _room(row: Room, context: Context) -> None:
    if not (row.number.isdigit() and len(row.number) == 2 and row.number != "00"):
        raise InvalidInput({"number": [N_("考场号：应为 01–99 的两位数字")]})
    known = context.session.scalar(
        select(Room.id).where(Room.site_id == row.site_id, Room.number == row.number)
    )
    if known:
        raise Duplicate(label=N_("考场号"))


@before("room", Verb.DELETE)
def _drop_room(row: Room, context: Context) -> None:
    arranged = context.session.scalar(
        select(func.sum(Sitting.arranged)).where(Sitting.room_id == row.id)
    )
    if arranged:
        raise RoomArranged(title=row.number)
    if row.sittings:
        raise InvalidInput({"number": [N_("考场：请先删除该考场的全部批次")]})


@before("sitting", Verb.ADD, Verb.EDIT)
def _sitting(row: Sitting, context: Context) -> None:
    session = context.session
    if context.verb is Verb.ADD:
        row.id = new_id()
        room = session.get(Room, row.room_id)
        if room is None:
            raise InvalidInput({"room_id": [N_("考场：请选择本考点的考场")]})
        row.province_id, row.city_id, row.site_id = room.province_id, room.city_id, room.site_id
        row.arranged, row.number = 0, 0
    elif row.arranged:
        state = inspect(row)
        if any(state.attrs[name].history.has_changes() for name in ("day", "start", "end")):
            raise RoomArranged(title=row.display)
    check_sitting(session, row)
    if row.capacity < row.arranged:
        raise CapacityBelowArranged(arranged=row.arranged)
    renumber(session, row)


@before("sitting", Verb.DELETE)
def _drop_sitting(row: Sitting, _context: Context) -> None:
    if row.arranged:
        raise RoomArranged(title=row.display)


def check_sitting(session: Session, row: Sitting) -> None:
    """R30.3 and R30.5. Raises NotExamDay, OutsideHours, Overlap, TooShort."""
    exam_id = row.exam_id or actor_of(session).exam_id or 0
    locks.share(session, (days_lock(exam_id),))
    days = days_of(session, exam_id, row.province_id)
    if row.day not in days:
        raise NotExamDay(day=row.day, days=list(days) or N_("未设置"))
    if row.start < EARLIEST or row.end > LATEST or row.start >= row.end:
        raise OutsideHours()
    minutes = _minutes(row.start, row.end)
    shortest = _shortest(session, row)
    if shortest is not None and minutes < shortest:
        raise TooShort(minutes=minutes, shortest=shortest)
    for other in _others(session, row):
        if other.day == row.day and row.start < other.end and other.start < row.end:
            raise Overlap(other=f"{other.start:%H:%M}–{other.end:%H:%M}")


def _minutes(start: dt.time, end: dt.time) -> int:
    return (end.hour - start.hour) * 60 + end.minute - start.minute


def _shortest(session: Session, row: Sitting) -> int | None:
    """Length of the shortest subject that the site offers, in minutes."""
    minutes: int | None = session.scalar(
        select(func.min(ExamSubject.minutes))
        .join(SiteSubject, SiteSubject.subject_code == ExamSubject.subject_code)
        .where(SiteSubject.site_id == row.site_id)
    )
    return minutes


def _others(session: Session, row: Sitting) -> list[Sitting]:
    statement = select(Sitting).where(Sitting.room_id == row.room_id, Sitting.id != row.id)
    return list(session.scalars(statement))


def renumber(session: Session, row: Sitting) -> None:
    """Numbers of the room's sittings follow their start (R30.5); issued tickets keep theirs."""
    sittings = sorted([*_others(session, row), row], key=lambda item: (item.day, item.start))
    # one sitting that comes or moves changes the numbers of its neighbours
    with widened(session, Sitting):
        for number, sitting in enumerate(sittings, start=1):
            if sitting.number != number:
                sitting.number = number


# ---------------------------------------------------------------- 新增批次（批量）


def _day_options(session: Session, actor: object) -> dict[str, str]:
    acting = actor_of(session)
    days = days_of(session, acting.exam_id or 0, acting.province_id)
    return {day.isoformat(): day.isoformat() for day in days}


def _apply_batch(
    session: Session, rows: list[Room], values: dict[str, object], _context: object
) -> list[RowOutcome]:
    outcomes = []
    # a field of several choices gives a list, which the type of all values does not tell
    days = [dt.date.fromisoformat(str(day)) for day in values["days"] or []]  # type: ignore[attr-defined]
    for room in rows:
        try:
            with session.begin_nested():
                for day in days:
                    _add_sitting(session, room, day, values)
            outcomes.append(RowOutcome(room.id, room.number, True))
        except KaowuError as refusal:
            outcomes.append(RowOutcome(room.id, room.number, False, str(refusal)))
    return outcomes


def _add_sitting(session: Session, room: Room, day: dt.date, values: dict[str, object]) -> None:
    row = Sitting(
        id=new_id(),
        exam_id=room.exam_id,
        province_id=room.province_id,
        city_id=room.city_id,
        site_id=room.site_id,
        room_id=room.id,
        day=day,
        start=values["start"],
        end=values["end"],
        capacity=values["capacity"],
        arranged=0,
        number=0,
    )
    with session.no_autoflush:
        check_sitting(session, row)
        session.add(row)
        renumber(session, row)
    session.flush()


ADD_SITTINGS = register(
    Operation(
        name="sitting_batch",
        label=N_("新增批次"),
        resource="room",
        on=frozenset({On.ROW, On.SELECTION, On.QUERY}),
        apply=_apply_batch,
        verbs={Level.SITE: ONLY_RUN},
        window=Window.ARRANGEMENT,
        writes=(Sitting,),
        icon="fa-plus",
        confirm=N_("为 {count} 个考场新增批次？"),
        fields=(
            Field(
                name="days",
                label=N_("考试日期"),
                personal=Personal.NONE,
                kind=Kind.CHOICES,
                required=True,
                options=_day_options,
            ),
            Field(
                name="start",
                label=N_("开始时间"),
                personal=Personal.NONE,
                kind=Kind.TIME,
                required=True,
            ),
            Field(
                name="end",
                label=N_("结束时间"),
                personal=Personal.NONE,
                kind=Kind.TIME,
                required=True,
            ),
            Field(
                name="capacity",
                label=N_("总容量"),
                personal=Personal.NONE,
                kind=Kind.INTEGER,
                required=True,
                minimum=1,
                maximum=999,
            ),
        ),
    )
)
