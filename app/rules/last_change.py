"""Who set what a settings page shows, and when: read from the log."""

from __future__ import annotations

import datetime as dt
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.policy import actor_of
from app.metadata import registry
from app.metadata.actor import Actor
from app.metadata.declarations import Declaration, Resource
from app.metadata.errors import BRACKETED, N_, Message
from app.metadata.text import LOCAL_ZONE
from app.metadata.vocabulary import Level
from app.models.audit import AuditEntry
from app.rules import audit_log

#: so far back an entry of the page is looked for
_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class LastChange:
    """`who` is a name for colleagues and superiors, the level alone for those below him."""

    at: dt.datetime
    who: str
    on_behalf: bool


def last_change(session: Session, resource: Resource, row: Any) -> LastChange | None:
    """The last change of the row made on this page or by one of its operations; None where
    nobody has changed it since it was made."""
    place = getattr(row, "site_id", None)
    if place is None:
        return _newest(session, resource, AuditEntry.object_id == row.id)
    return last_change_at(session, resource, place)


def last_change_at(session: Session, resource: Resource, site_id: int) -> LastChange | None:
    """The same for all rows that the page holds of one site."""
    return _newest(session, resource, AuditEntry.site_id == site_id)


def last_change_of(session: Session, declaration: Declaration, row_id: int) -> LastChange | None:
    """The same for a row that a page other than a list's has written; None also for those who do
    not read the log of its organisation (R8.3)."""
    objects = {model.__name__ for model in declaration.writes}
    return _found(session, {declaration.name}, objects, AuditEntry.object_id == row_id)


def _newest(session: Session, resource: Resource, condition: Any) -> LastChange | None:
    names = {resource.name} | {item.name for item in registry.operations_of(resource)}
    objects = {model.__name__ for model in (resource.model, *resource.writes)}
    return _found(session, names, objects, condition)


def _found(
    session: Session, names: Set[str], objects: Set[str], condition: Any
) -> LastChange | None:
    actor = actor_of(session)
    statement = (
        select(AuditEntry)
        .where(
            audit_log.visible_to(actor),
            AuditEntry.object_type.in_(objects),
            AuditEntry.outcome == "done",
            condition,
        )
        .order_by(AuditEntry.id.desc())
        .limit(_LOOKED_AT)
    )
    for entry in session.scalars(statement):
        declaration = entry.changes.get("_declaration") or {}
        if declaration.get("new") in names:
            return LastChange(entry.at, named(actor, entry), entry.on_behalf_of is not None)
    return None


def named(actor: Actor, entry: AuditEntry) -> str:
    """Who did it: people of superiors are not named to those below them (R7.4, R8.3)."""
    name = audit_log.who(entry)
    if entry.actor_level not in set(Level):
        return name  # a task of the system
    level = Level(entry.actor_level)
    if level.rank < actor.level.rank:
        return level.role_label
    return Message(BRACKETED, name=name, detail=entry.organisation_code)


def sentence(change: LastChange) -> str:
    """“上次保存：狄七一（990701） 2026-07-25 09:00”, and that a superior did it (P4)."""
    moment = change.at.astimezone(LOCAL_ZONE).strftime("%Y-%m-%d %H:%M")
    template = (
        N_("上次保存：{who} {moment}（上级代改）")
        if change.on_behalf
        else N_("上次保存：{who} {moment}")
    )
    return Message(template, who=change.who, moment=moment)


__all__ = ["LastChange", "last_change", "last_change_at", "last_change_of", "named", "sentence"]
