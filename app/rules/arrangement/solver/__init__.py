"""The arrangement solver: who sits in which sitting (docs/arrangement.md).

Pure: no database, no web, standard library only (HiGHS, where installed, as a second opinion).
`solve(instance, mode=…, seed=…)` gives a `Solution`; both speak the format `ncre-arrange/1`.
"""

from app.rules.arrangement.solver.errors import (
    DuplicateKey,
    InvalidInstance,
    SeatsExhausted,
    UnknownSlot,
    UnknownSubject,
)
from app.rules.arrangement.solver.fill import Seat, assign_seats
from app.rules.arrangement.solver.instance import (
    Candidate,
    Entry,
    EntryKey,
    Instance,
    Mode,
    Slot,
    Subject,
)
from app.rules.arrangement.solver.messages import Finding, Reason
from app.rules.arrangement.solver.solution import Bound, Solution, Unplaced
from app.rules.arrangement.solver.solve import solve, warn_preference

__all__ = [
    "Bound",
    "Candidate",
    "DuplicateKey",
    "Entry",
    "EntryKey",
    "Finding",
    "Instance",
    "InvalidInstance",
    "Mode",
    "Reason",
    "Seat",
    "SeatsExhausted",
    "Slot",
    "Solution",
    "Subject",
    "UnknownSlot",
    "UnknownSubject",
    "Unplaced",
    "assign_seats",
    "solve",
    "warn_preference",
]
