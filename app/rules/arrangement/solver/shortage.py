"""Shortages of seats: sets of periods of which candidates must use more seats than there are.

A violated Hall condition, which anybody can recount: for each candidate, the least seats of the
set that he needs to sit all that he can sit. Sets are read off the prices of a plan that only
places, split into parts that have nothing to do with each other, and shrunk while the deficit
stays. Then the missing seats are thought to be there, and the search goes on until nothing is
missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.rules.arrangement.solver.certificate import prices_of
from app.rules.arrangement.solver.exchange import ExchangeGraph
from app.rules.arrangement.solver.model import Kind, Weights, bits
from app.rules.arrangement.solver.plan import Plan
from app.rules.arrangement.solver.timetables import Timetabler

#: Rounds of search; periods in which added seats are tried; levels of prices looked at; periods
#: times kinds of demand up to which a set is shrunk (the prices hardly ever name too many).
_MAX_ROUNDS, _MAX_TRIALS, _MAX_LEVELS, _SHRINK_EFFORT = 12, 8, 8, 4000

#: Allowed periods of each entry of a candidate.
Masks = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Candidates of the same subjects: how many, and the seats of a set that they need at least."""

    subjects: tuple[str, ...]
    candidates: int
    seats: int


@dataclass(frozen=True, slots=True)
class Remedy:
    """Seats added to one period, and the entries that can then be placed in addition."""

    period: int
    seats: int
    gain: int


@dataclass(frozen=True, slots=True)
class Shortage:
    """A set of periods (bit mask) with its seats, the seats needed, and who needs them."""

    periods: int
    seats: int
    needed: int
    groups: tuple[Group, ...]
    remedies: tuple[Remedy, ...]


