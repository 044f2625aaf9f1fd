"""Repair: moving a whole candidate where single moves are not enough.

The exchange graph moves one entry at a time; two entries of one candidate may have to move
together. The certificate tells where to look: what a plan lacks against the bound is the sum, over
candidates, of what their timetable falls short of the best one at the current prices. Such a
candidate is put on a better timetable and held there while the others make room; what harms the
plan is undone.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.rules.arrangement.solver.certificate import Certificate, Certifier
from app.rules.arrangement.solver.exchange import ExchangeGraph
from app.rules.arrangement.solver.model import Timetable

#: Attempts in one run: at most and at least so many, fewer on large graphs.
_MAX_ATTEMPTS, _LEAST_ATTEMPTS, _EFFORT = 600, 60, 2_000_000
#: How often prices are looked up anew as the plan changes: less where there are many kinds.
_LEAST_PRICINGS, _PRICING_EFFORT = 10, 50_000
#: Timetables tried per candidate who falls short.
_ALTERNATIVES = 12

#: kind, old and new timetable
Attempt = tuple[int, Timetable, Timetable]


def repair(graph: ExchangeGraph, certifier: Certifier) -> Certificate:
    """Improve the plan of a graph that single moves cannot improve. Returns the best certificate.

    A change to a different plan of equal worth is accepted too: it opens other ways. Ends when the
    plan reaches the bound, when no attempt is left to make, or after a fixed number of attempts.
    """
    return _Repair(graph, certifier).run()


class _Repair:
    """One run of repair: the plan, the best certificate so far, and what may still be spent."""

    def __init__(self, graph: ExchangeGraph, certifier: Certifier) -> None:
        self.graph = graph
        self.plan = graph.plan
        self.certifier = certifier
        self.certificate = certifier.certify_plan(graph)
        self.attempts = max(_LEAST_ATTEMPTS, min(_MAX_ATTEMPTS, _EFFORT // graph.size**2))
        self.pricings = max(_LEAST_PRICINGS, _PRICING_EFFORT // max(1, len(graph.model.kinds)))
        self.tried: set[Attempt] = set()

    def run(self) -> Certificate:
        """Change the plan and look up prices in turn, until neither leads on."""
        is_priced = True
        while self.plan.worth < self.certificate.bound:
            changed = self._change()
            if changed:
                is_priced = False
            if not changed and is_priced:
                break
            # Without a change to make, fresh prices are the last resort.
            if self.pricings > 0 or not changed:
                self._price()
                is_priced = True
        if not is_priced:
            self._price()
        return self.certificate

    def _price(self) -> None:
        """Other plans suggest other prices, and these prove more or show other ways."""
        self.pricings -= 1
        found = self.certifier.certify_plan(self.graph)
        if found.bound <= self.certificate.bound:
            self.certificate = found

    def _change(self) -> bool:
        """Make the first change that does no harm; False when none is left or may be tried."""
        worth = self.plan.worth
        for attempt in self._candidates():
            if attempt in self.tried:
                continue
            if self.attempts == 0:
                return False
            self.attempts -= 1
            self.tried.add(attempt)
            if self._try(*attempt):
                if self.plan.worth > worth:
                    self.tried.clear()
                return True
        return False

    def _candidates(self) -> Iterator[Attempt]:
        """Changes worth trying: who falls short most comes first, his best timetables first."""
        certifier, certificate = self.certifier, self.certificate
        shortfalls = []
        for index, counts in enumerate(self.plan.counts):
            for timetable in counts:
                lack = certifier.lack(index, timetable, certificate)
                if lack > 0:
                    shortfalls.append((-lack, index, timetable))
        for _, index, timetable in sorted(shortfalls):
            kind = self.graph.model.kinds[index]
            profits = certifier.profits(kind, certificate.prices, certificate.scale)
            for _, target in certifier.timetabler.top(profits, _ALTERNATIVES, 0):
                if target != timetable:
                    yield index, timetable, target

    def _try(self, kind: int, old: Timetable, new: Timetable) -> bool:
        """Put one candidate on another timetable and let the others make room; undo a loss."""
        graph, plan = self.graph, self.plan
        worth, mark = plan.worth, len(graph.journal)
        graph.change(kind, old, new, 1)
        graph.hold(kind, new)
        graph.improve()
        graph.release(kind, new)
        if plan.excess == 0 and plan.worth >= worth:
            graph.improve()
            return True
        graph.undo(mark)
        return False
