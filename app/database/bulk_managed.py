"""Many managed rows in one go: what mapper and policy do for each of them is done here for all.

Statements in Core bypass the session's listeners, so permit and scope are checked here as
`policy` checks them, and the caller records every row (`rules.audit.record_rows`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    Connection,
    Table,
    bindparam,
    cast,
    func,
    insert,
    literal,
    update,
)
from sqlalchemy import column as sql_column
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.database import base
from app.database.identifiers import new_id
from app.database.policy import NoPermit, OutOfScope, ScopeMissing, actor_of, state_of
from app.metadata.actor import Actor
from app.metadata.declarations import Resource
from app.metadata.vocabulary import Level, Verb

Row = Mapping[str, Any]
#: rows of one message to the server
CHUNK = 2_000
#: where a row belongs
_PLACE = ("province_code", "city_code", "site_code")
#: which of it must be the actor's, by level
_CODES = {
    Level.PROVINCE: ("province_code",),
    Level.CITY: ("province_code", "city_code"),
    Level.SITE: ("province_code", "city_code", "site_code"),
}


def insert_managed(session: Session, model: Any, rows: Iterable[Row]) -> list[int]:
    """Insert rows of plain values under the open permit; returns their new ids.

    They are made and written part by part: whoever makes them must not ask the database meanwhile.
    Only for models without a session path (cross-session data). Raises NoPermit, OutOfScope,
    ScopeMissing; constraints raise IntegrityError.
    """
    _require_permit(session, model, Verb.ADD)
    now = base.utc_now()
    stamps = {"version": 1, "created_at": now, "updated_at": now}
    columns = [column.key for column in model.__table__.columns]
    common = {name: value for name, value in stamps.items() if name in columns}
    ids: list[int] = []

    def full() -> Iterator[Row]:
        for part in _parts(rows):
            _check_places(session, model, part)
            for row in part:
                row_id = new_id()
                ids.append(row_id)
                yield {"id": row_id, **row}

    _write(session.connection(), model.__table__, full(), common)
    return ids


def insert_unguarded(
    session: Session, model: Any, rows: Iterable[Row], common: Row | None = None
) -> None:
    """Insert full rows (with their ids) of a table that needs no permit; as fast as it goes, and
    never all of them in memory at once. `common` are the values that all of them have.

    Raises NoPermit for a managed table.
    """
    if not model.__unguarded__:
        raise NoPermit()
    _write(session.connection(), model.__table__, rows, common or {})


def update_managed(session: Session, model: Any, rows: Iterable[Row], olds: Iterable[Row]) -> int:
    """Set the given columns (the same in all rows) by `id`; versions count on. Rows are made and
    written part by part.

    `olds` are the stored values of the same rows, with their scope columns and version: a row
    that has changed meanwhile is left alone. Returns how many were written. Raises as
    `insert_managed`; taking rows from outside the scope needs `elevated`.
    """
    _require_permit(session, model, Verb.EDIT)
    is_elevated = _is_elevated(session, model)
    written = 0
    connection = session.connection()
    for part, before in zip(_parts(rows), _parts(olds), strict=True):
        _check_places(session, model, part)
        if not is_elevated:
            _check_places(session, model, before)
        full = [{**row, "version": old["version"]} for row, old in zip(part, before, strict=True)]
        written += _update(connection, model.__table__, full)
    return written


# ---------------------------------------------------------------- permit and scope


def _require_permit(session: Session, model: Any, verb: Verb) -> None:
    if issubclass(model, base.ExamScoped):
        raise TypeError(f"{model.__name__} belongs to sessions: write it through the mapper")
    state, actor = state_of(session), actor_of(session)
    permit = state.permits[-1] if state.permits else None
    if permit is None or permit.actor != actor:
        raise NoPermit()
    declaration = permit.declaration
    own = isinstance(declaration, Resource) and declaration.model is model and permit.verb is verb
    if not (own or model in permit.models or model in declaration.writes):
        raise NoPermit()


def _is_elevated(session: Session, model: Any) -> bool:
    elevated = state_of(session).elevated
    return bool(elevated) and model in elevated[-1]


def _check_places(session: Session, model: Any, rows: Iterable[Row]) -> None:
    """Refuse rows outside the actor's scope; many rows have the same few places."""
    if not issubclass(model, base.SiteCodeScoped):
        return
    actor = actor_of(session)
    for place in {tuple(map(row.get, _PLACE)) for row in rows}:
        _check(actor, dict(zip(_PLACE, place, strict=True)))


def _check(actor: Actor, place: Row) -> None:
    if not place["site_code"]:
        raise ScopeMissing()
    if actor.is_system:
        return
    for name in _CODES.get(actor.level, ()):
        if (place[name] or None) != (getattr(actor, name) or None):
            raise OutOfScope()


# ---------------------------------------------------------------- writing


def _write(connection: Connection, table: Table, rows: Iterable[Row], common: Row) -> None:
    parts = _parts(rows)
    first = next(parts, None)
    if first is None:
        return
    _require_whole(table, first[0], common)
    if connection.dialect.name == "postgresql":
        _copy(connection, table, chain([first], parts), common)
        return
    for part in chain([first], parts):
        connection.execute(insert(table), [{**common, **row} for row in part])


