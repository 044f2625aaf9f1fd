"""The policy on the session: what is read and written is decided here, not in views.

Reads: every ORM statement gets the actor's scope as loader criteria. The options are module
constants; their values are bound when the statement executes, so that one compiled statement
serves all actors (design: proofs §2 lists the forms that leak).

Writes: a managed row may be flushed only inside an open permit (`open_permit`), and only within
the actor's scope, with old and new values compared.

A session belongs to one actor. No actor: no rows, no writes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import CompoundSelect, Row, Select, event, inspect
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.sql.selectable import TextualSelect

from app.database import base, criteria
from app.database.criteria import NoActor
from app.metadata.actor import Actor
from app.metadata.declarations import Declaration, Resource
from app.metadata.errors import N_, KaowuError, PolicyDenied
from app.metadata.fields import field_of
from app.metadata.vocabulary import Level, Verb

logger = logging.getLogger("kaowu.policy")


class RawStatement(PolicyDenied):
    """A statement that the scope cannot be added to."""

    code = "policy.raw_statement"


class NoPermit(PolicyDenied):
    """A managed row was changed outside a permit."""

    code = "policy.no_permit"


class OutOfScope(PolicyDenied):
    """A row outside the actor's organisation, session or passport."""

    code = "policy.out_of_scope"
    template = N_("该数据不在您的管辖范围内，不能修改。")


class ScopeMissing(PolicyDenied):
    """A row without its exam session or organisation."""

    code = "policy.scope_missing"
    template = N_("数据缺少所属考次或机构，不能保存。")


class ColumnDenied(PolicyDenied):
    """A column that only a higher level may change."""

    code = "policy.column"
    template = N_("“{label}”需由{level}及以上管理员修改。")


@dataclass(slots=True)
class Permit:
    """What may be written while it is open."""

    declaration: Declaration
    verb: Verb
    actor: Actor
    reason: str | None = None
    models: frozenset[type] = frozenset()


@dataclass(slots=True)
class SessionState:
    """What a session knows about its owner; kept in `session.info["kaowu"]`."""

    actor: Actor | None = None
    permits: list[Permit] = field(default_factory=list)
    elevated: list[frozenset[type]] = field(default_factory=list)
    #: request or job id, address; for the audit
    request_id: str = ""
    address: str = ""


def state_of(session: Session) -> SessionState:
    """The policy state of a session (made on first use)."""
    state: SessionState | None = session.info.get("kaowu")
    if state is None:
        state = session.info["kaowu"] = SessionState()
    return state


def actor_of(session: Session) -> Actor:
    """The session's owner. Raises NoActor."""
    actor = state_of(session).actor
    if actor is None:
        raise NoActor()
    return actor


def become(session: Session, actor: Actor | None) -> None:
    """Give the session to an actor. What was pending is flushed under the former owner, what was
    loaded is forgotten: one session, one actor."""
    state = state_of(session)
    if state.actor is not None and state.actor != actor:
        session.flush()
        session.expunge_all()
    state.actor = actor


@contextmanager
def elevated(session: Session, reason: str, *models: type) -> Iterator[None]:
    """Look (and inside a permit, write) outside the scope on the named models.

    For the few rules that must: log-in, uniqueness across sites, R19.4, R20.5, R22.20, R8.6.
    `reason` is a constant of the calling rule; every use is logged.
    """
    state = state_of(session)
    logger.info("elevated: %s on %s", reason, [model.__name__ for model in models])
    state.elevated.append(frozenset(models))
    try:
        with session.no_autoflush:
            yield
    finally:
        state.elevated.pop()


@contextmanager
def open_permit(session: Session, permit: Permit) -> Iterator[Permit]:
    """Let rows be written under `permit`; flushes at the end, so that nothing is left over.

    The decision has been taken already (`rules.policy.permit`, which everybody calls).
    """
    state = state_of(session)
    state.permits.append(permit)
    try:
        yield permit
        session.flush()
    finally:
        state.permits.pop()


def install(session_class: type[Session]) -> None:
    """Put both listeners on a session class."""
    event.listen(session_class, "do_orm_execute", _scope_statement)
    event.listen(session_class, "before_flush", _guard_flush)


# ---------------------------------------------------------------- reads


