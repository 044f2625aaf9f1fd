"""Rows as one parameter of a statement: PostgreSQL takes any number of them apart by itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    JSON,
    Dialect,
    String,
    bindparam,
    cast,
    column,
    func,
    insert,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

Row = Mapping[str, Any]


def adding(table: Any, names: Sequence[str], prefix: str) -> Any:
    """INSERT of the rows in the parameter `<prefix>rows` (see `as_json`), with these columns; a
    row of one empty text is returned for each."""
    columns = [column(name, table.c[name].type) for name in names]
    text = cast(bindparam(f"{prefix}rows", type_=String), JSONB)
    given = (
        func.jsonb_to_recordset(text)
        .table_valued(*columns)
        .render_derived(name=f"{prefix}given", with_types=True)
    )
    # the driver parses statements of more than 4096 characters anew each time
    everything: Any = select(literal_column("*")).select_from(given)
    return (
        insert(table)
        .from_select(list(names), everything, include_defaults=False)
        .returning(literal_column("''", String).label("told"))
    )


def as_json(dialect: Dialect, table: Any, names: tuple[str, ...], rows: Iterable[Row]) -> str:
    """The rows as a JSON array of objects; values as the columns' types store them."""
    processes = _processes(table, names, dialect)
    if processes:
        rows = [
            {
                name: processes[name](value) if name in processes else value
                for name, value in row.items()
            }
            for row in rows
        ]
    return _ENCODER.encode(rows)


@lru_cache(maxsize=64)
def _processes(table: Any, names: tuple[str, ...], dialect: Dialect) -> dict[str, Any]:
    """Of the columns whose values are stored otherwise than they are told to the mapper. (JSON is
    nested as it is.)"""
    found = {}
    for name in names:
        kind = table.c[name].type.dialect_impl(dialect)
        process = None if isinstance(kind, JSON) else kind.bind_processor(dialect)
        if process is not None:
            found[name] = process
    return found


#: days and moments as ISO 8601, which PostgreSQL reads
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)


__all__ = ["adding", "as_json"]
