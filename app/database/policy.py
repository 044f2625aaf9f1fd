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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import String, bindparam, event, false, inspect
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.sql.selectable import Exists, TextualSelect

from app.database import base
from app.database.types import Big
from app.metadata.actor import Actor
from app.metadata.declarations import Declaration, Resource
from app.metadata.errors import N_, KaowuError, PolicyDenied
from app.metadata.fields import field_of
from app.metadata.vocabulary import Level, Verb

logger = logging.getLogger("kaowu.policy")
#: The actor of the statement being executed; set by the listener of its session.
_executing: ContextVar[Actor | None] = ContextVar("kaowu_executing", default=None)


class NoActor(PolicyDenied):
    """A statement on a session that belongs to nobody."""

    code = "policy.no_actor"


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


def _executing_actor() -> Actor:
    actor = _executing.get()
    if actor is None:  # pragma: no cover - the listener always sets it first
        raise NoActor()
    return actor


def _value(name: str, read: Callable[[Actor], Any], type_: Any = Big) -> Any:
    return bindparam(f"kaowu_{name}", callable_=lambda: read(_executing_actor()), type_=type_)


_EXAM = _value("exam", lambda actor: actor.exam_id)
_PROVINCE = _value("province", lambda actor: actor.province_id)
_CITY = _value("city", lambda actor: actor.city_id)
_SITE = _value("site", lambda actor: actor.site_id)
_PASSPORT = _value("passport", lambda actor: actor.passport_id)
_PROVINCE_CODE = _value("province_code", lambda actor: actor.province_code, String)
_CITY_CODE = _value("city_code", lambda actor: actor.city_code, String)
_SITE_CODE = _value("site_code", lambda actor: actor.site_code, String)


def _criteria(mixin: type, condition: Callable[[Any], Any]) -> Any:
    return with_loader_criteria(mixin, condition, include_aliases=True, propagate_to_loaders=True)


_IN_EXAM = _criteria(base.ExamScoped, lambda cls: cls.exam_id == _EXAM)
_IN_PROVINCE = _criteria(base.OrganisationPath, lambda cls: cls.province_id == _PROVINCE)
_IN_CITY = _criteria(base.OrganisationPath, lambda cls: cls.city_id == _CITY)
_IN_SITE = _criteria(base.OrganisationPath, lambda cls: cls.site_id == _SITE)
_CODE_PROVINCE = _criteria(base.SiteCodeScoped, lambda cls: cls.province_code == _PROVINCE_CODE)
_CODE_CITY = _criteria(base.SiteCodeScoped, lambda cls: cls.city_code == _CITY_CODE)
_CODE_SITE = _criteria(base.SiteCodeScoped, lambda cls: cls.site_code == _SITE_CODE)
_OWN = _criteria(base.OwnedByPassport, lambda cls: cls.passport_id == _PASSPORT)
_NO_ADMINISTRATION = _criteria(base.AdministratorsOnly, lambda cls: false())
_NO_CODES = _criteria(base.SiteCodeScoped, lambda cls: false())
_NOTHING = (
    _criteria(base.ExamScoped, lambda cls: false()),
    _NO_CODES,
    _criteria(base.OwnedByPassport, lambda cls: false()),
)
_BY_LEVEL: dict[Level, tuple[Any, ...]] = {
    Level.CENTER: (_IN_EXAM,),
    Level.PROVINCE: (_IN_EXAM, _IN_PROVINCE, _CODE_PROVINCE),
    Level.CITY: (_IN_EXAM, _IN_CITY, _CODE_CITY),
    Level.SITE: (_IN_EXAM, _IN_SITE, _CODE_SITE),
    Level.CANDIDATE: (_IN_EXAM, _OWN, _NO_ADMINISTRATION, _NO_CODES),
}


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
    state: SessionState = session.info.setdefault("kaowu", SessionState())
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
    if execution.is_column_load:
        return  # refresh of a row that was loaded through the scope
    if actor is not None and actor.is_system and actor.exam_id is None:
        return
    statement = execution.statement
    if not execution.is_orm_statement:
        if _is_framework(statement):
            return
        raise RawStatement()
    if state.elevated and _within(execution, state.elevated[-1]):
        return
    if (
        isinstance(statement, TextualSelect)
        or type(statement).__name__ == "FromStatement"
        or execution.is_insert
        or (execution.is_executemany and not execution.is_select)
    ):
        raise RawStatement()
    _executing.set(actor)
    options = _options_for(actor)
    present = statement._with_options
    missing = [option for option in options if option not in present]
    if missing:
        execution.statement = statement.options(*missing)


