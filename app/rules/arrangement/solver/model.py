"""The problem as the search sees it: periods instead of slots, kinds instead of candidates.

Only capacity depends on the room, so slots with the same start and end form one *period*; the
rooms inside a period are filled afterwards (`fill.py`), which is always possible because two
entries of one candidate never share a period. Candidates whose entries may go to the same periods
and wish for the same periods are of one *kind* and interchangeable: 20,000 entries make some
1,000 kinds. A *timetable* of a kind names the period of each entry, or the pool (not placed).
Sets of periods are bit masks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache

from app.rules.arrangement.solver.instance import (
    Candidate,
    Entry,
    EntryKey,
    Instance,
    Mode,
    Slot,
    Subject,
)

#: Period index per entry of a kind; the number of periods stands for the pool (not placed).
Timetable = tuple[int, ...]


#: Order of candidates inside a kind: subjects, class (together where possible), lot.
_Rank = tuple[tuple[str, ...], str, bytes]


@lru_cache(maxsize=4096)
def bits(mask: int) -> tuple[int, ...]:
    """The members of a bit mask, ascending."""
    members = []
    while mask:
        low = mask & -mask
        members.append(low.bit_length() - 1)
        mask ^= low
    return tuple(members)


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """What the search knows of an entry: periods that are allowed, wished for, and occupied now."""

    allowed: int
    wished: int
    current: int = 0


@dataclass(frozen=True, slots=True)
class Weights:
    """What a placed entry, a met wish and an unmoved entry are worth.

    Each is worth more than all of the next together, so the sum orders plans lexicographically.
    """

    place: int
    wish: int
    stay: int

    @classmethod
    def lexicographic(cls, entries: int, movable: int) -> Weights:
        """Weights for so many entries, `movable` of which have a place they may keep."""
        stay = 1 if movable else 0
        wish = 1 + movable
        return cls(1 + entries * (wish + stay), wish, stay)


@dataclass(frozen=True, slots=True)
class Kind:
    """Interchangeable candidates. `members` hold one entry key per shape, in plan order."""

    shapes: tuple[Shape, ...]
    members: tuple[tuple[EntryKey, ...], ...]

    @property
    def size(self) -> int:
        """The number of candidates of this kind."""
        return len(self.members)


@dataclass(frozen=True, slots=True)
class Period:
    """Slots of equal time: local start and end, and the indexes of the slots."""

    start: datetime
    end: datetime
    slots: tuple[int, ...]


@dataclass(slots=True)
class Model:
    """Everything the search reads. `capacity` and `conflicts` are per period, the pool last."""

    instance: Instance
    mode: Mode
    periods: tuple[Period, ...]
    conflicts: list[int]
    capacity: list[int]
    free_seats: dict[str, int]
    kinds: tuple[Kind, ...]
    weights: Weights
    #: how many entries the run is about
    entries: int
    #: kind of each candidate's entries and why they may go where they may: for the diagnosis
    entry_of: dict[EntryKey, Entry]
    #: existing placements that stay, and those that may be moved
    fixed: Mapping[EntryKey, str]
    current: Mapping[EntryKey, str]
    _values: dict[Shape, list[int]]

    @property
    def pool(self) -> int:
        """The index that stands for "not placed"."""
        return len(self.periods)

    @property
    def days(self) -> list[frozenset[int]]:
        """The periods of each day."""
        found: dict[date, set[int]] = {}
        for index, period in enumerate(self.periods):
            found.setdefault(period.start.date(), set()).add(index)
        return [frozenset(periods) for periods in found.values()]

    def values(self, shape: Shape) -> list[int]:
        """The worth of an entry at each period; 0 in the pool (and where it may not go)."""
        known = self._values.get(shape)
        if known is None:
            weights = self.weights
            known = self._values[shape] = [0] * (self.pool + 1)
            for period in bits(shape.allowed):
                known[period] = (
                    weights.place
                    + weights.wish * (shape.wished >> period & 1)
                    + weights.stay * (shape.current >> period & 1)
                )
        return known

    def worth(self, kind: Kind, timetable: Timetable) -> int:
        """The worth of one candidate who follows this timetable."""
        return sum(
            self.values(shape)[period] for shape, period in zip(kind.shapes, timetable, strict=True)
        )

    def count(self, timetable: Timetable) -> int:
        """How many entries the timetable places."""
        return sum(period != self.pool for period in timetable)


def build_model(instance: Instance, mode: Mode, seed: int) -> Model:
    """Group slots and candidates; the order in which the instance lists them plays no part."""
    periods = _periods_of(instance.slots)
    conflicts = [_conflicts_of(period, periods, instance.gap_minutes) for period in periods]
    fixed, current = _split_existing(instance, mode)
    free_seats = _free_seats(instance, fixed)
    capacity = [sum(free_seats[instance.slots[i].id] for i in p.slots) for p in periods]
    kinds, entry_of = _KindBuilder(instance, mode, seed, periods, conflicts, fixed, current).build()
    entries = sum(kind.size * len(kind.shapes) for kind in kinds)
    return Model(
        instance=instance,
        mode=mode,
        periods=periods,
        conflicts=[*conflicts, 0],
        capacity=[*capacity, 2 * entries + 1],  # the pool always has room for everybody
        free_seats=free_seats,
        kinds=kinds,
        weights=Weights.lexicographic(entries, len(current)),
        entries=entries,
        entry_of=entry_of,
        fixed=fixed,
        current=current,
        _values={},
    )


def _periods_of(slots: tuple[Slot, ...]) -> tuple[Period, ...]:
    members: dict[tuple[datetime, datetime], list[int]] = {}
    for index in sorted(range(len(slots)), key=lambda index: slots[index].id):
        members.setdefault((slots[index].start, slots[index].end), []).append(index)
    return tuple(Period(*time, tuple(indexes)) for time, indexes in sorted(members.items()))


def _conflicts_of(period: Period, periods: tuple[Period, ...], gap_minutes: int) -> int:
    """Periods that one candidate cannot sit together with this one (R31.5: gap > 15 min)."""
    gap = timedelta(minutes=gap_minutes)
    mask = 0
    for index, other in enumerate(periods):
        apart = other.start - period.end > gap or period.start - other.end > gap
        if not apart:
            mask |= 1 << index
    return mask


def _split_existing(
    instance: Instance, mode: Mode
) -> tuple[dict[EntryKey, str], dict[EntryKey, str]]:
    """Existing placements that are fixed, and those that this run may move."""
    if not instance.allow_move or mode is Mode.PREFERENCE_ONLY:
        return dict(instance.existing), {}
    listed = {(c.id, entry.subject) for c in instance.candidates for entry in c.entries}
    fixed = {key: slot for key, slot in instance.existing.items() if key not in listed}
    current = {key: slot for key, slot in instance.existing.items() if key in listed}
    return fixed, current


def _free_seats(instance: Instance, fixed: Mapping[EntryKey, str]) -> dict[str, int]:
    """Seats per slot that fixed placements leave."""
    free = {slot.id: slot.capacity for slot in instance.slots}
    for slot_id in fixed.values():
        free[slot_id] -= 1
    return {slot_id: max(0, seats) for slot_id, seats in free.items()}


def fits(subject: Subject, start: datetime, end: datetime) -> bool:
    """Whether a sitting lies in the subject's date range and is long enough (R31.9)."""
    inside = start >= subject.start and end <= subject.end
    return inside and end - start >= timedelta(minutes=subject.minutes)


