"""Rooms and seats inside a sitting."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rules.arrangement.solver import Instance, Seat, SeatsExhausted, assign_seats, solve
from tests.rules.arrangement.solver.problems import candidate, load, slot, subject

CAPACITIES = {"01#1": 12, "02#1": 9}
KEYS = st.tuples(st.sampled_from([f"c{n}" for n in range(12)]), st.sampled_from(["14", "24"]))
PLANS = st.dictionaries(KEYS, st.sampled_from(sorted(CAPACITIES)), max_size=12).filter(
    lambda plan: all(Counter(plan.values())[s] <= n for s, n in CAPACITIES.items())
)


@given(PLANS, st.integers(0, 5))
@settings(deadline=None)
def test_every_placed_entry_has_a_seat_of_its_own(
    plan: dict[tuple[str, str], str], seed: int
) -> None:
    seats = assign_seats(plan, CAPACITIES, seed=seed)
    assert {key: seat.slot for key, seat in seats.items()} == plan
    assert len(set(seats.values())) == len(plan)
    for slot_id, number in Counter(plan.values()).items():
        numbers = sorted(seat.number for seat in seats.values() if seat.slot == slot_id)
        assert numbers == list(range(1, number + 1))


@given(PLANS, st.integers(0, 5))
@settings(deadline=None)
def test_seats_go_by_subject_and_then_by_lot(plan: dict[tuple[str, str], str], seed: int) -> None:
    seats = assign_seats(plan, CAPACITIES, seed=seed)
    for slot_id in CAPACITIES:
        rows = sorted((s.number, key[1]) for key, s in seats.items() if s.slot == slot_id)
        subjects = [code for _, code in rows]
        assert subjects == sorted(subjects)


@given(PLANS, PLANS)
@settings(max_examples=60, deadline=None)
def test_unchanged_entries_keep_their_seats(
    before: dict[tuple[str, str], str], after: dict[tuple[str, str], str]
) -> None:
    taken = assign_seats(before, CAPACITIES, seed=1)
    seats = assign_seats(after, CAPACITIES, seed=1, taken=taken)
    assert len(set(seats.values())) == len(after)
    for key in before.keys() & after.keys():
        if before[key] == after[key]:
            assert seats[key] == taken[key]


def test_the_lot_depends_on_the_seed_alone() -> None:
    plan = {(f"c{n}", "14"): "01#1" for n in range(12)}
    one = assign_seats(plan, CAPACITIES, seed=1)
    assert assign_seats(dict(reversed(plan.items())), CAPACITIES, seed=1) == one
    assert assign_seats(plan, CAPACITIES, seed=2) != one


def test_too_many_entries_for_a_sitting_are_refused() -> None:
    plan = {(f"c{n}", "14"): "01#1" for n in range(3)}
    with pytest.raises(SeatsExhausted) as refusal:
        assign_seats(plan, {"01#1": 2}, seed=0, taken={("c0", "14"): Seat("01#1", 1)})
    assert str(refusal.value) == "批次 01#1 只有 2 个座位，却编排了 3 人，请重新编排。"


def test_as_few_rooms_are_opened_as_suffice_and_the_last_as_small_as_may_be() -> None:
    sizes = {"01": 5, "02": 30, "03": 10, "04": 6}
    slots = tuple(slot(f"{room}#1", "08:00", "10:00", size) for room, size in sizes.items())
    who = tuple(candidate(f"c{n:02d}", "14") for n in range(35))
    solution = solve(Instance((subject("14"),), slots, who))
    assert Counter(solution.placements.values()) == {"02#1": 30, "01#1": 5}


def test_a_subject_stays_in_one_room_where_it_fits() -> None:
    slots = (slot("01#1", "08:00", "10:00", 6), slot("02#1", "08:00", "10:00", 4))
    who = tuple(candidate(f"c{n}", "14" if n < 6 else "24") for n in range(10))
    solution = solve(Instance((subject("14"), subject("24")), slots, who))
    rooms = {(key[1], where) for key, where in solution.placements.items()}
    assert rooms == {("14", "01#1"), ("24", "02#1")}


def test_classmates_sit_in_the_same_room_where_they_fit() -> None:
    slots = (slot("01#1", "08:00", "10:00", 3), slot("02#1", "08:00", "10:00", 3))
    who = tuple(candidate(f"c{n}", "14", group="AB"[n % 2]) for n in range(6))
    solution = solve(Instance((subject("14"),), slots, who))
    group_of = {c.id: c.group for c in who}
    rooms = {(group_of[key[0]], where) for key, where in solution.placements.items()}
    assert len(rooms) == 2


def test_every_slot_of_the_public_plan_keeps_its_capacity() -> None:
    instance = load("p02_200_stagger_full")
    capacities = {item.id: item.capacity for item in instance.slots}
    solution = solve(instance)
    seats = assign_seats(solution.placements, capacities, seed=instance.seed)
    assert len({(seat.slot, seat.number) for seat in seats.values()}) == 200
    assert all(seat.number <= capacities[seat.slot] for seat in seats.values())
