"""A first plan: those with the least choice first, into the least wanted periods."""

from __future__ import annotations

from app.rules.arrangement.solver.model import Kind, Model, Shape, Timetable, bits
from app.rules.arrangement.solver.plan import Plan
from app.rules.arrangement.solver.timetables import Profits, Timetabler, profits_of

# Relative worth in the greedy choice only: a place, keeping one's place, a met wish, all entries
# on one day, and at most MAX_PRESSURE for choosing the least wanted among equals.
_PLACE, _STAY, _WISH, _SAME_DAY, _MAX_PRESSURE = 10_000_000, 400_000, 20_000, 1_000, 10_000


def greedy_plan(model: Model) -> Plan:
    """Place kind after kind: most entries first, then fewest options, each as well as it can."""
    plan = Plan(model)
    fill_up(plan)
    return plan


def fill_up(plan: Plan) -> None:
    """Place those who are wholly unplaced, as far as seats are free; nobody else is moved."""
    model = plan.model
    pressure = _pressure(model)
    timetabler = Timetabler(model)
    for kind in sorted(range(len(model.kinds)), key=lambda index: _urgency(model.kinds[index])):
        _place(plan, timetabler, pressure, kind)


def _urgency(kind: Kind) -> tuple[int, int, int, tuple[Shape, ...]]:
    options = sum(shape.allowed.bit_count() for shape in kind.shapes)
    wishes = sum(shape.wished.bit_count() for shape in kind.shapes)
    return -len(kind.shapes), options, wishes or options, kind.shapes


def _pressure(model: Model) -> list[int]:
    """How wanted the seats of each period are: the demand per seat, in thousandths."""
    demand = [0.0] * model.pool
    for kind in model.kinds:
        for shape in kind.shapes:
            options = bits(shape.wished or shape.allowed)
            for period in options:
                demand[period] += kind.size / len(options)
    return [
        min(_MAX_PRESSURE, round(1000 * wanted / max(1, model.capacity[period])))
        for period, wanted in enumerate(demand)
    ]


def _place(plan: Plan, timetabler: Timetabler, pressure: list[int], kind: int) -> None:
    model = plan.model

    def profit(shape: Shape, period: int) -> int:
        if plan.spare(period) <= 0:
            return 0
        return (
            _PLACE
            + _STAY * (shape.current >> period & 1)
            + _WISH * (shape.wished >> period & 1)
            - pressure[period]
        )

    shapes = model.kinds[kind].shapes
    nowhere = (model.pool,) * len(shapes)
    while waiting := plan.counts[kind].get(nowhere, 0):
        timetable = _choose(timetabler, profits_of(shapes, profit))
        if timetable == nowhere:
            return
        plan.change(kind, nowhere, timetable, min(waiting, *map(plan.spare, timetable)))


def _choose(timetabler: Timetabler, profits: Profits) -> Timetable:
    """The most profitable timetable; one that keeps a candidate to a single day counts more."""
    most, chosen = timetabler.best(profits)
    if len(profits) > 1:
        for periods in timetabler.model.days:
            on_day = [{t: gain for t, gain in offer.items() if t in periods} for offer in profits]
            if all(on_day):
                profit, timetable = timetabler.best(on_day)
                if timetabler.pool not in timetable and profit + _SAME_DAY > most:
                    most, chosen = profit + _SAME_DAY, timetable
    return chosen
