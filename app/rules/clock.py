"""The clock is handed to rules; tests hand in theirs, superusers can preview another moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from app.metadata.text import LOCAL_ZONE

Clock = Callable[[], dt.datetime]


def system_clock() -> dt.datetime:
    """Now, in UTC."""
    return dt.datetime.now(dt.UTC)


def fixed(moment: dt.datetime) -> Clock:
    """A clock that stands still."""
    return lambda: moment


def local_day(now: dt.datetime) -> dt.date:
    """The day of the examination's clock, by which ages are counted (domain §3.9)."""
    return now.astimezone(LOCAL_ZONE).date()
