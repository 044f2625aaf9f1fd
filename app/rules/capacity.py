"""Seats of a site: taken, given back, limited and recounted here and nowhere else (load.md §1).

A pool's name is "D:<yyyy-mm-dd>" (preference day), "S:<subject>" or "TOTAL" (总科次数). The names
are made so that their alphabetical order is the one order in which every path locks them: days,
subjects, the total last. The unit counted is the entry (R13.9, R14.7), unpaid ones included.

Counters are moved by statements in Core, which the policy on the session does not see; so this
module checks permit and scope itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import (
    Integer,
    String,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from app.database import direct
from app.database.policy import NoPermit, OutOfScope, actor_of, state_of
from app.metadata.actor import Actor
from app.metadata.vocabulary import Level
from app.models.capacity import CapacityPool
from app.models.registration import HOLDING, Entry
from app.models.settings import SiteSettings, SiteSubject
from app.rules.capacity_limits import quota_refusal, refusals
from app.rules.capacity_pools import (
    MINIMUM_TOTAL,
    TOTAL,
    AtSite,
    CapacityExceeded,
    LimitBelowUsed,
    LimitOutOfRange,
    PoolMissing,
    PreferenceQuotaTooLarge,
    Refusals,
    Seats,
    SubjectNotOffered,
    TotalTooSmall,
    day_pool,
    pool_label,
    seats_of,
    subject_pool,
)

_POOL: Any = CapacityPool.__table__
_AT = (_POOL.c.exam_id == bindparam("at_exam")) & (_POOL.c.site_id == bindparam("at_site"))
_LOOK = select(_POOL.c.pool, _POOL.c.capacity, _POOL.c.used).where(
    _AT, _POOL.c.pool.in_(bindparam("at_pools", expanding=True))
)


@lru_cache(maxsize=64)
def _move_statement(count: int, dialect: str) -> Any:
    """One UPDATE for `count` pools (parameters pool_0, seats_0 …); it returns those it moved.

    One round trip while counters are locked, instead of one per pool. On PostgreSQL the rows are
    locked by a sub-select, which sorts them into the global order; SQLite has one writer.
    """
    names = [bindparam(f"pool_{number}", type_=String) for number in range(count)]
    change: Any = case(
        {name: bindparam(f"seats_{n}", type_=Integer) for n, name in enumerate(names)},
        value=_POOL.c.pool,
    )
    wanted = _AT & _POOL.c.pool.in_(names)
    rows = wanted
    if dialect == "postgresql":
        locked = (
            select(_POOL.c.id, change.label("change"))
            .where(wanted)
            .order_by(_POOL.c.pool)
            .with_for_update()
            .cte("locked")
        )
        rows, change = _POOL.c.id == locked.c.id, locked.c.change
    fits = (change < 0) | (_POOL.c.used + change <= _POOL.c.capacity)
    moved = update(_POOL).where(rows, fits).values(used=_POOL.c.used + change)
    return moved.returning(_POOL.c.pool)


def look(session: Session, site: AtSite, seats: Seats) -> None:
    """Answer “full” without a lock, before anything is written; a free seat may still go.

    Raises PoolMissing or CapacityExceeded.
    """
    wanted = [pool for pool, count in seats.items() if count > 0]
    if not wanted:
        return
    parameters = _site(session, site) | {"at_pools": wanted}
    rows = session.connection().execute(_LOOK, parameters)
    require_free(seats, {row.pool: (row.capacity, row.capacity - row.used) for row in rows})


def require_free(seats: Seats, free: Mapping[str, tuple[int, int]]) -> None:
    """As `look`, for pools that were read already: {pool: (capacity, seats left)}."""
    for pool in sorted(pool for pool, count in seats.items() if count > 0):
        capacity, left = free.get(pool, (0, 0))
        if capacity == 0:
            raise PoolMissing(pool)
        if left < seats[pool]:
            raise CapacityExceeded(pool)


def claim(session: Session, site: AtSite, seats: Seats) -> None:
    """Take seats for entries that are already added to the session (they are flushed first).

    Raises CapacityExceeded naming the first full pool, PoolMissing; the caller's transaction (or
    savepoint) must then be rolled back, for smaller pools may have been taken.
    """
    look(session, site, seats)
    move(session, site, seats)


def release(session: Session, site: AtSite, seats: Seats) -> None:
    """Give seats back, in the same order."""
    move(session, site, {pool: -count for pool, count in seats.items()})


def move(
    session: Session, site: AtSite, seats: Seats, changes: Sequence[direct.Change] = ()
) -> None:
    """Take the positive and give back the negative counts in one pass of the global order.

    For a changed choice: {"S:14": 1, "S:24": -1, "TOTAL": 0}. Whoever takes calls `look` before it
    writes anything. What is pending and `changes` are written first: the locks on the counters are
    held as short as possible. Raises CapacityExceeded, as `claim`, and as `direct.write`.
    """
    _require_permit(session)
    parameters = _site(session, site)
    changed = sorted(pool for pool, count in seats.items() if count)
    last = None
    if changed:
        for number, pool in enumerate(changed):
            parameters |= {f"pool_{number}": pool, f"seats_{number}": seats[pool]}
        last = direct.Last(partial(_move_statement, len(changed)), parameters)
    moved = direct.write(session, changes, last)
    for pool in changed:
        if seats[pool] > 0 and pool not in moved:
            raise CapacityExceeded(pool)
    _forget_loaded(session)


def _forget_loaded(session: Session) -> None:
    """Pools that were loaded through the ORM no longer tell the truth."""
    for row in list(session.identity_map.values()):
        if isinstance(row, CapacityPool):
            session.expire(row, ["used"])


def _require_permit(session: Session) -> None:
    permits = state_of(session).permits
    if not permits or CapacityPool not in (*permits[-1].models, *permits[-1].declaration.writes):
        raise NoPermit()


def _site(session: Session, site: AtSite) -> dict[str, Any]:
    """Key of the site in every statement; raises OutOfScope for a site that is not the actor's."""
    actor = actor_of(session)
    if not _in_scope(actor, site):
        raise OutOfScope()
    return {"at_exam": site.exam_id, "at_site": site.site_id}


