"""Proof of quality: any prices of seats bound the worth of every plan (weak duality).

Let every seat of a period cost its price. A candidate cannot gain more than his best timetable at
these prices, and the seats cannot earn more than all of them sold. The sum of both bounds the
worth of any plan, whatever the prices; good prices make it tight, and then the plan at hand is
optimal. Whoever doubts it needs the list of prices and simple arithmetic, not this solver.
Arithmetic is in integers: prices are given in units of 1/scale of a worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.rules.arrangement.solver.exchange import ExchangeGraph, find_negative_cycles
from app.rules.arrangement.solver.model import Kind, Model, Shape, Timetable
from app.rules.arrangement.solver.timetables import Profits, Timetabler, profits_of


@dataclass(frozen=True, slots=True)
class Certificate:
    """Prices per period in units of 1/`scale`, and the bound on the worth that they prove.

    `total` is that bound in the same units, not yet rounded down to a whole worth.
    """

    prices: tuple[int, ...]
    scale: int
    total: int
    bound: int

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
        values = self.model.values

        def profit(shape: Shape, period: int) -> int:
            return values(shape)[period] * scale - prices[period]

        return profits_of(kind.shapes, profit)

    def best(self, kind: Kind, prices: Sequence[int], scale: int) -> tuple[int, Timetable]:
        """What a candidate of this kind gains at most, and his timetable then."""
        return self.timetabler.best(self.profits(kind, prices, scale))

    def lack(self, kind: Kind, timetable: Timetable, most: int, certificate: Certificate) -> int:
        """What a timetable falls short of the gain `most`, in 1/scale."""
        prices, pool = certificate.prices, self.model.pool
        paid = sum(prices[period] for period in timetable if period != pool)
        return most - (self.model.worth(kind, timetable) * certificate.scale - paid)

    def certify(self, prices: Sequence[int], scale: int = 1) -> Certificate:
        """The bound that non-negative prices prove, rounded down: a worth is an integer."""
        total = sum(
            seats * price for seats, price in zip(self.model.capacity, prices, strict=False)
        )
        for kind in self.model.kinds:
            total += kind.size * self.best(kind, prices, scale)[0]
        return Certificate(tuple(prices), scale, total, min(total // scale, self.trivial))

    def best_of(self, candidates: Iterable[Sequence[int]]) -> Certificate:
        """The best certificate among several price lists."""
        return min((self.certify(prices) for prices in candidates), key=lambda c: c.bound)


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
