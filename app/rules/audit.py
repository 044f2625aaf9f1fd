"""The audit log (architecture §4.7): every guarded write leaves an entry, in its transaction.

Rows that pass the guard of a flush, or are written by `database.direct`, are recorded here by
themselves. Bulk writes in Core call `record_rows`. What is told of a value: `audit_changes`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event, select
from sqlalchemy.orm import ORMExecuteState, Session

from app.database.base import OrganisationPath, SiteCodeScoped, SiteScoped
from app.database.bulk import insert_rows
from app.database.bulk_managed import insert_unguarded
from app.database.direct import Change, logs_direct_changes
from app.database.identifiers import new_id
from app.database.policy import NoPermit, Permit, actor_of, on_guarded_flush, state_of
from app.database.session import KaowuSession
from app.metadata.declarations import Declaration, Resource
from app.metadata.errors import PolicyDenied
from app.metadata.vocabulary import Level, Verb
from app.models.account import AdminBinding
from app.models.audit import AuditEntry, AuditSeal
from app.models.organisation import Organisation
from app.rules.audit_changes import (
    Changes,
    Differences,
    changes_between,
    changes_of,
    logged_columns,
    protect,
)

#: execution option of the one statement that may touch entries again (`rules.sealing`)
SEALING = "kaowu_sealing"
_OF_SITES = (SiteScoped, SiteCodeScoped)
_PLACE = ("exam_id", "province_id", "city_id", "site_id")


class AuditIsFinal(PolicyDenied):
    """Somebody tried to change or delete a log entry."""

    code = "audit.final"


def area_of(model: type) -> str:
    """The area's name is the module's: app.models.registration -> "registration"."""
    return model.__module__.rsplit(".", 1)[-1]


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
            return dict(zip(_PLACE, (actor.exam_id, *found), strict=True))
    return {name: getattr(row, name, None) or getattr(actor, name) for name in _PLACE}


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


def behalf_of(
    session: Session, permit: Permit | None, model: Any, where: Mapping[str, Any], changes: Changes
) -> str | None:
    """Code of the site for which a superior does what the site itself could do (P3, P4): the
    declaration grants the site the verb, or entrusts cities with it, which it does with what is the
    sites' own alone. What only superiors may set is their own business.
    `where` names the site of the row (`site_id` or `site_code`)."""
    actor = actor_of(session)
    if permit is None or actor.is_system or not _is_of_sites(model, permit.declaration):
        return None
    if actor.site_id is not None or actor.level is Level.CANDIDATE:
        return None
    declaration = permit.declaration
    if permit.verb not in declaration.default_verbs(Level.SITE.value) | declaration.entrusted:
        return None
    changed = [column.field for column in logged_columns(model) if column.name in changes]
    fields = [field for field in changed if field]
    if fields and all(field.editable_from is not Level.SITE for field in fields):
        return None
    site_id: int | None = where.get("site_id")
    if issubclass(model, SiteCodeScoped) or site_id is None:
        return where.get("site_code")
    known: dict[int, str | None] = session.info.setdefault("kaowu_site_codes", {})
    if site_id not in known:
        with session.no_autoflush:
            code = select(Organisation.code).where(Organisation.id == site_id)
            known[site_id] = session.scalar(code)
    return known[site_id]


def _is_of_sites(model: type, declaration: Declaration) -> bool:
    """Are the rows a site's? Those that organisations of any level have (notices) are so where
    they are written along with the rows of a page of sites."""
    if issubclass(model, _OF_SITES):
        return True
    of_page = isinstance(declaration, Resource) and issubclass(declaration.model, _OF_SITES)
    return of_page and issubclass(model, OrganisationPath)


@on_guarded_flush
def _record_flush(
    session: Session, changes: Sequence[tuple[Verb, Any]], permit: Permit | None
) -> None:
    """One entry per changed row, all in one statement: they need none of the mapper's care."""
    entries = []
    common = _common_of_flush(session, permit)
    for verb, row in changes:
        found = changes_of(verb, row)
        if not found and verb is Verb.EDIT:
            continue
        model: Any = type(row)
        if row.id is None:  # keys are made in the application; take it early for the log
            row.id = model.__table__.c.id.default.arg(None)
        where = {name: getattr(row, name, None) for name in ("site_id", "site_code")}
        behalf = common["on_behalf_of"] or behalf_of(session, permit, model, where, found)
        entries.append(
            common
            | _about(session, row)
            | _what(permit, model, verb, found)
            | {"on_behalf_of": behalf, "object_id": row.id, "object_title": title_of(row)}
        )
    insert_rows(session, AuditEntry, entries)


@logs_direct_changes
def _record_direct(
    session: Session, changes: Sequence[Change], permit: Permit
) -> tuple[Any, list[dict[str, Any]]]:
    """The same entries, of rows that go past the mapper; they are written together with them."""
    entries = []
    common, actor = _common_of_flush(session, permit), actor_of(session)
    for change in changes:
        found = changes_between(change.model, change.old, change.new)
        where = {name: change.value(name) or getattr(actor, name) for name in _PLACE}
        behalf = common["on_behalf_of"] or behalf_of(session, permit, change.model, where, found)
        entries.append(
            common
            | where
            | _what(permit, change.model, change.verb, found)
            | {
                "id": new_id(),
                "on_behalf_of": behalf,
                "object_id": change.id,
                "object_title": change.title[:100],
            }
        )
    return AuditEntry, entries


def _common_of_flush(session: Session, permit: Permit | None) -> dict[str, Any]:
    return _common(session, _who(session, None)) | {
        "reason": permit.reason[:200] if permit and permit.reason else None,
        "outcome": "done",
        "sealed": False,
    }


def _what(permit: Permit | None, model: Any, verb: Verb, found: Changes) -> dict[str, Any]:
    """What is done to which kind of row, under which declaration."""
    name = permit.declaration.name if permit else model.__name__
    return {
        "action": f"{area_of(model)}.{model.__name__.lower()}.{verb.value}",
        "object_type": model.__name__,
        "changes": found | {"_declaration": {"label": "", "old": None, "new": name}},
    }


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
    differences = Differences(model)
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
            {
                "id": new_id(),
                "object_id": row_id,
                "changes": differences.between(old, new) | told,
            }
            for row_id, old, new in rows
        ),
        same,
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


__all__ = [
    "SEALING",
    "AuditIsFinal",
    "Changes",
    "area_of",
    "behalf_of",
    "protect",
    "record",
    "record_rows",
    "title_of",
]
