"""Computing a statistic: one way for page, export and command line.

The scope is added to every ORM statement by the session, so a statistic counts what its actor may
see and nothing else; the organisation filter only narrows it further.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, true
from sqlalchemy.orm import Session

from app.database.policy import actor_of
from app.metadata.cleaning import load
from app.metadata.declarations import ColumnGroup, Statistic, StatisticTable
from app.metadata.errors import DeclarationError, NotFound
from app.metadata.vocabulary import Level, Verb
from app.models.organisation import Organisation, below
from app.rules import availability, policy
from app.rules.clock import Clock, system_clock
from app.rules.crud import choices_for


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked for: an organisation below the actor (None: all that he may see), and the
    cleaned values of the declared filters."""

    organisation: Organisation | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


def compute(
    session: Session,
    declaration: Statistic,
    *,
    organisation: str = "",
    values: Mapping[str, Any] | None = None,
    clock: Clock = system_clock,
) -> StatisticTable:
    """The table for the session's actor. `organisation` is a code, `values` are raw filters.

    Raises NotFound for an organisation that is not below the actor, InvalidInput for a filter,
    NotUsed, and the refusals of VIEW.
    """
    actor = actor_of(session)
    availability.require(session, declaration.name, actor)
    policy.check(session, declaration, Verb.VIEW, actor, clock).require()
    fields = list(declaration.filters)
    given = {name: text for name, text in (values or {}).items() if text != ""}
    cleaned = load(fields, given, choices_for(session, fields, actor))
    table: StatisticTable = declaration.compute(
        session, actor, Filters(chosen(session, organisation), cleaned)
    )
    table.computed_at = clock()
    _check_shape(declaration, table)
    return table


def chosen(session: Session, code: str) -> Organisation | None:
    """The organisation of this code at or below the actor; None for "". Raises NotFound."""
    if not code:
        return None
    found = session.scalars(
        select(Organisation).where(below(actor_of(session)), Organisation.code == code)
    ).first()
    if found is None:
        raise NotFound()
    return found


def within(model: Any, organisation: Organisation | None) -> Any:
    """SQL condition: rows of `model` (with scope columns) at or below an organisation."""
    if organisation is None or organisation.level == Level.CENTER.value:
        return true()
    return getattr(model, f"{organisation.level}_id") == organisation.id


def leaves(groups: Sequence[ColumnGroup]) -> Iterator[tuple[ColumnGroup, str]]:
    """Every column in order: (its group, its label)."""
    for group in groups:
        for column in group.columns:
            yield group, column


def value_of(cell: Any) -> Any:
    """A cell without its tone."""
    return cell[0] if isinstance(cell, tuple) else cell


def sums(rows: Sequence[tuple[str, Sequence[Any]]]) -> list[int | None]:
    """合计: per column the sum of the cells that are whole numbers; None where there are none."""
    width = max((len(cells) for _, cells in rows), default=0)
    found: list[int | None] = []
    for index in range(width):
        values = [value_of(cells[index]) for _, cells in rows]
        numbers = [v for v in values if isinstance(v, int) and not isinstance(v, bool)]
        found.append(sum(numbers) if numbers else None)
    return found


def _check_shape(declaration: Statistic, table: StatisticTable) -> None:
    """A row with a missing cell would show every number behind it under a wrong heading."""
    width = sum(len(group.columns) for group in table.groups)
    lines = [cells for _, cells in table.rows] + ([table.total] if table.total else [])
    if any(len(cells) != width for cells in lines):
        raise DeclarationError(declaration.name, f"a row has not {width} cells")


__all__ = ["Filters", "chosen", "compute", "leaves", "sums", "value_of", "within"]
