"""A few managed rows of an exam session, written without the mapper, in one round trip.

For the rush: the mapper needs more time for four rows than the database. A rule says what it
changes (`Change`); permit, scope and column levels are checked as `policy` does when the mapper
flushes, and the log's rows are written in the same statement. Nothing is written that nobody logs.

On PostgreSQL everything is one statement; its parts are executed in the order in which they are
given, and none of them sees what another one writes. SQLite, which answers without a network,
executes them one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    String,
    bindparam,
    cast,
    insert,
    literal_column,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

from app.database import base
from app.database.bulk import count_up, counting
from app.database.identifiers import new_id
from app.database.json_rows import adding, as_json
from app.database.policy import (
    ColumnDenied,
    NoPermit,
    Permit,
    check_scope,
    require_permit,
)
from app.metadata.declarations import Resource
from app.metadata.errors import StaleRow
from app.metadata.fields import field_of
from app.metadata.vocabulary import Verb

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One row that is added or edited: `new` values of the columns that are set.

    `old` are the stored values of an edited row: of the columns that are set, of its scope, and
    its version. `title` is how the log calls the row. Deleting is the mapper's.
    """

    model: Any
    verb: Verb
    id: int
    new: Row
    old: Row
    title: str = ""

    def value(self, name: str) -> Any:
        """The value that the column will have."""
        return self.new[name] if name in self.new else self.old.get(name)

    def changes_something(self) -> bool:
        """Does a value differ from the stored one? The mapper writes and logs no other row."""
        return self.verb is Verb.ADD or any(
            name not in self.old or self.old[name] != value for name, value in self.new.items()
        )

    def values(self, name: str) -> set[Any]:
        """What the column has held and will hold."""
        return {row[name] for row in (self.old, self.new) if name in row}


@dataclass(frozen=True, slots=True)
class Last:
    """A statement in Core that is executed after the rows, with its parameters. Its module checks
    permit and scope itself; it returns one column of text. `statement` makes it for a dialect,
    always the same one."""

    statement: Callable[[str], Any]
    parameters: Row


@dataclass(frozen=True, slots=True)
class Count:
    """A row of an unguarded table, by its unique key, whose `count` goes up by one; `told` is
    given the new count, and may refuse."""

    model: Any
    key: Row
    told: Callable[[int], None]


_COUNTS = "kaowu_counts"
#: the columns by which `policy` bounds rows of an exam session
SCOPE = ("exam_id", "province_id", "city_id", "site_id", "passport_id")


def count_along(session: Session, count: Count) -> None:
    """Count with the rows that are written next, or with `settle`: one round trip less."""
    session.info.setdefault(_COUNTS, []).append(count)


def settle(session: Session) -> None:
    """Count what no rows took along. Raises NoPermit for a managed table, and what `told` does."""
    for count in session.info.pop(_COUNTS, ()):
        count.told(count_up(session, count.model, count.key))


#: makes the log's rows of changes that have passed: (model, full rows)
Logger = Callable[[Session, Sequence[Change], Permit], tuple[Any, list[dict[str, Any]]]]
_loggers: list[Logger] = []


def logs_direct_changes(logger: Logger) -> Logger:
    """Register who logs direct changes (the audit does)."""
    _loggers.append(logger)
    return logger


def write(session: Session, changes: Sequence[Change], last: Last | None = None) -> set[str]:
    """Write the changes, each of another row, under the open permit; returns what `last` did.

    Rows that the session holds are expired. Raises NoPermit, OutOfScope, ScopeMissing,
    ColumnDenied, StaleRow; constraints raise IntegrityError.
    """
    session.flush()  # what waits was changed before
    parts = _parts(session, changes)
    connection = session.connection()
    if parts and connection.dialect.name == "postgresql":
        # what is rolled back to a savepoint must not take a count with it
        counts = [] if session.in_nested_transaction() else session.info.pop(_COUNTS, [])
        returned = _at_once(connection, parts, counts, last)
    else:
        returned = _one_by_one(connection, parts, last)
    _forget_loaded(session, changes)
    return returned


