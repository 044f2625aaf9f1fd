"""What may be chosen at a site now: subjects, preference days, fees and live seats (R11-R14)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import String, and_, bindparam, case, literal, not_, null, or_, select, union_all
from sqlalchemy.orm import Session

from app.database.policy import rows_of
from app.models.capacity import CapacityPool
from app.models.exam import ExamDay, ExamSubject
from app.models.settings import PERSON_FEE, Fee, SiteSubject
from app.rules.capacity import TOTAL, day_pool
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


class OfferRow(NamedTuple):
    """A row of `offer_statement`: a subject, another pool, the fee per person, or an exam day. What
    a row does not tell is None."""

    key: Any
    name: Any
    level: Any
    minutes: Any
    first_day: Any
    last_day: Any
    pool: Any
    capacity: Any
    used: Any
    amount: Any


#: keys of the rows that hold exam days
_OWN, _NATIONAL = "own day", "national day"


def _at(model: Any) -> Any:
    return and_(model.exam_id == bindparam("exam"), model.site_id == bindparam("site"))


def _subjects(*only: Any) -> Any:
    """Subjects (of these conditions) with seats and fee; those without are there all the same."""
    return (
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


def _statement(with_days: bool, *only: Any) -> Any:
    """Everything that an offer is made of, in one statement: subjects, then the other pools, the
    fee per person, and where wanted the exam days of the province and of the whole country."""
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
    if not with_days:
        return union_all(_subjects(*only), others, person)
    owner = case((ExamDay.province_id.is_(None), literal(_NATIONAL)), else_=literal(_OWN))
    days = select(owner, *(null(),) * 3, ExamDay.day, *(null(),) * 5).where(
        ExamDay.exam_id == bindparam("exam"),
        or_(ExamDay.province_id.is_(None), ExamDay.province_id == bindparam("province")),
    )
    return union_all(_subjects(*only), others, person, days)


@lru_cache(maxsize=32)
def offer_statement(with_days: bool, count: int | None) -> Any:
    """The rows that `offer_from` reads, of all subjects or of so many (see `offer_parameters`)."""
    if count is None:
        return _statement(with_days)
    codes = [bindparam(f"code_{number}", type_=String) for number in range(count)]
    return _statement(with_days, SiteSubject.subject_code.in_(codes))


def offer_parameters(only: Collection[str] = ()) -> dict[str, Any]:
    """Which subjects; beside them stand `exam`, `site` and, with days, `province`."""
    return {f"code_{number}": code for number, code in enumerate(only)}


def offer_of(session: Session, site: Site) -> Offer:
    """Subjects in the order of their codes, with days, fees and live seats. One statement."""
    with_days = site.settings.preference_allowed
    asked: dict[str, Any] = {"exam": site.exam_id, "site": site.site_id}
    if with_days:
        asked["province"] = site.province_id
    rows = rows_of(session, offer_statement(with_days, None), asked)
    return offer_from([OfferRow._make(row) for row in rows], with_days)


def offer_from(rows: Sequence[OfferRow], with_days: bool) -> Offer:
    """What the rows of `offer_statement` say. Days are the caller's to ask for: only where the
    province allows any (R10.4, R14)."""
    subjects = {row.key: _offered(row) for row in rows if row.name is not None}
    pools = {row.pool: (row.capacity, row.used) for row in rows if row.pool is not None}
    person = next((row.amount for row in rows if row.key == PERSON_FEE), None)
    return Offer(
        dict(sorted(subjects.items())),
        _days(pools, _exam_days(rows)) if with_days else (),
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


def _exam_days(rows: Iterable[Any]) -> list[dt.date]:
    """As `exam.days_of`: those of the province, or else the national ones."""
    own = [row.first_day for row in rows if row.key == _OWN]
    return sorted(own or [row.first_day for row in rows if row.key == _NATIONAL])


def _days(
    pools: dict[str, tuple[int, int]], exam_days: Iterable[dt.date]
) -> tuple[PreferenceDay, ...]:
    """Only exam days with a quota; the caller asks whether the province allows any (R10.4, R14)."""
    limits = [(day, *pools.get(day_pool(day), (0, 0))) for day in exam_days]
    return tuple(PreferenceDay(day, limit - used) for day, limit, used in limits if limit > 0)
