"""Ticket numbers (§3.12, R32.4)."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rules.arrangement.serials import (
    InvalidNumberPart,
    IssuedNumber,
    NumberChange,
    Numbering,
    NumberingConflict,
    SeatedEntry,
    SerialsExhausted,
    assign_serials,
)

SESSION, SITE = "53", "990101"
#: (room, sitting, seat): some of the places of a small site
PLACES = st.tuples(st.sampled_from(["01", "03"]), st.integers(1, 3), st.integers(1, 4))
#: who sits where: no place twice
ARRANGEMENTS = st.dictionaries(
    st.tuples(st.sampled_from([f"c{n}" for n in range(8)]), st.sampled_from(["14", "24"])),
    PLACES,
    max_size=12,
).map(lambda plan: {key: place for place, key in {p: k for k, p in plan.items()}.items()})
Arrangement = dict[tuple[str, str], tuple[str, int, int]]


def _entries(plan: Arrangement) -> list[SeatedEntry]:
    return [
        SeatedEntry(candidate, subject, room, f"{room}#{sitting}", sitting, seat)
        for (candidate, subject), (room, sitting, seat) in plan.items()
    ]


def _number(plan: Arrangement, issued: list[IssuedNumber] | None = None) -> Numbering:
    return assign_serials(_entries(plan), session_code=SESSION, site_code=SITE, issued=issued or [])


def _issued(plan: Arrangement, numbering: Numbering) -> list[IssuedNumber]:
    return [
        IssuedNumber(*key, numbering.numbers[key], f"{room}#{sitting}", seat)
        for key, (room, sitting, seat) in plan.items()
    ]


def _after(
    history: list[IssuedNumber], plan: Arrangement, numbering: Numbering
) -> list[IssuedNumber]:
    """What the table of issued numbers holds after a run: void ones stay."""
    live = _issued(plan, numbering)
    known = {number.number for number in live}
    void = [
        IssuedNumber(n.candidate, n.subject, n.number, n.slot, n.seat, live=False)
        for n in history
        if n.number not in known
    ]
    return live + void


def test_sample_of_the_manual_is_subject_session_site_room_serial() -> None:
    plan = {(f"c{n:03d}", "14"): ("03", 1 + n // 60, 1 + n % 60) for n in range(189)}
    assert _number(plan).numbers["c188", "14"] == "1453990101030189"


@given(ARRANGEMENTS)
@settings(max_examples=60, deadline=None)
def test_r32_4_numbers_have_their_form_and_are_unique(plan: Arrangement) -> None:
    numbers = _number(plan).numbers
    assert numbers.keys() == plan.keys()
    assert len(set(numbers.values())) == len(numbers)
    for (_, subject), number in numbers.items():
        assert re.fullmatch(r"\d{16}", number)
        assert number.startswith(subject + SESSION + SITE)
    for key, (room, _, _) in plan.items():
        assert numbers[key][10:12] == room


@given(ARRANGEMENTS)
@settings(max_examples=60, deadline=None)
def test_first_run_numbers_each_room_without_gaps_by_sitting_and_seat(plan: Arrangement) -> None:
    numbers = _number(plan).numbers
    for room in ("01", "03"):
        places = sorted((place, key) for key, place in plan.items() if place[0] == room)
        serials = [int(numbers[key][12:]) for _, key in places]
        assert serials == list(range(1, len(serials) + 1))


@given(ARRANGEMENTS, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_r32_2_numbering_is_idempotent_and_the_order_is_no_matter(
    plan: Arrangement, chance: random.Random
) -> None:
    first = _number(plan)
    again = _number(plan, _issued(plan, first))
    assert again.numbers == first.numbers
    assert again.changes == ()
    keys = list(plan)
    chance.shuffle(keys)
    assert _number({key: plan[key] for key in keys}).numbers == first.numbers


@given(st.lists(ARRANGEMENTS, min_size=2, max_size=5))
@settings(max_examples=60, deadline=None)
def test_r32_4_unchanged_seats_keep_numbers_and_no_serial_is_issued_twice(
    plans: list[Arrangement],
) -> None:
    history: list[IssuedNumber] = []
    ever: dict[str, set[tuple[str, str]]] = {}
    before: Arrangement = {}
    numbers: dict[tuple[str, str], str] = {}
    for plan in plans:
        numbering = _number(plan, history)
        for key, number in numbering.numbers.items():
            if before.get(key) == plan[key]:
                assert number == numbers[key]
            else:
                assert number not in ever
                serials = [int(n[12:]) for n in ever if n[10:12] == plan[key][0]]
                assert int(number[12:]) > max(serials, default=0)
        changed = {(c.candidate, c.subject): (c.old, c.new) for c in numbering.changes}
        for key in plan.keys() | before.keys():
            pair = numbers.get(key) if key in before else None, numbering.numbers.get(key)
            assert changed.get(key, (pair[0], pair[0])) == pair
        history = _after(history, plan, numbering)
        before, numbers = plan, dict(numbering.numbers)
        for key, number in numbers.items():
            ever.setdefault(number, set()).add(key)
        assert all(len(owners) == 1 for owners in ever.values())


def test_r32_4_newcomers_get_the_next_serial_and_the_page_sees_old_and_new() -> None:
    plan: Arrangement = {("a", "14"): ("01", 1, 1), ("b", "14"): ("01", 1, 2)}
    first = _number(plan)
    later: Arrangement = {("b", "14"): ("01", 2, 1), ("n", "24"): ("01", 1, 1)}
    second = _number(later, _issued(plan, first))
    assert second.numbers == {
        ("n", "24"): "2453990101010003",
        ("b", "14"): "1453990101010004",
    }
    assert second.changes == (
        NumberChange("a", "14", "1453990101010001", None),
        NumberChange("b", "14", "1453990101010002", "1453990101010004"),
        NumberChange("n", "24", None, "2453990101010003"),
    )


def test_r30_5_renumbered_sittings_do_not_change_issued_numbers() -> None:
    entry = SeatedEntry("a", "14", "01", "sitting-7", 1, 1)
    moved_up = SeatedEntry("a", "14", "01", "sitting-7", 2, 1)
    first = assign_serials([entry], session_code=SESSION, site_code=SITE)
    issued = [IssuedNumber("a", "14", first.numbers["a", "14"], "sitting-7", 1)]
    again = assign_serials([moved_up], session_code=SESSION, site_code=SITE, issued=issued)
    assert again.numbers == first.numbers


@pytest.mark.parametrize(
    ("session", "site", "subject", "room"),
    [
        ("5", SITE, "14", "01"),
        ("530", SITE, "14", "01"),
        (SESSION, "99010", "14", "01"),
        (SESSION, SITE, "1", "01"),
        (SESSION, SITE, "14", "1"),
        (SESSION, SITE, "14", "A1"),
        ("٥٣", SITE, "14", "01"),
    ],
)
def test_codes_that_do_not_fit_are_refused(
    session: str, site: str, subject: str, room: str
) -> None:
    entry = SeatedEntry("a", subject, room, "s", 1, 1)
    with pytest.raises(InvalidNumberPart):
        assign_serials([entry], session_code=session, site_code=site)


def test_a_room_without_serials_left_is_refused() -> None:
    issued = [IssuedNumber("x", "14", "1453990101019999", "01#1", 1, live=False)]
    with pytest.raises(SerialsExhausted) as refusal:
        _number({("a", "14"): ("01", 1, 1)}, issued)
    assert refusal.value.parameters == {"room": "01"}
    assert _number({("a", "14"): ("03", 1, 1)}, issued).numbers


@pytest.mark.parametrize(
    "issued",
    [
        [IssuedNumber("a", "14", "1454990101010001", "01#1", 1)],
        [IssuedNumber("a", "14", "145399010101000", "01#1", 1)],
        [
            IssuedNumber("a", "14", "1453990101010001", "01#1", 1),
            IssuedNumber("a", "14", "1453990101010002", "01#1", 2),
        ],
    ],
)
def test_issued_numbers_of_another_session_or_twice_alive_are_refused(
    issued: list[IssuedNumber],
) -> None:
    with pytest.raises(NumberingConflict):
        _number({("a", "14"): ("01", 1, 1)}, issued)


def test_two_entries_on_one_seat_are_refused() -> None:
    with pytest.raises(NumberingConflict):
        _number({("a", "14"): ("01", 1, 1), ("b", "14"): ("01", 1, 1)})