class SeatNeeds:
    """How many seats of a set of periods candidates cannot do without."""

    def __init__(self, timetabler: Timetabler) -> None:
        self.timetabler = timetabler
        self._known: dict[tuple[Masks, int], tuple[int, int]] = {}

    def of(self, masks: Masks, periods: int) -> tuple[int, int]:
        """(most entries that he can sit at all, least seats of `periods` that he needs for it)."""
        reach = 0
        for mask in masks:
            reach |= mask
        key = (masks, periods & reach)
        if key not in self._known:
            self._known[key] = self._compute(*key)
        return self._known[key]

    def _compute(self, masks: Masks, periods: int) -> tuple[int, int]:
        # A place is worth more than all seats of the set together that a candidate can take.
        place = len(masks) + 1
        value, _ = self.timetabler.best(
            [{t: place - (periods >> t & 1) for t in bits(mask)} for mask in masks]
        )
        placed = -(-value // place)
        return placed, placed * place - value


class ShortageSearch:
    """Finds the shortages of a finished plan. Works on its own copy.

    `prices` per period are those that prove the plan's quality: further sets to look at.
    """

    def __init__(self, plan: Plan, prices: Sequence[int] = ()) -> None:
        model = plan.model
        self.prices = list(prices)
        self.model = replace(
            model, weights=Weights(1, 0, 0), capacity=list(model.capacity), _values={}
        )
        self.capacity = tuple(model.capacity)
        self.needs = SeatNeeds(Timetabler(self.model))
        self.demands: Counter[Masks] = Counter()
        for kind in model.kinds:
            self.demands[_masks(kind)] += kind.size
        self.graph = ExchangeGraph(Plan(self.model, plan.counts))

    def find(self) -> list[Shortage]:
        """All shortages found, those of the plan as it stands first."""
        found: list[Shortage] = []
        for round_number in range(_MAX_ROUNDS):
            self.graph.improve()
            parts = [self._shrink(part) for part in self._parts(self._worst_set())]
            parts = [part for part in parts if self._deficit(part) > 0]
            if not parts:
                break
            # Promises about added seats hold for the plan as it stands, so only in the first round.
            trials = {part: self._try_seats(part) for part in parts}
            for part, remedies in trials.items():
                found.append(self._describe(part, remedies if round_number == 0 else ()))
                self.model.capacity[remedies[0].period] += remedies[0].seats
        return found

    def _deficit(self, periods: int) -> int:
        needed = sum(n * self.needs.of(masks, periods)[1] for masks, n in self.demands.items())
        return needed - sum(self.model.capacity[t] for t in bits(periods))

    def _worst_set(self) -> int:
        """The set of periods that lacks most seats; the smaller of equals.

        Dear periods are looked at first, each one alone only where they explain nothing.
        """
        single = [1 << t for t in range(self.model.pool)]
        for sets in (self._dear_sets(), single):
            ranked = [(-self._deficit(periods), periods.bit_count(), periods) for periods in sets]
            lack, _, worst = min(ranked, default=(0, 0, 0))
            if lack < 0:
                return worst
        return 0

    def _dear_sets(self) -> list[int]:
        """Sets of periods whose prices reach some level."""
        sets: dict[int, None] = {}
        for prices in (*prices_of(self.graph), self.prices):
            levels = sorted({price for price in prices if price > 0})
            # A few levels tell apart what is scarce from what is merely wished for.
            for level in levels[-_MAX_LEVELS:]:
                sets[sum(1 << t for t, price in enumerate(prices) if price >= level)] = None
        return list(sets)

    def _parts(self, periods: int) -> list[int]:
        """Split a set where no candidate who needs seats of it can use both parts."""
        parts = [1 << t for t in bits(periods)]
        for masks in self.demands:
            if not self.needs.of(masks, periods)[1]:
                continue
            reach = 0
            for mask in masks:
                reach |= mask & periods
            joined = sum(part for part in parts if part & reach)
            parts = [part for part in parts if not part & reach] + ([joined] if joined else [])
        return sorted(part for part in parts if self._deficit(part) > 0)

    def _shrink(self, periods: int) -> int:
        """Leave out periods, the last first, as long as as many seats are missing."""
        if periods.bit_count() * len(self.demands) > _SHRINK_EFFORT:
            return periods
        deficit = self._deficit(periods)
        for period in reversed(bits(periods)):
            smaller = periods & ~(1 << period)
            if smaller and self._deficit(smaller) >= deficit:
                periods = smaller
        return periods

    def _try_seats(self, periods: int) -> tuple[Remedy, ...]:
        """The missing seats added to one period after the other: the best help first."""
        seats, plan = self._deficit(periods), self.graph.plan
        remedies = []
        for period in bits(periods)[:_MAX_TRIALS]:
            placed, mark = plan.placed, len(self.graph.journal)
            self.model.capacity[period] += seats
            self.graph.improve()
            remedies.append(Remedy(period, seats, plan.placed - placed))
            self.graph.undo(mark)
            self.model.capacity[period] -= seats
        return tuple(sorted(remedies, key=lambda remedy: (-remedy.gain, remedy.period)))

    def _describe(self, periods: int, remedies: tuple[Remedy, ...]) -> Shortage:
        """The shortage in terms of the seats that really exist."""
        candidates: Counter[tuple[str, ...]] = Counter()
        seats: Counter[tuple[str, ...]] = Counter()
        for kind in self.model.kinds:
            least = self.needs.of(_masks(kind), periods)[1]
            if least:
                for keys in kind.members:
                    subjects = tuple(sorted(subject for _, subject in keys))
                    candidates[subjects] += 1
                    seats[subjects] += least
        groups = [Group(subjects, candidates[subjects], n) for subjects, n in seats.items()]
        groups.sort(key=lambda group: (-group.seats, group.subjects))
        available = sum(self.capacity[t] for t in bits(periods))
        helpful = tuple(remedy for remedy in remedies if remedy.gain > 0)
        return Shortage(periods, available, seats.total(), tuple(groups), helpful)


def _masks(kind: Kind) -> Masks:
    return tuple(shape.allowed for shape in kind.shapes)
