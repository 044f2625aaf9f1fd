"""A cursor of PostgreSQL that does nothing twice.

Its columns are described only where somebody reads the description: SQLAlchemy asks every result
for it, and then uses what it remembers of a statement that it has executed before. To describe
sixty columns that nobody reads was a twentieth of a request.

It takes statements as PostgreSQL reads them, with $1 and $2: SQLAlchemy writes them so as easily
(`PARAMSTYLE`) and remembers the text, while the driver would look through each longer one for its
own placeholders at every execution. That was another twentieth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import psycopg


class Columns(Sequence[psycopg.Column]):
    """The columns of the result that the cursor has when they are asked for; made on first use."""

    __slots__ = ("_count", "_cursor", "_made", "_result")

    def __init__(self, cursor: psycopg.Cursor[Any], result: Any) -> None:
        self._cursor, self._result, self._count = cursor, result, result.nfields
        self._made: list[psycopg.Column] | None = None

    def _all(self) -> list[psycopg.Column]:
        if self._made is None:
            if self._cursor.pgresult is not self._result:
                raise psycopg.InterfaceError("the cursor has gone on to another result")
            self._made = [psycopg.Column(self._cursor, index) for index in range(self._count)]
        return self._made

    def __len__(self) -> int:
        return int(self._count)

    @overload
    def __getitem__(self, index: int) -> psycopg.Column: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[psycopg.Column]: ...
    def __getitem__(self, index: int | slice) -> psycopg.Column | Sequence[psycopg.Column]:
        return self._all()[index]

    def __iter__(self) -> Iterator[psycopg.Column]:
        return iter(self._all())


#: how statements name their values for `LazyCursor`, in SQLAlchemy's words
PARAMSTYLE = "numeric_dollar"


class LazyCursor(psycopg.RawCursor[Any]):
    """As the driver's own for plain statements, but for the description."""

    @property
    def description(self) -> Any:
        """The columns of the result, or None where it has none."""
        result = self.pgresult
        return Columns(self, result) if result is not None and result.nfields else None
