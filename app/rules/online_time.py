"""考生报名时间设置 (chapter 15): a site's own 网报 time, inside W4."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from app.metadata.declarations import (
    CHANGE,
    LOOK,
    ONLY_RUN,
    On,
    Operation,
    Place,
    Resource,
    RowOutcome,
)
from app.metadata.errors import LABELLED, N_, InvalidInput, KaowuError, Message
from app.metadata.fields import Computed, Field, Kind
from app.metadata.registry import register
from app.metadata.vocabulary import Area, Level, Personal, Verb, Window
from app.models.registration import Mode, Registration
from app.models.settings import SETTERS, SITE_COLUMN, SITE_ORDER, SiteSettings
from app.rules import affected, windows
from app.rules.crud import Context, before
from app.rules.effects import changed, effects
from app.rules.operations import OperationContext
from app.rules.windows import Interval, intersect, local


class OutsideBounds(KaowuError):
    """R15.3: within W4."""

    code = "settings.outside_bounds"
    template = N_("网报时间应在上级设置的最早、最晚时间之内（{interval}）。")


def _bounds_of(row: SiteSettings) -> Interval:
    """W4 of the site, as it was loaded with the row."""
    return Interval(*row.window.interval(Window.ONLINE)) if row.window else Interval()


def effective_time(row: SiteSettings) -> object:
    """The part of a site's 网报时间 inside W4, flagged where W4 cuts it (R15 inf)."""
    own = online_interval(row)
    if own.start is None:
        return None
    common = intersect(own, _bounds_of(row))
    if common.start is None:
        return {"text": N_("无效：不在上级设置的最早、最晚时间内"), "tone": "bad"}
    if common == own:
        return common.show()
    cut = Message(N_("{interval}（已按上级时间缩短）"), interval=common.show())
    return {"text": cut, "tone": "warn"}


def online_interval(settings: SiteSettings) -> Interval:
    """The site's own 网报 time, unset when it is switched off."""
    if not settings.online_enabled:
        return Interval()
    return Interval(settings.online_start, settings.online_end)


ONLINE_TIME = register(
    Resource(
        name="online_time",
        label=N_("考生报名时间设置"),
        noun=N_("考生报名时间"),
        menu=Place(Area.SETUP, 60),
        model=SiteSettings,
        verbs={
            Level.CENTER: LOOK,
            Level.PROVINCE: CHANGE,
            Level.CITY: LOOK,
            Level.SITE: CHANGE,
        },
        entrusted=frozenset({Verb.EDIT}),
        window=Window.SETUP,
        binds=SETTERS,
        single=frozenset({Level.SITE}),
        order=SITE_ORDER,
        computed=(
            SITE_COLUMN,
            Computed(
                "online_bounds",
                N_("最早、最晚时间"),
                lambda row: _bounds_of(row).show(),
                loads=("window",),
            ),
            Computed("online_effective", N_("实际网报时间"), effective_time, loads=("window",)),
        ),
        columns=(
            "site_name",
            "online_enabled",
            "online_start",
            "online_end",
            "online_bounds",
            "online_effective",
        ),
        shown=(
            "online_enabled",
            "online_start",
            "online_end",
            "online_bounds",
            "online_effective",
        ),
        form=("online_enabled", "online_start", "online_end"),
        help=N_("网报时间须在“考生网上报名最早时间”和“最晚时间”之间。"),
    )
)


def check_times(enabled: bool, start: dt.datetime | None, end: dt.datetime | None) -> None:
    """R15.3: both edges when it is on, in order. Raises InvalidInput."""
    if not enabled:
        return
    edges = (("online_start", N_("网报开始时间"), start), ("online_end", N_("网报截止时间"), end))
    missing: dict[str, list[str]] = {
        name: [Message(LABELLED, label=label, message=N_("必填"))]
        for name, label, edge in edges
        if edge is None
    }
    if missing:
        raise InvalidInput(missing)
    if start is not None and end is not None and start >= end:
        raise InvalidInput({"online_end": [N_("网报截止时间：应晚于开始时间")]})


def check_bounds(session: Session, row: SiteSettings) -> None:
    """R15.3: inside W4 of the site. Raises OutsideBounds with them."""
    own = online_interval(row)
    bounds = windows.load(session, row.site_id)[Window.ONLINE]
    if own.start is not None and intersect(own, bounds) != own:
        raise OutsideBounds(interval=bounds.show())


@before("online_time", Verb.EDIT)
def _online_time(row: SiteSettings, context: Context) -> None:
    check_times(row.online_enabled, row.online_start, row.online_end)
    check_bounds(context.session, row)


# ---------------------------------------------------------------- effects (R10.2)


def _ends_earlier(old: Interval, new: Interval) -> bool:
    """Is the time switched off, or cut at its end?"""
    if old.start is None or old.end is None:
        return False
    return new.start is None or (new.end is not None and new.end < old.end)


