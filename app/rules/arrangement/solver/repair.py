"""Repair: moving a whole candidate where single moves are not enough.

The exchange graph moves one entry at a time; two entries of one candidate may have to move
together. The certificate tells where to look: what a plan lacks against the bound is the sum, over
candidates, of what their timetable falls short of the best one at the current prices. Such a
candidate is put on a better timetable and held there while the others make room; what does not
improve the plan is undone.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.rules.arrangement.solver.certificate import Certificate, Certifier, prices_of
from app.rules.arrangement.solver.exchange import ExchangeGraph
from app.rules.arrangement.solver.model import Timetable

#: Attempts in one run: at most and at least so many, fewer on large graphs.
_MAX_ATTEMPTS, _LEAST_ATTEMPTS, _EFFORT = 600, 60, 2_000_000
#: Timetables tried per candidate who falls short.
_ALTERNATIVES = 12


def repair(graph: ExchangeGraph, certifier: Certifier, certificate: Certificate) -> Certificate:
    """Improve the plan of a graph that single moves cannot improve. Returns the best certificate.

    A change to a different plan of equal worth is accepted too: it opens other ways. Ends when the
    plan reaches the bound, when no attempt is left to make, or after a fixed number of attempts.
    """
    attempts = max(_LEAST_ATTEMPTS, min(_MAX_ATTEMPTS, _EFFORT // graph.size**2))
    tried: set[tuple[int, Timetable, Timetable]] = set()
    while graph.plan.worth < certificate.bound:
        worth = graph.plan.worth
        for attempt in _attempts(graph, certifier, certificate):
            if attempt in tried:
                continue
            if attempts == 0:
                return certificate
            attempts -= 1
            tried.add(attempt)
            if _try(graph, *attempt):
                break
        else:
            return certificate
        if graph.plan.worth > worth:
            tried.clear()
        certificate = min(
            certificate, certifier.best_of(prices_of(graph)), key=lambda found: found.bound
        )
    return certificate


def _attempts(
    graph: ExchangeGraph, certifier: Certifier, certificate: Certificate
) -> Iterator[tuple[int, Timetable, Timetable]]:
    """Changes worth trying (kind, old and new timetable): who falls short most comes first."""
    kinds, prices, scale = graph.model.kinds, certificate.prices, certificate.scale
    shortfalls = []
    for index, counts in enumerate(graph.plan.counts):
        most, _ = certifier.best(kinds[index], prices, scale)
        for timetable in counts:
            lack = certifier.lack(kinds[index], timetable, most, certificate)
            if lack > 0:
                shortfalls.append((-lack, index, timetable))
    for _, index, timetable in sorted(shortfalls):
        profits = certifier.profits(kinds[index], prices, scale)
        for _, target in certifier.timetabler.top(profits, _ALTERNATIVES, 0):
            if target != timetable:
                yield index, timetable, target


def _try(graph: ExchangeGraph, kind: int, old: Timetable, new: Timetable) -> bool:
    """Put one candidate on another timetable and let the others make room; undo a loss."""
    plan = graph.plan
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
