"""Statements in Core for tables that need no permit: the log, counters of attempts.

They go past the mapper and the policy on the session, so managed tables are refused. Made once
per table: building a statement costs as much as running it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ARRAY, String, any_, bindparam, cast, insert, literal
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.database.base import Base
from app.database.identifiers import new_id
from app.database.policy import NoPermit

Model = type[Base]
Row = Mapping[str, Any]


def insert_rows(session: Session, model: Model, rows: Sequence[Row]) -> None:
    """Insert rows of an unguarded table in one go; keys are made where they are missing.

    All rows name the same columns. Raises NoPermit for a managed table.
    """
    if rows:
        connection = session.connection()
        connection.execute(_insert(model), [{"id": new_id(), **row} for row in rows])


def count_up(session: Session, model: Model, key: Row) -> int:
    """Add one to `count` of the row with this unique key, made where it is missing; returns the
    new count. One statement; on PostgreSQL the row stays locked until the transaction ends.

    Raises NoPermit for a managed table.
    """
    connection = session.connection()
    statement = _count_up(_table_of(model), tuple(key), connection.dialect.name)
    count: int = connection.execute(statement, {"id": new_id(), **key}).scalar_one()
    return count


def _table_of(model: Model) -> Any:
    if not model.__unguarded__:
        raise NoPermit()
    return model.__table__


@lru_cache(maxsize=32)
def _insert(model: Any) -> Any:
    return insert(_table_of(model))


@lru_cache(maxsize=32)
def _count_up(table: Any, key: tuple[str, ...], dialect: str) -> Any:
    return counting(table, key, dialect).returning(table.c.count)


def counting(table: Any, key: tuple[str, ...], dialect: str, prefix: str = "") -> Any:
    """What `count_up` executes; its parameters are `id` and the key, after the prefix."""
    make: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    values: dict[str, Any] = {name: bindparam(f"{prefix}{name}") for name in ("id", *key)}
    return (
        make(table)
        .values(values | {"count": 1})
        .on_conflict_do_update(index_elements=list(key), set_={"count": table.c.count + 1})
    )


def among(session: Session, column: Any, values: Sequence[str]) -> Any:
    """SQL condition: the text column has one of these values. On PostgreSQL they go as one array
    in one text: thousands of parameters would cost more than the look-up."""
    if session.connection().dialect.name != "postgresql":
        return column.in_(values)
    return column == any_(cast(literal(_array(values), String), ARRAY(String)))


def _array(values: Sequence[str]) -> str:
    """The texts as PostgreSQL writes an array of them."""
    if not values:
        return "{}"
    between = '","'
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return f'{{"{between.join(escaped)}"}}'
