"""A superior who acts for an organisation below him (P3) reaches that organisation's rows alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from app.metadata.declarations import On, Operation
from app.metadata.errors import N_, KaowuError, NotFound
from app.metadata.query import ListQuery
from app.rules import listing, operations
from app.rules.crud import SITE
from app.rules.operations import Chosen


class NotForOne(KaowuError):
    """The operation cannot be bounded to one organisation: it would do for all what the log tells
    of one."""

    code = "acting.not_for_one"
    template = N_("“{label}”不能限定在一个机构内，所以不能代办。请去掉 --site 后重试。")


class OtherSite(KaowuError):
    """The form names another site than the one that is acted for."""

    code = "acting.other_site"
    template = N_(
        "--site 指明的是 {site}，填写项中的考点却是另一个。请去掉 --set _site，或改正 --site。"
    )


def within(
    session: Session,
    operation: Operation,
    chosen: Chosen,
    values: Mapping[str, Any],
    organisation: str,
) -> tuple[Chosen, dict[str, Any]]:
    """Choice and raw values, bounded to the organisation of that code and what is below it.

    A query finds its rows alone; NotFound is raised for a selected row that belongs to another
    one. A form that asks for the site gets this one (OtherSite for another). Raises NotForOne for
    a page's operation that asks for none, and for rows that belong to no organisation.
    """
    asks = SITE in {field.name for field in operations.fields_of(operation, session)}
    placed = listing.is_placed(operations.resource_of(operation))
    if not (asks or (placed and operation.on != frozenset({On.PAGE}))):
        raise NotForOne(label=operation.label)
    filled = dict(values)
    if asks and filled.setdefault(SITE, organisation) != organisation:
        raise OtherSite(site=organisation)
    return _rows_within(session, operation, chosen, organisation), filled


def _rows_within(
    session: Session, operation: Operation, chosen: Chosen, organisation: str
) -> Chosen:
    resource = operations.resource_of(operation)
    if chosen.query is not None:
        return Chosen(query=replace(chosen.query, organisation=organisation))
    query = ListQuery(resource.name, organisation=organisation)
    own = listing.statement_for(session, resource, query).with_only_columns(resource.model.id)
    found = session.scalars(own.where(resource.model.id.in_(chosen.ids))).all()
    if len(found) != len(set(chosen.ids)):
        raise NotFound()
    return chosen
