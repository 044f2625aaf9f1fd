"""The nine operation windows (R0.1-R0.3): what is in force, and who may set what.

Inclusive ends, the server's clock, Asia/Shanghai. A window binds the organisation whose row it
is; nesting under the superior is kept when windows are set, so reading needs one row.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.policy import elevated
from app.metadata.errors import N_, Message
from app.metadata.text import LOCAL_ZONE
from app.metadata.vocabulary import Window
from app.models.exam import OperationWindow


class WindowState(StrEnum):
    """Where now stands to a window."""

    UNSET = "unset"
    BEFORE = "before"
    OPEN = "open"
    AFTER = "after"

    @property
    def label(self) -> str:
        return _STATE_LABELS[self]


_STATE_LABELS = {
    WindowState.UNSET: N_("未设置"),
    WindowState.BEFORE: N_("未开始"),
    WindowState.OPEN: N_("进行中"),
    WindowState.AFTER: N_("已结束"),
}


@dataclass(frozen=True, slots=True)
class Interval:
    """Start and end of one window of one organisation; either may be unset."""

    start: dt.datetime | None = None
    end: dt.datetime | None = None
    open_ended: bool = False

    def state(self, at: dt.datetime) -> WindowState:
        """The end belongs to the window, to the second (R0.2)."""
        if self.start is None or (self.end is None and not self.open_ended):
            return WindowState.UNSET
        if at < self.start:
            return WindowState.BEFORE
        if self.end is not None and at.replace(microsecond=0) > self.end:
            return WindowState.AFTER
        return WindowState.OPEN

    def is_open(self, at: dt.datetime) -> bool:
        return self.state(at) is WindowState.OPEN

    def show(self) -> str:
        """“yyyy-MM-dd HH:mm 至 yyyy-MM-dd HH:mm”, or the start alone (R0.8)."""
        if self.start is None or (self.end is None and not self.open_ended):
            return str(WindowState.UNSET.label)
        start = local(self.start)
        return (
            start
            if self.end is None
            else Message(N_("{start} 至 {end}"), start=start, end=local(self.end))
        )


def intersect(one: Interval, other: Interval) -> Interval:
    """The common part; unset if either is unset, or if nothing is common (R15: W4 shortened)."""
    if None in (one.start, one.end, other.start, other.end):
        return Interval()
    start = max(moment for moment in (one.start, other.start) if moment)
    end = min(moment for moment in (one.end, other.end) if moment)
    return Interval(start, end) if start <= end else Interval()


def local(moment: dt.datetime, form: str = "%Y-%m-%d %H:%M") -> str:
    """A UTC moment as people of the examination read it."""
    return moment.astimezone(LOCAL_ZONE).strftime(form)


Intervals = dict[Window, Interval]


def intervals_of(row: OperationWindow | None) -> Intervals:
    """All nine windows of one row (or all unset)."""
    if row is None:
        return {window: Interval(open_ended=window.open_ended) for window in Window}
    return {
        window: Interval(*row.interval(window), open_ended=window.open_ended) for window in Window
    }


def load(session: Session, organisation_id: int | None) -> Intervals:
    """The windows of an organisation, whoever asks: a site must see that its superior's is unset.

    Cached for the unit of work; call `forget` after changing a row.
    """
    cache: dict[int | None, Intervals] = session.info.setdefault("kaowu_windows", {})
    if organisation_id not in cache:
        row = None
        if organisation_id is not None:
            with elevated(session, "read operation windows", OperationWindow):
                row = session.scalars(
                    select(OperationWindow).where(
                        OperationWindow.organisation_id == organisation_id
                    )
                ).first()
        cache[organisation_id] = intervals_of(row)
    return cache[organisation_id]


def remember(session: Session, organisation_id: int, row: OperationWindow | None) -> Intervals:
    """The windows of a row that a statement has read along; `load` then asks no more."""
    cache: dict[int | None, Intervals] = session.info.setdefault("kaowu_windows", {})
    cache[organisation_id] = intervals_of(row)
    return cache[organisation_id]


def forget(session: Session) -> None:
    """Drop what `load` remembers: windows were changed, or a long job is about to commit."""
    session.info.pop("kaowu_windows", None)
