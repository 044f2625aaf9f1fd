"""What a grid's form sent: cells, what had been seen in them, and changes of a preview."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from flask import request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from app.jobs.grids import MAX_BYTES
from app.rules.grids import Raw
from app.views.engine.bodies import decoded
from app.views.engine.grid_page import CELL, FILL, SEEN

#: changes of a preview; rows that were typed but are not shown
CHANGES, KEPT = "changes", "kept"
Form = MultiDict[str, str]


def typed(form: Form) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
    """(sent, seen) of the page's form, with the rows that it only carries along."""
    sent, seen = unpacked(form.get(KEPT, ""))
    for name, value in form.items():
        if name.startswith(CELL):
            code, _, column = name.removeprefix(CELL).partition(":")
            sent.setdefault(code, {})[column] = value
        elif name.startswith(SEEN):
            seen[name.removeprefix(SEEN)] = _texts(decoded(value))
    return sent, seen


def filled(form: Form) -> dict[str, str]:
    """{column: text} of the row that fills whole columns; empty ones fill nothing."""
    return {
        name.removeprefix(FILL): value.strip()
        for name, value in form.items()
        if name.startswith(FILL) and value.strip()
    }


def unpacked(value: str) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
    """(sent, seen) of a hidden value that `grid_page.pack` made. Raises BadRequest."""
    if not value:
        return {}, {}
    found = decoded(value)
    if not isinstance(found, dict):
        raise BadRequest()
    return _rows(found.get("sent")), _rows(found.get("seen"))


def _rows(value: Any) -> dict[str, dict[str, str]]:
    if not isinstance(value, dict):
        raise BadRequest()
    return {str(code): _texts(cells) for code, cells in value.items()}


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise BadRequest()
    return {str(name): item for name, item in value.items()}


def without(rows: Raw, shown: set[str]) -> dict[str, dict[str, Any]]:
    """The rows of sites that are not shown."""
    return {code: dict(cells) for code, cells in rows.items() if code not in shown}


def sent_file() -> tuple[bytes, str]:
    """Content (no more than tells that it is too large) and name of the uploaded workbook."""
    file = request.files.get("file")
    if file is None:
        return b"", ""
    with closing(file):
        return file.stream.read(MAX_BYTES + 1), file.filename or ""