def _in_scope(actor: Actor, site: AtSite) -> bool:
    if site.site_id is None:
        return False
    if actor.exam_id != site.exam_id and not (actor.is_system and actor.exam_id is None):
        return False
    if actor.is_system:
        return True
    return {
        Level.PROVINCE: actor.province_id == site.province_id,
        Level.CITY: actor.city_id == site.city_id,
        Level.SITE: actor.site_id == site.site_id,
    }.get(actor.level, True)  # the centre everywhere, candidates anywhere in their session


def set_limits(session: Session, site: AtSite, limits: Mapping[str, int]) -> None:
    """Set capacities ({pool: limit}) under the caller's permit; the log names every change.

    The switch of intentions and the subjects are held first, so that neither changes below the
    seats (R11.5, R14); then all pools of the site are locked in the global order, so that no claim
    slips in between.
    Raises the first of `refusals`, or SubjectNotOffered.
    """
    _require_permit(session)
    _site(session, site)
    days_count = bool(with_days(session, [site.site_id], lock=True))
    missing = _not_offered(session, site, limits)
    rows = session.scalars(
        select(CapacityPool)
        .where(CapacityPool.exam_id == site.exam_id, CapacityPool.site_id == site.site_id)
        .order_by(CapacityPool.pool)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    pools = {row.pool: row for row in rows}
    for pool in missing:
        # what is left of a subject may still be set to 0
        if limits[pool] or pool not in pools:
            raise SubjectNotOffered(what=pool_label(pool))
    present = {pool: (row.capacity, row.used) for pool, row in pools.items()}
    for error in refusals(present, limits, days_count=days_count).values():
        raise error
    for pool, limit in limits.items():
        if pool in pools:
            pools[pool].capacity = limit
        else:
            session.add(_new_pool(site, pool, limit))
    session.flush()


def with_days(
    session: Session, site_ids: Iterable[int | None], *, lock: bool = False
) -> set[int | None]:
    """Those of these sites that allow intentions: only there quotas bind the total (R13.8).

    With `lock` the switch stays until the transaction ends; it is locked before the pools.
    """
    rows = (
        select(SiteSettings.site_id, SiteSettings.preference_allowed)
        .where(SiteSettings.site_id.in_(site_ids))
        .order_by(SiteSettings.id)
    )
    if lock:
        rows = rows.with_for_update(read=True)
    return {site_id for site_id, allowed in session.execute(rows) if allowed}


def _new_pool(site: AtSite, pool: str, limit: int) -> CapacityPool:
    return CapacityPool(
        exam_id=site.exam_id,
        province_id=site.province_id,
        city_id=site.city_id,
        site_id=site.site_id,
        pool=pool,
        capacity=limit,
        used=0,
    )


def _not_offered(session: Session, site: AtSite, pools: Iterable[str]) -> list[str]:
    """The pools of subjects that the site does not offer; the others' subjects stay until the
    transaction ends."""
    subjects = {pool[2:] for pool in pools if pool.startswith("S:")}
    if not subjects:
        return []
    offered = (
        select(SiteSubject.subject_code)
        .where(
            SiteSubject.exam_id == site.exam_id,
            SiteSubject.site_id == site.site_id,
            SiteSubject.subject_code.in_(subjects),
        )
        .order_by(SiteSubject.id)
        .with_for_update(read=True)
    )
    return [subject_pool(code) for code in sorted(subjects - set(session.scalars(offered)))]


@dataclass(frozen=True, slots=True)
class Miscount:
    """A counter that differs from the rows."""

    exam_id: int
    site_id: int
    pool: str
    used: int
    counted: int


def recount(session: Session, exam_id: int | None = None) -> list[Miscount]:
    """Compare every counter with the entries that hold seats; empty when all agree.

    For the system's own check (`kaowu check capacity`): other actors are refused.
    """
    if not actor_of(session).is_system:
        raise OutOfScope()
    connection = session.connection()
    counted = {
        (row.exam_id, row.site_id, row.pool): row.seats
        for row in connection.execute(_counts(exam_id))
    }
    used = select(_POOL.c.exam_id, _POOL.c.site_id, _POOL.c.pool, _POOL.c.used)
    if exam_id is not None:
        used = used.where(_POOL.c.exam_id == exam_id)
    counters = {(row.exam_id, row.site_id, row.pool): row.used for row in connection.execute(used)}
    return [
        Miscount(*key, counters.get(key, 0), counted.get(key, 0))
        for key in sorted(counters.keys() | counted.keys())
        if counters.get(key, 0) != counted.get(key, 0)
    ]


def _counts(exam_id: int | None) -> Any:
    """{exam, site, pool: entries that hold a seat}."""
    entry: Any = Entry.__table__
    holding = entry.c.state.in_([state.value for state in HOLDING])
    if exam_id is not None:
        holding &= entry.c.exam_id == exam_id
    site = (entry.c.exam_id, entry.c.site_id)
    seats = func.count().label("seats")
    # both databases write a date as yyyy-mm-dd when it becomes text
    day = cast(entry.c.preference_day, String)
    return union_all(
        select(*site, literal(TOTAL).label("pool"), seats).where(holding).group_by(*site),
        select(*site, (literal("S:") + entry.c.subject_code).label("pool"), seats)
        .where(holding)
        .group_by(*site, entry.c.subject_code),
        select(*site, (literal("D:") + day).label("pool"), seats)
        .where(holding, entry.c.preference_day.is_not(None))
        .group_by(*site, entry.c.preference_day),
    )


__all__ = [
    "MINIMUM_TOTAL",
    "TOTAL",
    "AtSite",
    "CapacityExceeded",
    "LimitBelowUsed",
    "LimitOutOfRange",
    "Miscount",
    "PoolMissing",
    "PreferenceQuotaTooLarge",
    "Refusals",
    "Seats",
    "SubjectNotOffered",
    "TotalTooSmall",
    "claim",
    "day_pool",
    "look",
    "move",
    "pool_label",
    "quota_refusal",
    "recount",
    "refusals",
    "release",
    "require_free",
    "seats_of",
    "set_limits",
    "subject_pool",
    "with_days",
]
