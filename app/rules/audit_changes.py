"""What the log says of a change: columns with their labels, old and new values (architecture §4.7).

Personal values are told as masked text plus keyed digest, so that erasure never touches the log.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import PassiveFlag

from app.database.keys import keyring
from app.metadata.fields import Field, field_of
from app.metadata.vocabulary import Personal, Verb

Changes = dict[str, dict[str, Any]]
#: columns whose change says nothing to a reader
_SILENT = {"version", "updated_at", "created_at"}


def plain(value: Any) -> Any:
    """A JSON value for the log."""
    if type(value) is str:  # nearly all are
        return value
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return str(value)  # JSON readers would round a snowflake
    return value


def protect(field: Field | None, value: Any) -> Any:
    """Personal values: masked text and digest; others as they are."""
    if value is None or field is None or field.personal is Personal.NONE:
        return plain(value)
    text = str(plain(value))
    masked = field.mask(text) if field.mask else text[:1] + "*" * min(len(text) - 1, 8)
    return {"masked": masked, "digest": keyring().digest(text)[:32]}


def _is_secret(name: str) -> bool:
    return any(word in name for word in ("password", "secret", "token", "digest"))


@dataclass(frozen=True, slots=True)
class Logged:
    """What the log says of one column; the same for every row of the model."""

    name: str
    label: str
    field: Field | None
    secret: bool


@lru_cache(maxsize=512)
def logged_columns(model: Any) -> tuple[Logged, ...]:
    """The columns of a model that the log tells of, in their order."""
    found = []
    for attribute in inspect(model).column_attrs:
        name = attribute.key
        if name not in _SILENT and name != "id":
            field = field_of(attribute.columns[0], name)
            found.append(Logged(name, field.label if field else name, field, _is_secret(name)))
    return tuple(found)


def changes_of(verb: Verb, row: Any) -> Changes:
    """{attribute: {"label", "old", "new"}} of one pending row; creation logs first values."""
    state = inspect(row)
    found: Changes = {}
    model: Any = type(row)
    for column in logged_columns(model):
        old, new = _old_and_new(verb, row, state, column.name)
        if old != new:  # untouched, set to what it was, or empty from the first
            found[column.name] = _told(column, old, new)
    return found


def changes_between(model: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> Changes:
    """As `changes_of`, for plain values: of the columns that `new` names."""
    found: Changes = {}
    for column in logged_columns(model):
        if column.name in new and old.get(column.name) != new[column.name]:
            found[column.name] = _told(column, old.get(column.name), new[column.name])
    return found


def _told(column: Logged, old: Any, new: Any) -> dict[str, Any]:
    if column.secret:
        old, new = None, "***"
    else:
        old, new = protect(column.field, old), protect(column.field, new)
    return {"label": column.label, "old": old, "new": new}


def _old_and_new(verb: Verb, row: Any, state: Any, name: str) -> tuple[Any, Any]:
    if verb is Verb.DELETE:
        return getattr(row, name), None
    if verb is Verb.ADD:
        return None, getattr(row, name)
    if name not in state.committed_state:  # not set since it was loaded
        return None, None
    history = state.get_history(name, PassiveFlag.PASSIVE_NO_INITIALIZE)
    old = history.deleted[0] if history.deleted else None
    return (old, history.added[0]) if history.added else (old, None)


class Differences:
    """`changes` of many rows of one model, from plain values: (old, new) with the same names in
    both. What is said of codes and places is remembered: many rows have the same few."""

    def __init__(self, model: Any) -> None:
        self._columns = {column.name: column for column in logged_columns(model)}
        self._known: dict[tuple[str, Any, Any], dict[str, Any]] = {}

    def between(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> Changes:
        """What did change; creation has no old values."""
        found: Changes = {}
        for name in new.keys() | old.keys() if old else new:
            before, after = old.get(name), new.get(name)
            if before != after:
                found[name] = self._known.get((name, before, after)) or self._tell(
                    name, before, after
                )
        return found

    def _tell(self, name: str, old: Any, new: Any) -> dict[str, Any]:
        column = self._columns[name]
        told = {
            "label": column.label,
            "old": protect(column.field, old),
            "new": protect(column.field, new),
        }
        if column.field is None or column.field.choices:
            self._known[name, old, new] = told
        return told
