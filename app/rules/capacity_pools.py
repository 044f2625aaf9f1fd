"""What pools of seats are called, which seats entries take, and why limits are refused.

A pool's name is "D:<yyyy-mm-dd>" (preference day), "S:<subject>" or "TOTAL" (总科次数).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

from app.metadata.errors import N_, KaowuError, Message

TOTAL = "TOTAL"
#: R13.6
MINIMUM_TOTAL = 100
Seats = Mapping[str, int]
#: why limits cannot be set: {pool: refusal}
Refusals = dict[str, KaowuError]


class AtSite(Protocol):
    """Any row of a site: an organisation, a registration, settings."""

    @property
    def exam_id(self) -> int: ...
    @property
    def province_id(self) -> int | None: ...
    @property
    def city_id(self) -> int | None: ...
    @property
    def site_id(self) -> int | None: ...


class CapacityExceeded(KaowuError):
    """No seat is left in `pool`; nothing was taken (R13.9, N1)."""

    code = "capacity.exceeded"
    template = N_("{what}名额已满，没有保存。请选择其他科目、日期或考点。")
    status = 409

    def __init__(self, pool: str) -> None:
        super().__init__(what=pool_label(pool))
        self.pool = pool


class PoolMissing(KaowuError):
    """The site has not set this pool: 不开考 (R13.3a), or no preference on that day."""

    code = "capacity.missing"
    template = N_("考点未设置{what}的容量，不能报考。请选择其他科目、日期或考点。")

    def __init__(self, pool: str) -> None:
        super().__init__(what=pool_label(pool))
        self.pool = pool


class LimitBelowUsed(KaowuError):
    """R13.5."""

    code = "capacity.below_used"
    template = N_("{what}已报{used}人，不能小于{used}。")


class LimitOutOfRange(KaowuError):
    """R13.3, R14.2: not a whole number of the range."""

    code = "capacity.range"
    template = N_("{what}须为{minimum}至{maximum}之间的整数（99999表示不限）。")


class TotalTooSmall(KaowuError):
    """R13.6."""

    code = "capacity.total_too_small"
    template = N_("总科次数不能小于{minimum}。")


class PreferenceQuotaTooLarge(KaowuError):
    """R13.8, R14.3, R14.4. `days` names the days that stand in the way."""

    code = "capacity.preference_quota"
    template = N_(
        "总科次数为{total}时，每天的意向名额不能超过{half}，各天之和不能超过{total}。请先调整：{days}。"
    )


class SubjectNotOffered(KaowuError):
    """R11: capacity belongs to a subject that the site offers."""

    code = "capacity.subject_not_offered"
    template = N_("考点未开考{what}，请先在《考点开考科目设置》中添加。")


def subject_pool(subject_code: str) -> str:
    return f"S:{subject_code}"


def day_pool(day: dt.date) -> str:
    return f"D:{day.isoformat()}"


def pool_label(pool: str) -> str:
    """“科目24”, “意向日期2026-09-19” or “总科次数”."""
    kind, _, rest = pool.partition(":")
    if kind == "S":
        return Message(N_("科目{code}"), code=rest)
    return Message(N_("意向日期{day}"), day=rest) if kind == "D" else N_("总科次数")


def seats_of(entries: Iterable[tuple[str, dt.date | None]]) -> dict[str, int]:
    """The seats that entries (subject code, preference day) take: {pool: count}."""
    seats: Counter[str] = Counter()
    for subject_code, day in entries:
        seats[subject_pool(subject_code)] += 1
        seats[TOTAL] += 1
        if day is not None:
            seats[day_pool(day)] += 1
    return dict(seats)
