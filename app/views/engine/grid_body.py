"""What REST takes for a grid: cells by row, with the version of the row that was read.

    {"rows": [{"code": "990701", "version": "…", "cells": {"14": "72.00"}}], "dry_run": true}

A version is what stood in the row, packed. So a cell that somebody else has changed is noticed,
and one that he has changed beside it does not matter (rules.grids).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from werkzeug.exceptions import BadRequest

from app.metadata.declarations import GridColumn
from app.metadata.errors import N_, InvalidInput
from app.rules import grids
from app.rules.grids import Row
from app.rules.operations import TooManyRows
from app.views.engine.bodies import decoded
from app.views.engine.rest import NO_BOOLEAN, NO_OBJECT, UNKNOWN, confirmed_in

BODY = frozenset({"rows", "dry_run", "confirm"})
ROW = frozenset({"code", "version", "cells"})
#: rows of one request
MOST_ROWS = 1_000
_NO_ROWS = N_("应为行的列表，每行有 code、version 和 cells")
_NO_CODE = N_("应为考点代码")
_NO_CELL = N_("应为文字、数字、true、false 或 null")
_NO_VERSION = N_("应为读取该行时的 version")
_TWICE = N_("只能填写一次")
Cells = dict[str, dict[str, Any]]


@dataclass(slots=True)
class CellOrder:
    """What a request asks for: raw cells and what its sender had read, by site code."""

    sent: Cells = field(default_factory=dict)
    seen: Cells = field(default_factory=dict)
    dry_run: bool = False
    #: which effects are confirmed (`rest.confirmed_in`)
    confirmed: str = ""


def version_of(row: Row, columns: Sequence[GridColumn]) -> str:
    """The version of a row: opaque to whoever reads it."""
    texts = {
        column.name: grids.text_of(column, row.cells[column.name].value)
        for column in columns
        if column.name in row.cells
    }
    packed = json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(packed.encode()).decode()


def _seen(version: Any) -> dict[str, str]:
    """What a version holds. Raises ValueError for what is none."""
    if not isinstance(version, str):
        raise ValueError("no version")
    try:
        texts = decoded(base64.b64decode(version.encode("ascii"), b"-_", validate=True))
    except (BadRequest, binascii.Error, UnicodeError) as error:
        raise ValueError("no version") from error
    if not isinstance(texts, dict) or not all(isinstance(one, str) for one in texts.values()):
        raise ValueError("no version")
    return texts


def order_of(body: dict[str, Any]) -> CellOrder:
    """Read a body. Raises InvalidInput with the errors of all rows, TooManyRows."""
    if unknown := sorted(set(body) - BODY):
        raise InvalidInput({name: [UNKNOWN] for name in unknown})
    found = CellOrder(confirmed=confirmed_in(body))
    dry_run, rows = body.get("dry_run", False), body.get("rows")
    if not isinstance(dry_run, bool):
        raise InvalidInput({"dry_run": [NO_BOOLEAN]})
    if not isinstance(rows, list) or not rows:
        raise InvalidInput({"rows": [_NO_ROWS]})
    if len(rows) > MOST_ROWS:
        raise TooManyRows(limit=MOST_ROWS, count=len(rows))
    found.dry_run = dry_run
    errors: dict[str, list[str]] = {}
    for number, row in enumerate(rows):
        _take(found, f"rows.{number}", row, errors)
    if errors:
        raise InvalidInput(errors)
    return found


def _take(found: CellOrder, place: str, row: Any, errors: dict[str, list[str]]) -> None:
    if not isinstance(row, Mapping):
        errors[place] = [NO_OBJECT]
        return
    errors.update({f"{place}.{name}": [UNKNOWN] for name in sorted(set(row) - ROW)})
    code, cells = row.get("code"), row.get("cells")
    if not isinstance(code, str) or not (code.isascii() and code.isalnum() and len(code) <= 10):
        errors[f"{place}.code"] = [_NO_CODE]
        return
    if code in found.sent:
        errors[f"{place}.code"] = [_TWICE]
    if not isinstance(cells, Mapping) or not cells:
        errors[f"{place}.cells"] = [NO_OBJECT]
        return
    for name, value in cells.items():
        if not (value is None or isinstance(value, (str, bool, int, float))):
            errors[f"{code}.{name}"] = [_NO_CELL]
    try:
        # what the version does not hold was not there to be read
        found.seen[code] = {**dict.fromkeys(cells), **_seen(row.get("version"))}
    except ValueError:
        errors[f"{place}.version"] = [_NO_VERSION]
    found.sent[code] = dict(cells)


__all__ = ["BODY", "MOST_ROWS", "ROW", "CellOrder", "order_of", "version_of"]
