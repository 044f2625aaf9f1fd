"""The best timetable of one candidate when seats have prices: an exact dynamic programme."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import lru_cache

from app.rules.arrangement.solver.model import Model, Shape, Timetable, bits

#: Profit (or loss) of each entry at each period index where it may go.
Profits = Sequence[dict[int, int]]


@lru_cache(maxsize=16)
def _steps(entries: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Per entry: the sets of entries that hold it, each with the set that is left without it."""
    return tuple(
        tuple(
            (chosen, chosen ^ 1 << entry) for chosen in range(1 << entries) if chosen >> entry & 1
        )
        for entry in range(entries)
    )


class Timetabler:
    """Finds timetables of greatest profit. Periods are walked in the order in which they end.

    For a set of entries and a prefix of the periods the best profit is that of the shorter
    prefix, or of one entry in the last period and the others in the periods that end more than
    the gap before it starts. Effort: 2^k · k · periods for k entries.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.pool = model.pool
        periods = model.periods
        self.order = sorted(range(len(periods)), key=lambda i: (periods[i].end, periods[i].start))
        ends = [periods[index].end for index in self.order]
        gap = timedelta(minutes=model.instance.gap_minutes)
        #: per position in the order: how many periods end early enough before it
        self.before = [bisect.bisect_left(ends, periods[i].start - gap) for i in self.order]

    def best(self, profits: Profits) -> tuple[int, Timetable]:
        """The greatest total profit and a timetable that has it; entries may stay in the pool."""
        if len(profits) == 1:
            return self._best_of_one(profits[0])
        steps, sets = _steps(len(profits)), 1 << len(profits)
        best: list[list[int]] = [[0] * sets]
        taken: list[list[int] | None] = [None]
        for position, period in enumerate(self.order):
            row, marks = best[-1], None
            earlier = best[self.before[position]]
            for entry, offered in enumerate(profits):
                profit = offered.get(period, 0)
                if profit <= 0:
                    continue
                if marks is None:
                    row, marks = row.copy(), [-1] * sets
                for chosen, rest in steps[entry]:
                    if earlier[rest] + profit > row[chosen]:
                        row[chosen], marks[chosen] = earlier[rest] + profit, entry
            best.append(row)
            taken.append(marks)
        return best[-1][-1], self._trace(taken, len(profits))

    def _best_of_one(self, offered: dict[int, int]) -> tuple[int, Timetable]:
        profit, period = 0, self.pool
        for index, value in offered.items():
            if value > profit:
                profit, period = value, index
        return profit, (period,)

    def _trace(self, taken: Sequence[Sequence[int] | None], entries: int) -> Timetable:
        timetable = [self.pool] * entries
        chosen, position = (1 << entries) - 1, len(taken) - 1
        while position > 0:
            marks = taken[position]
            entry = -1 if marks is None else marks[chosen]
            if entry < 0:
                position -= 1
                continue
            timetable[entry] = self.order[position - 1]
            chosen ^= 1 << entry
            position = self.before[position - 1]
        return tuple(timetable)

    def top(self, profits: Profits, count: int, least: int) -> list[tuple[int, Timetable]]:
        """Up to `count` timetables of the greatest profits, none below `least`; best first.

        A search through the entries, cut where even their best periods cannot reach the list.
        """
        offers = [
            sorted([(-profit, period) for period, profit in offered.items()] + [(0, self.pool)])
            for offered in profits
        ]
        hopes = [0] * (len(offers) + 1)
        for position in range(len(offers) - 1, -1, -1):
            hopes[position] = hopes[position + 1] - offers[position][0][0]
        found: list[tuple[int, Timetable]] = []  # a heap, the least profitable first

        def search(timetable: Timetable, profit: int, blocked: int) -> None:
            position = len(timetable)
            if position == len(offers):
                heapq.heappush(found, (profit, timetable))
                if len(found) > count:
                    heapq.heappop(found)
                return
            for loss, period in offers[position]:
                hope = profit - loss + hopes[position + 1]
                if hope < least or (len(found) == count and hope <= found[0][0]):
                    return
                if not blocked >> period & 1:
                    conflicts = self.model.conflicts[period]
                    search((*timetable, period), profit - loss, blocked | conflicts)

        search((), 0, 0)
        return sorted(found, key=lambda item: (-item[0], item[1]))


def profits_of(shapes: Sequence[Shape], profit: Callable[[Shape, int], int]) -> Profits:
    """The profits of each shape at all its periods, given as a function of shape and period."""
    return [{period: profit(shape, period) for period in bits(shape.allowed)} for shape in shapes]
