"""From periods to rooms, and from rooms to seats."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.rules.arrangement.solver.errors import SeatsExhausted
from app.rules.arrangement.solver.instance import EntryKey
from app.rules.arrangement.solver.model import Model


@dataclass(frozen=True, slots=True)
class Seat:
    """A seat: slot id and number, 1 up to the capacity of the slot."""

    slot: str
    number: int


def fill_rooms(model: Model, period_of: Mapping[EntryKey, int]) -> dict[EntryKey, str]:
    """The slot of every placed entry: few rooms opened, subjects and classes kept together.

    Entries that sit in a slot of their period already (where moves are allowed) stay there.
    """
    group_of = {candidate.id: candidate.group for candidate in model.instance.candidates}
    waiting: dict[int, list[EntryKey]] = {}
    for key, period in period_of.items():
        if period != model.pool:
            waiting.setdefault(period, []).append(key)
    slot_of: dict[EntryKey, str] = {}
    for period, keys in sorted(waiting.items()):
        slots = [model.instance.slots[index].id for index in model.periods[period].slots]
        free = {slot: model.free_seats[slot] for slot in slots}
        moving = []
        for key in sorted(keys, key=lambda key: (key[1], group_of[key[0]], key[0])):
            slot = model.current.get(key)
            if slot is not None and free.get(slot, 0) > 0:
                slot_of[key] = slot
                free[slot] -= 1
            else:
                moving.append(key)
        slot_of.update(_distribute(moving, _open_rooms(free, len(moving))))
    return slot_of


def _open_rooms(free: Mapping[str, int], need: int) -> dict[str, int]:
    """Slots for so many entries: the largest until they suffice, the last as small as may be."""
    by_size = sorted((slot for slot in free if free[slot] > 0), key=lambda s: (-free[s], s))
    opened: dict[str, int] = {}
    seats = 0
    for slot in by_size:
        missing = need - seats
        if missing <= 0:
            break
        if free[slot] >= missing:
            enough = [s for s in by_size if s not in opened and free[s] >= missing]
            slot = min(enough, key=lambda s: (free[s], s))  # noqa: PLW2901 - the last one
        opened[slot] = free[slot]
        seats += free[slot]
    return opened


def _distribute(keys: Iterable[EntryKey], free: dict[str, int]) -> dict[EntryKey, str]:
    """Subjects as blocks, the largest first: into the tightest room that holds the block whole,
    else as much of it as the emptiest room takes.
    """
    blocks: dict[str, list[EntryKey]] = {}
    for key in keys:
        blocks.setdefault(key[1], []).append(key)
    slot_of: dict[EntryKey, str] = {}
    while blocks:
        subject = min(blocks, key=lambda s: (-len(blocks[s]), s))
        block = blocks.pop(subject)
        whole = [slot for slot, seats in free.items() if seats >= len(block)]
        if whole:
            slot = min(whole, key=lambda s: (free[s], s))
        else:
            slot = min(free, key=lambda s: (-free[s], s))
        seated, rest = block[: free[slot]], block[free[slot] :]
        slot_of.update((key, slot) for key in seated)
        free[slot] -= len(seated)
        if not free[slot]:
            del free[slot]
        if rest:
            blocks[subject] = rest
    return slot_of


def assign_seats(
    placements: Mapping[EntryKey, str],
    capacities: Mapping[str, int],
    *,
    seed: int,
    taken: Mapping[EntryKey, Seat] | None = None,
) -> dict[EntryKey, Seat]:
    """A seat for every placed entry: by subject, then by lot, sha256(seed|slot|candidate).

    The lot separates classmates. An entry that is still in the slot of its seat in `taken` keeps
    that seat; newcomers take the lowest free seats. Raises: `SeatsExhausted`.
    """
    taken = taken or {}
    seats: dict[EntryKey, Seat] = {}
    occupied: dict[str, set[int]] = {}
    newcomers: dict[str, list[EntryKey]] = {}
    for key, slot in sorted(placements.items()):
        seat = taken.get(key)
        numbers = occupied.setdefault(slot, set())
        if seat is not None and seat.slot == slot and seat.number not in numbers:
            seats[key] = seat
            numbers.add(seat.number)
        else:
            newcomers.setdefault(slot, []).append(key)
    for slot, keys in newcomers.items():
        free = [n for n in range(1, capacities[slot] + 1) if n not in occupied[slot]]
        if len(free) < len(keys):
            entries = len(keys) + len(occupied[slot])
            raise SeatsExhausted(slot=slot, capacity=capacities[slot], entries=entries)
        keys.sort(key=lambda key: (key[1], _lot(seed, slot, key[0])))
        seats.update((key, Seat(slot, n)) for key, n in zip(keys, free, strict=False))
    return seats


def _lot(seed: int, slot: str, candidate: str) -> str:
    return hashlib.sha256(f"{seed}|{slot}|{candidate}".encode()).hexdigest()
