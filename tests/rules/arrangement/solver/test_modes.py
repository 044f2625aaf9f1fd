"""The three modes (R31.4, R31.6), the warning before intention mode, and moves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings

from app.rules.arrangement.solver import (
    Candidate,
    Entry,
    Instance,
    Mode,
    Slot,
    solve,
    warn_preference,
)
from tests.rules.arrangement.solver.problems import (
    candidate,
    day,
    load,
    optimum,
    slot,
    small_instances,
    subject,
    violations,
)


def _wishing(slots: tuple[Slot, ...], *wishes: int | None) -> Instance:
    """Candidates c0, c1, … of one subject with these intended exam days."""
    two_days = replace(subject("14"), end=subject("14").end.replace(day=29))
    candidates = tuple(
        Candidate(f"c{n}", "", (Entry("14", None if wish is None else day(wish)),))
        for n, wish in enumerate(wishes)
    )
    return Instance((two_days,), slots, candidates)


def test_r31_6_intention_mode_places_intentions_on_their_day_and_nobody_else() -> None:
    slots = (slot("01#1", "08:00", "10:00", 5), slot("01#2", "08:00", "10:00", 1, on=1))
    instance = _wishing(slots, 0, 1, 1, None)
    solution = solve(instance, mode=Mode.PREFERENCE_ONLY)
    assert Counter(solution.placements.values()) == {"01#1": 1, "01#2": 1}
    # c3 has no intention: he is not part of the run, so he is not left over either.
    assert {entry.candidate for entry in solution.unplaced} < {"c1", "c2"}
    assert len(solution.unplaced) == 1


def test_r31_6_the_second_mode_may_arrange_anyone_on_any_day() -> None:
    instance = _wishing((slot("01#1", "08:00", "10:00", 5),), 0, 1, None)
    for mode in (Mode.SELECTED, Mode.BALANCED):
        assert solve(instance, mode=mode).placed == 3


def test_r31_7_an_entry_without_intention_may_sit_on_the_second_day() -> None:
    instance = _wishing((slot("01#1", "08:00", "10:00", 1, on=1),), None)
    assert solve(instance).placements == {("c0", "14"): "01#1"}


def test_mode_is_taken_from_the_instance_unless_given() -> None:
    instance = replace(load("p13_wish_vs_placement"), mode=Mode.PREFERENCE_ONLY)
    assert solve(instance).mode is Mode.PREFERENCE_ONLY
    assert solve(instance, mode=Mode.BALANCED).mode is Mode.BALANCED


def test_r31_6_intentions_first_blocks_others_and_the_warning_says_how_many() -> None:
    instance = load("p13_wish_vs_placement")
    assert solve(instance).placed == 20
    # Ten intentions take the ten seats of the only sitting that six others can use.
    assert warn_preference(instance) == 6


def test_r31_6_no_warning_where_intentions_harm_nobody() -> None:
    slots = (slot("01#1", "08:00", "10:00", 2), slot("01#2", "08:00", "10:00", 2, on=1))
    assert warn_preference(_wishing(slots, 0, 1, None)) == 0


@given(small_instances(most_candidates=4))
@settings(max_examples=60, deadline=None)
def test_r31_6_warning_is_what_the_two_steps_lose(instance: Instance) -> None:
    first = solve(instance, mode=Mode.PREFERENCE_ONLY, prove=False)
    rest = replace(instance, existing=first.placements)
    assert violations(rest, solve(rest, mode=Mode.SELECTED), Mode.SELECTED) == []
    placed, _ = optimum(instance)
    assert warn_preference(instance) == placed - solve(rest, mode=Mode.SELECTED).placed


def test_moves_are_made_where_allowed_and_as_few_as_possible() -> None:
    slots = (
        slot("01#1", "08:00", "10:00", 2),
        slot("01#2", "10:30", "12:30", 2),
    )
    early_only = replace(subject("24"), end=slots[0].end)
    instance = Instance(
        subjects=(subject("14"), early_only),
        slots=slots,
        candidates=(candidate("a", "14"), candidate("b", "14"), candidate("x", "24")),
        existing={("a", "14"): "01#1", ("b", "14"): "01#1"},
    )
    assert solve(instance).placed == 2
    moved = solve(replace(instance, allow_move=True))
    assert moved.placed == 3
    assert moved.proven
    stayed = sum(moved.placements[key] == where for key, where in instance.existing.items())
    assert stayed == 1


def test_allowed_moves_leave_those_alone_who_are_in_nobodys_way() -> None:
    instance = replace(load("p01_200_grid"), allow_move=True)
    first = solve(instance)
    again = solve(replace(instance, existing=first.placements))
    assert again.placements == first.placements
