"""Which limits of a site may be set (R13.3-R13.8, R14.2-R14.4): pure functions of its numbers."""

from __future__ import annotations

from collections.abc import Mapping

from app.metadata.errors import KaowuError
from app.models.capacity import UNLIMITED
from app.rules.capacity_pools import (
    MINIMUM_TOTAL,
    TOTAL,
    LimitBelowUsed,
    LimitOutOfRange,
    PreferenceQuotaTooLarge,
    Refusals,
    TotalTooSmall,
    pool_label,
)


def refusals(
    present: Mapping[str, tuple[int, int]], limits: Mapping[str, int], *, days_count: bool = True
) -> Refusals:
    """Why these limits cannot be set, each at the pool that stands in the way; empty: they can.

    `present` is {pool: (capacity, used)} of the site. LimitOutOfRange, TotalTooSmall,
    LimitBelowUsed at a pool of `limits`; then PreferenceQuotaTooLarge at the days that are set
    too high, or at the total where that is lowered below them. Quotas of a site that does not
    allow intentions (not `days_count`) wait: nobody could change them.
    """
    found: Refusals = {}
    for pool, limit in limits.items():
        error = _limit_refusal(pool, limit, present.get(pool, (0, 0))[1])
        if error is not None:
            found[pool] = error
    if found:
        return found
    kept = {
        pool: capacity
        for pool, (capacity, _) in present.items()
        if days_count or not pool.startswith("D:")
    }
    error = quota_refusal(kept | dict(limits))
    if error is not None:
        days = [pool for pool in limits if pool[2:] in error.parameters["days"]]
        found = dict.fromkeys(days or [TOTAL], error)
    return found


def _limit_refusal(pool: str, limit: int, used: int) -> KaowuError | None:
    what = pool_label(pool)
    # 0 is 不开考 for a subject; the total and the days need at least one (R13.3, R14.2)
    minimum = 0 if pool.startswith("S:") else 1
    whole = isinstance(limit, int) and not isinstance(limit, bool)
    if not whole or not minimum <= limit <= UNLIMITED:
        return LimitOutOfRange(what=what, minimum=minimum, maximum=UNLIMITED)
    if pool == TOTAL and limit < MINIMUM_TOTAL:
        return TotalTooSmall(minimum=MINIMUM_TOTAL)
    if limit < used:
        return LimitBelowUsed(what=what, used=used)
    return None


def quota_refusal(limits: Mapping[str, int]) -> PreferenceQuotaTooLarge | None:
    """Why these quotas do not fit the total ({pool: limit} of a site); None where they do."""
    total = limits.get(TOTAL)
    quotas = {pool[2:]: limit for pool, limit in limits.items() if pool.startswith("D:")}
    if total is None or not quotas:
        return None
    half = total // 2
    wrong = [day for day, quota in sorted(quotas.items()) if quota > half]
    if not wrong and sum(quotas.values()) > total:
        wrong = sorted(quotas)
    return PreferenceQuotaTooLarge(total=total, half=half, days=wrong) if wrong else None


__all__ = ["quota_refusal", "refusals"]