def _scope_statement(execution: ORMExecuteState) -> None:
    state = state_of(execution.session)
    actor = state.actor
    criteria.execute_as(actor, state.elevated[-1] if state.elevated else frozenset())
    if execution.is_column_load:
        return  # refresh of a row that was loaded through the scope
    if _sees_all(actor):
        return
    statement = execution.statement
    if not execution.is_orm_statement:
        if criteria.names_managed(statement):
            raise RawStatement()
        return
    elevated_now = bool(state.elevated)
    if execution.is_relationship_load:  # built by the mapper itself, for this once
        scoped = _with_scope(statement, actor, elevated_now)
    elif _is_written_past_the_mapper(execution):
        raise RawStatement()
    else:
        scoped = _known_with_scope(statement, actor, elevated_now)
    if scoped is not None:
        execution.statement = scoped


def rows_of(session: Session, statement: Any, parameters: Mapping[str, Any]) -> Sequence[Row[Any]]:
    """The rows of a SELECT, within the actor's scope, as plain values: entities come as their
    columns. For statements of the rush; it costs half of what `session.execute` does.

    Raises RawStatement for what the scope cannot be added to.
    """
    if session.autoflush:  # not while something is elevated
        session.flush()
    state = state_of(session)
    actor = state.actor
    if (
        not isinstance(statement, (Select, CompoundSelect))
        or statement._propagate_attrs.get("compile_state_plugin") != "orm"
    ):
        raise RawStatement()
    criteria.execute_as(actor, state.elevated[-1] if state.elevated else frozenset())
    scoped = None
    if not _sees_all(actor):
        scoped = _known_with_scope(statement, actor, bool(state.elevated))
    chosen = statement if scoped is None else scoped
    return session.connection().execute(chosen, parameters).all()


def _sees_all(actor: Actor | None) -> bool:
    """The system's own tasks that belong to no exam session."""
    return actor is not None and actor.is_system and actor.exam_id is None


#: {statement: {who asks: the same with his scope}}; None where all of it is there already
_scoped: WeakKeyDictionary[Any, dict[tuple[Level | str, bool], Any]] = WeakKeyDictionary()


def _known_with_scope(statement: Any, actor: Actor | None, elevated_now: bool) -> Any:
    """A statement that is made once and asked often is examined, and given its scope, once for
    each kind of actor: statements never change, and values are bound when they are executed."""
    kinds = _scoped.get(statement)
    if kinds is None:
        if criteria.names_raw_tables(statement):
            raise RawStatement()
        kinds = _scoped[statement] = {}
    kind = criteria.kind_of(actor), elevated_now
    if kind not in kinds:
        kinds[kind] = _with_scope(statement, actor, elevated_now)
    return kinds[kind]


def _is_written_past_the_mapper(execution: ORMExecuteState) -> bool:
    statement = execution.statement
    return (
        isinstance(statement, TextualSelect)
        or type(statement).__name__ == "FromStatement"
        or execution.is_insert
        or (execution.is_executemany and not execution.is_select)
    )


def _with_scope(statement: Any, actor: Actor | None, elevated_now: bool) -> Any:
    """The statement with the criteria that it lacks; None where it has all."""
    options = criteria.options_for(actor, elevated=elevated_now)
    present = statement._with_options
    missing = [option for option in options if option not in present]
    return statement.options(*missing) if missing else None


# ---------------------------------------------------------------- writes

FlushObserver = Callable[[Session, Sequence[tuple[Verb, Any]], Permit | None], None]
_observers: list[FlushObserver] = []


def on_guarded_flush(observer: FlushObserver) -> FlushObserver:
    """Call `observer` with all (verb, row) of each flush after they passed (the audit does)."""
    _observers.append(observer)
    return observer


def _changes(session: Session) -> list[tuple[Verb, Any]]:
    return (
        [(Verb.ADD, row) for row in session.new]
        + [(Verb.EDIT, row) for row in session.dirty if session.is_modified(row)]
        + [(Verb.DELETE, row) for row in session.deleted]
    )


def _guard_flush(session: Session, _context: Any, _instances: Any) -> None:
    changes = [
        (verb, row)
        for verb, row in _changes(session)
        if isinstance(row, base.Base) and not row.__unguarded__
    ]
    if not changes:
        return
    with session.no_autoflush:
        for verb, row in changes:
            permit = require_permit(session, type(row), verb)
            check_scope(session, type(row), partial(_old_and_new, row))
            _check_columns(permit, permit.actor, verb, row)
        for observer in _observers:
            observer(session, changes, permit)