def _forget_loaded(session: Session, changes: Sequence[Change]) -> None:
    """What the session holds of these rows is of before."""
    known = session.identity_map
    if not known:
        return
    for change in changes:
        held = known.get(identity_key(change.model, change.id))
        if held is not None:
            session.expire(held)


# ---------------------------------------------------------------- what may be written


def _guard(session: Session, change: Change) -> Permit:
    if not issubclass(change.model, base.ExamScoped) or change.verb is Verb.DELETE:
        raise TypeError(f"{change.model.__name__} is written through the mapper")
    permit = require_permit(session, change.model, change.verb)
    check_scope(session, change.model, change.values)
    _check_columns(permit, change)
    return permit


def _check_columns(permit: Permit, change: Change) -> None:
    """As `policy` does for rows of the mapper."""
    declaration, actor = permit.declaration, permit.actor
    if actor.is_system or not isinstance(declaration, Resource):
        return
    if change.verb is Verb.ADD and declaration.model is not change.model:
        return
    columns = change.model.__table__.c
    for name, value in change.new.items():
        found = field_of(columns[name], name)
        if found is None or actor.level.rank <= found.editable_from.rank:
            continue
        default = columns[name].default if change.verb is Verb.ADD else None
        if default is None or value != default.arg:
            raise ColumnDenied(label=found.label, level=found.editable_from.label)


