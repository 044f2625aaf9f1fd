"""The second opinion: column generation and branch and bound by HiGHS, where it is installed.

Asked only when the certificate is not tight. The relaxation over all timetables yields the best
prices there are; if a gap remains, an integer programme over the timetables that can still matter
closes it. Everything ends by counts, never by the clock, so that the same input gives the same
plan on the same installation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.rules.arrangement.solver.certificate import Certificate, Certifier
from app.rules.arrangement.solver.exchange import ExchangeGraph
from app.rules.arrangement.solver.greedy import fill_up
from app.rules.arrangement.solver.model import Model, Timetable, bits
from app.rules.arrangement.solver.plan import Plan

#: Prices of the relaxation are rounded to this fraction of a worth.
PRICE_SCALE = 1 << 20
_MAX_ROUNDS, _MAX_NODES = 200, 500
#: Timetables per kind in a first integer programme; timetables in all for an exhaustive one.
_FEW, _MAX_COLUMNS = 12, 8000


@dataclass(frozen=True, slots=True)
class Verdict:
    """The best plan known, the best certificate, and a bound by exhaustive search if any."""

    plan: Plan
    certificate: Certificate
    searched_bound: int | None = None

    @property
    def bound(self) -> int:
        """No plan is worth more."""
        if self.searched_bound is None:
            return self.certificate.bound
        return min(self.searched_bound, self.certificate.bound)


def load_highs() -> Any | None:
    """The `highspy` module, or None where it is not installed."""
    try:
        import highspy  # noqa: PLC0415 - optional and slow to load
    except ImportError:
        return None
    return highspy


def prove(plan: Plan, certifier: Certifier, certificate: Certificate) -> Verdict:
    """Improve plan and certificate with HiGHS; without it, return them as they are."""
    if plan.worth >= certificate.bound or (highspy := load_highs()) is None:
        return Verdict(plan, certificate)
    programme = _Programme(highspy, plan, certifier)
    certificate = programme.relax(certificate)
    if plan.worth < certificate.bound:
        programme.add_nearest(certificate)
        plan = max(plan, programme.search().plan, key=lambda found: found.worth)
    if plan.worth < certificate.bound and programme.add_all_that_matter(plan, certificate):
        found = programme.search()
        # What was left out cannot occur in a better plan, so the search speaks for all plans.
        plan = max(plan, found.plan, key=lambda found: found.worth)
        return Verdict(plan, certificate, max(plan.worth, found.bound))
    return Verdict(plan, certificate)


@dataclass(frozen=True, slots=True)
class _Found:
    """A plan from the integer programme, and the bound that holds for its columns."""

    plan: Plan
    bound: int


def _round_out(model: Model, counts: list[dict[Timetable, int]]) -> Plan:
    """A plan with these counts, everybody else placed as well as possible."""
    nowhere = [(model.pool,) * len(kind.shapes) for kind in model.kinds]
    for kind, timetable, followed in zip(model.kinds, nowhere, counts, strict=True):
        rest = kind.size - sum(followed.values())
        if rest:
            followed[timetable] = followed.get(timetable, 0) + rest
    plan = Plan(model, counts)
    fill_up(plan)
    ExchangeGraph(plan).improve()
    return plan


class _Programme:
    """Maximise worth over counts per timetable, within seats and candidates per kind.

    Rows: the periods, then the kinds. Columns: (kind, timetable), all of kinds with one entry.
    """

    def __init__(self, highspy: Any, plan: Plan, certifier: Certifier) -> None:
        self.highspy = highspy
        self.certifier = certifier
        self.model = model = plan.model
        self.columns: list[tuple[int, Timetable]] = []
        self.known: set[tuple[int, Timetable]] = set()
        self.several = [i for i, kind in enumerate(model.kinds) if len(kind.shapes) > 1]
        self.highs = highs = highspy.Highs()
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("parallel", "off"),
            ("random_seed", 0),
            ("mip_max_nodes", _MAX_NODES),
            ("mip_rel_gap", 0.0),
            ("mip_abs_gap", 0.99),
        ):
            highs.setOptionValue(option, value)
        for limit in (*model.capacity[: model.pool], *(kind.size for kind in model.kinds)):
            highs.addRow(-highspy.kHighsInf, float(limit), 0, [], [])
        highs.changeObjectiveSense(highspy.ObjSense.kMaximize)
        for index, kind in enumerate(model.kinds):
            if len(kind.shapes) == 1:
                for period in bits(kind.shapes[0].allowed):
                    self._add(index, (period,))
            for timetable in sorted(plan.counts[index]):
                self._add(index, timetable)

    def _add(self, kind: int, timetable: Timetable) -> bool:
        model, column = self.model, (kind, timetable)
        if column in self.known or not model.count(timetable):
            return False
        rows = sorted(period for period in timetable if period != model.pool)
        rows.append(model.pool + kind)
        worth = float(model.worth(model.kinds[kind], timetable))
        unlimited = self.highspy.kHighsInf
        self.highs.addCol(worth, 0.0, unlimited, len(rows), rows, [1.0] * len(rows))
        self.columns.append(column)
        self.known.add(column)
        return True

    def relax(self, certificate: Certificate) -> Certificate:
        """Solve the relaxation over all timetables; return the better certificate."""
        for _ in range(_MAX_ROUNDS):
            self.highs.run()
            duals = self.highs.getSolution().row_dual
            prices = [
                max(0, round(duals[period] * PRICE_SCALE)) for period in range(self.model.pool)
            ]
            found = self.certifier.certify(prices, PRICE_SCALE)
            if found.bound < certificate.bound or certificate.scale != PRICE_SCALE:
                certificate = found if found.bound <= certificate.bound else certificate
            best = self.highs.getInfo().objective_function_value
            if certificate.bound <= best + 1e-4 or not self._add_profitable(prices):
                break
        return certificate

    def _add_profitable(self, prices: list[int]) -> bool:
        """Add the best timetable of each kind if it is new; whether any was."""
        added = False
        for index in self.several:
            _, timetable = self.certifier.best(self.model.kinds[index], prices, PRICE_SCALE)
            added |= self._add(index, timetable)
        return added

    def add_nearest(self, certificate: Certificate) -> None:
        """Add for each kind the timetables that fall least short of its best one."""
        for index in self.several:
            for timetable in self._top(index, certificate, _FEW, None):
                self._add(index, timetable)

    def add_all_that_matter(self, plan: Plan, certificate: Certificate) -> bool:
        """Add every timetable that can occur in a better plan; False if they are too many.

        In a better plan all candidates together fall short of the certificate's total by no more
        than `room`, so no single one does.
        """
        room = certificate.room(plan.worth)
        found: list[tuple[int, Timetable]] = []
        for index in self.several:
            left = _MAX_COLUMNS + 1 - len(found)
            found += [(index, timetable) for timetable in self._top(index, certificate, left, room)]
            if len(found) > _MAX_COLUMNS:
                return False
        for index, timetable in found:
            self._add(index, timetable)
        return True

    def _top(
        self, index: int, certificate: Certificate, count: int, room: int | None
    ) -> list[Timetable]:
        """The best timetables of a kind, none that falls short of the best by more than `room`."""
        kind, prices, scale = self.model.kinds[index], certificate.prices, certificate.scale
        profits = self.certifier.profits(kind, prices, scale)
        least = 0 if room is None else certificate.gains[index] - room
        top = self.certifier.timetabler.top(profits, count, least)
        return [timetable for _, timetable in top]

    def search(self) -> _Found:
        """Solve the integer programme over the present columns.

        Kinds with one entry stay continuous: their part is a flow, solved afterwards.
        """
        integer = self.highspy.HighsVarType.kInteger
        numbers = [n for n, (_, timetable) in enumerate(self.columns) if len(timetable) > 1]
        if numbers:
            self.highs.changeColsIntegrality(len(numbers), numbers, [integer] * len(numbers))
        self.highs.run()
        values = self.highs.getSolution().col_value
        counts: list[dict[Timetable, int]] = [{} for _ in self.model.kinds]
        for number in numbers:
            units = round(values[number]) if values else 0
            if units > 0:
                kind, timetable = self.columns[number]
                counts[kind][timetable] = units
        bound = self._bound_of_search(bool(numbers))
        return _Found(_round_out(self.model, counts), bound)

    def _bound_of_search(self, is_integer: bool) -> int:
        info = self.highs.getInfo()
        bound = info.mip_dual_bound if is_integer else info.objective_function_value
        return int(min(bound + 1e-4, float(self.certifier.trivial)))
