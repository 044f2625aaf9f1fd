"""One column of a file, cleaned page by page.

Most columns of large files hold few different cells – classes, days, codes – so each is cleaned
once and its result looked up after that; a page of known cells costs no step of its own for each.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from sys import getsizeof
from typing import Any

from app.jobs.imports.marks import ERROR_VALUE, FLAWS, BadCell, Flaw
from app.metadata.cleaning import cleaner
from app.metadata.fields import Field
from app.metadata.text import Bad, cell_text

#: different cells of one column whose cleaned values are remembered, and their characters
_REMEMBERED, _CHARACTERS = 5_000, 150_000
#: A longer text is not remembered, and of what was uploaded no more is kept, for no more is ever
#: shown: texts that no column takes would fill the memory.
LONG = 500
#: kinds of cells of which equal ones are cleaned alike; 1 and True are equal, but not alike
_COMPARED = {str, type(None), dt.date, dt.datetime, dt.time}
#: stands for what was not cleaned yet; None is a value
_NEW: Any = object()


@dataclass(frozen=True, slots=True)
class CleanedCells:
    """The cells of one column on one page: their values; what was uploaded, or None where that
    is the same; and (place on the page, message) of what is wrong, whose value is the default."""

    values: list[Any]
    uploaded: Sequence[Any] | None
    wrong: Sequence[tuple[int, str]]


class Column:
    """A column with its cleaner, and what it has cleaned already."""

    def __init__(self, field: Field, choices: Mapping[str, str] | None) -> None:
        self.field = field
        self._clean = cleaner(field, choices)
        #: by cell: its value; the cell itself, held once; its error
        self._known: dict[Any, Any] = {}
        self._held: dict[Any, Any] = {}
        self._refused: dict[Any, str] = {}
        self._changes = False
        #: characters of them
        self._characters = 0
        #: bytes of the cells and values that the rows hold
        self.held = 0
        #: a long text was among the cells of the page
        self._long = False

    def clean(self, cells: Sequence[Any]) -> CleanedCells:
        """Clean a page; errors are collected, not raised."""
        wrong: list[tuple[int, str]] = []
        self._long = False
        try:
            values = list(map(self._known.__getitem__, cells))
        except KeyError:
            values = self._read_all(cells, wrong)
        # once something was changed, every later page may hold it again
        uploaded = list(map(self._held.get, cells, cells)) if self._changes else None
        if uploaded is not None and self._long:
            uploaded = [cell[:LONG] if type(cell) is str else cell for cell in uploaded]
        return CleanedCells(values, uploaded, wrong)

    def _read_all(self, cells: Sequence[Any], wrong: list[tuple[int, str]]) -> list[Any]:
        """The values of a page with cells that are not known; what is wrong is added."""
        values = []
        for place, cell in enumerate(cells):
            value = self._known.get(cell, _NEW)
            if value is _NEW:
                value, error = self._read(cell)
                if error is not None:
                    wrong.append((place, error))
            values.append(value)
        return values

    def _read(self, cell: Any) -> tuple[Any, str | None]:
        """(value, error) of a cell that is not known to be good."""
        if cell in self._refused:
            return self.field.default, self._refused[cell]
        value, error = self._value(cell)
        if value is not cell:
            self._changes = True
            self.held += getsizeof(value)
        length = len(cell) if type(cell) is str else 0
        if length > LONG:
            self._long = True
            self.held += getsizeof(cell[:LONG])
            return value, error
        self.held += getsizeof(cell)
        if self._has_room(length) and type(cell) in _COMPARED:
            self._characters += length
            self._held[cell] = cell
            if error is None:
                self._known[cell] = value
            else:
                self._refused[cell] = error
        return value, error

    def _has_room(self, length: int) -> bool:
        """May a cell of that length be remembered?"""
        return len(self._held) < _REMEMBERED and self._characters + length <= _CHARACTERS

    def _value(self, cell: Any) -> tuple[Any, str | None]:
        default = self.field.default
        if type(cell) is str:
            if cell.startswith("#") and ERROR_VALUE.fullmatch(cell):
                return default, FLAWS[Flaw.ERROR]
        elif isinstance(cell, BadCell):
            return default, FLAWS[cell.flaw]
        try:
            # numbers as the text that people see: 14.0 is “14”; of one with more than 15 digits
            # Excel has lost the end
            value = self._clean(cell_text(cell) if isinstance(cell, (int, float)) else cell)
        except Bad as error:
            return default, error.as_message()
        if value is None:
            return default, None
        # most texts are clean already: keep one copy of them
        return (cell if type(value) is type(cell) and value == cell else value), None