@dataclass(slots=True)
class _KindBuilder:
    """Turns candidates into kinds."""

    instance: Instance
    mode: Mode
    seed: int
    periods: tuple[Period, ...]
    conflicts: list[int]
    fixed: Mapping[EntryKey, str]
    current: Mapping[EntryKey, str]
    _allowed: dict[str, int] = field(init=False)
    _on_date: dict[date | None, int] = field(init=False)
    _period_of_slot: dict[str, int] = field(init=False)
    _blocked: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._allowed = {s.code: _mask(self.periods, s) for s in self.instance.subjects}
        self._on_date, self._period_of_slot, self._blocked = {}, {}, {}
        for index, period in enumerate(self.periods):
            day = period.start.date()
            self._on_date[day] = self._on_date.get(day, 0) | 1 << index
            for slot in period.slots:
                self._period_of_slot[self.instance.slots[slot].id] = index
        for (candidate, _), slot_id in self.fixed.items():
            # A candidate's fixed placements keep his other entries away.
            taken = self.conflicts[self._period_of_slot[slot_id]]
            self._blocked[candidate] = self._blocked.get(candidate, 0) | taken

    def build(self) -> tuple[tuple[Kind, ...], dict[EntryKey, Entry]]:
        """The kinds in a fixed order, and the entries of the run."""
        entry_of: dict[EntryKey, Entry] = {}
        found: dict[tuple[Shape, ...], list[tuple[_Rank, tuple[EntryKey, ...]]]] = {}
        for candidate in self.instance.candidates:
            rows = sorted(self._rows(candidate), key=lambda row: (row[0], row[1].subject))
            if not rows:
                continue
            keys = tuple((candidate.id, entry.subject) for _, entry in rows)
            entry_of.update(zip(keys, (entry for _, entry in rows), strict=True))
            rank = (tuple(key[1] for key in keys), candidate.group, self._lot(candidate.id))
            found.setdefault(tuple(shape for shape, _ in rows), []).append((rank, keys))
        kinds = tuple(
            Kind(shapes, tuple(keys for _, keys in sorted(members)))
            for shapes, members in sorted(found.items())
        )
        return kinds, entry_of

    def _rows(self, candidate: Candidate) -> list[tuple[Shape, Entry]]:
        rows = []
        for entry in candidate.entries:
            key = (candidate.id, entry.subject)
            if key in self.fixed or (self.mode is Mode.PREFERENCE_ONLY and entry.wish is None):
                continue
            rows.append((self._shape(key, entry), entry))
        return rows

    def _shape(self, key: EntryKey, entry: Entry) -> Shape:
        allowed = self._allowed[entry.subject] & ~self._blocked.get(key[0], 0)
        wished = allowed & self._on_date.get(entry.wish, 0)
        current = 1 << self._period_of_slot[self.current[key]] if key in self.current else 0
        if self.mode is Mode.PREFERENCE_ONLY:
            return Shape(wished, wished, wished & current)
        if self.mode is Mode.SELECTED:
            return Shape(allowed, 0, allowed & current)
        return Shape(allowed, wished, allowed & current)

    def _lot(self, candidate: str) -> bytes:
        """The lot that decides between candidates of equal claim."""
        return hashlib.sha256(f"{self.seed}|{candidate}".encode()).digest()


def _mask(periods: tuple[Period, ...], subject: Subject) -> int:
    return sum(
        1 << index
        for index, period in enumerate(periods)
        if fits(subject, period.start, period.end)
    )