def _options_for(actor: Actor | None) -> tuple[Any, ...]:
    """Chosen in plain Python: a branch inside a criterion would be cached for everybody."""
    if actor is None:
        return _NOTHING
    if actor.is_system:
        return (_IN_EXAM,)
    return _BY_LEVEL[actor.level]


def _within(execution: ORMExecuteState, models: frozenset[type]) -> bool:
    return all(mapper.class_ in models for mapper in execution.all_mappers)


def _is_framework(statement: Any) -> bool:
    """`SELECT 1` and EXISTS of the framework's own tables: no managed table in the text."""
    if isinstance(statement, Exists):
        statement = statement.select()
    froms = getattr(statement, "get_final_froms", None)
    if froms is None:
        return False
    managed = base.Base.metadata.tables
    return all(
        getattr(table, "name", "") not in managed and not hasattr(table, "element")
        for table in froms()
    )


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
    state = state_of(session)
    permit = state.permits[-1] if state.permits else None
    actor = actor_of(session)
    with session.no_autoflush:
        for verb, row in changes:
            if permit is None or not _covers(permit, verb, row):
                logger.warning("no permit for %s of %s", verb, type(row).__name__)
                raise NoPermit()
            _check_scope(state, actor, row)
            _check_columns(permit, actor, verb, row)
        for observer in _observers:
            observer(session, changes, permit)


def _covers(permit: Permit, verb: Verb, row: Any) -> bool:
    model = type(row)
    declaration = permit.declaration
    if model in permit.models or model in declaration.writes:
        return True
    return isinstance(declaration, Resource) and declaration.model is model and permit.verb is verb


def _old_and_new(row: Any, name: str) -> set[Any]:
    history = inspect(row).attrs[name].history
    return set(history.added) | set(history.unchanged) | set(history.deleted)


def _check_scope(state: SessionState, actor: Actor, row: Any) -> None:
    elevated_now = bool(state.elevated) and type(row) in state.elevated[-1]
    if isinstance(row, base.ExamScoped):
        exams = _old_and_new(row, "exam_id")
        if None in exams or not exams:
            raise ScopeMissing()
        if actor.exam_id is not None and exams != {actor.exam_id} and not elevated_now:
            raise OutOfScope()
    if isinstance(row, base.SiteScoped) and row.site_id is None:
        raise ScopeMissing()
    if actor.is_system or elevated_now:
        return
    if isinstance(row, base.OrganisationPath):
        _compare(actor, row, "province_id", "city_id", "site_id")
    if isinstance(row, base.SiteCodeScoped):
        _compare(actor, row, "province_code", "city_code", "site_code")
    if isinstance(row, base.OwnedByPassport):
        owners = _old_and_new(row, "passport_id")
        if not owners or None in owners:
            raise ScopeMissing()
        if actor.level is Level.CANDIDATE and owners != {actor.passport_id}:
            raise OutOfScope()


def _compare(actor: Actor, row: Any, province: str, city: str, site: str) -> None:
    name = {Level.PROVINCE: province, Level.CITY: city, Level.SITE: site}.get(actor.level)
    if name is None:
        return  # the centre, or a candidate (bounded by exam session and passport)
    if _old_and_new(row, name) != {getattr(actor, name)}:
        raise OutOfScope()


def _check_columns(permit: Permit, actor: Actor, verb: Verb, row: Any) -> None:
    """Column levels of a resource's form also hold for REST, command line and import."""
    if actor.is_system or verb is Verb.DELETE or not isinstance(permit.declaration, Resource):
        return
    mapper = inspect(type(row))
    for attribute in mapper.column_attrs:
        found = field_of(attribute.columns[0], attribute.key)
        if found is None or actor.level.rank <= found.editable_from.rank:
            continue
        history = inspect(row).attrs[attribute.key].history
        if verb is Verb.EDIT and history.has_changes():
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
    "elevated",
    "install",
    "on_guarded_flush",
    "open_permit",
    "state_of",
]