# ---------------------------------------------------------------- parts of the statement


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a part looks like, whatever its values: rows put into a table, one row edited, or one
    row counted up."""

    table: Any
    columns: tuple[str, ...]
    adds: bool = False
    counts: bool = False
    versioned: bool = False
    scope: tuple[str, ...] = ()


_Part = tuple[_Shape, list[dict[str, Any]]]


def _parts(session: Session, changes: Sequence[Change]) -> list[_Part]:
    """The log's rows, the edited rows, the added rows of each table; nothing where nothing
    changes."""
    if not changes:
        return []
    permit = [_guard(session, change) for change in changes][-1]
    changes = [change for change in changes if change.changes_something()]
    if not changes:
        return []
    parts: list[_Part] = []
    for logger in _loggers:
        model, rows = logger(session, changes, permit)
        if not model.__unguarded__:
            raise NoPermit()
        parts += _added(model, rows)
    if not parts:
        raise NoPermit()  # nobody logs
    added: dict[Any, list[dict[str, Any]]] = {}
    for change in changes:
        if change.verb is Verb.ADD:
            added.setdefault(change.model, []).append(_new_row(change))
        else:
            parts.append(_edited(change))
    for model, rows in added.items():
        parts += _added(model, rows)
    return parts


def _added(model: Any, rows: list[dict[str, Any]]) -> list[_Part]:
    if not rows:
        return []
    if any(row.keys() != rows[0].keys() for row in rows):
        raise TypeError(f"rows of {model.__name__} that set different columns")
    return [(_Shape(model.__table__, tuple(rows[0]), adds=True), rows)]


def _new_row(change: Change) -> dict[str, Any]:
    row = {"id": change.id, **change.new}
    if issubclass(change.model, base.Stamped):
        row["created_at"] = row["updated_at"] = base.utc_now()
    if issubclass(change.model, base.Versioned):
        row["version"] = 1
    return row


def _edited(change: Change) -> _Part:
    row = {"of_id": change.id} | {f"set_{name}": value for name, value in change.new.items()}
    names = tuple(change.new)
    if issubclass(change.model, base.Stamped):
        names, row["set_updated_at"] = (*names, "updated_at"), base.utc_now()
    versioned = issubclass(change.model, base.Versioned)
    if versioned:
        row["of_version"] = change.old["version"]
    # whose the row is was told by the caller, and checked as he has told it: so it must be true
    scope = tuple(name for name in SCOPE if name in change.old)
    row |= {f"is_{name}": change.old[name] for name in scope}
    return _Shape(change.model.__table__, names, versioned=versioned, scope=scope), [row]


def _counted(count: Count) -> _Part:
    if not count.model.__unguarded__:
        raise NoPermit()
    shape = _Shape(count.model.__table__, tuple(count.key), counts=True)
    return shape, [{"id": new_id(), **count.key}]


@lru_cache(maxsize=256)
def _edit(shape: _Shape, prefix: str = "") -> Any:
    """UPDATE of the row `of_id`, where its version still is `of_version` and its scope what was
    told; returns its id."""
    columns = shape.table.c
    values: dict[str, Any] = {
        name: bindparam(f"{prefix}set_{name}", type_=columns[name].type) for name in shape.columns
    }
    statement = update(shape.table).where(columns.id == bindparam(f"{prefix}of_id"))
    if shape.versioned:
        statement = statement.where(columns.version == bindparam(f"{prefix}of_version"))
        values["version"] = columns.version + 1
    for name in shape.scope:
        told = bindparam(f"{prefix}is_{name}", type_=columns[name].type)
        statement = statement.where(columns[name].is_not_distinct_from(told))
    return statement.values(values).returning(cast(columns.id, String).label("told"))


# ---------------------------------------------------------------- one by one


def _one_by_one(connection: Connection, parts: Sequence[_Part], last: Last | None) -> set[str]:
    for shape, rows in parts:
        if shape.adds:
            connection.execute(_insert(shape.table), rows)
        elif connection.execute(_edit(shape), rows[0]).first() is None:
            raise StaleRow()
    if last is None:
        return set()
    statement = last.statement(connection.dialect.name)
    return set(connection.execute(statement, last.parameters).scalars())


@lru_cache(maxsize=64)
def _insert(table: Any) -> Any:
    return insert(table)


# ---------------------------------------------------------------- all at once


def _at_once(
    connection: Connection, parts: Sequence[_Part], counts: Sequence[Count], last: Last | None
) -> set[str]:
    parts = [*parts, *(_counted(count) for count in counts)]
    parameters = dict(last.parameters) if last is not None else {}
    for number, (shape, rows) in enumerate(parts):
        if shape.adds:
            parameters[f"p{number}_rows"] = as_json(
                connection.dialect, shape.table, shape.columns, rows
            )
        else:
            parameters |= {f"p{number}_{name}": value for name, value in rows[0].items()}
    shapes = tuple(shape for shape, _ in parts)
    ending = last.statement(connection.dialect.name) if last is not None else None
    statement = _statement(shapes, ending)
    told: dict[int, set[str]] = {}
    for number, text in connection.execute(statement, parameters):
        told.setdefault(number, set()).add(text)
    for number, shape in enumerate(shapes):
        if not shape.adds and number not in told:
            raise StaleRow()
    for number, count in enumerate(counts, len(shapes) - len(counts)):
        count.told(int(*told[number]))
    return told.get(len(shapes), set())


@lru_cache(maxsize=256)
def _statement(shapes: tuple[_Shape, ...], last: Any) -> Any:
    """All parts as common table expressions of one statement, which asks them in their order:
    (number of the part, what it tells). The counters of `last` are so locked after the rows."""
    asked = []
    for number, shape in enumerate(shapes):
        part = _part(shape, f"p{number}_").cte(f"part{number}")
        asked.append(select(literal_column(str(number), Integer), part.c.told))
    if last is not None:
        part = last.cte("last")
        asked.append(select(literal_column(str(len(shapes)), Integer), *part.c))
    return union_all(*asked)


def _part(shape: _Shape, prefix: str) -> Any:
    if shape.counts:
        made = counting(shape.table, shape.columns, "postgresql", prefix)
        return made.returning(cast(shape.table.c.count, String).label("told"))
    if shape.adds:
        return adding(shape.table, shape.columns, prefix)
    return _edit(shape, prefix)
