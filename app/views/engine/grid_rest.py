"""REST of grids: /api/v1/grid/<name>/ reads a page of sites and saves cells of theirs.

All cells are saved, or none: with one error per cell where something is wrong, and with the
effects on what exists where they are not confirmed (409).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from flask import Response, jsonify, request, url_for
from flask_appbuilder import BaseView, expose

from app.metadata.declarations import Grid, GridCell, GridChange, GridColumn
from app.metadata.fields import Kind
from app.metadata.vocabulary import Verb
from app.rules import availability, effects, grids
from app.rules.effects import Unconfirmed
from app.rules.grids import Examined, GridRefused, Row, Table
from app.views import request as context
from app.views.engine import grid_asked, grid_body, grid_page
from app.views.engine.answers import administrator, verb
from app.views.engine.asked import require_known
from app.views.engine.grid_body import CellOrder
from app.views.engine.rest import UNKNOWN, json_body
from app.views.engine.rest_kinds import described, field_of, visible
from app.views.texts import text, texts

PREFIX = "/api/v1/grid"


class CellsRefused(GridRefused):
    """The same refusal with every cell: `errors` are {"990701.14": [sentence]}; 409 where cells
    were only changed by somebody else."""

    def __init__(self, examined: Examined) -> None:
        super().__init__(examined)
        columns = {column.name: column for column in examined.columns}
        self.errors = {_key(place): [message] for place, message in examined.errors.items()}
        for place, conflict in examined.conflicts.items():
            told = grid_page.told_apart(columns[place[1]], conflict)
            self.errors.setdefault(_key(place), [told])
        if not examined.errors:
            self.status = 409  # type: ignore[misc] # of this refusal alone


def _key(place: grids.Key) -> str:
    """“990701.14”; the code alone where the row itself is wrong."""
    return ".".join(part for part in place if part)


def _name_unknown(order: CellOrder, examined: Examined) -> None:
    """A column that the grid does not have is an error, blank or not: a workbook may bring cells
    of yesterday's columns, a program has a wrong name."""
    columns = {column.name for column in examined.columns}
    for code, cells in order.sent.items():
        if (code, "") in examined.errors:
            continue  # the row itself is wrong
        for name in set(cells) - columns:
            examined.errors.setdefault((code, name), UNKNOWN)


# ---------------------------------------------------------------- as JSON


def value_of(column: GridColumn, value: Any) -> Any:
    """A value as JSON; what is read can be sent back. Money is yuan."""
    if value is None:
        return None
    if column.cell.kind is Kind.BOOLEAN:
        return bool(value)
    return value if column.cell.kind is Kind.INTEGER else grids.text_of(column, value)


def column_of(column: GridColumn) -> dict[str, Any]:
    """A column as JSON. `words` are what people read in place of values."""
    may = context.actor().level.rank <= column.cell.editable_from.rank
    return field_of(column.cell) | {
        "label": text(column.cell.label),
        "group": text(column.group),
        "editable": may,
        "unset": text(column.unset),
        "words": {str(value): text(word) for value, word in column.words.items()},
    }


def row_of(row: Row, columns: Sequence[GridColumn], is_open: bool) -> dict[str, Any]:
    """A row as JSON; columns that the site does not have are left out of its cells."""
    present = [(column, row.cells[column.name]) for column in columns if column.name in row.cells]
    return {
        "code": row.site.code,
        "name": row.site.name,
        "version": grid_body.version_of(row, columns),
        "cells": {column.name: _cell(column, cell, is_open) for column, cell in present},
    }


def _cell(column: GridColumn, cell: GridCell, is_open: bool) -> dict[str, Any]:
    return {
        "value": value_of(column, cell.value),
        "editable": is_open and grids.is_writable(column, cell, context.actor()),
        "locked": text(cell.locked),
        "note": text(cell.note),
    }


def changes_of(examined: Examined) -> list[dict[str, Any]]:
    """Every changed cell with its old and its new value."""
    columns = {column.name: column for column in examined.columns}

    def change_of(change: GridChange, name: str) -> dict[str, Any]:
        return {
            "code": change.site.code,
            "column": name,
            "before": value_of(columns[name], change.before[name]),
            "after": value_of(columns[name], change.after[name]),
        }

    return [
        change_of(change, name)
        for change in sorted(examined.changes, key=lambda change: change.site.code)
        for name in change.after
    ]


