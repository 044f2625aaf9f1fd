"""A code table: what is stored is the code; what people write may be the code or a name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any, Generic, TypeVar

from app.metadata.errors import N_
from app.metadata.text import Bad, normalise_code

_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))
_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One row. `rank` orders by height (8 is above 7); `aliases` are other accepted names.

    A row that is not `active` is read in history but not accepted in new data.
    """

    code: str
    label: str
    rank: int | None = None
    aliases: tuple[str, ...] = ()
    active: bool = True


CodeRow = TypeVar("CodeRow", bound=Code)


def _key(value: object) -> str:
    """Return the form in which names are compared; "01" and "1" are the same code."""
    text = normalise_code(value).translate(_DASHES)
    return (text.lstrip("0") or "0") if text.isascii() and text.isdigit() else text


class CodeChoices(dict[str, str]):
    """{code: label} of a table, which also knows every other word for its rows.

    `words` is {“汉”, “汉族”, “1”, “01-汉族”, …: code}; forms, REST and imports accept them all.
    """

    def __init__(self, rows: Iterable[Code]) -> None:
        super().__init__({row.code: row.label for row in rows})
        self.words: Mapping[str, str] = {}


class CodeTable(Generic[CodeRow]):
    """An immutable table in its official order, keyed by code.

    Raises `ValueError` when two rows could be meant by the same word.
    """

    def __init__(self, label: str, rows: Iterable[CodeRow]) -> None:
        self.label = label
        self._rows = {row.code: row for row in rows}
        self._words: dict[str, str] = {}
        for row in self._rows.values():
            for word in _words_of(row):
                if self._words.setdefault(_key(word), row.code) != row.code:
                    raise ValueError(f"{label}: {word!r} means two rows")

    def __getitem__(self, code: str) -> CodeRow:
        return self._rows[code]

    def __contains__(self, code: object) -> bool:
        return code in self._rows

    def __iter__(self) -> Iterator[CodeRow]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    @cached_property
    def choices(self) -> Mapping[str, str]:
        """{code: label} of the active rows, in the order of the table (a `CodeChoices`)."""
        active = [row for row in self if row.active]
        choices = CodeChoices(active)
        choices.words = {word: row.code for row in active for word in _words_of(row)}
        return choices

    def name(self, code: str) -> str:
        """Return the label of a code; the code itself when history holds one unknown here."""
        row = self._rows.get(code)
        return row.label if row else code

    def display(self, code: str) -> str:
        """Return “(14)计算机基础及WPS Office应用” (R0.8)."""
        return f"({code}){self.name(code)}"

    def rank(self, code: str) -> int:
        """Return the rank of a code; raises `KeyError` for unknown codes, `ValueError` for none."""
        rank = self._rows[code].rank
        if rank is None:
            raise ValueError(f"{self.label}: {code} has no rank")
        return rank

    def resolve(self, value: object, *, history: bool = False) -> str:
        """Return the code for “代码”, “名称”, “代码-名称” or a short name (domain §4).

        `history` accepts rows that are no longer in use. Raises `Bad`: code.empty, code.unknown,
        code.mismatch (code and name of different rows), code.inactive.
        """
        key = _key(value)
        if not key:
            raise Bad("code.empty", N_("{table}不能为空"), table=self.label)
        code = self._words.get(key)
        if code is None:
            raise self._unknown(key)
        row = self._rows[code]
        if not (row.active or history):
            raise Bad(
                "code.inactive", N_("{table}“{label}”已停用"), table=self.label, label=row.label
            )
        return code

    def _unknown(self, key: str) -> Bad:
        code, dash, name = key.partition("-")
        if dash and _key(code) in self._words and name in self._words:
            return Bad(
                "code.mismatch",
                N_("{table}“{value}”的代码与名称不一致，请核对"),
                table=self.label,
                value=key[:_SHOWN],
            )
        return Bad(
            "code.unknown",
            N_("{table}“{value}”不在代码表中，请填写代码、名称或“代码-名称”"),
            table=self.label,
            value=key[:_SHOWN],
        )


def _words_of(row: Code) -> Iterator[str]:
    short = row.code.lstrip("0") or row.code
    codes = dict.fromkeys((row.code, short))
    yield from codes
    for name in (row.label, *row.aliases):
        yield name
        for code in codes:
            yield f"{code}-{name}"
            yield f"({code}){name}"
            yield f"{code} {name}"


def load_json(name: str) -> Any:
    """Return the parsed content of a data file beside this module."""
    return json.loads(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))


def table_from_json(label: str, name: str) -> CodeTable[Code]:
    """Return the table of a data file: a list of {code, label, rank?, aliases?}."""
    return CodeTable(
        label,
        (Code(**{**row, "aliases": tuple(row.get("aliases", ()))}) for row in load_json(name)),
    )
