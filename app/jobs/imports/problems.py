"""What is wrong with a file: every error of every row, within a bound of memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from sys import getsizeof
from typing import Any

from app.metadata.errors import N_, Message
from app.metadata.sentences import kept

#: A file with more is not mended by reading on. What they take of the memory, in bytes: messages
#: that come again are held once, so that so many usual errors take half of it.
MOST_ERRORS, MOST_HELD = 200_000, 72 * 1024 * 1024
#: different messages that are looked for among those that came before
_REMEMBERED = 2_000
_CUT = N_("错误超过 {limit} 处，其余没有列出。")


@dataclass(frozen=True, slots=True)
class Problem:
    """One error. `row` counts as the file does, from 1; `value` is masked already."""

    sheet: str
    row: int | None
    column: str
    value: str
    message: str

    def to_json(self) -> dict[str, Any]:
        """As it is stored on the job's row; `said` is the message that can still be translated,
        where it has parameters (`outcome.message_of`)."""
        found = {
            "sheet": self.sheet,
            "row": self.row,
            "column": self.column,
            "value": self.value,
            "message": str(self.message),
        }
        said = kept(self.message)
        return found if isinstance(said, str) else found | {"said": said}


class Problems:
    """Collects them. `found` has those that are kept, `wrong` the rows of all."""

    def __init__(self, sheet: str) -> None:
        self.found: list[Problem] = []
        self.wrong: set[int] = set()
        self._sheet = sheet
        self._general: list[Problem] = []
        self._held = 0
        self._messages: dict[tuple[Any, str], str] = {}
        self._cut = False

    def add(self, row: int, column: str, value: str, message: str) -> None:
        """An error of a row with data; `value` is masked already."""
        self.wrong.add(row)
        if self._cut:
            return
        if len(self.found) >= MOST_ERRORS or self._held > MOST_HELD:
            self._cut = True
            return
        message = self._once(message)
        problem = Problem(self._sheet, row, column, value, message)
        self._held += getsizeof(problem) + getsizeof(value)
        self.found.append(problem)

    def say(self, message: str) -> None:
        """What is wrong with the sheet."""
        self._general.append(Problem(self._sheet, None, "", "", message))

    def _once(self, message: str) -> str:
        """The same message that came before, where one did."""
        key = getattr(message, "template", None), str(message)
        before = self._messages.get(key)
        if before is not None:
            return before
        parameters: Mapping[str, Any] = getattr(message, "parameters", {})
        self._held += getsizeof(message) + sum(map(_size, parameters.values()))
        if len(self._messages) < _REMEMBERED:
            self._messages[key] = message
        return message

    def sorted(self) -> list[Problem]:
        """In the order of the file; what is said of the whole of it comes last."""
        self.found.sort(key=lambda problem: problem.row or 0)
        said = list(self._general)
        if self._cut:
            many = Message(_CUT, limit=len(self.found))
            said.append(Problem(self._sheet, None, "", "", many))
        return [*self.found, *said] if said else self.found


def _size(value: Any) -> int:
    """Bytes of a parameter of a message, with its place in it."""
    return 100 + getsizeof(value) + sum(map(getsizeof, value) if isinstance(value, list) else ())
