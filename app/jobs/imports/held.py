"""The rows of a file while they are checked and written: fifty thousand are there at once.

What they take of the memory is bounded. As long as it is little, their values are held as they
were cleaned; the pages after that lie in a file without a name and are fetched when one of their
rows is looked at. Rows are gone through in their order, so each page is fetched once a round.
"""

from __future__ import annotations

import pickle
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, repeat
from typing import IO, Any

#: bytes of cells and values that are held; fifty thousand usual rows take two thirds of it
MOST_HELD = 32 * 1024 * 1024
#: pages that were fetched last are held; a page ends at a million characters or so
_RECENT = 2

Cells = Mapping[int, Sequence[Any]]


class ImportRow:
    """One cleaned row: `row["code"]`. `number` is that of the file.

    Values stand in the order of the columns, and cells are kept beside them, by page, only of
    columns in which some were not clean as they came.
    """

    __slots__ = ("_columns", "_place", "_uploaded", "_values", "number")

    def __init__(
        self,
        number: int,
        columns: Mapping[str, int],
        values: Sequence[Any],
        uploaded: Mapping[int, Sequence[Any]],
        place: int,
    ) -> None:
        self.number = number
        self._columns = columns
        self._values = values
        self._uploaded = uploaded
        self._place = place

    def __getitem__(self, name: str) -> Any:
        return self._values[self._columns[name]]

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or `default` for a column that the import does not have."""
        index = self._columns.get(name)
        return default if index is None else self._values[index]

    @property
    def values(self) -> dict[str, Any]:
        """All values by column name (a new mapping)."""
        return dict(zip(self._columns, self._values, strict=True))

    def cell(self, name: str) -> Any:
        """The cell as it was uploaded, cut after `columns.LONG`; None where there is none."""
        index = self._columns.get(name)
        if index is None:
            return None
        cells = self._uploaded.get(index)
        return self._values[index] if cells is None else cells[self._place]


class SpilledRow(ImportRow):
    """A row whose page is on the shelf."""

    __slots__ = ("_at", "_shelf")

    def __init__(
        self, number: int, columns: Mapping[str, int], shelf: Shelf, at: int, place: int
    ) -> None:
        self.number = number
        self._columns = columns
        self._shelf = shelf
        self._at = at
        self._place = place

    @property
    def _values(self) -> Sequence[Any]:  # type: ignore[override] # there is nothing to be set
        return self._shelf.fetch(self._at)[0][self._place]

    @property
    def _uploaded(self) -> Cells:  # type: ignore[override] # as above
        return self._shelf.fetch(self._at)[1]


class Shelf:
    """Pages of rows, held or put away. Nobody else can open its file, which is gone with it."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._end = 0
        self._recent: dict[int, tuple[Sequence[Sequence[Any]], Cells]] = {}

    def rows(
        self,
        numbers: Sequence[int],
        columns: Mapping[str, int],
        values: Sequence[Sequence[Any]],
        uploaded: Cells,
        *,
        hold: bool,
    ) -> Iterator[ImportRow]:
        """The rows of a page, of which `values` and `uploaded` have what `ImportRow` takes."""
        if hold:
            return map(ImportRow, numbers, repeat(columns), values, repeat(uploaded), count())
        at = self._put((list(values), uploaded))
        return map(SpilledRow, numbers, repeat(columns), repeat(self), repeat(at), count())

    def _put(self, page: Any) -> int:
        file, at = self._opened(), self._end
        file.seek(at)
        pickle.dump(page, file, pickle.HIGHEST_PROTOCOL)
        self._end = file.tell()
        return at

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed below
            weakref.finalize(self, self._file.close)
        return self._file

    def fetch(self, at: int) -> tuple[Sequence[Sequence[Any]], Cells]:
        """Values and cells of the page that was put there."""
        page = self._recent.get(at)
        if page is None:
            while len(self._recent) >= _RECENT:
                del self._recent[next(iter(self._recent))]
            file = self._opened()
            file.seek(at)
            page = self._recent[at] = pickle.load(file)  # noqa: S301 - our own, without a name
        return page