def require_permit(session: Session, model: type, verb: Verb) -> Permit:
    """The open permit, where it lets rows of the model be written so. Raises NoPermit."""
    permits, actor = state_of(session).permits, actor_of(session)
    permit = permits[-1] if permits else None
    # a permit was decided for one person: another one's session may not use it
    if permit is None or permit.actor != actor or not _covers(permit, verb, model):
        logger.warning("no permit for %s of %s", verb, model.__name__)
        raise NoPermit()
    return permit


def _covers(permit: Permit, verb: Verb, model: type) -> bool:
    declaration = permit.declaration
    if model in permit.models or model in declaration.writes:
        return True
    return isinstance(declaration, Resource) and declaration.model is model and permit.verb is verb


def _old_and_new(row: Any, name: str) -> set[Any]:
    history = inspect(row).attrs[name].history
    return set(history.added) | set(history.unchanged) | set(history.deleted)


#: all values that a column of the row at hand has had and shall have
Values = Callable[[str], set[Any]]


def check_scope(session: Session, model: type, values: Values) -> None:
    """A row of `model` is the actor's own, before and after. Raises ScopeMissing, OutOfScope."""
    state, actor = state_of(session), actor_of(session)
    elevated_now = bool(state.elevated) and model in state.elevated[-1]
    if issubclass(model, base.ExamScoped):
        exams = values("exam_id")
        if None in exams or not exams:
            raise ScopeMissing()
        if actor.exam_id is not None and exams != {actor.exam_id} and not elevated_now:
            raise OutOfScope()
    if issubclass(model, base.SiteScoped):
        sites = values("site_id")
        if None in sites or not sites:
            raise ScopeMissing()
    if actor.is_system or elevated_now:
        return
    if issubclass(model, base.OrganisationPath):
        _compare(actor, values, "province_id", "city_id", "site_id")
    if issubclass(model, base.SiteCodeScoped):
        _compare(actor, values, "province_code", "city_code", "site_code")
    if issubclass(model, base.OwnedByPassport):
        owners = values("passport_id")
        if not owners or None in owners:
            raise ScopeMissing()
        if actor.level is Level.CANDIDATE and owners != {actor.passport_id}:
            raise OutOfScope()


def _compare(actor: Actor, values: Values, province: str, city: str, site: str) -> None:
    """The row's path is the actor's down to his own level: a row of the own site under another
    province would be seen by that province."""
    names = {
        Level.PROVINCE: (province,),
        Level.CITY: (province, city),
        Level.SITE: (province, city, site),
    }.get(actor.level, ())  # the centre, or a candidate (bounded by exam session and passport)
    for name in names:
        if {value or None for value in values(name)} != {getattr(actor, name) or None}:
            raise OutOfScope()


def _check_columns(permit: Permit, actor: Actor, verb: Verb, row: Any) -> None:
    """Column levels of a resource's form also hold for REST, command line and import. A new row
    may have such a column's default; what comes with it in other tables is the rule's doing."""
    declaration, model = permit.declaration, type(row)
    if actor.is_system or verb is Verb.DELETE or not isinstance(declaration, Resource):
        return
    if verb is Verb.ADD and declaration.model is not model:
        return
    state = inspect(row)
    for attribute in state.mapper.column_attrs:
        column = attribute.columns[0]
        found = field_of(column, attribute.key)
        if found is None or actor.level.rank <= found.editable_from.rank:
            continue
        if verb is Verb.ADD:
            value, default = state.dict.get(attribute.key), column.default
            set_here = value is not None and (default is None or value != default.arg)
        else:
            set_here = state.attrs[attribute.key].history.has_changes()
        if set_here:
            raise ColumnDenied(label=found.label, level=found.editable_from.label)


__all__ = [
    "ColumnDenied",
    "KaowuError",
    "NoActor",
    "NoPermit",
    "OutOfScope",
    "Permit",
    "PolicyDenied",
    "RawStatement",
    "ScopeMissing",
    "SessionState",
    "actor_of",
    "become",
    "check_scope",
    "elevated",
    "install",
    "on_guarded_flush",
    "open_permit",
    "require_permit",
    "rows_of",
    "state_of",
]
