"""How many people and entries a setting of a site touches, for the effects that are told before
it is saved (`rules.effects`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.metadata.errors import N_, Message
from app.metadata.vocabulary import Window
from app.models.registration import HOLDING, LIVE, Entry, Registration
from app.models.settings import SiteSettings
from app.rules import windows
from app.rules.windows import Interval, intersect

#: sites that one statement asks about
_CHUNK = 500
_HELD = tuple(state.value for state in HOLDING)


def registrations(session: Session, site_id: int | None, *conditions: Any) -> int:
    """How many registrations of a site hold seats or may still get one (drafts too)."""
    return registrations_at(session, [site_id], *conditions)


def registrations_at(session: Session, site_ids: Sequence[int | None], *conditions: Any) -> int:
    """The same at all of these sites together."""
    count = 0
    for start in range(0, len(site_ids), _CHUNK):
        statement = (
            select(func.count())
            .select_from(Registration)
            .where(
                Registration.site_id.in_(site_ids[start : start + _CHUNK]),
                Registration.life.in_(LIVE),
                *conditions,
            )
        )
        count += session.scalar(statement) or 0
    return count


def entries(session: Session, site_id: int | None, *conditions: Any) -> int:
    """How many entries of a site hold a seat."""
    statement = (
        select(func.count())
        .select_from(Entry)
        .where(Entry.site_id == site_id, Entry.state.in_(_HELD), *conditions)
    )
    return session.scalar(statement) or 0


def preferences(session: Session, site_ids: Sequence[int | None]) -> int:
    """How many entries that hold a seat at these sites have chosen a day (R14.7): what the
    intention switch leaves as it is, by whichever way it is switched off."""
    count = 0
    for start in range(0, len(site_ids), _CHUNK):
        statement = (
            select(func.count())
            .select_from(Entry)
            .where(
                Entry.site_id.in_(site_ids[start : start + _CHUNK]),
                Entry.state.in_(_HELD),
                Entry.preference_day.is_not(None),
            )
        )
        count += session.scalar(statement) or 0
    return count


def preferences_kept(session: Session, site_ids: Sequence[int | None]) -> Iterator[Message]:
    """What switching 意向 off at these sites means to who has chosen a day; nothing for none."""
    count = preferences(session, site_ids)
    if count:
        yield Message(
            N_("已选择意向考试日期的 {count} 科次保留原来的日期，不能再选择或改选。"), count=count
        )


def settings_of(session: Session, site_id: int | None) -> SiteSettings | None:
    """The row of a site in scope."""
    with session.no_autoflush:
        statement = select(SiteSettings).where(SiteSettings.site_id == site_id)
        return session.scalars(statement).first()


def running(session: Session, site_id: int | None, now: dt.datetime) -> Interval | None:
    """The site's online time inside W4, when candidates are registering at this moment."""
    row = settings_of(session, site_id)
    return None if row is None else running_at(session, row, now)


def running_at(session: Session, row: SiteSettings, now: dt.datetime) -> Interval | None:
    """The same for a site whose settings are known."""
    if not (row.open and row.online_enabled):
        return None
    bounds = windows.load(session, row.site_id)[Window.ONLINE]
    interval = intersect(Interval(row.online_start, row.online_end), bounds)
    return interval if interval.is_open(now) else None


def during_registration(
    session: Session, site_id: int | None, now: dt.datetime
) -> Iterator[Message]:
    """“不建议在报名期间修改” with the numbers (R10.2, R11.7, R18.4); nothing at other times."""
    interval = running(session, site_id, now)
    if interval is not None:
        yield Message(
            N_(
                "考生正在网上报名（{interval}），不建议在报名期间修改；"
                "该考点已有 {people} 名考生、{entries} 科次。"
            ),
            interval=interval.show(),
            people=registrations(session, site_id),
            entries=entries(session, site_id),
        )


__all__ = [
    "during_registration",
    "entries",
    "preferences",
    "preferences_kept",
    "registrations",
    "registrations_at",
    "running",
    "running_at",
    "settings_of",
]
