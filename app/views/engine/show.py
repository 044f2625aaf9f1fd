"""The context of a detail page (kw/pages/show.html)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext
from sqlalchemy.orm import Session

from app.metadata.actor import Actor
from app.metadata.declarations import Resource
from app.metadata.fields import Computed, Field, Kind, fields_of
from app.metadata.presenting import columns_of, living_of
from app.views import cells
from app.views.texts import text


def record(
    session: Session, actor: Actor, resource: Resource, row: Any, *, masked: bool = True
) -> dict[str, Any]:
    """{sections}: the declared fieldsets, then what they leave out; personal values masked."""
    fields = fields_of(resource.model)
    names = [name for name, field in fields.items() if field.shown]
    names += [column.name for column in resource.computed if column.shown]
    living = living_of(columns_of(resource, names, fields), session, actor)
    sections = []
    used: set[str] = set()
    for title, members in resource.fieldsets:
        kept = [name for name in members if name in names]
        used |= set(kept)
        if kept:
            entries = _entries(columns_of(resource, kept, fields), row, masked, living)
            sections.append({"title": gettext(title), "entries": entries})
    rest = [name for name in names if name not in used]
    if rest:
        title = gettext("其他信息") if sections else ""
        entries = _entries(columns_of(resource, rest, fields), row, masked, living)
        sections.append({"title": title, "entries": entries})
    return {"sections": sections}


def _entries(
    columns: Sequence[Field | Computed],
    row: Any,
    masked: bool,
    living: Mapping[str, Mapping[str, str]],
) -> list[dict[str, Any]]:
    found = []
    for column in columns:
        entry = {
            "label": gettext(column.label),
            "value": cells.shown(row, column, masked=masked, living=living),
        }
        if isinstance(column, Field) and column.kind in (Kind.MULTILINE, Kind.HTML):
            entry |= {"kind": "text", "span": "full"}
        found.append(entry)
    return found


def whose(row: Any, superior: bool) -> list[str]:
    """Whose row is edited, for the heading: the form of a setting names neither site nor row."""
    site = getattr(row, "site", None) if superior else None
    names = [site.display if site is not None else "", getattr(row, "display", "")]
    # a setting is called after its site: that is said once
    told = " ".join(dict.fromkeys(text(name) for name in names if name))
    return [told] if told else []
