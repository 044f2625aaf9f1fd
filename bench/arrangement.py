"""Arrangement: full placement, intentions and CPU time of the solver on generated sites.

    python -m bench.arrangement [--quick] [--full]

Each problem is made from a complete plan (every seat taken) that is then forgotten, so that all
entries can be placed. Beside the solver stands what a typical system does: first those with an
intention on their day, then everybody, each into the first sitting that fits. Every row runs in a
fresh process. `--quick` keeps to 2,000 entries, `--full` adds 100,000.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from app.rules.arrangement.solver import (
    Candidate,
    Entry,
    EntryKey,
    Instance,
    Slot,
    Subject,
    solve,
)

#: CPU seconds that a run may take, by entries (docs/arrangement.md).
BARS = {2_000: 2.0, 20_000: 10.0, 100_000: 30.0}
WISH_BAR = 0.999
GAP = timedelta(minutes=15)
DAYS = 3
FIRST_DAY = datetime.fromisoformat("2026-03-28T00:00")

#: Shapes: the rows of sittings (start and end in minutes of the day) that rooms have.
Row = list[tuple[int, int]]
SHAPES: dict[str, list[Row]] = {
    "grid": [[(480 + 150 * n, 600 + 150 * n) for n in range(5)]],
    "15-minute breaks": [[(480 + 135 * n, 600 + 135 * n) for n in range(5)]],
    "staggered rooms": [
        [(480 + offset + 140 * n, 600 + offset + 140 * n) for n in range(4)]
        for offset in (0, 10, 20, 30, 45, 60)
    ],
    "mixed lengths": [
        [(480, 600), (620, 740), (760, 880), (900, 1020)],
        [(480, 570), (590, 680), (700, 790), (810, 900), (920, 1010)],
        [(500, 680), (700, 880), (900, 1080)],
    ],
}


def make_instance(shape: str, entries: int, seed: int) -> Instance:
    """A site of this shape with about so many entries, just as many seats, and a hidden plan."""
    chance = random.Random(f"{shape}|{entries}|{seed}")
    slots = _make_slots(SHAPES[shape], entries, chance)
    subjects = _make_subjects(chance)
    seats = [slot for slot in slots for _ in range(slot.capacity)]
    chance.shuffle(seats)
    fitting = {slot.id: [s.code for s in subjects if _fits(s, slot)] for slot in slots}
    seats = [slot for slot in seats if fitting[slot.id]]
    candidates: list[Candidate] = []
    while seats:
        several = chance.choice((2, 2, 2, 3)) if chance.random() < 0.3 else 1
        codes = _take_seats(seats, fitting, several, chance)
        candidates.append(
            Candidate(
                f"{len(candidates):06d}",
                f"class {chance.randrange(60):02d}",
                tuple(_make_entry(code, chance) for code in codes),
            )
        )
    return Instance(tuple(subjects), tuple(slots), tuple(candidates), name=f"{shape} {entries}")


def _make_slots(rows: list[Row], entries: int, chance: random.Random) -> list[Slot]:
    slots: list[Slot] = []
    seats = room = 0
    while seats < entries:
        room += 1
        row, capacity = chance.choice(rows), chance.randint(20, 60)
        for number, (day, (start, end)) in enumerate(
            ((day, sitting) for day in range(DAYS) for sitting in row), start=1
        ):
            capacity_here = min(capacity, entries - seats)
            if capacity_here and chance.random() < 0.85:
                midnight = FIRST_DAY + timedelta(days=day)
                begins, ends = (
                    midnight + timedelta(minutes=start),
                    midnight + timedelta(minutes=end),
                )
                slot_id = f"{room:03d}#{number}"
                slots.append(Slot(slot_id, f"{room:03d}", begins, ends, capacity_here))
                seats += capacity_here
    return slots


def _make_subjects(chance: random.Random) -> list[Subject]:
    """Twenty subjects, half of them with a narrow window on one day."""
    subjects = []
    for code in range(14, 34):
        first = chance.randrange(DAYS)
        if chance.random() < 0.5:
            last, hours = first, chance.choice(((8, 13), (8, 20), (12, 20), (10, 16)))
        else:
            last, hours = chance.randrange(first, DAYS), (8, 20)
        start = FIRST_DAY + timedelta(days=first, hours=hours[0])
        end = FIRST_DAY + timedelta(days=last, hours=hours[1])
        subjects.append(Subject(str(code), chance.choice((60, 90, 120)), start, end))
    return subjects


def _make_entry(code: str, chance: random.Random) -> Entry:
    day = (FIRST_DAY + timedelta(days=chance.randrange(DAYS))).date()
    return Entry(code, day if chance.random() < 0.6 else None)


def _take_seats(
    seats: list[Slot], fitting: dict[str, list[str]], several: int, chance: random.Random
) -> list[str]:
    """Take up to so many seats that one person can use, and name a subject for each."""
    mine: list[Slot] = []
    codes: list[str] = []
    for _ in range(12):
        if len(mine) == several or not seats:
            break
        pick = chance.randrange(len(seats))
        slot = seats[pick]
        free = [code for code in fitting[slot.id] if code not in codes]
        if free and all(_far_apart(slot, other) for other in mine):
            seats[pick] = seats[-1]
            seats.pop()
            mine.append(slot)
            codes.append(chance.choice(free))
    return codes


def _fits(subject: Subject, slot: Slot) -> bool:
    inside = subject.start <= slot.start and slot.end <= subject.end
    return inside and slot.end - slot.start >= timedelta(minutes=subject.minutes)


def _far_apart(one: Slot, other: Slot) -> bool:
    return one.start - other.end > GAP or other.start - one.end > GAP


def first_fit(instance: Instance) -> dict[EntryKey, str]:
    """Intentions first, then everybody, each into the first sitting that fits."""
    subjects = {subject.code: subject for subject in instance.subjects}
    fitting = {
        code: [slot for slot in instance.slots if _fits(subject, slot)]
        for code, subject in subjects.items()
    }
    free = {slot.id: slot.capacity for slot in instance.slots}
    mine: dict[str, list[Slot]] = {}
    placed: dict[EntryKey, str] = {}
    for on_day in (True, False):
        for key, entry in _entries(instance):
            if key in placed or (on_day and entry.wish is None):
                continue
            for slot in fitting[entry.subject]:
                if on_day and slot.start.date() != entry.wish:
                    continue
                others = mine.setdefault(key[0], [])
                if free[slot.id] and all(_far_apart(slot, other) for other in others):
                    free[slot.id] -= 1
                    others.append(slot)
                    placed[key] = slot.id
                    break
    return placed


def _entries(instance: Instance) -> Iterator[tuple[EntryKey, Entry]]:
    for candidate in instance.candidates:
        for entry in candidate.entries:
            yield (candidate.id, entry.subject), entry


def work(shape: str, entries: int) -> dict[str, Any]:
    """One row, in this process: sizes, results, CPU seconds, peak memory in MB."""
    instance = make_instance(shape, entries, seed=1)
    started = time.process_time()
    naive = len(first_fit(instance))
    naive_seconds = time.process_time() - started
    started = time.process_time()
    solution = solve(instance)
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "entries": sum(1 for _ in _entries(instance)),
        "intervals": len({(slot.start, slot.end) for slot in instance.slots}),
        "first fit": naive,
        "first fit seconds": naive_seconds,
        "placed": solution.placed,
        "wishes": solution.wishes,
        "most wishes": solution.bound.wishes,
        "proven": solution.proven,
        "seconds": seconds,
        "peak": peak,
    }


def _highs_version() -> str:
    try:
        return version("highspy")
    except PackageNotFoundError:
        return "not installed"


def _measure(shape: str, entries: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.arrangement", "--row", shape, str(entries)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def main() -> int:
    """Return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="2,000 entries only")
    parser.add_argument("--full", action="store_true", help="100,000 entries as well")
    parser.add_argument("--row", nargs=2, metavar=("SHAPE", "ENTRIES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(json.dumps(work(options.row[0], int(options.row[1]))))
        return 0
    sizes = [2_000] if options.quick else [2_000, 20_000, *([100_000] if options.full else [])]
    print(f"Python {platform.python_version()}, HiGHS {_highs_version()}")
    print(
        f"{'shape':17}{'entries':>8}{'intervals':>10}{'first fit':>10}{'placed':>8}"
        f"{'wishes of at most':>19}{'proven':>7}{'CPU s (bar)':>14}{'first fit s':>12}{'MB':>5}"
    )
    missed = False
    for entries in sizes:
        for shape in SHAPES:
            row = _measure(shape, entries)
            print(
                f"{shape:17}{row['entries']:8}{row['intervals']:10}{row['first fit']:10}"
                f"{row['placed']:8}{row['wishes']:10} of {row['most wishes']:5}"
                f"{'yes' if row['proven'] else 'no':>7}{row['seconds']:9.2f} ({BARS[entries]:2.0f})"
                f"{row['first fit seconds']:12.2f}{row['peak']:5.0f}",
                flush=True,
            )
            complete = row["placed"] == row["entries"]
            wished = row["wishes"] >= WISH_BAR * row["most wishes"]
            missed |= not (complete and wished and row["seconds"] < BARS[entries])
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
