"""What the address of a grid asks for: the choice of sites, the page of rows."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import request, url_for
from flask_babel import gettext

from app.metadata.declarations import Grid
from app.metadata.text import normalise
from app.metadata.vocabulary import Level
from app.rules.grids import Choice, Table
from app.views import request as context
from app.views.engine import lists
from app.views.engine.asked import organisation_code
from app.views.engine.grid_page import Context

PAGE_SIZES = (20, 50, 100)
NAMES = ("_org", "_q", "_page", "_size")
_ORGANISATION, _WORDS, _PAGE, _SIZE = NAMES


def choice() -> Choice:
    """The choice of sites. Raises NotFound for what is no code."""
    words = normalise(request.args.get(_WORDS, ""))[:60]
    return Choice(organisation_code(request.args.get(_ORGANISATION, "")), words)


def number() -> int:
    """The page, from 1; the first for anything that is no number."""
    return _whole(_PAGE, 1)


def size() -> int:
    """Rows of a page."""
    found = _whole(_SIZE, PAGE_SIZES[0])
    return found if found in PAGE_SIZES else PAGE_SIZES[0]


def _whole(name: str, fallback: int) -> int:
    found = request.args.get(name, "")
    is_number = found.isascii() and found.isdigit() and len(found) < 7
    return max(1, int(found)) if is_number else fallback


def address(grid: Grid, endpoint: str, **values: str) -> str:
    """An address of the grid that keeps choice and page."""
    kept: dict[str, Any] = {name: request.args[name] for name in NAMES if request.args.get(name)}
    return url_for(f"{grid.name}.{endpoint}", **(kept | values))


def paging(table: Table) -> Context | None:
    """The footer; None where one page holds all."""
    if table.total <= PAGE_SIZES[0]:
        return None
    chosen = choice()
    parts = {_ORGANISATION: chosen.organisation, _WORDS: chosen.words}
    kept = urlencode({name: value for name, value in parts.items() if value})
    return {
        "page": min(number(), -(-table.total // size())),
        "size": size(),
        "total": table.total,
        "url_pattern": f"?{kept}{'&' if kept else ''}_page={{page}}&_size={{size}}",
        "sizes": PAGE_SIZES,
    }


def search(grid: Grid) -> Context | None:
    """The search card of superiors; a site has one row."""
    if context.actor().level is Level.SITE:
        return None
    index = url_for(f"{grid.name}.index")
    words = {
        "name": _WORDS,
        "label": gettext("代码或名称"),
        "kind": "text",
        "value": choice().words,
    }
    address = url_for(f"{grid.name}.organisations")
    organisation = lists.organisation_field(
        context.read_session(), context.actor(), _ORGANISATION, choice().organisation, address
    )
    return {
        "fields": [organisation, words],
        "action": index,
        "reset_url": index,
        "hidden": [(_SIZE, size())] if size() != PAGE_SIZES[0] else [],
    }
