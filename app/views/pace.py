"""How fast a job goes."""

from __future__ import annotations

import datetime as dt

from flask_babel import gettext

from app.models.job import JobRun, JobState


def pace_of(run: JobRun, unit: str) -> str | None:
    """How fast the present part of the work goes, in `unit` per second, and how long it will take;
    None while there is nothing to tell."""
    begun, beat = (run.result or {}).get("begun"), run.heartbeat_at
    if run.state != JobState.RUNNING.value or not begun or beat is None or not run.progress:
        return None
    seconds = (beat - dt.datetime.fromisoformat(begun)).total_seconds()
    if seconds < 1:
        return None
    rate = run.progress / seconds
    pace: str = gettext("约 %(rate)s %(unit)s/秒", rate=f"{max(1, round(rate)):,}", unit=unit)
    if not run.total or run.total <= run.progress:
        return pace
    left = round((run.total - run.progress) / rate)
    if left < 90:
        pace += gettext("，预计还需 %(n)s 秒", n=max(1, left))
    else:
        pace += gettext("，预计还需 %(n)s 分钟", n=round(left / 60))
    return pace
