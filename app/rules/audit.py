"""The audit log (architecture §4.7): every guarded write leaves an entry, in its transaction.

Rows that pass the guard of a flush are recorded here by themselves. Bulk writes in Core call
`record` for every row. Personal values are stored as masked text plus keyed digest, so that
erasure never touches the log.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import event, inspect, select
from sqlalchemy.orm import ORMExecuteState, PassiveFlag, Session

from app.database.base import SiteCodeScoped, SiteScoped
from app.database.bulk import insert_rows
from app.database.bulk_managed import insert_unguarded
from app.database.identifiers import new_id
from app.database.keys import keyring
from app.database.policy import NoPermit, Permit, actor_of, on_guarded_flush, state_of
from app.database.session import KaowuSession
from app.metadata.errors import PolicyDenied
from app.metadata.fields import Field, field_of
from app.metadata.vocabulary import Level, Personal, Verb
from app.models.account import AdminBinding
from app.models.audit import AuditEntry, AuditSeal
from app.models.organisation import Organisation

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
class _Column:
    """What the log says of one column; the same for every row of the model."""

    name: str
    label: str
    field: Field | None
    secret: bool


@lru_cache(maxsize=512)
def _logged(model: Any) -> tuple[_Column, ...]:
    """The columns of a model that the log tells of, in their order."""
    found = []
    for attribute in inspect(model).column_attrs:
        name = attribute.key
        if name not in _SILENT and name != "id":
            field = field_of(attribute.columns[0], name)
            found.append(_Column(name, field.label if field else name, field, _is_secret(name)))
    return tuple(found)


def changes_of(verb: Verb, row: Any) -> Changes:
    """{attribute: {"label", "old", "new"}} of one pending row; creation logs first values."""
    state = inspect(row)
    found: Changes = {}
    model: Any = type(row)
    for column in _logged(model):
        old, new = _old_and_new(verb, row, state, column.name)
        if old == new:  # untouched, set to what it was, or empty from the first
            continue
        if column.secret:
            old, new = None, "***"
        else:
            old, new = protect(column.field, old), protect(column.field, new)
        found[column.name] = {"label": column.label, "old": old, "new": new}
    return found


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
    exam_id: int | None = None,
) -> AuditEntry:
    """Write one entry now. `place` is (province_id, city_id, site_id) where `row` has none, in
    `exam_id` where the actor is in no session. `passport_id` names the person where a system task
    finds out only on the way who he is."""
    values = _common(session, _who(session, passport_id)) | _about(session, row)
    values |= {
        "action": action,
        "object_type": object_type or (type(row).__name__ if row is not None else ""),
        "object_id": object_id if object_id is not None else getattr(row, "id", None),
        "object_title": (title or (title_of(row) if row is not None else ""))[:100],
        "changes": changes or {},
        "reason": reason[:200] if reason else None,
        "outcome": outcome,
    }
    if place is not None:
        values["province_id"], values["city_id"], values["site_id"] = place
        values["exam_id"] = values["exam_id"] or exam_id
    entry = AuditEntry(**values)
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


def _common(session: Session, who: _Who) -> dict[str, Any]:
    """What all entries of one flush share."""
    state = state_of(session)
    return {
        "at": dt.datetime.now(dt.UTC),
        "passport_id": who.passport_id,
        "actor_name": who.name,
        "actor_level": who.level,
        "organisation_code": who.organisation_code,
        "on_behalf_of": actor_of(session).on_behalf_of,
        "request_id": state.request_id,
        "address": state.address,
    }


def _about(session: Session, row: Any) -> dict[str, Any]:
    """Whose the row is; where it does not say so, the actor's own place."""
    actor = actor_of(session)
    if isinstance(row, SiteCodeScoped) and row.site_code and actor.site_code != row.site_code:
        found = _site_of_code(session, row.site_code)
        if found is not None:
            names = ("exam_id", "province_id", "city_id", "site_id")
            return dict(zip(names, (actor.exam_id, *found), strict=True))
    return {
        name: getattr(row, name, None) or getattr(actor, name)
        for name in ("exam_id", "province_id", "city_id", "site_id")
    }


def _site_of_code(session: Session, code: str) -> tuple[int | None, ...] | None:
    """(province, city, site) of a cross-session row's site in the actor's session, so that the
    site finds in its log what superiors have done there. None without such a site."""
    exam_id = actor_of(session).exam_id
    known: dict[str, tuple[int | None, ...] | None]
    known = session.info.setdefault("kaowu_site_places", {})
    if code not in known:
        statement = select(
            Organisation.province_id, Organisation.city_id, Organisation.site_id
        ).where(Organisation.exam_id == exam_id, Organisation.code == code)
        with session.no_autoflush:
            found = session.execute(statement).first()
        known[code] = tuple(found) if found is not None else None
    return known[code]


