"""National subjects (domain §3.1): the start of each session's own, editable subject table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.metadata.errors import N_
from app.models.codes.table import Code, CodeTable, load_json

SUBJECT_LEVELS: Mapping[int, str] = {
    1: N_("一级"),
    2: N_("二级"),
    3: N_("三级"),
    4: N_("四级"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectCode(Code):
    """A subject: level 1–4, length in minutes, and for level 4 the level-3 subject whose
    certificate is asked for before a certificate is given (never before registration).
    """

    level: int
    minutes: int
    category: str
    certificate_prerequisite: str | None = None


def _subject(row: dict[str, Any]) -> SubjectCode:
    aliases = tuple(row.get("aliases", ()))
    with_level = f"{SUBJECT_LEVELS[row['level']]}{row['label']}"
    return SubjectCode(**{**row, "aliases": (*aliases, with_level)})


_DATA = load_json("subjects.json")

SUBJECTS: CodeTable[SubjectCode] = CodeTable(
    N_("科目"), (_subject(row) for row in _DATA["subjects"])
)

#: Which subjects were open in which period; the last one seeds a new session. Activity is data of
#: a session, never of a code.
ACTIVE_SUBJECTS: Mapping[str, tuple[str, ...]] = {
    period: tuple(codes) for period, codes in _DATA["active"].items()
}
LATEST_PERIOD = list(ACTIVE_SUBJECTS)[-1]
