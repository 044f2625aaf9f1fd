"""`|cell`: a value as text for people (R0.8); tags and links as the templates expect them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from flask_babel import gettext
from markupsafe import Markup, escape

from app.metadata.declarations import Resource
from app.metadata.fields import Computed, Field, Kind
from app.metadata.text import LOCAL_ZONE, fen_to_yuan

EMPTY = "—"


def cell(value: Any) -> Any:
    """None, '' and [] -> “—”; booleans, moments, days, lists; tags and links."""
    if value is None or value in ("", []):
        return Markup('<span class="kw-empty" aria-label="{}">—</span>').format(gettext("空"))
    if isinstance(value, bool):
        return gettext("是") if value else gettext("否")
    if isinstance(value, dt.datetime):
        return value.astimezone(LOCAL_ZONE).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dt.time):
        return value.strftime("%H:%M")
    if isinstance(value, (list, tuple, set)):
        return "、".join(str(cell(item)) for item in value)
    if isinstance(value, Mapping):
        return _special(value)
    return value


def _special(value: Mapping[str, Any]) -> Any:
    if "url" in value:
        link = (
            '<a href="{}" data-kw="dialog">{}</a>' if value.get("dialog") else '<a href="{}">{}</a>'
        )
        return Markup(link).format(value["url"], value["text"])  # noqa: S704 - the two forms above
    return Markup('<span class="kw-tag kw-tag-{}">{}</span>').format(
        value.get("tone") or "off", escape(value["text"])
    )


def raw(row: Any, column: Field | Computed) -> Any:
    """The value behind a cell, before labels and masks."""
    if isinstance(column, Computed):
        return column.getter(row)
    return getattr(row, column.name)


def plain(
    row: Any, column: Field | Computed, *, masked: bool = True, for_file: bool = False
) -> Any:
    """The value for people and files: label of a choice, related row's name, mask."""
    value = raw(row, column)
    if value is None:
        return None
    if column.mask is not None and masked:
        return column.mask(str(value))
    if isinstance(column, Computed):
        return value
    if column.shown_as:
        related = getattr(row, column.shown_as)
        return getattr(related, "display", related)
    if column.choices:
        return gettext(column.choices.get(str(value), str(value)))
    if column.kind is Kind.MONEY:
        return fen_to_yuan(value)
    if column.kind is Kind.BOOLEAN and for_file:
        return gettext("是") if value else gettext("否")
    return value


def shown(row: Any, column: Field | Computed, *, masked: bool = True) -> Any:
    """The value for `|cell`: with a tag where the column declares badges."""
    text = plain(row, column, masked=masked)
    if column.badges and text is not None:
        return {"text": text, "tone": column.badges.get(str(raw(row, column)), "off")}
    return text


def column_of(resource: Resource, name: str, fields: Mapping[str, Field]) -> Field | Computed:
    """The field or computed column of that name."""
    if name in fields:
        return fields[name]
    return next(column for column in resource.computed if column.name == name)


__all__ = ["EMPTY", "cell", "column_of", "plain", "raw", "shown"]
