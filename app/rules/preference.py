"""《意向考试相关设置》 (R14): may candidates of a site prefer a day, and how many on each.

The switch is the province's; the quotas are the site's inside W1, or the province's on its
behalf. A quota is a pool “D:<day>” beside the seats of chapter 13: `capacity.set_limits` writes
it, entries consume it (R14.7).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database import locks
from app.database.policy import actor_of, elevated
from app.metadata.actor import Actor
from app.metadata.declarations import (
    FILL_IN,
    ONLY_VIEW,
    Grid,
    GridCell,
    GridChange,
    GridColumn,
    Place,
    StoredCells,
)
from app.metadata.errors import N_, Message, NotFound
from app.metadata.fields import Field, Kind
from app.metadata.registry import register
from app.metadata.vocabulary import Area, Level, Personal, Verb, Window
from app.models.capacity import UNLIMITED, CapacityPool
from app.models.exam import Exam, ExamDay
from app.models.organisation import Organisation
from app.models.settings import SETTERS, SiteSettings
from app.rules import affected, capacity, gate
from app.rules.capacity import TOTAL, day_pool
from app.rules.capacity_grid import former_limits, note_of, pools_of
from app.rules.exam import days_lock, days_of

#: name of the column 允许考生选择意向考试日期
SWITCH = "switch"
NOT_ALLOWED = N_(
    "省未允许本考点的考生选择意向考试日期，不能设置意向名额。如需开放，请联系省级管理员。"
)
_ALLOW_FIRST = N_("请先把“允许考生选择意向考试日期”改为“是”")
_SET_TOTAL_FIRST = N_("考点未设置总科次数，请先在《考点容量设置》中设置")


def _day_column(day: dt.date) -> GridColumn:
    cell = Field(
        name=day_pool(day),
        label=day.isoformat(),
        personal=Personal.NONE,
        kind=Kind.INTEGER,
        required=True,
        minimum=1,
        maximum=UNLIMITED // 2,
    )
    return GridColumn(cell=cell, group=N_("意向人数"), unset=N_("未设置"))


_SWITCH_COLUMN = GridColumn(
    cell=Field(
        name=SWITCH,
        label=N_("允许考生选择意向考试日期"),
        personal=Personal.NONE,
        kind=Kind.BOOLEAN,
        editable_from=Level.PROVINCE,
        help=N_("由省设置"),
    )
)


def columns(session: Session, actor: Actor) -> list[GridColumn]:
    """The switch, then one column per exam day of the scope (R14.1)."""
    return [_SWITCH_COLUMN, *(_day_column(day) for day in _days_in_scope(session, actor))]


def _days_in_scope(session: Session, actor: Actor) -> list[dt.date]:
    if actor.exam_id is None:
        return []
    if actor.province_id is not None:
        return days_of(session, actor.exam_id, actor.province_id)
    with elevated(session, "read exam days", ExamDay):
        days = select(ExamDay.day).where(ExamDay.exam_id == actor.exam_id).distinct()
        return sorted(session.scalars(days))


# ---------------------------------------------------------------- reading


def settings_of(
    session: Session, sites: Sequence[Organisation], *, lock: bool = False
) -> dict[int, SiteSettings]:
    """{site id: settings row}, locked in the order of their ids, as `listing.rows_by_id` does."""
    statement = (
        select(SiteSettings)
        .where(SiteSettings.site_id.in_([site.id for site in sites]))
        .order_by(SiteSettings.id)
    )
    if lock:
        gate.close(session, [site.id for site in sites])
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return {row.site_id or 0: row for row in session.scalars(statement)}


def read(
    session: Session, sites: Sequence[Organisation], _columns: object, lock: bool
) -> dict[int, dict[str, GridCell]]:
    """Switch and quotas; where the switch is off, the site's own quotas are closed to it.

    With `lock` the days stay as well, so that no quota is saved on a day that goes meanwhile.
    """
    actor = actor_of(session)
    if lock:
        # before the rows, as by who changes the days
        locks.share(session, (days_lock(actor.exam_id),))
    settings = settings_of(session, sites, lock=lock)
    pools = pools_of(session, sites, lock=lock)
    days: dict[int | None, list[dt.date]] = {}
    found: dict[int, dict[str, GridCell]] = {}
    for site in sites:
        if site.province_id not in days:
            days[site.province_id] = days_of(session, site.exam_id, site.province_id)
        row = settings.get(site.id)
        allowed = row is not None and row.preference_allowed
        locked = NOT_ALLOWED if actor.level is Level.SITE and not allowed else ""
        cells = {SWITCH: GridCell(allowed)}
        for day in days[site.province_id]:
            pool = pools[site.id].get(day_pool(day))
            limit = pool.capacity if pool is not None else None
            cells[day_pool(day)] = GridCell(limit, locked, note_of(pool))
        found[site.id] = cells
    return found


# ---------------------------------------------------------------- checking, saving


def check(session: Session, changes: Sequence[GridChange]) -> dict[tuple[int, str], str | Message]:
    """R14.2-R14.4, R14.8, and what is used already: every error, in its cell."""
    pools = pools_of(session, [change.site for change in changes])
    return {
        (change.site.id, name): message
        for change in changes
        for name, message in _errors(change, pools[change.site.id]).items()
    }


def _errors(change: GridChange, pools: Mapping[str, CapacityPool]) -> dict[str, str | Message]:
    quotas = {name: value for name, value in change.after.items() if name != SWITCH}
    if not quotas:
        return _kept_quotas(pools) if change.after.get(SWITCH) else {}
    if not change.value(SWITCH):
        return dict.fromkeys(quotas, _ALLOW_FIRST)
    if TOTAL not in pools:
        return dict.fromkeys(quotas, _SET_TOTAL_FIRST)
    days = [name for name in change.cells if name != SWITCH]
    # R14.2: once one day has a quota, every day needs one
    found: dict[str, str | Message] = {
        name: N_("必填") for name in days if change.value(name) is None
    }
    present = {name: (row.capacity, row.used) for name, row in pools.items()}
    for name, error in capacity.refusals(present, quotas).items():
        found[name] = error.as_message()
    return found


def _kept_quotas(pools: Mapping[str, CapacityPool]) -> dict[str, str | Message]:
    """Quotas that were set before intentions were switched off must still fit the total (R13.8):
    the switch alone is not enough otherwise."""
    error = capacity.quota_refusal({name: row.capacity for name, row in pools.items()})
    if error is None:
        return {}
    return {f"D:{day}": error.as_message() for day in error.parameters["days"]}


def save(session: Session, change: GridChange) -> None:
    """Write switch and quotas of one site inside the caller's permit."""
    if SWITCH in change.after:
        row = settings_of(session, [change.site]).get(change.site.id)
        if row is None:
            raise NotFound()
        row.preference_allowed = bool(change.after[SWITCH])
        session.flush()
    quotas = {name: value for name, value in change.after.items() if name != SWITCH}
    if quotas:
        capacity.set_limits(session, change.site, quotas)