def _require_whole(table: Table, row: Row, common: Row) -> None:
    """COPY knows no defaults and takes what is common; statements do otherwise. So neither is left
    to them. (All rows are made alike: one is looked at.)"""
    if twice := row.keys() & common.keys():
        raise TypeError(f"{table.name}: set in the row and for all: {sorted(twice)}")
    needed = {column.key for column in table.columns if not column.nullable}
    if missing := needed - row.keys() - common.keys():
        raise TypeError(f"{table.name}: without {sorted(missing)}")


def _parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    source = iter(rows)
    while part := list(islice(source, CHUNK)):
        yield part


def _copy(
    connection: Connection, table: Table, parts: Iterable[Sequence[Row]], common: Row
) -> None:
    """COPY: several times as fast as statements, and in the same transaction."""
    columns = [_CopiedColumn(connection, column, common) for column in table.columns]
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    with _copying(connection, f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
        for part in parts:
            cells = zip(*(column.cells(part) for column in columns), strict=True)
            copy.write("\n".join(map("\t".join, cells)) + "\n")


@contextmanager
def _copying(connection: Connection, statement: str) -> Iterator[Any]:
    """The driver's own way of writing. It fails as statements fail: who retries a deadlock or
    reports a constraint (`unit_of_work`) knows SQLAlchemy's errors and not the driver's."""
    driver_error = connection.dialect.loaded_dbapi.Error
    cursor = connection.connection.cursor()
    try:
        with cursor.copy(statement) as copy:
            yield copy
    except driver_error as error:
        raise DBAPIError.instance(
            statement, None, error, driver_error, hide_parameters=True, dialect=connection.dialect
        ) from error
    finally:
        cursor.close()


_ENCODER = json.JSONEncoder(ensure_ascii=False)
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class _CopiedColumn:
    """A column in the text format of COPY. It is written by column and not by row, because many
    columns are looked at once for all rows of a part: those that all rows have in common, and
    those of plain texts."""

    def __init__(self, connection: Connection, column: Any, common: Row) -> None:
        self._key = column.key
        kind = column.type.dialect_impl(connection.dialect)
        self._process: Callable[[Any], Any] | None = (
            _ENCODER.encode if isinstance(kind, JSON) else kind.bind_processor(connection.dialect)
        )
        self._common = self._cell(common[self._key]) if self._key in common else None

    def cells(self, rows: Sequence[Row]) -> Sequence[str]:
        """The cells of these rows."""
        if self._common is not None:
            return [self._common] * len(rows)
        values: list[Any] = [row.get(self._key) for row in rows]
        if self._process is None and set(map(type, values)) == {str} and _is_plain("".join(values)):
            return values
        return list(map(self._cell, values))

    def _cell(self, value: Any) -> str:
        if value is not None and self._process is not None:
            value = self._process(value)
        if value is None:
            return "\\N"
        if isinstance(value, str):
            return value if _is_plain(value) else value.translate(_ESCAPES)
        return str(value)  # numbers, days, moments, true and false


def _is_plain(text: str) -> bool:
    """Nothing in it is escaped; what is printable needs no look at each of its characters."""
    return text.isprintable() and "\\" not in text


def _update(connection: Connection, table: Table, rows: Sequence[Row]) -> int:
    names = [name for name in rows[0] if name not in ("id", "version")]
    now = base.utc_now()
    if connection.dialect.name == "postgresql":
        given = _as_table(connection, table, ("id", "version", *names), rows)
        statement = (
            update(table)
            .where(table.c.id == given.c.id, table.c.version == given.c.version)
            .values({name: given.c[name] for name in names})
            .values(version=table.c.version + 1, updated_at=now)
        )
        return connection.execute(statement).rowcount
    one_by_one = (
        update(table)
        .where(table.c.id == bindparam("row_id"), table.c.version == bindparam("row_version"))
        .values({name: bindparam(f"new_{name}") for name in names})
        .values(version=table.c.version + 1, updated_at=now)
    )
    parameters = [
        {"row_id": row["id"], "row_version": row["version"]}
        | {f"new_{name}": row[name] for name in names}
        for row in rows
    ]
    return connection.execute(one_by_one, parameters).rowcount


def _as_table(
    connection: Connection, table: Table, names: Sequence[str], rows: Sequence[Row]
) -> Any:
    """The rows as a table of the statement: one array per column, taken apart by the server."""
    arrays = []
    for name in names:
        column = table.c[name]
        kind = column.type.dialect_impl(connection.dialect)
        process = kind.bind_processor(connection.dialect)
        values = [row[name] for row in rows]
        if process is not None:
            values = [None if value is None else process(value) for value in values]
        plain = getattr(kind, "impl", kind)
        arrays.append(cast(literal(values, ARRAY(plain)), ARRAY(plain)))
    columns = [sql_column(name, table.c[name].type) for name in names]
    return func.unnest(*arrays).table_valued(*columns).render_derived(name="given")
