"""Proof of quality: any prices of seats bound the worth of every plan (weak duality).

Let every seat of a period cost its price. A candidate cannot gain more than his best timetable at
these prices, and the seats cannot earn more than all of them sold. The sum of both bounds the
worth of any plan, whatever the prices; good prices make it tight, and then the plan at hand is
optimal. Whoever doubts it needs the list of prices and simple arithmetic, not this solver.
Arithmetic is in integers: prices are given in units of 1/scale of a worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.rules.arrangement.solver.exchange import ExchangeGraph, find_negative_cycles
from app.rules.arrangement.solver.model import Kind, Model, Shape, Timetable, bits
from app.rules.arrangement.solver.timetables import Profits, Timetabler


@dataclass(frozen=True, slots=True)
class Certificate:
    """Prices per period in units of 1/`scale`, and the bound on the worth that they prove.

    `total` is that bound in the same units, not yet rounded down to a whole worth; `gains` is the
    most that a candidate of each kind can gain.
    """

    prices: tuple[int, ...]
    scale: int
    total: int
    bound: int
    gains: tuple[int, ...]

    def room(self, worth: int) -> int:
        """By how much a better plan than one of this worth may fall short of `total` in all."""
        return self.total - (worth + 1) * self.scale


class Certifier:
    """Evaluates prices for one model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.timetabler = Timetabler(model)
        #: no plan can be worth more than every entry placed as it likes best
        self.trivial = sum(
            kind.size * sum(max(model.values(shape)) for shape in kind.shapes)
            for kind in model.kinds
        )

    def profits(self, kind: Kind, prices: Sequence[int], scale: int) -> Profits:
        """What each entry of a candidate of this kind gains at each period, in 1/scale."""
        return [self._profits_of(shape, prices, scale) for shape in kind.shapes]

    def _profits_of(self, shape: Shape, prices: Sequence[int], scale: int) -> dict[int, int]:
        values = self.model.values(shape)
        return {t: values[t] * scale - prices[t] for t in bits(shape.allowed)}

    def best(self, kind: Kind, prices: Sequence[int], scale: int) -> tuple[int, Timetable]:
        """What a candidate of this kind gains at most, and his timetable then."""
        return self.timetabler.best(self.profits(kind, prices, scale))

    def lack(self, index: int, timetable: Timetable, certificate: Certificate) -> int:
        """What a timetable of a kind falls short of the best one, in 1/scale."""
        prices, pool = certificate.prices, self.model.pool
        paid = sum(prices[period] for period in timetable if period != pool)
        worth = self.model.worth(self.model.kinds[index], timetable)
        return certificate.gains[index] - (worth * certificate.scale - paid)

    def certify(self, prices: Sequence[int], scale: int = 1) -> Certificate:
        """The bound that non-negative prices prove, rounded down: a worth is an integer."""
        known: dict[Shape, dict[int, int]] = {}
        gains = []
        for kind in self.model.kinds:
            for shape in kind.shapes:
                if shape not in known:
                    known[shape] = self._profits_of(shape, prices, scale)
            gains.append(self.timetabler.best([known[shape] for shape in kind.shapes])[0])
        sold = zip(self.model.capacity, prices, strict=False)  # the pool has no price
        total = sum(seats * price for seats, price in sold)
        total += sum(kind.size * gain for kind, gain in zip(self.model.kinds, gains, strict=True))
        bound = min(total // scale, self.trivial)
        return Certificate(tuple(prices), scale, total, bound, tuple(gains))

    def certify_plan(self, graph: ExchangeGraph) -> Certificate:
        """The best certificate that the exchange graph of a finished plan suggests."""
        best: Certificate | None = None
        for prices in prices_of(graph):
            found = self.certify(prices)
            if best is None or found.bound < best.bound:
                best = found
            if best.bound <= graph.plan.worth:
                break
        assert best is not None  # noqa: S101 - there are always prices
        return best


def prices_of(graph: ExchangeGraph) -> list[list[int]]:
    """Price lists that the distances in the exchange graph of a finished plan suggest.

    A seat is worth what the plan gains when one is added. Distances *to* a node and *from* it give
    the two ends of what is consistent.
    """
    arcs = graph.arcs()
    reversed_arcs: list[list[tuple[int, int]]] = [[] for _ in arcs]
    for here, row in enumerate(arcs):
        for there, cost in row:
            reversed_arcs[there].append((here, cost))
    forward, backward = (find_distances(rows) for rows in (arcs, reversed_arcs))
    spare, pool = graph.spare_node, graph.model.pool
    return [
        [max(0, forward[spare] - forward[t]) for t in range(pool)],
        [max(0, backward[t] - backward[spare]) for t in range(pool)],
    ]


def find_distances(arcs: list[list[tuple[int, int]]]) -> list[int]:
    """Bellman-Ford distances from anywhere; where a negative cycle is left, the first attempt."""
    return find_negative_cycles(arcs)[0]
