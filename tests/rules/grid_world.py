"""Typing into a grid and saving it, for tests of rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.declarations import Grid, GridCell
from app.metadata.vocabulary import Level
from app.models.audit import AuditEntry
from app.rules import grids
from app.rules.grids import Examined
from tests.factories import Tree

#: what is typed: {site number from 0: {column: text}}
Cells = Mapping[int, Mapping[str, Any]]


def raw(tree: Tree, cells: Cells) -> dict[str, dict[str, Any]]:
    return {tree.sites[number].code: dict(values) for number, values in cells.items()}


def rows(session: KaowuSession, grid: Grid) -> dict[str, Mapping[str, GridCell]]:
    """{site code: cells} as the session's actor sees them."""
    return {row.site.code: row.cells for row in grids.page(session, grid).rows}


def examine(
    session: KaowuSession, grid: Grid, tree: Tree, cells: Cells, seen: Cells | None = None
) -> Examined:
    return grids.examine(session, grid, raw(tree, cells), raw(tree, seen or {}))


def errors(session: KaowuSession, grid: Grid, tree: Tree, cells: Cells) -> dict[str, str]:
    """{column: message} of what is typed into the first site."""
    found = examine(session, grid, tree, cells)
    return {name: str(message) for (_, name), message in found.errors.items()}


def save(
    session: KaowuSession, grid: Grid, tree: Tree, cells: Cells, seen: Cells | None = None
) -> int:
    return grids.save(session, grid, raw(tree, cells), raw(tree, seen or {}))


def act(session: KaowuSession, tree: Tree, level: Level = Level.SITE, number: int = 0) -> None:
    become(session, tree.actor(level, number))


def effects(session: KaowuSession, grid: Grid, tree: Tree, cells: Cells) -> str:
    """The sentences about what is touched, in one text."""
    changes = examine(session, grid, tree, cells).changes
    return "\n".join(map(str, grids.effects(session, grid, changes)))


def logged(session: KaowuSession, object_type: str) -> Sequence[AuditEntry]:
    """What people (not the tests' seed) did to objects of a kind, oldest first."""
    statement = select(AuditEntry).where(
        AuditEntry.object_type == object_type, AuditEntry.actor_level != "system"
    )
    return session.scalars(statement.order_by(AuditEntry.id)).all()
