"""The answer: who sits where, who does not and why, and how good the plan provably is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.rules.arrangement.solver.instance import SCHEMA, EntryKey, Mode, minute_text
from app.rules.arrangement.solver.messages import Finding

#: Start and end of a sitting: what a price belongs to.
Interval = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Unplaced:
    """An entry of the run that has no slot, and the reason."""

    candidate: str
    subject: str
    reason: Finding


@dataclass(frozen=True, slots=True)
class Bound:
    """No plan places more than `placed` entries; none that places as many as this one meets more
    than `wishes` intended dates. Both count as `Solution.placed` and `wishes` do.
    """

    placed: int
    wishes: int


@dataclass(frozen=True, slots=True)
class Solution:
    """The result of `solve`.

    `placements` maps the entries that the run placed (or, where moves are allowed, may have
    moved) to slots; fixed existing ones are not repeated there. `placed` and `wishes` count all
    placed entries and met intentions, existing ones included. `findings` are the shortages of
    seats as a whole. `prices` prove `bound`: a price per seat and interval, in units in which a
    placed entry is worth `place_weight` and a met intention 1; see `certificate.py`.
    """

    mode: Mode
    seed: int
    placements: Mapping[EntryKey, str]
    unplaced: tuple[Unplaced, ...]
    findings: tuple[Finding, ...]
    placed: int
    wishes: int
    bound: Bound
    proven: bool
    place_weight: int
    prices: Mapping[Interval, float] = field(default_factory=dict)
    name: str = ""

    def to_json(self) -> dict[str, Any]:
        """A JSON object in the format `ncre-arrange/1`: `assign`, and what explains it."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "mode": self.mode.value,
            "seed": self.seed,
            "assign": [[*key, slot] for key, slot in sorted(self.placements.items())],
            "unplaced": [[u.candidate, u.subject, u.reason.to_json()] for u in self.unplaced],
            "findings": [finding.to_json() for finding in self.findings],
            "counts": {"placed": self.placed, "wishes": self.wishes},
            "bound": {"placed": self.bound.placed, "wishes": self.bound.wishes},
            "proven": self.proven,
            "lex": {"M": self.place_weight, "price": _prices_to_json(self.prices)},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Solution:
        """The inverse of `to_json`."""
        return cls(
            mode=Mode(data["mode"]),
            seed=data["seed"],
            placements={(c, subject): slot for c, subject, slot in data["assign"]},
            unplaced=tuple(Unplaced(c, s, Finding.from_json(r)) for c, s, r in data["unplaced"]),
            findings=tuple(Finding.from_json(item) for item in data["findings"]),
            placed=data["counts"]["placed"],
            wishes=data["counts"]["wishes"],
            bound=Bound(data["bound"]["placed"], data["bound"]["wishes"]),
            proven=data["proven"],
            place_weight=data["lex"]["M"],
            prices=_prices_from_json(data["lex"]["price"]),
            name=data["name"],
        )


def _prices_to_json(prices: Mapping[Interval, float]) -> dict[str, float]:
    return {
        f"{minute_text(start)}|{minute_text(end)}": price
        for (start, end), price in sorted(prices.items())
    }


def _prices_from_json(data: Mapping[str, float]) -> dict[Interval, float]:
    prices = {}
    for text, price in data.items():
        start, end = text.split("|")
        prices[datetime.fromisoformat(start), datetime.fromisoformat(end)] = price
    return prices