# ---------------------------------------------------------------- effects


def effects(session: Session, changes: Sequence[GridChange]) -> list[Message]:
    """What switching off does to preferences, and where the switch alone is not enough."""
    off = [change.site.id for change in changes if change.after.get(SWITCH) is False]
    found = []
    if off:
        found.append(Message(N_("{sites} 个考点将不再允许选择意向日期。"), sites=len(off)))
        found += affected.preferences_kept(session, off)
    lacking = sum(
        change.after.get(SWITCH) is True
        and any(change.value(name) is None for name in change.cells if name != SWITCH)
        for change in changes
    )
    if lacking:
        text = N_("{count} 个考点允许后还没有意向名额：设置之前考生看不到日期选择。")
        found.append(Message(text, count=lacking))
    return found


def copy(
    session: Session, sites: Sequence[Organisation], _columns: object, exam: Exam
) -> dict[str, dict[str, Any]]:
    """Switch and quotas of an earlier session by organisation code (R0.6b): its first day for
    the first day of now, and so on."""
    codes = {site.code: site for site in sites}
    found: dict[str, dict[str, Any]] = {}
    with elevated(session, "copy the intention switch of the last session", SiteSettings):
        rows = session.execute(
            select(Organisation.code, SiteSettings.preference_allowed)
            .join(Organisation, Organisation.id == SiteSettings.site_id)
            .where(SiteSettings.exam_id == exam.id, Organisation.code.in_(codes))
        ).all()
    for code, allowed in rows:
        found[code] = {SWITCH: allowed}
    for code, limits in former_limits(session, sites, exam).items():
        site = codes[code]
        former = sorted(pool for pool in limits if pool.startswith("D:"))
        today = days_of(session, site.exam_id, site.province_id)
        for pool, day in zip(former, today, strict=False):
            found.setdefault(code, {})[day_pool(day)] = limits[pool]
    return found


def notices(
    _session: Session, actor: Actor, rows: Sequence[Mapping[str, GridCell]]
) -> list[Message | str]:
    """R0.5b: why a site has nothing to fill in; R10.4: a switch without quotas does nothing."""
    found: list[Message | str] = []
    if actor.level is Level.SITE and any(not row[SWITCH].value for row in rows):
        found.append(NOT_ALLOWED)
    lacking = sum(
        bool(row[SWITCH].value)
        and any(cell.value is None for name, cell in row.items() if name != SWITCH)
        for row in rows
    )
    if lacking:
        text = N_("本页有 {count} 个允许选择意向日期的考点未设置意向名额，考生看不到日期选择。")
        found.append(Message(text, count=lacking))
    if rows and all(len(row) == 1 for row in rows):
        found.append(N_("本考次尚未设置考试日期，设置后才能填写意向名额。"))
    return found


PREFERENCE = register(
    Grid(
        name="preference",
        label=N_("意向考试相关设置"),
        menu=Place(Area.SETUP, 50),
        verbs={
            Level.CENTER: ONLY_VIEW,
            Level.PROVINCE: FILL_IN,
            Level.CITY: ONLY_VIEW,
            Level.SITE: FILL_IN,
        },
        entrusted=frozenset({Verb.EDIT}),
        window=Window.SETUP,
        binds=SETTERS,
        writes=(SiteSettings, CapacityPool),
        columns=columns,
        read=read,
        check=check,
        save=save,
        effects=effects,
        copy=copy,
        notices=notices,
        stored=(
            StoredCells(SiteSettings, columns={"preference_allowed": SWITCH}),
            StoredCells(CapacityPool, key="pool"),
        ),
        row_label=N_("设置意向人数"),
        # like the operation `site_preference`: the switch is the province's own business (R14)
        windowless={SWITCH: frozenset({Level.PROVINCE})},
        help=N_(
            "每天的意向人数必填，不小于 1，不超过总科次数的一半；各天之和不超过总科次数。"
            "按报考科次计数，取消或过期的报考会退回名额。"
        ),
    )
)
