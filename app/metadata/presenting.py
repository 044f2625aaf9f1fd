"""A row's value as people and files read it: label of a choice, related row's name, mask.

One place for lists, detail pages, exports and REST; `translate` maps a Chinese msgid to the
reader's language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any

from app.metadata.declarations import Resource
from app.metadata.errors import say
from app.metadata.fields import Computed, Field, Kind, fields_of
from app.metadata.text import fen_to_yuan

Translate = Callable[[str], str]
Column = Field | Computed


def column_of(resource: Resource, name: str, fields: Mapping[str, Field]) -> Column:
    """The field or computed column of that name (names are checked when the application starts)."""
    if name in fields:
        return fields[name]
    return next(column for column in resource.computed if column.name == name)


def columns_of(resource: Resource, names: Iterable[str], fields: Mapping[str, Field]) -> list[Any]:
    """The columns of these names, in that order."""
    return [column_of(resource, name, fields) for name in names]


def raw(row: Any, column: Column) -> Any:
    """The value behind a cell, before labels and masks."""
    if isinstance(column, Computed):
        return column.getter(row)
    return getattr(row, column.name)


def masked_text(column: Column, value: Any) -> str | None:
    """`value` under the column's mask; None where there is no value or no mask."""
    if value is None or column.mask is None:
        return None
    return column.mask(str(value))


def present(
    row: Any,
    column: Column,
    translate: Translate,
    *,
    masked: bool = True,
    for_file: bool = False,
    living: Mapping[str, Mapping[str, str]] | None = None,
) -> Any:
    """The value for people and files. Dates stay dates; money is yuan with two decimals.

    `living` are the choices of fields with `options`: {field: {value: label}}.
    """
    show = presenter(column, translate, masked=masked, for_file=for_file, living=living)
    return show(row)


def presenter(
    column: Column,
    translate: Translate,
    *,
    masked: bool = True,
    for_file: bool = False,
    living: Mapping[str, Mapping[str, str]] | None = None,
) -> Callable[[Any], Any]:
    """`present` of one column, for many rows: what depends on the column alone is decided once."""
    getter: Callable[[Any], Any] = (
        column.getter if isinstance(column, Computed) else attrgetter(column.name)
    )
    if not isinstance(column, Computed) and column.shown_as and not (column.mask and masked):
        related = attrgetter(column.shown_as)

        def shown(row: Any) -> Any:
            if getter(row) is None:
                return None
            found = related(row)
            return getattr(found, "display", found)

        return shown
    words = _words(column, translate, masked=masked, for_file=for_file, living=living)
    if words is None:
        return getter

    def said(row: Any) -> Any:
        value = getter(row)
        return None if value is None else words(value)

    return said


def _words(
    column: Column,
    translate: Translate,
    *,
    masked: bool,
    for_file: bool,
    living: Mapping[str, Mapping[str, str]] | None,
) -> Callable[[Any], Any] | None:
    """What people read for a value that is there; None where it stands for itself."""
    if column.mask is not None and masked:
        mask = column.mask
        return lambda value: mask(str(value))
    if isinstance(column, Computed):
        return lambda value: _computed(value, translate)
    if living and column.name in living:
        options = living[column.name]
        return lambda value: options.get(str(value), value)
    if column.choices:
        return _labelling(column.choices, translate)
    if column.kind is Kind.MONEY:
        return fen_to_yuan
    if column.kind is Kind.BOOLEAN and for_file:
        return lambda value: translate("是") if value else translate("否")
    return None


def _computed(value: Any, translate: Translate) -> Any:
    if isinstance(value, dict) and "text" in value:  # a tag
        return value | {"text": say(value["text"], translate)}
    return say(value, translate) if isinstance(value, str) else value


def _labelling(choices: Mapping[str, str], translate: Translate) -> Callable[[Any], Any]:
    """`_labels` that translates each single value once."""
    known: dict[Any, Any] = {}

    def label(value: Any) -> Any:
        if type(value) is not str:  # 1, True and 1.0 are one key and three words
            return _labels(choices, value, translate)
        if value not in known:
            known[value] = _labels(choices, value, translate)
        return known[value]

    return label


def _labels(choices: Mapping[str, str], value: Any, translate: Translate) -> Any:
    if isinstance(value, (list, tuple, set)):
        return [translate(choices.get(str(item), str(item))) for item in value]
    if isinstance(value, bool):
        # a boolean column with words of its own: {"1": 已锁定, "0": 未锁定}
        return translate(choices.get(str(int(value)), choices.get(str(value), str(value))))
    return translate(choices.get(str(value), str(value)))


def living_of(columns: Iterable[Column], session: Any, actor: Any) -> dict[str, Mapping[str, str]]:
    """The choices of columns that show a label from a living list."""
    return {
        column.name: column.options(session, actor)
        for column in columns
        if isinstance(column, Field) and column.options is not None and column.shown_as is None
    }


def title_of(resource: Resource, row: Any) -> str:
    """How a row is called in questions and reports: `display`, or the first column of the list
    that tells rows apart, or its number."""
    display = getattr(row, "display", None)
    if display:
        return str(display)
    fields = fields_of(resource.model)
    names = resource.columns or tuple(name for name, field in fields.items() if field.listed)
    for column in columns_of(resource, names, fields):
        if _tells_apart(column) and (value := present(row, column, str)) not in (None, ""):
            return str(value)
    return str(row.id)


def _tells_apart(column: Column) -> bool:
    """Neither a mask nor one of a few words that many rows share."""
    if column.mask is not None:
        return False
    if isinstance(column, Computed):
        return not column.badges and not column.numeric
    return not column.choices and column.kind is not Kind.BOOLEAN