def _result(order: CellOrder, examined: Examined, told: Sequence[Any]) -> Response:
    return jsonify(
        {
            "dry_run": order.dry_run,
            "sites": len(examined.changes),
            "cells": examined.cells,
            "changes": changes_of(examined),
            "effects": texts(told),
            "confirm": effects.token_of(told) if told else "",
        }
    )


# ---------------------------------------------------------------- calls


def kind_of(grid: Grid) -> dict[str, Any]:
    """A grid as JSON. `refusal` is null also where a closed window leaves some columns open: the
    cells that it locks say so."""
    session = context.read_session()
    reason = availability.reason_for(session, grid.name, context.actor())
    refusal = reason or grids.refusal(session, grid, context.clock())
    found = described(grid, Verb.EDIT, url_for(f"api_{grid.name}.index"))
    return found | {"refusal": text(refusal) or None}


class GridKinds(BaseView):
    """The grids that the caller may look at."""

    route_base = PREFIX
    default_view = "index"

    @expose("/")
    @administrator
    def index(self) -> Response:
        """All of them."""
        return jsonify({"rows": [kind_of(grid) for grid in visible(Grid)]})


class GridRest(BaseView):
    """Base of the generated views; `grid_rest` makes one per declaration."""

    declaration: ClassVar[Grid]

    @expose("/")
    @verb(Verb.VIEW)
    def index(self) -> Response:
        """One page of sites with their cells; `_org`, `_q`, `_page`, `_size` as on the page."""
        require_known(request.args, grid_asked.NAMES)
        session, declaration = context.read_session(), self.declaration
        number, size = grid_asked.number(), grid_asked.size()
        choice, clock = grid_asked.choice(), context.clock()
        table = grids.page(session, declaration, choice, number=number, size=size, clock=clock)
        found = kind_of(declaration)
        is_open = found["refusal"] is None
        return jsonify(
            found
            | {
                "notices": self._notices(table),
                "columns": [column_of(column) for column in table.columns],
                "count": table.total,
                "page": min(number, max(1, -(-table.total // size))),
                "size": size,
                "rows": [row_of(row, table.columns, is_open) for row in table.rows],
            }
        )

    def _notices(self, table: Table) -> list[str]:
        if self.declaration.notices is None:
            return []
        cells = [row.cells for row in table.rows]
        return texts(self.declaration.notices(context.read_session(), context.actor(), cells))

    @expose("/", methods=["POST"])
    @verb(Verb.EDIT)
    def save(self) -> Response:
        """Save cells; or, with `dry_run`, tell what saving them would change. Raises CellsRefused,
        Unconfirmed, and what the page refuses."""
        declaration, session = self.declaration, context.read_session()
        availability.require(session, declaration.name, context.actor())
        if refusal := grids.refusal(session, declaration, context.clock()):
            raise refusal
        order = grid_body.order_of(json_body())
        examined = grids.examine(
            session, declaration, order.sent, order.seen, clock=context.clock()
        )
        _name_unknown(order, examined)
        if not examined.is_good:
            raise CellsRefused(examined)
        touched = grids.effects(session, declaration, examined.changes)
        asked = grids.questions(declaration, examined.changes)
        if not order.dry_run and examined.changes:
            effects.require([*touched, *asked], order.confirmed)
            self._save(order, touched, asked)
        return _result(order, examined, [*touched, *asked])

    def _save(self, order: CellOrder, touched: Sequence[Any], asked: Sequence[Any]) -> None:
        """In one transaction, under locks: errors and effects are looked for again."""
        clock = context.clock()
        anything = order.confirmed == effects.ALL
        confirmed = effects.ALL if anything else effects.token_of(touched)
        try:
            context.run(
                lambda unit: grids.save(
                    unit,
                    self.declaration,
                    order.sent,
                    order.seen,
                    clock=clock,
                    confirmed=confirmed,
                )
            )
        except GridRefused as refused:
            raise CellsRefused(refused.examined) from None
        except Unconfirmed as grown:
            raise Unconfirmed([*grown.effects, *asked]) from None


def grid_rest(grid: Grid) -> type[GridRest]:
    """The view class of a grid's REST; its endpoint is `api_<name>`."""
    return type(
        f"{grid.name.title().replace('_', '')}Rest",
        (GridRest,),
        {
            "declaration": grid,
            "route_base": f"{PREFIX}/{grid.name}",
            "class_permission_name": grid.name,
            "default_view": "index",
            "__doc__": f"REST of the grid {grid.name}.",
        },
    )


__all__ = ["CellsRefused", "GridKinds", "GridRest", "grid_rest"]
