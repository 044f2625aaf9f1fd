"""Due work: what must be done when its time has come (expiry, reconciliation, sealing, …).

A rule registers a sweep; the upkeep process runs all of them, each in a transaction of its own.
It does not depend on the queue (architecture §4.8).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: (session, clock) -> how many rows it touched, or None
Sweep = Callable[[Any, Callable[[], dt.datetime]], int | None]


@dataclass(frozen=True, slots=True)
class DueWork:
    """One sweep. `every` is seconds between two runs; `per_exam`: once for each session that is
    current, as SYSTEM of that session, else once as SYSTEM without a session."""

    name: str
    every: float
    per_exam: bool
    sweep: Sweep


_registered: dict[str, DueWork] = {}


def due_work(name: str, *, every: float = 60, per_exam: bool = False) -> Callable[[Sweep], Sweep]:
    """Register `sweep(session, clock)` as a task of the upkeep; `name` stands in the audit log.

    A sweep takes a bounded batch (it is called again soon), is safe to run in two processes at
    once, and never commits.
    """

    def register(sweep: Sweep) -> Sweep:
        _registered[name] = DueWork(name, every, per_exam, sweep)
        return sweep

    return register


def all_due_work() -> list[DueWork]:
    """Every registered sweep, in the order of registration."""
    return list(_registered.values())
