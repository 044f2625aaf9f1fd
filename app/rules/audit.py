"""The audit log (architecture §4.7): every guarded write leaves an entry, in its transaction.

Rows that pass the guard of a flush are recorded here by themselves. Bulk writes in Core call
`record` for every row. Personal values are stored as masked text plus keyed digest, so that
erasure never touches the log.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event, inspect, select
from sqlalchemy.orm import ORMExecuteState, Session

from app.database.keys import keyring
from app.database.policy import Permit, actor_of, on_guarded_flush, state_of
from app.database.session import KaowuSession
from app.metadata.errors import PolicyDenied
from app.metadata.fields import Field, field_of
from app.metadata.vocabulary import Level, Personal, Verb
from app.models.account import AdminBinding
from app.models.audit import AuditEntry, AuditSeal

Changes = dict[str, dict[str, Any]]
#: execution option of the one statement that may touch entries again (`rules.sealing`)
SEALING = "kaowu_sealing"
#: columns whose change says nothing to a reader
_SILENT = {"version", "updated_at", "created_at"}


class AuditIsFinal(PolicyDenied):
    """Somebody tried to change or delete a log entry."""

    code = "audit.final"


def area_of(model: type) -> str:
    """The area's name is the module's: app.models.registration -> "registration"."""
    return model.__module__.rsplit(".", 1)[-1]


def plain(value: Any) -> Any:
    """A JSON value for the log."""
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


def changes_of(verb: Verb, row: Any) -> Changes:
    """{attribute: {"label", "old", "new"}} of one pending row; creation logs first values."""
    state = inspect(row)
    found: Changes = {}
    for attribute in state.mapper.column_attrs:
        name = attribute.key
        if name in _SILENT or name == "id":
            continue
        column = attribute.columns[0]
        field = field_of(column, name)
        history = state.attrs[name].history
        old = history.deleted[0] if history.deleted else None
        new = history.added[0] if history.added else None
        if verb is Verb.DELETE:
            old, new = getattr(row, name), None
        elif verb is Verb.ADD:
            old, new = None, getattr(row, name)
        elif not history.has_changes() or old == new:
            continue
        if old is None and new is None:
            continue
        label = field.label if field else name
        if _is_secret(name):
            found[name] = {"label": label, "old": None, "new": "***"}
        else:
            found[name] = {"label": label, "old": protect(field, old), "new": protect(field, new)}
    return found


def title_of(row: Any) -> str:
    """How the row is called in the log; personal names do not go there."""
    for name in ("display", "code", "number", "subject_code", "pool"):
        found = getattr(row, name, None)
        if found is not None:
            return str(found)[:100]
    return ""


def record(
    session: Session,
    action: str,
    *,
    row: Any = None,
    object_type: str = "",
    object_id: int | None = None,
    title: str = "",
    changes: Changes | None = None,
    reason: str | None = None,
    outcome: str = "done",
    place: tuple[int | None, int | None, int | None] | None = None,
    passport_id: int | None = None,
) -> AuditEntry:
    """Write one entry now. `place` is (province_id, city_id, site_id) where `row` has none.

    `passport_id` names the person where a system task finds out only on the way who he is.
    """
    entry = _entry(session, _who(session, passport_id), row, reason, outcome)
    entry.action = action
    entry.object_type = object_type or (type(row).__name__ if row is not None else "")
    entry.object_id = object_id if object_id is not None else getattr(row, "id", None)
    entry.object_title = (title or (title_of(row) if row is not None else ""))[:100]
    entry.changes = changes or {}
    if place is not None:
        entry.province_id, entry.city_id, entry.site_id = place
    session.add(entry)
    return entry


@dataclass(frozen=True, slots=True)
class _Who:
    passport_id: int | None
    name: str
    level: str
    organisation_code: str


def _who(session: Session, passport_id: int | None) -> _Who:
    """The actor; for a task on somebody's own account (log-in, first password) its owner.

    A passport without a binding is a candidate's; candidates are not named in the log.
    """
    actor = actor_of(session)
    if not actor.is_system:
        code = actor.organisation_code
        return _Who(actor.passport_id, actor.name[:60], actor.level.value, code)
    owner = passport_id if passport_id is not None else actor.passport_id
    if owner is None:
        return _Who(None, (actor.task or "")[:60], "system", actor.organisation_code)
    with session.no_autoflush:
        found = session.execute(
            select(AdminBinding.name, AdminBinding.level, AdminBinding.organisation_code).where(
                AdminBinding.passport_id == owner
            )
        ).first()
    if found is None:
        return _Who(owner, "", Level.CANDIDATE.value, "")
    name, level, code = found
    return _Who(owner, name[:60], level, code)


def _entry(session: Session, who: _Who, row: Any, reason: str | None, outcome: str) -> AuditEntry:
    actor = actor_of(session)
    state = state_of(session)
    return AuditEntry(
        at=dt.datetime.now(dt.UTC),
        exam_id=getattr(row, "exam_id", None) or actor.exam_id,
        province_id=getattr(row, "province_id", None) or actor.province_id,
        city_id=getattr(row, "city_id", None) or actor.city_id,
        site_id=getattr(row, "site_id", None) or actor.site_id,
        passport_id=who.passport_id,
        actor_name=who.name,
        actor_level=who.level,
        organisation_code=who.organisation_code,
        on_behalf_of=actor.on_behalf_of,
        reason=reason[:200] if reason else None,
        request_id=state.request_id,
        address=state.address,
        outcome=outcome,
    )


@on_guarded_flush
def _record_flush(
    session: Session, changes: Sequence[tuple[Verb, Any]], permit: Permit | None
) -> None:
    for verb, row in changes:
        found = changes_of(verb, row)
        if not found and verb is Verb.EDIT:
            continue
        if row.id is None:  # keys are made in the application; take it early for the log
            row.id = type(row).__table__.c.id.default.arg(None)
        name = permit.declaration.name if permit else type(row).__name__
        record(
            session,
            f"{area_of(type(row))}.{type(row).__name__.lower()}.{verb.value}",
            row=row,
            changes=found | ({"_declaration": {"label": "", "old": None, "new": name}}),
            reason=permit.reason if permit else None,
        )


def _refuse(_mapper: Any, _connection: Any, _row: AuditEntry | AuditSeal) -> None:
    """Entries and seals are written once; a mistake elsewhere must not go unnoticed."""
    raise AuditIsFinal()


for _model in (AuditEntry, AuditSeal):
    event.listen(_model, "before_update", _refuse)
    event.listen(_model, "before_delete", _refuse)


@event.listens_for(KaowuSession, "do_orm_execute")
def _refuse_bulk(execution: ORMExecuteState) -> None:
    """UPDATE and DELETE statements do not pass the mapper's events."""
    if not (execution.is_update or execution.is_delete):
        return
    models = {mapper.class_ for mapper in execution.all_mappers}
    if models & {AuditEntry, AuditSeal} and not execution.execution_options.get(SEALING):
        raise AuditIsFinal()
