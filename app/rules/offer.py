"""What may be chosen at a site now: subjects, preference days, fees and live seats (R11-R14)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import String, and_, bindparam, not_, null, select, union_all
from sqlalchemy.orm import Session

from app.database.policy import rows_of
from app.models.capacity import CapacityPool
from app.models.exam import ExamSubject
from app.models.settings import PERSON_FEE, Fee, SiteSubject
from app.rules.capacity import TOTAL
from app.rules.site import Site, seats_left


@dataclass(frozen=True, slots=True)
class OfferedSubject:
    """A subject of the site; `left` None is 不限, `fee` (fen) None is unset."""

    code: str
    name: str
    level: str
    minutes: int
    first_day: dt.date
    last_day: dt.date
    capacity: int
    left: int | None
    fee: int | None

    @property
    def display(self) -> str:
        return f"({self.code}){self.name}"

    @property
    def available(self) -> bool:
        """Has capacity and a fee (R13.3a, R12.5); it may still be full."""
        return self.capacity > 0 and self.fee is not None


@dataclass(frozen=True, slots=True)
class PreferenceDay:
    """意向考试日期 with the seats left on it."""

    day: dt.date
    left: int


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be chosen at a site now; `left` is that of 总科次数 (None: 不限).

    `free` is {pool: (capacity, seats left)} of all pools, for the gate.
    """

    subjects: dict[str, OfferedSubject]
    days: tuple[PreferenceDay, ...]
    left: int | None
    person_fee: int | None
    free: dict[str, tuple[int, int]]


def _at(model: Any) -> Any:
    return and_(model.exam_id == bindparam("exam"), model.site_id == bindparam("site"))


def _statement(*only: Any) -> Any:
    """Everything that an offer is made of, in one statement: subjects (of these conditions) with
    seats and fee, then the other pools, then the fee per person. (A subject without seats or fee
    is there all the same.)"""
    subjects = (
        select(
            SiteSubject.subject_code.label("key"),
            ExamSubject.name,
            ExamSubject.level,
            ExamSubject.minutes,
            SiteSubject.first_day,
            SiteSubject.last_day,
            CapacityPool.pool,
            CapacityPool.capacity,
            CapacityPool.used,
            Fee.amount,
        )
        .select_from(SiteSubject)
        .join(
            ExamSubject,
            and_(
                ExamSubject.exam_id == SiteSubject.exam_id,
                ExamSubject.subject_code == SiteSubject.subject_code,
            ),
        )
        .outerjoin(
            CapacityPool,
            and_(_at(CapacityPool), CapacityPool.pool == "S:" + SiteSubject.subject_code),
        )
        .outerjoin(Fee, and_(_at(Fee), Fee.subject_code == SiteSubject.subject_code))
        .where(_at(SiteSubject), *only)
    )
    others = select(
        *(null(),) * 6,
        CapacityPool.pool,
        CapacityPool.capacity,
        CapacityPool.used,
        null(),
    ).where(_at(CapacityPool), not_(CapacityPool.pool.startswith("S:")))
    person = select(Fee.subject_code, *(null(),) * 8, Fee.amount).where(
        _at(Fee), Fee.subject_code == PERSON_FEE
    )
    return union_all(subjects, others, person)


_OFFER = _statement()


@lru_cache(maxsize=16)
def _offer_of_some(count: int) -> Any:
    """Of so many subjects (parameters code_0 …)."""
    codes = [bindparam(f"code_{number}", type_=String) for number in range(count)]
    return _statement(SiteSubject.subject_code.in_(codes))


def offer_of(session: Session, site: Site, *, only: Collection[str] | None = None) -> Offer:
    """Subjects in the order of their codes, with days, fees and live seats. One statement.

    With `only`, no other subjects than these.
    """
    asked: dict[str, Any] = {"exam": site.exam_id, "site": site.site_id}
    statement = _OFFER
    if only is not None:
        statement = _offer_of_some(len(only))
        asked |= {f"code_{number}": code for number, code in enumerate(only)}
    rows = rows_of(session, statement, asked)
    subjects = {row.key: _offered(row) for row in rows if row.name is not None}
    pools = {row.pool: (row.capacity, row.used) for row in rows if row.pool is not None}
    person = next((row.amount for row in rows if row.key == PERSON_FEE), None)
    return Offer(
        dict(sorted(subjects.items())),
        _days(pools) if site.settings.preference_allowed else (),
        seats_left(*pools.get(TOTAL, (0, 0))),
        person,
        {pool: (capacity, capacity - used) for pool, (capacity, used) in pools.items()},
    )


def _offered(row: Any) -> OfferedSubject:
    return OfferedSubject(
        code=row.key,
        name=row.name,
        level=row.level,
        minutes=row.minutes,
        first_day=row.first_day,
        last_day=row.last_day,
        capacity=row.capacity or 0,
        left=seats_left(row.capacity or 0, row.used or 0),
        fee=row.amount,
    )


def _days(pools: dict[str, tuple[int, int]]) -> tuple[PreferenceDay, ...]:
    """Only days with a quota; the caller asks whether the province allows any (R10.4, R14)."""
    return tuple(
        PreferenceDay(dt.date.fromisoformat(pool[2:]), capacity - used)
        for pool, (capacity, used) in sorted(pools.items())
        if pool.startswith("D:") and capacity > 0
    )
