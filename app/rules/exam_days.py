"""Exam days (考试日期): who keeps which, and what hangs on a day that goes or moves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, inspect, select
from sqlalchemy.orm import Session

from app.database import locks
from app.database.policy import elevated
from app.metadata.errors import N_, Duplicate, KaowuError, NotFound
from app.metadata.vocabulary import Verb
from app.models.arrangement import Sitting
from app.models.capacity import CapacityPool
from app.models.exam import ExamDay
from app.rules.capacity import day_pool
from app.rules.crud import Context, before
from app.rules.exam import days_lock
from app.rules.policy import widened


class DayChosen(KaowuError):
    """Candidates have chosen the day as their preference (R14)."""

    code = "exam_day.chosen"
    template = N_("已有 {count} 科次选择 {day} 为意向日期，不能删除或修改这个考试日期。")
    status = 409


class DayHasSittings(KaowuError):
    """Sittings are held on the day (R30.3)."""

    code = "exam_day.has_sittings"
    template = N_("已有 {count} 个考场批次安排在 {day}，请先由考点调整批次，再删除或修改考试日期。")
    status = 409


@before("exam_day", Verb.ADD, Verb.EDIT, Verb.DELETE)
def _own_day(row: ExamDay, context: Context) -> None:
    """A province has days of its own; the national ones belong to the centre."""
    locks.take(context.session, (days_lock(row.exam_id),))
    if context.verb is Verb.ADD:
        row.province_id = context.actor.province_id
        _require_new(context.session, row)
        _take_away(context.session, row, _replaced(context.session, row), None)
        return
    if row.province_id != context.actor.province_id:
        raise NotFound()
    former = _former_day(row, context.verb)
    if former is not None:
        to = None if context.verb is Verb.DELETE else row.day
        if to is not None:
            _require_new(context.session, row)
        _take_away(context.session, row, [former], to)


def _require_new(session: Session, row: ExamDay) -> None:
    """Raises Duplicate for a day that its owner has already."""
    known = select(ExamDay.id).where(
        ExamDay.exam_id == row.exam_id,
        ExamDay.province_id == row.province_id,
        ExamDay.day == row.day,
    )
    if session.scalar(known) is not None:
        raise Duplicate(label=N_("该考试日期"))


def _former_day(row: ExamDay, verb: Verb) -> dt.date | None:
    """The day that goes: the row's own, or the one before the edit; None where it stays."""
    if verb is Verb.DELETE:
        return row.day
    history = inspect(row).attrs.day.history
    return history.deleted[0] if history.deleted else None


def _replaced(session: Session, row: ExamDay) -> list[dt.date]:
    """National days that a province gives up with its first day of its own."""
    if row.province_id is None:
        return []
    with elevated(session, "read exam days", ExamDay):
        known = session.execute(
            select(ExamDay.province_id, ExamDay.day).where(
                ExamDay.exam_id == row.exam_id,
                ExamDay.province_id.is_(None) | (ExamDay.province_id == row.province_id),
            )
        ).all()
    if any(owner is not None for owner, _ in known):
        return []
    return sorted(day for _, day in known if day != row.day)


def _take_away(session: Session, row: ExamDay, days: Sequence[dt.date], to: dt.date | None) -> None:
    """The days go, or the only one becomes `to`. Quotas go with them: else they would count in
    R14.4 without a column to mend them, and candidates could still choose the day.

    Raises DayChosen, DayHasSittings.
    """
    for day in days:
        held = session.scalar(
            select(func.count())
            .select_from(Sitting)
            .where(Sitting.day == day, *_concerned(Sitting, row))
        )
        if held:
            raise DayHasSittings(count=held, day=day)
    pools = _hold_quotas(session, row, days)
    for day in days:
        if chosen := sum(pool.used for pool in pools if pool.pool == day_pool(day)):
            raise DayChosen(count=chosen, day=day)
    with widened(session, ExamDay, CapacityPool):
        for pool in pools:
            if to is None:
                session.delete(pool)
            else:
                pool.pool = day_pool(to)
        session.flush()


def _hold_quotas(session: Session, row: ExamDay, days: Sequence[dt.date]) -> list[CapacityPool]:
    """The quotas of these days, locked before they are looked at, so that nobody takes a seat
    meanwhile: all at once, site by site, in the order in which everybody locks seats."""
    statement = (
        select(CapacityPool)
        .where(CapacityPool.pool.in_([day_pool(day) for day in days]))
        .where(*_concerned(CapacityPool, row))
        .order_by(CapacityPool.site_id, CapacityPool.pool)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(statement))


def _concerned(model: Any, row: ExamDay) -> list[Any]:
    """Rows of the sites that hold the exam on this day: those of the province, or of all that
    have no days of their own."""
    if row.province_id is not None:
        return [model.exam_id == row.exam_id, model.province_id == row.province_id]
    own = select(ExamDay.province_id).where(
        ExamDay.exam_id == row.exam_id, ExamDay.province_id.is_not(None)
    )
    return [model.exam_id == row.exam_id, model.province_id.not_in(own)]
