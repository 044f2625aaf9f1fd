"""Problems for the solver's tests: small random ones, and judges that share no code with it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from app.rules.arrangement.solver import (
    Candidate,
    Entry,
    EntryKey,
    Instance,
    Mode,
    Slot,
    Solution,
    Subject,
)

DATA = Path(__file__).parents[3] / "data" / "arrangement"
EXPECTED: dict[str, dict[str, int]] = json.loads((DATA / "expected.json").read_text("utf-8"))
FIRST_DAY = datetime(2026, 3, 28)  # noqa: DTZ001 - local exam times have no zone


def load(name: str) -> Instance:
    """A public instance."""
    return Instance.from_json(json.loads((DATA / f"{name}.json").read_text("utf-8")))


def at(clock: str, day: int = 0) -> datetime:
    """`at("10:15", 1)`: 10:15 on the second exam day."""
    hours, minutes = clock.split(":")
    return FIRST_DAY + timedelta(days=day, hours=int(hours), minutes=int(minutes))


def day(number: int) -> date:
    """The exam day: 0 is the first."""
    return (FIRST_DAY + timedelta(days=number)).date()


def slot(identifier: str, start: str, end: str, capacity: int = 1, on: int = 0) -> Slot:
    """A sitting of the room before the `#`."""
    return Slot(identifier, identifier.partition("#")[0], at(start, on), at(end, on), capacity)


def subject(code: str, minutes: int = 90, start: str = "08:00", end: str = "20:00") -> Subject:
    """A subject of the first day."""
    return Subject(code, minutes, at(start), at(end))


def candidate(identifier: str, *subjects: str, group: str = "A") -> Candidate:
    """A candidate without intentions."""
    return Candidate(identifier, group, tuple(Entry(code) for code in subjects))


# ------------------------------------------------------------------ random problems


@st.composite
def small_instances(draw: st.DrawFn, most_candidates: int = 5) -> Instance:
    """Overlapping sittings with few seats, narrow windows, mostly several entries each."""
    slots = []
    for number in range(1, draw(st.integers(2, 6)) + 1):
        start = FIRST_DAY + timedelta(
            days=draw(st.integers(0, 1)), minutes=480 + 15 * draw(st.integers(0, 20))
        )
        end = start + timedelta(minutes=15 * draw(st.integers(2, 6)))
        room = f"{number:02d}"
        slots.append(Slot(f"{room}#1", room, start, end, draw(st.integers(0, 2))))
    subjects = []
    for code in range(14, 14 + draw(st.integers(1, 4))):
        first, last = sorted(draw(st.tuples(st.integers(0, 1), st.integers(0, 1))))
        start = FIRST_DAY + timedelta(days=first, minutes=480 + 15 * draw(st.integers(0, 10)))
        end = FIRST_DAY + timedelta(days=last, minutes=660 + 15 * draw(st.integers(0, 14)))
        minutes = draw(st.sampled_from([30, 45, 60, 90]))
        subjects.append(Subject(str(code), minutes, start, end))
    candidates = []
    wishes = st.sampled_from([None, day(0), day(1)])
    for number in range(draw(st.integers(1, most_candidates))):
        chosen = draw(st.lists(st.sampled_from(subjects), min_size=1, max_size=3, unique=True))
        entries = tuple(Entry(item.code, draw(wishes)) for item in chosen)
        candidates.append(Candidate(f"c{number}", draw(st.sampled_from("AB")), entries))
    return Instance(tuple(subjects), tuple(slots), tuple(candidates))


# ------------------------------------------------------------------ judges


def violations(instance: Instance, solution: Solution, mode: Mode) -> list[str]:
    """Every breach of a hard constraint (R31.5, R31.9), counted from the raw data."""
    slots = {item.id: item for item in instance.slots}
    subjects = {item.code: item for item in instance.subjects}
    wishes = {(c.id, e.subject): e.wish for c in instance.candidates for e in c.entries}
    fixed = {} if instance.allow_move else dict(instance.existing)
    found = [f"moved {key}" for key in solution.placements if key in fixed]
    placed: dict[EntryKey, Slot] = {
        key: slots[where] for key, where in {**fixed, **solution.placements}.items()
    }
    for key, where in placed.items():
        if key in fixed:
            continue
        rule = subjects[key[1]]
        if where.start < rule.start or where.end > rule.end:
            found.append(f"outside the date range {key}")
        if where.end - where.start < timedelta(minutes=rule.minutes):
            found.append(f"too short {key}")
        if mode is Mode.PREFERENCE_ONLY and where.start.date() != wishes[key]:
            found.append(f"not on the intended day {key}")
    for where_id, number in Counter(item.id for item in placed.values()).items():
        if number > slots[where_id].capacity:
            found.append(f"over capacity {where_id}")
    for (one, here), (other, there) in combinations(placed.items(), 2):
        if one[0] == other[0] and not _far_apart(here, there, instance.gap_minutes):
            found.append(f"too close {one} {other}")
    return found


def _far_apart(one: Slot, other: Slot, gap_minutes: int) -> bool:
    early, late = sorted([one, other], key=lambda item: item.start)
    return late.start - early.end > timedelta(minutes=gap_minutes)


def score(instance: Instance, placements: Mapping[EntryKey, str]) -> tuple[int, int]:
    """(placed, met intentions)."""
    slots = {item.id: item for item in instance.slots}
    wishes = {(c.id, e.subject): e.wish for c in instance.candidates for e in c.entries}
    met = sum(
        wishes.get(key) is not None and slots[where].start.date() == wishes[key]
        for key, where in placements.items()
    )
    return len(placements), met


def optimum(instance: Instance) -> tuple[int, int]:
    """The best (placed, met intentions) by trying everything; for small instances only."""
    slots = list(instance.slots)
    subjects = {item.code: item for item in instance.subjects}

    def timetables(who: Candidate) -> list[tuple[tuple[int, ...], int]]:
        found: list[tuple[tuple[int, ...], int]] = [((), 0)]
        for entry in who.entries:
            rule = subjects[entry.subject]
            for chosen, met in list(found):
                for number, where in enumerate(slots):
                    fits = where.start >= rule.start and where.end <= rule.end
                    fits &= where.end - where.start >= timedelta(minutes=rule.minutes)
                    fits &= all(
                        _far_apart(where, slots[other], instance.gap_minutes) for other in chosen
                    )
                    if fits:
                        hit = entry.wish is not None and where.start.date() == entry.wish
                        found.append(((*chosen, number), met + hit))
        return found

    options = [timetables(who) for who in instance.candidates]

    @cache
    def best(number: int, free: tuple[int, ...]) -> tuple[int, int]:
        if number == len(options):
            return 0, 0
        answers = []
        for chosen, met in options[number]:
            left = list(free)
            for where in chosen:
                left[where] -= 1
            if min(left, default=0) >= 0:
                placed, wished = best(number + 1, tuple(left))
                answers.append((placed + len(chosen), wished + met))
        return max(answers)

    return best(0, tuple(item.capacity for item in slots))


def price_bound(instance: Instance, data: Mapping[str, Any]) -> float:
    """What the published prices prove, recomputed by listing every timetable: the bound on
    `M * placed + met intentions`. `data` is the solution as JSON.
    """
    weight, prices = data["lex"]["M"], data["lex"]["price"]
    slots = list(instance.slots)
    cost = [
        prices.get(f"{s.start.isoformat('T', 'minutes')}|{s.end.isoformat('T', 'minutes')}", 0)
        for s in slots
    ]
    total = float(sum(s.capacity * price for s, price in zip(slots, cost, strict=True)))
    for who in instance.candidates:
        gains = [0.0]
        _gains(instance, who.entries, [], 0.0, cost, weight, gains)
        total += max(gains)
    return total


def _gains(
    instance: Instance,
    entries: tuple[Entry, ...],
    chosen: list[Slot],
    gain: float,
    cost: list[float],
    weight: int,
    gains: list[float],
) -> None:
    if not entries:
        gains.append(gain)
        return
    entry, rest = entries[0], entries[1:]
    _gains(instance, rest, chosen, gain, cost, weight, gains)
    rule = next(item for item in instance.subjects if item.code == entry.subject)
    for where, price in zip(instance.slots, cost, strict=True):
        inside = where.start >= rule.start and where.end <= rule.end
        long_enough = where.end - where.start >= timedelta(minutes=rule.minutes)
        if not (inside and long_enough):
            continue
        if all(_far_apart(where, other, instance.gap_minutes) for other in chosen):
            hit = entry.wish is not None and where.start.date() == entry.wish
            _gains(
                instance, rest, [*chosen, where], gain + weight + hit - price, cost, weight, gains
            )
