"""Summary of 《考场编排管理》 (R31.1): what is paid, arranged, on the wished day, per subject."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from app.metadata.actor import Actor
from app.metadata.declarations import ONLY_VIEW, ColumnGroup, Statistic, StatisticTable
from app.metadata.errors import N_
from app.metadata.registry import register
from app.metadata.vocabulary import ADMINISTRATORS
from app.models.arrangement import Seat, Sitting
from app.models.exam import ExamSubject
from app.models.registration import HOLDING, PAID_STATES, Entry
from app.rules.statistics.engine import Filters, sums, within

#: the manual's columns behind the code of the subject, in its order
NAME = (N_("科目名称"),)
COUNTS = (
    N_("总科次"),
    N_("已支付"),
    N_("未支付"),
    N_("已编排"),
    N_("未编排"),
    N_("总意向科目"),
    N_("已编排符合意向科目"),
    N_("已编排不符合意向科目"),
)
TOTAL, PAID, UNPAID, ARRANGED, WAITING, WISHES, MET, MISSED = range(len(COUNTS))
#: where these stand in a row of the table, behind the name
UNPAID_COLUMN, WAITING_COLUMN = UNPAID + 1, WAITING + 1
_PAID = frozenset(state.value for state in PAID_STATES)


def compute(session: Session, actor: Actor, filters: Filters) -> StatisticTable:
    """One row per subject that has entries; two statements.

    Entries are those that hold a seat; whoever has no seat is 未编排, paid or not, so that 已编排
    and 未编排 make 总科次.
    """
    counted = _counted(session, actor, filters)
    names = _names(session, list(counted))
    rows: list[tuple[str, list[int | str]]] = [
        (code, [names.get(code, ""), *counts]) for code, counts in sorted(counted.items())
    ]
    return StatisticTable(
        row_label=N_("科目代码"),
        groups=[ColumnGroup("", NAME, numeric=False), ColumnGroup("", COUNTS)],
        rows=rows,
        total=sums(rows) if rows else None,
    )


def _counted(session: Session, actor: Actor, filters: Filters) -> dict[str, list[int]]:
    """{subject: the counts in the order of `COUNTS`}."""
    wish = case(
        (Entry.preference_day.is_(None), "none"),
        (Sitting.id.is_(None), "open"),
        (Entry.preference_day == Sitting.day, "met"),
        else_="missed",
    )
    statement = (
        select(Entry.subject_code, Entry.state, wish, Seat.id.is_not(None), func.count(Entry.id))
        .outerjoin(Seat, Seat.entry_id == Entry.id)
        .outerjoin(Sitting, Sitting.id == Seat.sitting_id)
        .where(
            Entry.exam_id == actor.exam_id,
            Entry.state.in_([state.value for state in HOLDING]),
            within(Entry, filters.organisation),
        )
        .group_by(Entry.subject_code, Entry.state, wish, Seat.id.is_not(None))
    )
    found: dict[str, list[int]] = defaultdict(lambda: [0] * len(COUNTS))
    for code, state, wished, seated, number in session.execute(statement):
        counts = found[code]
        counts[TOTAL] += number
        counts[PAID if state in _PAID else UNPAID] += number
        counts[ARRANGED if seated else WAITING] += number
        counts[WISHES] += number if wished != "none" else 0
        counts[MET] += number if wished == "met" else 0
        counts[MISSED] += number if wished == "missed" else 0
    return found


def _names(session: Session, codes: list[str]) -> dict[str, str]:
    rows = session.execute(
        select(ExamSubject.subject_code, ExamSubject.name).where(
            ExamSubject.subject_code.in_(codes)
        )
    )
    return {row.subject_code: row.name for row in rows}


ARRANGEMENT_STATISTICS = register(
    Statistic(
        name="arrangement_statistics",
        label=N_("各科目编排情况"),
        verbs=dict.fromkeys(ADMINISTRATORS, ONLY_VIEW),
        super_verbs=ONLY_VIEW,
        compute=compute,
    )
)

__all__ = ["ARRANGEMENT_STATISTICS", "COUNTS", "UNPAID_COLUMN", "WAITING_COLUMN", "compute"]
