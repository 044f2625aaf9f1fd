"""The search card above a list (kw/pages/list.html)."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_babel import gettext

from app.metadata.fields import Field, Kind, Search
from app.rules import listing
from app.views.engine.asked import UNTIL, range_of
from app.views.engine.forms import SELECT_UP_TO
from app.views.engine.lists import ListPage, organisation_field

Context = dict[str, Any]


def search(page: ListPage) -> Context | None:
    """The search card; None where the list offers nothing."""
    fields = [_search_field(page, field) for field in listing.searches_of(page.resource)]
    basic = min(page.resource.basic_search, len(fields))
    if page.narrowed:
        code = page.asked.query.organisation
        address = url_for(f"{page.resource.name}.organisations")
        field = organisation_field(
            page.session, page.actor, "_org", code, address, provinces=page.resource.of_provinces
        )
        fields.insert(basic, field)
        basic += basic < page.resource.basic_search
    if not fields:
        return None
    further = {name for field in fields[basic:] for name in (field["name"], field.get("name_to"))}
    used = set(page.asked.texts) | ({"_org"} if page.asked.query.organisation else set())
    return {
        "fields": fields,
        "basic": basic,
        "open": bool(further & used),
        "action": url_for(f"{page.resource.name}.index"),
        "reset_url": url_for(f"{page.resource.name}.index"),
        "hidden": [("_size", page.asked.size)] if page.asked.size != 20 else [],
    }


def _search_field(page: ListPage, field: Field) -> Context:
    texts = page.asked.texts
    found: Context = {
        "name": field.name,
        "label": gettext(field.label),
        "kind": "text",
        "value": texts.get(field.name, ""),
    }
    if field.search is Search.RANGE:
        low, high = range_of(field, texts)
        return found | {
            "kind": "range",
            "value": low,
            "name_to": field.name + UNTIL,
            "value_to": high,
        }
    if field.kind is Kind.BOOLEAN:
        words = field.choices or {"1": "是", "0": "否"}
        return found | {"kind": "select", "choices": [(k, gettext(v)) for k, v in words.items()]}
    if field.options is not None:
        return found | _living(page, field)
    if field.choices:
        choices = [(key, gettext(label)) for key, label in field.choices.items()]
        return found | {"kind": "select", "choices": choices}
    if field.kind is Kind.DATE:
        return found | {"kind": "date"}
    return found | {"kind": "number" if field.kind is Kind.INTEGER else "text"}


def _living(page: ListPage, field: Field) -> Context:
    assert field.options is not None  # noqa: S101 - asked by the caller
    options = field.options(page.session, page.actor)
    if len(options) <= SELECT_UP_TO:
        return {"kind": "select", "choices": list(options.items())}
    chosen = page.asked.texts.get(field.name, "")
    return {
        "kind": "select",
        "choices": [(chosen, options[chosen])] if chosen in options else [],
        "search_url": url_for(f"{page.resource.name}.options", field=field.name),
    }
