"""The exchange graph: improving a plan by moving entries round, one period to the next.

Nodes are the periods, the pool of entries that are not placed, and one node for spare seats. An
arc t → u stands for entries at t that may move to u, given where their candidate sits otherwise;
its cost is what the best of them loses in worth. Where a period has spare seats an arc leads to
the spare node; from there one leads to every period in use. A cycle of negative cost is a set of
moves that improves the plan and keeps every period within its seats: placing one more entry,
meeting one more wish, or both. An overfull period is relieved at any price.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from app.rules.arrangement.solver.model import Timetable, bits
from app.rules.arrangement.solver.plan import Plan

#: (kind, timetable, position in the timetable): an entry that moves, of any candidate like this.
Mover = tuple[int, Timetable, int]
#: kind, old timetable, new timetable, number of candidates.
Change = tuple[int, Timetable, Timetable, int]
Arc = tuple[int, int]

#: How many movers of one arc are tried before the cycle is given up, and how many failures end
#: the search (they are rare; the count makes sure that it ends).
_MOVERS_TRIED, _MAX_FAILURES = 16, 60


class ExchangeGraph:
    """A plan with its arcs kept up to date; every change is written down and can be undone."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.model = plan.model
        self.size = self.model.pool + 1
        self.spare_node = self.size
        #: movers[t][u][gain]: who may move from t to u, gaining so much; dicts keep the order.
        self.movers: list[list[dict[int, dict[Mover, None]]]] = [
            [{} for _ in range(self.size)] for _ in range(self.size)
        ]
        self.journal: list[Change] = []
        self._rows: list[list[tuple[int, int]] | None] = [None] * self.size
        for kind, counts in enumerate(plan.counts):
            for timetable in sorted(counts):
                self._enter(kind, timetable)

    # ---------------------------------------------------------------- changing the plan

    def change(self, kind: int, old: Timetable, new: Timetable, units: int) -> None:
        """Like `Plan.change`, with arcs and journal."""
        counts = self.plan.counts[kind]
        is_new = new not in counts
        self.plan.change(kind, old, new, units)
        if old not in counts:
            self._leave(kind, old)
        if is_new:
            self._enter(kind, new)
        self.journal.append((kind, old, new, units))

    def undo(self, mark: int) -> None:
        """Take back all changes since the journal had `mark` lines."""
        while len(self.journal) > mark:
            kind, old, new, units = self.journal.pop()
            self.change(kind, new, old, units)
            self.journal.pop()

    def hold(self, kind: int, timetable: Timetable) -> None:
        """Keep one candidate where he is until `release`: he takes seats but never moves."""
        counts = self.plan.counts[kind]
        counts[timetable] -= 1
        if not counts[timetable]:
            self._leave(kind, timetable)
            del counts[timetable]

    def release(self, kind: int, timetable: Timetable) -> None:
        """The end of `hold`."""
        counts = self.plan.counts[kind]
        counts[timetable] = counts.get(timetable, 0) + 1
        if counts[timetable] == 1:
            self._enter(kind, timetable)

    def _moves(self, kind: int, timetable: Timetable) -> Iterator[tuple[int, int, int, int]]:
        """All single moves of a candidate: position, from, to, gain."""
        model, pool = self.model, self.model.pool
        for position, (shape, here) in enumerate(
            zip(model.kinds[kind].shapes, timetable, strict=True)
        ):
            blocked = 0
            for other, period in enumerate(timetable):
                if other != position:
                    blocked |= model.conflicts[period]
            values = model.values(shape)
            for there in bits(shape.allowed & ~blocked):
                if there != here:
                    yield position, here, there, values[there] - values[here]
            if here != pool:
                yield position, here, pool, -values[here]

    def _enter(self, kind: int, timetable: Timetable) -> None:
        for position, here, there, gain in self._moves(kind, timetable):
            buckets = self.movers[here][there]
            mover = (kind, timetable, position)
            if gain in buckets:
                buckets[gain][mover] = None
            else:
                buckets[gain] = {mover: None}
                self._rows[here] = None

    def _leave(self, kind: int, timetable: Timetable) -> None:
        for position, here, there, gain in self._moves(kind, timetable):
            buckets = self.movers[here][there]
            del buckets[gain][kind, timetable, position]
            if not buckets[gain]:
                del buckets[gain]
                self._rows[here] = None

    # ---------------------------------------------------------------- arcs and cycles

    def _row(self, here: int) -> list[tuple[int, int]]:
        """Arcs that leave a node towards periods and pool: (to, cost)."""
        row = self._rows[here]
        if row is None:
            row = self._rows[here] = [
                (there, -max(buckets)) for there, buckets in enumerate(self.movers[here]) if buckets
            ]
        return row

    def arcs(self, banned: frozenset[Arc] | set[Arc] = frozenset()) -> list[list[tuple[int, int]]]:
        """Per node (the spare node last) its arcs as (to, cost)."""
        plan = self.plan
        rows = []
        relief = self._relief()
        from_spare = []
        for here in range(self.size):
            row = self._row(here)
            if banned:
                row = [arc for arc in row if (here, arc[0]) not in banned]
            spare = plan.spare(here)
            rows.append([*row, (self.spare_node, 0)] if spare > 0 else row)
            if plan.used[here]:
                from_spare.append((here, 0 if spare >= 0 else -relief))
        return [*rows, from_spare]

    def _relief(self) -> int:
        """More than any cycle can cost: what relieving an overfull period is worth."""
        return (self.size + 1) * (self.model.weights.place * 2)

    def improve(self) -> list[int]:
        """Apply negative cycles until none is left; return the distances that show it.

        The distances obey d[u] ≤ d[t] + cost(t, u) on all arcs but those that were given up.
        """
        banned: set[Arc] = set()
        failures = 0
        while True:
            distances, cycles = find_negative_cycles(self.arcs(banned))
            if not cycles or failures > _MAX_FAILURES:
                return distances
            obstacles = [self._apply(cycle) for cycle in cycles]
            if None in obstacles:
                banned.clear()
            else:
                failures += 1
                banned.update(arc for arc in obstacles if arc is not None)

    def _apply(self, cycle: list[int]) -> Arc | None:
        """Carry out the moves of a cycle. Returns the arc that stood in the way, or None."""
        arcs = [
            arc
            for arc in zip(cycle, [*cycle[1:], cycle[0]], strict=True)
            if self.spare_node not in arc
        ]
        chosen: list[tuple[Arc, Mover]] = []
        uses: dict[tuple[int, Timetable], int] = {}
        gain = 0
        for arc in arcs:
            buckets = self.movers[arc[0]][arc[1]]
            best = max(buckets, default=None)
            mover = None if best is None else self._free_mover(buckets[best], uses)
            if best is None or mover is None:
                return arc
            gain += best
            chosen.append((arc, mover))
            uses[mover[:2]] = uses.get(mover[:2], 0) + 1
        units = min(self.plan.counts[kind][table] // n for (kind, table), n in uses.items())
        limit, relieved = self._seats_of(cycle)
        if limit < 1 or (gain <= 0 and not relieved):
            return arcs[0]
        for (_, there), (kind, timetable, position) in chosen:
            moved = (*timetable[:position], there, *timetable[position + 1 :])
            self.change(kind, timetable, moved, min(units, limit))
        return None

    def _free_mover(
        self, movers: dict[Mover, None], uses: dict[tuple[int, Timetable], int]
    ) -> Mover | None:
        """A mover whose candidates are not all moving already in this cycle."""
        for mover in islice(movers, _MOVERS_TRIED):
            if uses.get(mover[:2], 0) < self.plan.counts[mover[0]][mover[1]]:
                return mover
        return None

    def _seats_of(self, cycle: list[int]) -> tuple[int, bool]:
        """How often the cycle may be applied for want of seats, and whether it relieves."""
        if self.spare_node not in cycle:
            return self.model.entries, False
        at = cycle.index(self.spare_node)
        first, last = cycle[(at + 1) % len(cycle)], cycle[at - 1]
        limit, excess = self.plan.spare(last), -self.plan.spare(first)
        return (min(limit, excess), True) if excess > 0 else (limit, False)


def find_negative_cycles(
    arcs: list[list[tuple[int, int]]],
) -> tuple[list[int], list[list[int]]]:
    """Distances from anywhere (Bellman-Ford), and disjoint negative cycles if there are any.

    A cycle is a list of nodes in the direction of the arcs.
    """
    size = len(arcs)
    distances, previous = [0] * size, [-1] * size
    active = list(range(size))
    while active:
        touched = [False] * size
        for here in active:
            base = distances[here]
            for there, cost in arcs[here]:
                if base + cost < distances[there]:
                    distances[there] = base + cost
                    previous[there] = here
                    touched[there] = True
        active = [node for node in range(size) if touched[node]]
        cycles = _cycles_of(previous)
        if cycles:
            return distances, cycles
    return distances, []


def _cycles_of(previous: list[int]) -> list[list[int]]:
    """Cycles among the predecessors; in Bellman-Ford each of them has negative cost."""
    seen = [0] * len(previous)
    cycles = []
    for start in range(len(previous)):
        node, walk = start, start + 1
        while node >= 0 and not seen[node]:
            seen[node] = walk
            node = previous[node]
        if node >= 0 and seen[node] == walk:
            cycle = [node]
            while (node := previous[node]) != cycle[0]:
                cycle.append(node)
            cycles.append(cycle[::-1])
    return cycles
