"""Masked values in full (domain §5, §8.1): by click, logged, rate limited.

Lists, detail pages, forms and exports mask for everybody. Centre, province and site may look at
one row's values in full; cities may not (row “Full ID number & contact unmasked” of §5).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from app.database.policy import actor_of
from app.metadata.actor import Actor
from app.metadata.declarations import Resource
from app.metadata.errors import N_, PolicyDenied
from app.metadata.fields import fields_of
from app.metadata.vocabulary import Level, Verb
from app.rules import audit, availability, listing, policy, rate_limit
from app.rules.clock import Clock, system_clock

#: looks in full per person: number and seconds
RATE: rate_limit.Rate = (60, 60 * 60)
LEVELS = frozenset({Level.CENTER, Level.PROVINCE, Level.SITE})


class OnlyMasked(PolicyDenied):
    """This level sees masked values only."""

    code = "policy.only_masked"
    template = N_("您只能查看遮盖后的个人信息。")


def masked_names(resource: Resource) -> list[str]:
    """The columns of a resource that are shown masked."""
    fields = [field.name for field in fields_of(resource.model).values() if field.mask]
    return fields + [column.name for column in resource.computed if column.mask]


def may_reveal(resource: Resource, actor: Actor) -> bool:
    """Is there anything hidden, and may this level see it?"""
    return actor.level in LEVELS and bool(masked_names(resource))


def reveal(
    session: Session, resource: Resource, row_id: int, *, clock: Clock = system_clock
) -> Any:
    """The row, whose masked values may now be shown once; the look is in the log.

    Raises NotFound, OnlyMasked, TooMany, and the refusals of SHOW.
    """
    actor = actor_of(session)
    availability.require(session, resource.name, actor)
    policy.check(session, resource, Verb.SHOW, actor, clock).require()
    if not may_reveal(resource, actor):
        raise OnlyMasked()
    row = listing.row_by_id(session, resource, row_id)
    rate_limit.require(session, f"reveal:{actor.passport_id}", RATE, clock())
    name = f"{audit.area_of(resource.model)}.{resource.model.__name__.lower()}.reveal"
    shown = {column: {"label": "", "old": None, "new": None} for column in masked_names(resource)}
    audit.record(session, name, row=row, changes=shown)
    session.flush()
    return row
