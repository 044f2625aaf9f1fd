"""Every plan obeys the hard constraints; no plan beats what the prices prove."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rules.arrangement.solver import Instance, Mode, Solution, solve
from tests.rules.arrangement.solver.problems import (
    EXPECTED,
    candidate,
    load,
    optimum,
    price_bound,
    score,
    slot,
    small_instances,
    subject,
    violations,
)

SMALL = settings(max_examples=60, deadline=None)


@given(small_instances(), st.sampled_from(Mode), st.integers(0, 3))
@SMALL
def test_r31_9_every_plan_obeys_the_hard_constraints(
    instance: Instance, mode: Mode, seed: int
) -> None:
    solution = solve(instance, mode=mode, seed=seed)
    assert violations(instance, solution, mode) == []
    assert (solution.placed, solution.wishes) == score(instance, solution.placements)


@given(small_instances())
@SMALL
def test_r31_9_placement_is_complete_whenever_it_can_be(instance: Instance) -> None:
    solution = solve(instance, mode=Mode.SELECTED)
    placed, _ = optimum(instance)
    assert solution.placed == placed
    assert solution.bound.placed >= placed


@given(small_instances())
@SMALL
def test_balanced_mode_places_first_and_meets_intentions_second(instance: Instance) -> None:
    best = optimum(instance)
    solution = solve(instance, mode=Mode.BALANCED)
    assert (solution.bound.placed, solution.bound.wishes) >= best
    if solution.proven:
        assert (solution.placed, solution.wishes) == best


@given(small_instances())
@SMALL
def test_prices_prove_a_bound_that_is_never_below_the_value(instance: Instance) -> None:
    solution = solve(instance, prove=False)
    data = solution.to_json()
    value = solution.place_weight * solution.placed + solution.wishes
    proved = price_bound(instance, data)
    best_placed, best_wishes = optimum(instance)
    assert proved >= solution.place_weight * best_placed + best_wishes >= value
    if solution.proven:
        assert proved < value + 1


@given(small_instances(), st.data())
@SMALL
def test_r31_4_existing_placements_stay_and_keep_their_seats(
    instance: Instance, data: st.DataObject
) -> None:
    first = solve(instance)
    keys = sorted(first.placements)
    kept = data.draw(st.sets(st.sampled_from(keys))) if keys else set()
    existing = {key: first.placements[key] for key in kept}
    partial = Instance(instance.subjects, instance.slots, instance.candidates, existing)
    second = solve(partial)
    assert violations(partial, second, Mode.BALANCED) == []
    assert not kept & second.placements.keys()
    assert (second.placed, second.wishes) <= (first.placed, first.wishes)
    assert second.placed == first.placed or not second.proven or second.unplaced


@given(small_instances())
@SMALL
def test_every_entry_is_placed_or_explained(instance: Instance) -> None:
    solution = solve(instance)
    entries = {(c.id, e.subject) for c in instance.candidates for e in c.entries}
    explained = {(entry.candidate, entry.subject) for entry in solution.unplaced}
    assert explained | solution.placements.keys() == entries
    assert not explained & solution.placements.keys()
    assert all("{" not in entry.reason.text() for entry in solution.unplaced)


@pytest.mark.parametrize("name", sorted(EXPECTED))
@pytest.mark.parametrize("prove", [True, False])
def test_public_instances_reach_the_known_optimum(name: str, prove: bool) -> None:
    instance = load(name)
    solution = solve(instance, prove=prove)
    expected = EXPECTED[name]
    assert violations(instance, solution, instance.mode) == []
    assert solution.placed == expected["max_placed"]
    assert solution.wishes == expected["max_wish"]
    assert solution.proven


@pytest.mark.parametrize(("second", "placed"), [("10:15", 1), ("10:16", 2)])
def test_r31_5_a_gap_of_fifteen_minutes_is_a_conflict_and_sixteen_is_none(
    second: str, placed: int
) -> None:
    instance = Instance(
        subjects=(subject("14"), subject("24")),
        slots=(slot("01#1", "08:00", "10:00"), slot("01#2", second, "12:16")),
        candidates=(candidate("c", "14", "24"),),
    )
    assert solve(instance).placed == placed


@pytest.mark.parametrize(
    ("start", "end", "placed"),
    [("08:00", "09:30", 1), ("07:59", "09:30", 0), ("08:00", "09:29", 0), ("18:30", "20:00", 1)],
)
def test_r31_9_sitting_lies_in_the_date_range_and_is_long_enough(
    start: str, end: str, placed: int
) -> None:
    instance = Instance(
        subjects=(subject("14", 90),),
        slots=(slot("01#1", start, end),),
        candidates=(candidate("c", "14"),),
    )
    assert solve(instance).placed == placed


def test_full_and_overbooked_sittings_take_nobody() -> None:
    full = slot("01#1", "08:00", "10:00", capacity=1)
    existing = {("x", "14"): "01#1", ("y", "14"): "01#1"}
    instance = Instance((subject("14"),), (full,), (candidate("c", "14"),), existing)
    solution = solve(instance)
    assert solution.placements == {}
    assert solution.proven


@given(small_instances(), st.sampled_from(Mode))
@settings(max_examples=60, deadline=None)
def test_instances_and_solutions_survive_json(instance: Instance, mode: Mode) -> None:
    solution = solve(instance, mode=mode)
    assert Instance.from_json(json.loads(json.dumps(instance.to_json()))) == instance
    assert Solution.from_json(json.loads(json.dumps(solution.to_json()))) == solution


def test_nothing_to_do() -> None:
    solution = solve(Instance((), (), ()))
    assert (solution.placed, solution.wishes, solution.proven) == (0, 0, True)
