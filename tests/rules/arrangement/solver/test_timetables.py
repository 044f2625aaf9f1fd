"""The best timetables of one candidate, against listing all of them."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from app.rules.arrangement.solver import Instance, Mode
from app.rules.arrangement.solver.model import Model, Timetable, build_model
from app.rules.arrangement.solver.timetables import Profits, Timetabler
from tests.rules.arrangement.solver.problems import small_instances


def _all(model: Model, profits: Profits) -> list[tuple[int, Timetable]]:
    found = []
    for timetable in product(*([*offer, model.pool] for offer in profits)):
        blocked, allowed = 0, True
        for period in timetable:
            allowed &= not blocked >> period & 1
            blocked |= model.conflicts[period]
        if allowed:
            gain = sum(offer.get(t, 0) for offer, t in zip(profits, timetable, strict=True))
            found.append((gain, timetable))
    return sorted(found, key=lambda item: (-item[0], item[1]))


@st.composite
def _questions(draw: st.DrawFn, instance: Instance) -> tuple[Model, list[dict[int, int]]]:
    model = build_model(instance, Mode.BALANCED, 0)
    periods = st.integers(0, model.pool - 1)
    offers = st.dictionaries(periods, st.integers(-3, 9), max_size=5)
    return model, draw(st.lists(offers, min_size=1, max_size=4))


@given(small_instances(), st.data())
@settings(max_examples=60, deadline=None)
def test_best_timetable_is_the_best_of_all(instance: Instance, data: st.DataObject) -> None:
    model, profits = data.draw(_questions(instance))
    gain, timetable = Timetabler(model).best(profits)
    everything = _all(model, profits)
    assert gain == everything[0][0]
    assert (gain, timetable) in everything


@given(small_instances(), st.data(), st.integers(1, 12), st.integers(-4, 9))
@settings(max_examples=60, deadline=None)
def test_top_timetables_are_the_best_ones_in_order(
    instance: Instance, data: st.DataObject, count: int, least: int
) -> None:
    model, profits = data.draw(_questions(instance))
    top = Timetabler(model).top(profits, count, least)
    everything = [item for item in _all(model, profits) if item[0] >= least]
    assert [gain for gain, _ in top] == [gain for gain, _ in everything[:count]]
    assert len(set(top)) == len(top)
    assert set(top) <= set(everything)
