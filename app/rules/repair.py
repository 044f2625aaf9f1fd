"""Repair of a row of a history session, by a superuser and with a reason (R0.4).

Nobody else writes there, and nothing else does: `kaowu repair` is the only caller. Values go
through the schema and the rules of the row's own form; the log holds old and new value, the reason,
and one entry of the repair itself, and is sealed like everything in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.policy import actor_of
from app.metadata import registry
from app.metadata.actor import Actor
from app.metadata.cleaning import load
from app.metadata.declarations import ONLY_RUN, Declaration, Resource
from app.metadata.errors import N_, KaowuError, PolicyDenied
from app.metadata.fields import Field, fields_of
from app.metadata.presenting import title_of
from app.metadata.vocabulary import ADMINISTRATORS, ExamState, Verb
from app.models.audit import AuditEntry
from app.rules import audit, crud
from app.rules.clock import Clock, system_clock
from app.rules.operations import REASON, REASON_FIELD
from app.rules.policy import NoVerb, exam_state

REPAIR = registry.register(
    Declaration(
        name="repair",
        label=N_("修复历史数据"),
        super_verbs=ONLY_RUN,
        in_history=True,
    )
)
#: the entry of the repair itself in the log, beside that of the changed row
ACTION = "system.repair.run"


class NotHistory(PolicyDenied):
    """Other sessions are written on their pages."""

    code = "repair.not_history"
    template = N_("只能修复历史考次的数据；其他考次请在页面上修改。请用 --exam 指明历史考次。")


class NotRepairable(KaowuError):
    """Its rows belong to no session, or no form changes them."""

    code = "repair.not_repairable"
    template = N_("“{label}”的数据不能用命令修复。")


class NothingToRepair(KaowuError):
    """The row holds the given values already."""

    code = "repair.nothing"
    template = N_("数据与给出的值相同，没有需要修复的内容。")


class Rehearsed(Exception):
    """Carries what a repair would do out of the unit of work, which so undoes it."""

    def __init__(self, repaired: Repaired) -> None:
        super().__init__()
        self.repaired = repaired


@dataclass(frozen=True, slots=True)
class Repaired:
    """The row's title, and its entry in the log: old and new values, personal ones masked."""

    title: str
    entry: AuditEntry


def fields_for(resource: Resource, actor: Actor) -> list[Field]:
    """The columns of the edit form; empty where rows are not repaired."""
    edited = any(Verb.EDIT in resource.default_verbs(level.value) for level in ADMINISTRATORS)
    if not (edited and resource.per_exam and hasattr(resource.model, "exam_id")):
        return []
    columns = fields_of(resource.model)
    form = crud.form_fields(resource, Verb.EDIT, actor)
    return [field for field in form if field.name in columns]


def repair(
    session: Session,
    resource: Resource,
    row_id: int,
    values: Mapping[str, Any],
    *,
    reason: str,
    clock: Clock = system_clock,
    confirmed: str = "",
) -> Repaired:
    """Set the given raw values of a row of the session's history exam.

    Raises NoVerb for everybody who is no superuser, NotHistory, NotRepairable, InvalidInput (also
    for an empty reason), NotFound, NothingToRepair, Unconfirmed for effects that `confirmed` does
    not name, and what the rules of the row refuse.
    """
    actor = actor_of(session)
    if not actor.is_super:
        raise NoVerb(label=REPAIR.label, verb=Verb.RUN.label)
    if exam_state(session, actor.exam_id) is not ExamState.HISTORY:
        raise NotHistory()
    fields = fields_for(resource, actor)
    if not fields:
        raise NotRepairable(label=resource.label)
    given = load([REASON_FIELD], {REASON: reason})[REASON]
    load(fields, values, crud.choices_for(session, fields, actor), partial=True)
    former = _newest_entry(session, resource, row_id)
    row = crud.update(
        session,
        resource,
        row_id,
        values,
        clock=clock,
        reason=given,
        confirmed=confirmed,
        under=REPAIR,
    )
    entry = _newest_entry(session, resource, row_id)
    if entry is None or (former is not None and entry.id == former.id):
        raise NothingToRepair()
    session.expunge(entry)  # it is told after a rehearsal, too
    audit.record(session, ACTION, row=row, reason=given)
    session.flush()
    return Repaired(title_of(resource, row), entry)


def _newest_entry(session: Session, resource: Resource, row_id: int) -> AuditEntry | None:
    """The last thing that the log tells of the row."""
    kind = resource.model.__name__
    newest = (
        select(AuditEntry)
        .where(AuditEntry.object_id == row_id, AuditEntry.object_type == kind)
        .order_by(AuditEntry.id.desc())
        .limit(1)
    )
    return session.scalars(newest).first()


def rehearse(
    session: Session,
    resource: Resource,
    row_id: int,
    values: Mapping[str, Any],
    *,
    reason: str,
    confirmed: str = "",
) -> NoReturn:
    """Do it as `repair` does, and undo it: raises Rehearsed; the last thing of a unit of work."""
    raise Rehearsed(repair(session, resource, row_id, values, reason=reason, confirmed=confirmed))


__all__ = [
    "ACTION",
    "REPAIR",
    "NotHistory",
    "NotRepairable",
    "NothingToRepair",
    "Rehearsed",
    "Repaired",
    "fields_for",
    "rehearse",
    "repair",
]
