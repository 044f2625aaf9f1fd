"""Ticket numbers (准考证号): 16 digits, SS KK DDDDDD RR NNNN (domain.md §3.12, R32.4).

Subject, session, site, room, and a serial that runs through all sittings of the room. The first
run numbers by sitting and seat. Later runs that are handed what was issued keep the numbers of
unchanged seats; whoever is new or sits elsewhere gets the next serial of his room, and a serial
that was issued once is never issued again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.metadata.errors import N_, KaowuError
from app.rules.arrangement.solver.instance import EntryKey

MAX_SERIAL = 9999


class InvalidNumberPart(KaowuError):
    """A code does not fit into the number."""

    code = "arrangement.number.part"
    template = N_("{part}“{value}”不是 {digits} 位数字，无法生成准考证号，请先更正。")


class SerialsExhausted(KaowuError):
    """A room has used up its serials."""

    code = "arrangement.number.serials"
    template = N_("考场 {room} 的流水号已用完（最多 9999 个），请将部分考生编排到其他考场。")


class NumberingConflict(KaowuError):
    """Entries, seats or issued numbers are listed twice, or belong to another site or session."""

    code = "arrangement.number.conflict"
    template = N_("{key} 重复或不属于本考点本考次，无法生成准考证号，请刷新后重试。")


@dataclass(frozen=True, slots=True)
class SeatedEntry:
    """An arranged entry. `slot` identifies the sitting, whose number `sitting` may change."""

    candidate: str
    subject: str
    room: str
    slot: str
    sitting: int
    seat: int

    @property
    def key(self) -> EntryKey:
        """(candidate, subject)."""
        return self.candidate, self.subject


@dataclass(frozen=True, slots=True)
class IssuedNumber:
    """A number issued in an earlier run, for which seat. Void ones (`live=False`) count as used."""

    candidate: str
    subject: str
    number: str
    slot: str
    seat: int
    live: bool = True


@dataclass(frozen=True, slots=True)
class NumberChange:
    """What becomes of an entry's number: `old` None for a first one, `new` None for a void one."""

    candidate: str
    subject: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Numbering:
    """The live number of every arranged entry, and all changes against the issued ones."""

    numbers: Mapping[EntryKey, str]
    changes: tuple[NumberChange, ...]


def assign_serials(
    entries: Iterable[SeatedEntry],
    *,
    session_code: str,
    site_code: str,
    issued: Iterable[IssuedNumber] = (),
) -> Numbering:
    """Number all arranged entries of one site (R32.1, R32.4). The order of the input is no matter.

    Args:
        entries: every arranged entry of the site with its seat.
        session_code: 2 digits, the session in the number (not its id).
        site_code: 6 digits.
        issued: every number ever issued at this site and session. Leave it out to renumber all
            (before the ticket window opens, R32.4).

    Raises: `InvalidNumberPart`, `SerialsExhausted`, `NumberingConflict`.
    """
    _require_digits(N_("考次代码"), session_code, 2)
    _require_digits(N_("考点代码"), site_code, 6)
    entries = sorted(entries, key=lambda e: (e.room, e.sitting, e.slot, e.seat, e.key))
    _refuse_duplicates(entries)
    ledger = _Ledger(session_code + site_code, issued)
    numbers: dict[EntryKey, str] = {}
    for entry in entries:
        kept = ledger.number_of(entry)
        if kept is not None:
            numbers[entry.key] = kept
    for entry in entries:
        if entry.key not in numbers:
            numbers[entry.key] = ledger.issue(entry)
    return Numbering(numbers, _changes(ledger.live, numbers))


class _Ledger:
    """Issued numbers, and the highest serial of each room."""

    def __init__(self, origin: str, issued: Iterable[IssuedNumber]) -> None:
        self.origin = origin
        self.live: dict[EntryKey, IssuedNumber] = {}
        self.highest: dict[str, int] = {}
        for number in sorted(issued, key=lambda n: (n.candidate, n.subject, n.number)):
            key = (number.candidate, number.subject)
            well_formed = re.fullmatch(r"[0-9]{16}", number.number) is not None
            if not well_formed or number.number[:10] != number.subject + origin:
                raise NumberingConflict(key=number.number)
            if number.live and key in self.live:
                raise NumberingConflict(key=number.number)
            if number.live:
                self.live[key] = number
            room, serial = number.number[10:12], int(number.number[12:])
            self.highest[room] = max(serial, self.highest.get(room, 0))

    def number_of(self, entry: SeatedEntry) -> str | None:
        """The number of an entry that sits where it sat when the number was issued."""
        number = self.live.get(entry.key)
        if number is None or (number.slot, number.seat) != (entry.slot, entry.seat):
            return None
        return number.number

    def issue(self, entry: SeatedEntry) -> str:
        """The next number of the entry's room."""
        _require_digits(N_("科目代码"), entry.subject, 2)
        _require_digits(N_("考场号"), entry.room, 2)
        serial = self.highest.get(entry.room, 0) + 1
        if serial > MAX_SERIAL:
            raise SerialsExhausted(room=entry.room)
        self.highest[entry.room] = serial
        return f"{entry.subject}{self.origin}{entry.room}{serial:04d}"


def _changes(
    live: Mapping[EntryKey, IssuedNumber], numbers: Mapping[EntryKey, str]
) -> tuple[NumberChange, ...]:
    """Old → new for every entry whose number is new, changed or void (R32.4)."""
    changes = []
    for key in sorted({*live, *numbers}):
        old = live[key].number if key in live else None
        new = numbers.get(key)
        if old != new:
            changes.append(NumberChange(*key, old, new))
    return tuple(changes)


def _refuse_duplicates(entries: Iterable[SeatedEntry]) -> None:
    keys: set[EntryKey] = set()
    seats: set[tuple[str, int]] = set()
    for entry in entries:
        if entry.key in keys or (entry.slot, entry.seat) in seats:
            raise NumberingConflict(key=f"{entry.candidate} {entry.subject}")
        keys.add(entry.key)
        seats.add((entry.slot, entry.seat))


def _require_digits(part: str, value: str, digits: int) -> None:
    if re.fullmatch(rf"[0-9]{{{digits}}}", value) is None:
        raise InvalidNumberPart(part=part, value=value, digits=digits)
