"""A superior who acts for an organisation below him (P3) reaches that organisation's rows alone."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from app.metadata.declarations import Operation
from app.metadata.errors import NotFound
from app.metadata.query import ListQuery
from app.rules import listing, operations
from app.rules.operations import Chosen


def within(session: Session, operation: Operation, chosen: Chosen, organisation: str) -> Chosen:
    """The choice, bounded to the organisation of that code and what is below it.

    A query finds its rows alone; NotFound is raised for a selected row that belongs to another
    one. Rows that belong to no organisation stay as they are chosen.
    """
    resource = operations.resource_of(operation)
    if not listing.is_placed(resource):
        return chosen
    if chosen.query is not None:
        return Chosen(query=replace(chosen.query, organisation=organisation))
    query = ListQuery(resource.name, organisation=organisation)
    own = listing.statement_for(session, resource, query).with_only_columns(resource.model.id)
    found = session.scalars(own.where(resource.model.id.in_(chosen.ids))).all()
    if len(found) != len(set(chosen.ids)):
        raise NotFound()
    return chosen
