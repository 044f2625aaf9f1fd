"""Columns of a grid that no window binds: what of it stays open when its window is closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeGuard

from app.metadata.actor import Actor
from app.metadata.declarations import Grid, GridCell
from app.metadata.errors import PolicyDenied
from app.rules.policy import WindowClosed


def leaves_some(found: PolicyDenied | None, grid: Grid, actor: Actor) -> TypeGuard[WindowClosed]:
    """Is it a closed window that leaves columns of the actor's own (`Grid.windowless`)?"""
    own = any(actor.level in levels for levels in grid.windowless.values())
    return own and isinstance(found, WindowClosed)


def shut(
    grid: Grid, cells: Mapping[str, GridCell], window: WindowClosed | None
) -> Mapping[str, GridCell]:
    """The cells of a row, those that the closed window binds locked with what it says."""
    if window is None:
        return cells
    reason = window.as_message()
    return {
        name: cell if name in grid.windowless else replace(cell, locked=cell.locked or reason)
        for name, cell in cells.items()
    }


__all__ = ["leaves_some", "shut"]
