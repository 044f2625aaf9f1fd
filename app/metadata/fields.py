"""Fields: one description of a value for page, REST, import and command line.

A `Field` is made from a mapped column (`col()` puts it into the column's `info`) or written by
hand for forms of operations and columns of imports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from app.metadata.errors import DeclarationError
from app.metadata.vocabulary import Level, Personal

if TYPE_CHECKING:
    from sqlalchemy.orm import DeclarativeBase

    from app.metadata.actor import Actor

#: value -> value; raises `text.Bad` with a Chinese message.
Check = Callable[[Any], Any]
#: (session, actor) -> {stored value: label}; for references and other living lists.
Options = Callable[[Any, Any], Mapping[str, str]]
Mask = Callable[[str], str]


class Kind(StrEnum):
    """How a value is parsed, edited and shown."""

    TEXT = "text"
    MULTILINE = "multiline"
    HTML = "html"
    INTEGER = "integer"
    MONEY = "money"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    CHOICE = "choice"
    CHOICES = "choices"
    REFERENCE = "reference"
    PASSWORD = "password"  # noqa: S105 - the name of a kind of field
    FILE = "file"


class Search(StrEnum):
    """Which condition a list offers on a column (fab.md §6: no free-text search on millions)."""

    EXACT = "exact"
    PREFIX = "prefix"
    CONTAINS = "contains"
    #: the last words of a dotted name
    SUFFIX = "suffix"
    CHOICE = "choice"
    RANGE = "range"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value: how it is called, cleaned, edited, shown and protected.

    `shown_as` names an attribute (relationship or property) displayed instead of the raw value.
    `digest_column` names the keyed-digest column by which an encrypted value is found;
    `searched_as` makes of a searched text the forms in which it may be stored there.
    """

    name: str
    label: str
    personal: Personal
    kind: Kind = Kind.TEXT
    required: bool = False
    default: Any = None
    max_length: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    choices: Mapping[str, str] | None = None
    options: Options | None = None
    checks: tuple[Check, ...] = ()
    help: str = ""
    placeholder: str = ""
    example: str = ""
    listed: bool = False
    shown: bool = True
    form: bool = True
    sortable: bool = True
    search: Search | None = None
    more: bool = False
    editable_from: Level = Level.SITE
    immutable: bool = False
    mask: Mask | None = None
    badges: Mapping[str, str] | None = None
    shown_as: str | None = None
    digest_column: str | None = None
    #: text -> stored forms, any of which is a hit; raises `text.Bad`
    searched_as: Callable[[str], tuple[str, ...]] | None = None
    #: the column holds a number though the value is chosen (a reference to an id)
    stored_as_number: bool = False
    width: int | None = None

    def __post_init__(self) -> None:
        if self.personal is Personal.SENSITIVE and self.mask is None:
            raise DeclarationError(self.name, "sensitive personal data without a mask")
        if self.kind is Kind.CHOICE and not (self.choices or self.options):
            raise DeclarationError(self.name, "a choice without choices")

    @property
    def is_numeric(self) -> bool:
        """Right-aligned in lists."""
        return self.kind in (Kind.INTEGER, Kind.MONEY)


@dataclass(frozen=True, slots=True)
class Computed:
    """A column of a list or detail page that is no column of the table: `getter(row)`.

    `export` gives the value for files where it differs from the one on screen.
    """

    name: str
    label: str
    getter: Callable[[Any], Any]
    personal: Personal = Personal.NONE
    mask: Mask | None = None
    badges: Mapping[str, str] | None = None
    listed: bool = True
    shown: bool = True
    numeric: bool = False
    #: names of relationships that the getter follows; loaded together with the rows.
    loads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sought:
    """A search of a list by what is not one column that all its readers read.

    `field` is what is searched by (a text, with its condition); `places(actor)` returns where the
    actor reads it: ((SQL condition of the rows, column), …). In other rows nothing is found.
    """

    field: Field
    places: Callable[[Actor], Sequence[tuple[Any, Any]]]


def col(
    label: str,
    personal: Personal,
    *,
    kind: Kind | None = None,
    required: bool | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Return the `info` of a `mapped_column`: everything of `Field` but its name.

    `kind`, `required` and `max_length` are read from the column's type when not given.
    `personal` is compulsory: whoever adds a column decides how personal it is; `SENSITIVE`
    needs a `mask=`.
    """
    unknown = set(options) - set(Field.__dataclass_fields__)
    if unknown:
        raise DeclarationError(label, f"unknown words in col(): {sorted(unknown)}")
    return {
        "kaowu": {"label": label, "personal": personal, "kind": kind, "required": required}
        | options
    }


def _kind_of(column: Any, info: Mapping[str, Any]) -> Kind:
    if info.get("kind"):
        return Kind(info["kind"])
    if type(column.type).__name__ == "Boolean":
        return Kind.BOOLEAN  # `choices` {"1": …, "0": …} only give it words of its own
    if info.get("options"):
        return Kind.REFERENCE
    if info.get("choices"):
        return Kind.CHOICE
    python_type = getattr(column.type, "kind", None)
    if python_type:
        return Kind(python_type)
    name = type(column.type).__name__
    return {
        "Boolean": Kind.BOOLEAN,
        "Integer": Kind.INTEGER,
        "BigInteger": Kind.INTEGER,
        "SmallInteger": Kind.INTEGER,
        "Date": Kind.DATE,
        "Time": Kind.TIME,
        "Text": Kind.MULTILINE,
    }.get(name, Kind.TEXT)


def _is_number(column: Any) -> bool:
    try:
        return bool(column.type.python_type is int)
    except NotImplementedError:
        return False


def field_of(column: Any, name: str | None = None) -> Field | None:
    """The field of a table column, or None where the column declares none (keys, counters)."""
    info = column.info.get("kaowu")
    if info is None:
        return None
    info = dict(info)
    required = info.pop("required")
    info.pop("kind")
    if required is None:
        required = not column.nullable and column.default is None
    info.setdefault("max_length", getattr(column.type, "length", None))
    info.setdefault("stored_as_number", _is_number(column))
    return Field(
        name=name or column.key,
        kind=_kind_of(column, column.info["kaowu"]),
        required=required,
        **info,
    )


def fields_of(model: type[DeclarativeBase]) -> dict[str, Field]:
    """All declared fields of a model, in the order of its columns: {attribute name: Field}."""
    return dict(_fields_of(model))


@cache  # models do not change once they are mapped, and a list asks a dozen times
def _fields_of(model: type[DeclarativeBase]) -> dict[str, Field]:
    from sqlalchemy import inspect  # noqa: PLC0415 - the vocabulary itself needs no database

    found: dict[str, Field] = {}
    for attribute in inspect(model).column_attrs:
        column = attribute.columns[0]
        field = field_of(column, attribute.key)
        if field is not None:
            found[attribute.key] = field
    return found


def pick(fields: Mapping[str, Field], names: Sequence[str], **changes: Any) -> list[Field]:
    """The named fields in that order, optionally changed (forms of operations reuse columns)."""
    return [replace(fields[name], **changes) for name in names]
