"""A clock that goes on while a rule waits for the lock of its registration."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy.orm import Session

from app.rules.clock import Clock
from app.rules.registration.states import Held, hold


def held_up(
    monkeypatch: pytest.MonkeyPatch, module: str, now: dt.datetime, wait: dt.timedelta
) -> Clock:
    """It tells `now`, and `wait` later once `module` has got the registration."""
    moments = [now]

    def waiting(session: Session, registration_id: int) -> Held:
        held = hold(session, registration_id)
        moments.append(now + wait)
        return held

    monkeypatch.setattr(f"{module}.hold", waiting)
    return lambda: moments[-1]


__all__ = ["held_up"]