def behalf_of(session: Session, permit: Permit | None, row: Any, changes: Changes) -> str | None:
    """Code of the site for which a superior does what the site itself could do (P3, P4): the
    declaration grants the site the verb. What only superiors may set is their own business."""
    model: Any = type(row)
    actor = actor_of(session)
    if permit is None or actor.is_system or not isinstance(row, (SiteScoped, SiteCodeScoped)):
        return None
    if actor.site_id is not None or actor.level is Level.CANDIDATE:
        return None
    if permit.verb not in permit.declaration.default_verbs(Level.SITE.value):
        return None
    changed = [column.field for column in _logged(model) if column.field and column.name in changes]
    if changed and all(field.editable_from is not Level.SITE for field in changed):
        return None
    if isinstance(row, SiteCodeScoped) or row.site_id is None:
        return getattr(row, "site_code", None)
    known: dict[int, str | None] = session.info.setdefault("kaowu_site_codes", {})
    if row.site_id not in known:
        with session.no_autoflush:
            code = select(Organisation.code).where(Organisation.id == row.site_id)
            known[row.site_id] = session.scalar(code)
    return known[row.site_id]


@on_guarded_flush
def _record_flush(
    session: Session, changes: Sequence[tuple[Verb, Any]], permit: Permit | None
) -> None:
    """One entry per changed row, all in one statement: they need none of the mapper's care."""
    entries = []
    common = _common(session, _who(session, None))
    reason = permit.reason[:200] if permit and permit.reason else None
    for verb, row in changes:
        found = changes_of(verb, row)
        if not found and verb is Verb.EDIT:
            continue
        model = type(row)
        if row.id is None:  # keys are made in the application; take it early for the log
            row.id = model.__table__.c.id.default.arg(None)
        name = permit.declaration.name if permit else model.__name__
        entries.append(
            common
            | _about(session, row)
            | {
                "on_behalf_of": common["on_behalf_of"] or behalf_of(session, permit, row, found),
                "action": f"{area_of(model)}.{model.__name__.lower()}.{verb.value}",
                "object_type": model.__name__,
                "object_id": row.id,
                "object_title": title_of(row),
                "changes": found | {"_declaration": {"label": "", "old": None, "new": name}},
                "reason": reason,
                "outcome": "done",
                "sealed": False,
            }
        )
    insert_rows(session, AuditEntry, entries)


def record_rows(
    session: Session,
    model: Any,
    verb: Verb,
    rows: Iterable[tuple[int, Mapping[str, Any], Mapping[str, Any]]],
    *,
    place: tuple[int | None, int | None, int | None],
    word: str = "",
) -> None:
    """Entries of rows that a bulk statement has written: (id, old values, new values) each, with
    the same names in both; what did not change is left out.

    `place` is (province_id, city_id, site_id) of all of them; `word` stands for the verb where
    the log calls it otherwise. Raises NoPermit where no permit is open.
    """
    permits = state_of(session).permits
    if not permits:
        raise NoPermit()
    permit = permits[-1]
    columns = {column.name: column for column in _logged(model)}
    known: dict[tuple[str, Any], Any] = {}
    same = _common(session, _who(session, None)) | {
        "exam_id": actor_of(session).exam_id,
        "province_id": place[0],
        "city_id": place[1],
        "site_id": place[2],
        "action": f"{area_of(model)}.{model.__name__.lower()}.{word or verb.value}",
        "object_type": model.__name__,
        "object_title": "",
        "reason": permit.reason[:200] if permit.reason else None,
        "outcome": "done",
        "sealed": False,
    }
    told = {"_declaration": {"label": "", "old": None, "new": permit.declaration.name}}
    insert_unguarded(
        session,
        AuditEntry,
        (
            same
            | {
                "id": new_id(),
                "object_id": row_id,
                "changes": _differences(columns, old, new, known) | told,
            }
            for row_id, old, new in rows
        ),
    )


def _differences(
    columns: Mapping[str, _Column],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    known: dict[tuple[str, Any], Any],
) -> Changes:
    """`known` remembers codes, of which many rows have the same few."""

    def protected(column: _Column, value: Any) -> Any:
        if value is None:
            return None
        if column.field is None or not column.field.choices:
            return protect(column.field, value)
        key = (column.name, value)
        if key not in known:
            known[key] = protect(column.field, value)
        return known[key]

    found: Changes = {}
    for name in new.keys() | old.keys() if old else new:
        column, before, after = columns[name], old.get(name), new.get(name)
        if before != after:
            told = {"old": protected(column, before), "new": protected(column, after)}
            found[name] = {"label": column.label, **told}
    return found


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
