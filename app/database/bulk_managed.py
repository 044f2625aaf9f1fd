"""Many managed rows in one go: what mapper and policy do for each of them is done here for all.

Statements in Core bypass the session's listeners, so permit and scope are checked here as
`policy` checks them, and the caller records every row (`rules.audit.record_rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, insert, update
from sqlalchemy.orm import Session

from app.database import base
from app.database.identifiers import new_id
from app.database.policy import NoPermit, OutOfScope, ScopeMissing, actor_of, state_of
from app.metadata.actor import Actor
from app.metadata.declarations import Resource
from app.metadata.vocabulary import Level, Verb

Row = Mapping[str, Any]
#: scope columns that must be the actor's, by level
_CODES = {
    Level.PROVINCE: ("province_code",),
    Level.CITY: ("province_code", "city_code"),
    Level.SITE: ("province_code", "city_code", "site_code"),
}


def insert_managed(session: Session, model: Any, rows: Sequence[Row]) -> list[int]:
    """Insert rows of plain values under the open permit; returns their new ids.

    Only for models without a session path (cross-session data). Raises NoPermit, OutOfScope,
    ScopeMissing; constraints raise IntegrityError.
    """
    _guard(session, model, Verb.ADD, rows)
    now = base.utc_now()
    common = {"version": 1, "created_at": now, "updated_at": now}
    columns = [column.key for column in model.__table__.columns]
    common = {name: value for name, value in common.items() if name in columns}
    full = [{"id": new_id(), **common, **row} for row in rows]
    if full:
        _write(session.connection(), model.__table__, full)
    return [row["id"] for row in full]


def insert_unguarded(session: Session, model: Any, rows: Sequence[Row]) -> None:
    """Insert full rows (with their ids) of a table that needs no permit; as fast as it goes.

    Raises NoPermit for a managed table.
    """
    if not model.__unguarded__:
        raise NoPermit()
    if rows:
        _write(session.connection(), model.__table__, rows)


def update_managed(session: Session, model: Any, rows: Sequence[Row], olds: Sequence[Row]) -> int:
    """Set the given columns (the same in all rows) by `id`; versions count on.

    `olds` are the stored values of the same rows, with their scope columns and version: a row
    that has changed meanwhile is left alone. Returns how many were written. Raises as
    `insert_managed`; taking rows from outside the scope needs `elevated`.
    """
    _guard(session, model, Verb.EDIT, rows, olds)
    if not rows:
        return 0
    table: Table = model.__table__
    names = [name for name in rows[0] if name != "id"]
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    values |= {"version": table.c.version + 1, "updated_at": base.utc_now()}
    statement = (
        update(table)
        .where(table.c.id == bindparam("row_id"), table.c.version == bindparam("row_version"))
        .values(values)
    )
    parameters = [
        {"row_id": row["id"], "row_version": old["version"]}
        | {f"new_{name}": row[name] for name in names}
        for row, old in zip(rows, olds, strict=True)
    ]
    return session.connection().execute(statement, parameters).rowcount


# ---------------------------------------------------------------- permit and scope


def _guard(
    session: Session, model: Any, verb: Verb, rows: Sequence[Row], olds: Iterable[Row] = ()
) -> None:
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
    if issubclass(model, base.SiteCodeScoped):
        for row in rows:
            _check(actor, row)
        if not (state.elevated and model in state.elevated[-1]):
            for row in olds:
                _check(actor, row)


def _check(actor: Actor, row: Row) -> None:
    if not row.get("site_code"):
        raise ScopeMissing()
    if actor.is_system:
        return
    for name in _CODES.get(actor.level, ()):
        if (row[name] or None) != (getattr(actor, name) or None):
            raise OutOfScope()


# ---------------------------------------------------------------- writing


def _write(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    if connection.dialect.name == "postgresql":
        _copy(connection, table, rows)
    else:
        connection.execute(insert(table), list(rows))


def _copy(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """COPY: several times as fast as statements, and in the same transaction."""
    columns = list(table.columns)
    processors = [_processor(connection, column) for column in columns]
    keys = [column.key for column in columns]
    names = ", ".join(f'"{column.name}"' for column in columns)
    cursor = connection.connection.cursor()
    with cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(
                [
                    process(value) if process and value is not None else value
                    for process, value in zip(
                        processors, [row.get(key) for key in keys], strict=True
                    )
                ]
            )
    cursor.close()


def _processor(connection: Connection, column: Any) -> Callable[[Any], Any] | None:
    found: Callable[[Any], Any] | None
    found = column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
    return found
