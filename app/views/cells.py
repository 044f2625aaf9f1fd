"""`|cell`: a value as text for people (R0.8); tags and links as the templates expect them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from flask_babel import gettext
from markupsafe import Markup, escape

from app.metadata.fields import Computed, Field
from app.metadata.presenting import Translate, column_of, present, presenter, raw
from app.metadata.rich_text import to_show
from app.metadata.text import LOCAL_ZONE
from app.views.texts import joined

EMPTY = "—"


def cell(value: Any) -> Any:
    """None, '' and [] -> “—”; booleans, moments, days, lists; tags and links."""
    if value is None or value in ("", []):
        return Markup('<span class="kw-muted" aria-label="{}">—</span>').format(gettext("空"))
    if isinstance(value, bool):
        return gettext("是") if value else gettext("否")
    if isinstance(value, dt.datetime):
        return value.astimezone(LOCAL_ZONE).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dt.time):
        return value.strftime("%H:%M")
    if isinstance(value, (list, tuple, set)):
        return joined(cell(item) for item in value)
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


def rich(html: str | None) -> Markup:
    """A rich text: harmless where it is shown, whatever was stored (N18)."""
    return Markup(to_show(html or ""))  # noqa: S704 - harmless tags only are left


def plain(
    row: Any,
    column: Field | Computed,
    *,
    masked: bool = True,
    living: Mapping[str, Mapping[str, str]] | None = None,
) -> Any:
    """The value for people, in the reader's language."""
    return present(row, column, gettext, masked=masked, living=living)


def shown(
    row: Any,
    column: Field | Computed,
    *,
    masked: bool = True,
    living: Mapping[str, Mapping[str, str]] | None = None,
) -> Any:
    """The value for `|cell`: with a tag where the column declares badges."""
    return shower(column, gettext, masked=masked, living=living)(row)


def shower(
    column: Field | Computed,
    translate: Translate,
    *,
    masked: bool = True,
    living: Mapping[str, Mapping[str, str]] | None = None,
) -> Callable[[Any], Any]:
    """`shown` of one column, for many rows."""
    show = presenter(column, translate, masked=masked, living=living)
    badges = column.badges
    if not badges:
        return show

    def tagged(row: Any) -> Any:
        text = show(row)
        if text in (None, "", "-"):
            return text
        value = raw(row, column)
        key = str(int(value)) if isinstance(value, bool) else str(value)
        return {"text": cell(text), "tone": badges.get(key, "off")}

    return tagged


__all__ = ["EMPTY", "cell", "column_of", "plain", "raw", "rich", "shower", "shown"]
