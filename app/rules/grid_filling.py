"""Filling a grid as if it had been typed: a value for a whole column, the last session."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session

from app.database.policy import actor_of
from app.metadata.actor import Actor
from app.metadata.declarations import Grid
from app.rules import grids
from app.rules.former import NothingToCopy, former_exam
from app.rules.grids import EVERY_SITE, Choice, Raw, Table, is_writable, text_of


def copied(session: Session, grid: Grid, choice: Choice = EVERY_SITE) -> dict[str, dict[str, str]]:
    """What the sites of the choice had in the last session, as if it were typed (R0.6b).

    Only cells that exist now, are writable and were set then. Raises NothingToCopy.
    """
    exam = former_exam(session)
    table = grids.page(session, grid, choice)
    sites = [row.site for row in table.rows]
    former = (
        grid.copy(session, sites, table.columns, exam) if grid.copy is not None and exam else {}
    )
    values = {
        code: {name: value for name, value in cells.items() if value is not None}
        for code, cells in former.items()
    }
    filled = _filled(table, values, actor_of(session))
    if not filled:
        raise NothingToCopy(label=grid.label)
    return filled


def _filled(table: Table, values: Raw, actor: Actor) -> dict[str, dict[str, str]]:
    columns = {column.name: column for column in table.columns}
    found: dict[str, dict[str, str]] = {}
    for row in table.rows:
        wanted = {
            name: text_of(columns[name], value)
            for name, value in values.get(row.site.code, {}).items()
            if name in columns and is_writable(columns[name], row.cells.get(name), actor)
        }
        if wanted:
            found[row.site.code] = wanted
    return found


def filled_down(
    table: Table, actor: Actor, texts: Mapping[str, str], *, only_unset: bool = False
) -> dict[str, dict[str, str]]:
    """One text per column for every row of the table, as if it were typed; with `only_unset`
    only where nothing is stored."""
    columns = {column.name: column for column in table.columns}
    found: dict[str, dict[str, str]] = {}
    for row in table.rows:
        wanted = {
            name: text
            for name, text in texts.items()
            if name in columns
            and is_writable(columns[name], row.cells.get(name), actor)
            and not (only_unset and row.cells[name].value is not None)
        }
        if wanted:
            found[row.site.code] = wanted
    return found