def _begins_later(old: Interval, new: Interval, now: dt.datetime) -> bool:
    """Is it put off? A start that has passed either way stops nobody."""
    if old.start is None or new.start is None:
        return False
    return new.start > old.start and new.start > now


def _told(
    session: Session,
    sites: Sequence[tuple[int | None, Interval]],
    new: Interval,
    now: dt.datetime,
) -> Iterator[Message]:
    """Who has not paid cannot do so after an earlier end, nor before a later start.

    `sites` are (site id, its time so far); all get the time `new`.
    """
    ending = [site for site, old in sites if _ends_earlier(old, new)]
    waiting = [site for site, old in sites if _begins_later(old, new, now)]
    if count := _unpaid(session, ending):
        yield Message(
            N_("{count} 名个人报名考生尚未缴清，网报结束后不能再报考和支付。"), count=count
        )
    if new.start is not None and (count := _unpaid(session, waiting)):
        yield Message(
            N_("{count} 名个人报名考生尚未缴清，在 {start} 之前不能报考和支付。"),
            count=count,
            start=local(new.start),
        )


def _unpaid(session: Session, sites: Sequence[int | None]) -> int:
    return affected.registrations_at(
        session,
        sites,
        Registration.mode == Mode.INDIVIDUAL.value,
        Registration.payment != "paid",
    )


def _former(row: SiteSettings) -> Interval:
    """The time of the site before the pending change."""
    enabled, start, end = (
        change[0] if (change := changed(row, name)) is not None else getattr(row, name)
        for name in ("online_enabled", "online_start", "online_end")
    )
    return Interval(start, end) if enabled else Interval()


@effects("online_time", Verb.EDIT)
def _effects(row: SiteSettings, context: Context) -> Iterator[Message]:
    sites = [(row.site_id, _former(row))]
    yield from _told(context.session, sites, online_interval(row), context.clock())


@effects("online_time_set", Verb.RUN)
def _effects_of_many(rows: Sequence[SiteSettings], context: Context) -> Iterator[Message]:
    """The same for all sites that will take the time; the others are left alone."""
    values = context.values
    new = Interval()
    if values.get("online_enabled"):
        new = Interval(values.get("online_start"), values.get("online_end"))
        if new.start is None or new.end is None:
            return  # `_apply` refuses it
    sites = [
        (row.site_id, online_interval(row))
        for row in rows
        if new.start is None or intersect(new, _bounds_of(row)) == new
    ]
    yield from _told(context.session, sites, new, context.clock())


# ---------------------------------------------------------------- many sites at once


def _apply(
    session: Session,
    rows: Sequence[SiteSettings],
    values: Mapping[str, Any],
    _context: OperationContext,
) -> list[RowOutcome]:
    """Set the same time at every site; one whose W4 does not hold it is left alone."""
    enabled = bool(values.get("online_enabled"))
    start, end = values.get("online_start"), values.get("online_end")
    check_times(enabled, start, end)
    outcomes = []
    for row in rows:
        former = row.online_enabled, row.online_start, row.online_end
        row.online_enabled = enabled
        if enabled:
            row.online_start, row.online_end = start, end
        title, reason = row.site.display if row.site else "", ""
        try:
            with session.no_autoflush:
                check_bounds(session, row)
        except OutsideBounds as refusal:
            row.online_enabled, row.online_start, row.online_end = former
            reason = refusal.as_message()
        outcomes.append(RowOutcome(row.id, title, not reason, reason))
    session.flush()
    return outcomes


SET_TIMES = register(
    Operation(
        name="online_time_set",
        label=N_("批量设置"),
        resource="online_time",
        on=frozenset({On.SELECTION, On.QUERY}),
        apply=_apply,
        verbs={Level.PROVINCE: ONLY_RUN},
        entrusted=ONLY_RUN,
        window=Window.SETUP,
        binds=SETTERS,
        writes=(SiteSettings,),
        icon="fa-clock",
        fields=(
            Field(
                name="online_enabled",
                label=N_("开启个人网报"),
                personal=Personal.NONE,
                kind=Kind.BOOLEAN,
            ),
            Field(
                name="online_start",
                label=N_("网报开始时间"),
                personal=Personal.NONE,
                kind=Kind.DATETIME,
                help=N_("开启个人网报时必填"),
            ),
            Field(
                name="online_end",
                label=N_("网报截止时间"),
                personal=Personal.NONE,
                kind=Kind.DATETIME,
                help=N_("开启个人网报时必填"),
            ),
        ),
        confirm=N_("为 {count} 个考点设置考生报名时间："),
    )
)


__all__ = [
    "ONLINE_TIME",
    "SET_TIMES",
    "OutsideBounds",
    "check_bounds",
    "check_times",
    "effective_time",
    "online_interval",
]
