"""The problem as handed in: subjects, sittings, candidates, and what is placed already.

Times are local (the site's) without a zone, as exam days and sittings are everywhere.
`to_json`/`from_json` speak the exchange format `ncre-arrange/1`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from app.rules.arrangement.solver.errors import (
    DuplicateKey,
    InvalidInstance,
    UnknownSlot,
    UnknownSubject,
)

SCHEMA = "ncre-arrange/1"
#: (candidate id, subject code): one entry (科次).
EntryKey = tuple[str, str]


class Mode(StrEnum):
    """What a run may do and what it strives for (R31.4, R31.6)."""

    #: 按意向编排: only entries with an intended date, and only on that date.
    PREFERENCE_ONLY = "preference_only"
    #: 选中编排: as many entries as possible, whatever the intended dates.
    SELECTED = "selected"
    #: 兼顾: as many entries as possible first, then as many intended dates as possible.
    BALANCED = "balanced"


#: Words of the exchange format. It knows no third mode: "all" is judged as BALANCED.
_MODE_WORDS = {"all": Mode.BALANCED, "intention": Mode.PREFERENCE_ONLY, "selected": Mode.SELECTED}
_WORDS_OF_MODE = {mode: word for word, mode in _MODE_WORDS.items()}


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject: length of the exam in minutes, and the range inside which it may be sat."""

    code: str
    minutes: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Slot:
    """A sitting (批次) of one room: its time and its seats."""

    id: str
    room: str
    start: datetime
    end: datetime
    capacity: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One subject of a candidate, with the intended date or None."""

    subject: str
    wish: date | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate with his entries; `group` is his class (班级), kept together where possible."""

    id: str
    group: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Instance:
    """One arrangement problem.

    `existing` maps entries that are placed already to their slot: they stay, they take a seat,
    and they keep other entries of the same candidate away. They may belong to candidates that
    are not listed. With `allow_move` they may be moved, as few of them as possible.
    """

    subjects: tuple[Subject, ...]
    slots: tuple[Slot, ...]
    candidates: tuple[Candidate, ...]
    existing: Mapping[EntryKey, str] = field(default_factory=dict)
    mode: Mode = Mode.BALANCED
    gap_minutes: int = 15
    allow_move: bool = False
    name: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what contradicts itself. Raises: a subclass of `InvalidInstance`."""
        _refuse_duplicates(subject.code for subject in self.subjects)
        _refuse_duplicates(slot.id for slot in self.slots)
        _refuse_duplicates(candidate.id for candidate in self.candidates)
        subjects = {subject.code for subject in self.subjects}
        slots = {slot.id for slot in self.slots}
        for candidate in self.candidates:
            _refuse_duplicates(f"{candidate.id} {entry.subject}" for entry in candidate.entries)
            for entry in candidate.entries:
                if entry.subject not in subjects:
                    raise UnknownSubject(candidate=candidate.id, subject=entry.subject)
        for (candidate_id, _), slot_id in self.existing.items():
            if slot_id not in slots:
                raise UnknownSlot(candidate=candidate_id, slot=slot_id)

    def to_json(self) -> dict[str, Any]:
        """The instance as a JSON object in the format `ncre-arrange/1`."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "seed": self.seed,
            "mode": _WORDS_OF_MODE[self.mode],
            "gap_min": self.gap_minutes,
            "subjects": [_subject_to_json(subject) for subject in self.subjects],
            "slots": [_slot_to_json(slot) for slot in self.slots],
            "candidates": [_candidate_to_json(candidate) for candidate in self.candidates],
            "existing": [[*key, slot] for key, slot in sorted(self.existing.items())],
            "allow_move": self.allow_move,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Instance:
        """Read a JSON object in the format `ncre-arrange/1`. Raises: `InvalidInstance`."""
        if data.get("schema") != SCHEMA:
            raise InvalidInstance(problem=f"schema: {data.get('schema')}")
        try:
            return cls(
                subjects=tuple(_subject_from_json(item) for item in data["subjects"]),
                slots=tuple(_slot_from_json(item) for item in data["slots"]),
                candidates=tuple(_candidate_from_json(item) for item in data["candidates"]),
                existing=_existing_from_json(data.get("existing", [])),
                mode=_MODE_WORDS[data.get("mode", "all")],
                gap_minutes=int(data.get("gap_min", 15)),
                allow_move=bool(data.get("allow_move", False)),
                name=str(data.get("name", "")),
                seed=int(data.get("seed", 0)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInstance(problem=f"{type(error).__name__}: {error}") from error


def minute_text(moment: datetime) -> str:
    """`YYYY-MM-DDTHH:MM`, the notation of the exchange format."""
    return moment.isoformat(timespec="minutes")


def _refuse_duplicates(keys: Iterable[str]) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise DuplicateKey(key=key)
        seen.add(key)


def _subject_to_json(subject: Subject) -> dict[str, Any]:
    return {
        "code": subject.code,
        "duration": subject.minutes,
        "start": minute_text(subject.start),
        "end": minute_text(subject.end),
    }


def _subject_from_json(item: Mapping[str, Any]) -> Subject:
    start, end = datetime.fromisoformat(item["start"]), datetime.fromisoformat(item["end"])
    return Subject(item["code"], int(item["duration"]), start, end)


def _slot_to_json(slot: Slot) -> dict[str, Any]:
    return {
        "id": slot.id,
        "room": slot.room,
        "start": minute_text(slot.start),
        "end": minute_text(slot.end),
        "cap": slot.capacity,
    }


def _slot_from_json(item: Mapping[str, Any]) -> Slot:
    start, end = datetime.fromisoformat(item["start"]), datetime.fromisoformat(item["end"])
    return Slot(item["id"], item["room"], start, end, int(item["cap"]))


def _candidate_to_json(candidate: Candidate) -> list[Any]:
    entries = [[e.subject, e.wish.isoformat() if e.wish else None] for e in candidate.entries]
    return [candidate.id, candidate.group, entries]


def _candidate_from_json(item: list[Any]) -> Candidate:
    identifier, group, entries = item
    return Candidate(
        identifier,
        group or "",
        tuple(Entry(code, date.fromisoformat(wish) if wish else None) for code, wish in entries),
    )


def _existing_from_json(rows: Iterable[list[str]]) -> dict[EntryKey, str]:
    rows = list(rows)
    _refuse_duplicates(f"{candidate} {subject}" for candidate, subject, _ in rows)
    return {(candidate, subject): slot for candidate, subject, slot in rows}
