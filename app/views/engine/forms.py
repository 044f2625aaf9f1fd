"""Fields as the form templates show them, and what comes back from a form.

Used by add, edit and operations, and by every other page that asks for `Field`s.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flask_babel import gettext
from werkzeug.datastructures import MultiDict

from app.metadata.errors import BRACKETED, InvalidInput, Message
from app.metadata.fields import Field, Kind
from app.metadata.presenting import masked_text
from app.metadata.text import LOCAL_ZONE, fen_to_yuan
from app.metadata.vocabulary import Personal
from app.views.texts import text as in_words
from app.views.texts import texts, without_label

#: a select shows up to so many choices; above, it searches
SELECT_UP_TO = 200
_KINDS = {
    Kind.TEXT: "text",
    Kind.MULTILINE: "textarea",
    Kind.HTML: "editor",
    Kind.INTEGER: "number",
    Kind.MONEY: "money",
    Kind.BOOLEAN: "checkbox",
    Kind.DATE: "date",
    Kind.DATETIME: "datetime",
    Kind.TIME: "time",
    Kind.CHOICE: "select",
    Kind.REFERENCE: "select",
    Kind.CHOICES: "checkboxes",
    Kind.PASSWORD: "password",
    Kind.FILE: "file",
}

Context = dict[str, Any]
Errors = Mapping[str, Sequence[str]]
Choices = Mapping[str, Mapping[str, str]]


def as_text(field: Field, value: Any) -> Any:
    """A stored value as the form's input holds it; masked where the field has a mask."""
    if value is None:
        return ""
    if field.mask is not None:
        return masked_text(field, value)
    if field.kind is Kind.MONEY:
        return fen_to_yuan(value)
    if isinstance(value, dt.datetime):
        local = value.astimezone(LOCAL_ZONE)
        return local.strftime("%Y-%m-%d %H:%M:%S" if local.second else "%Y-%m-%d %H:%M")
    if isinstance(value, dt.time):
        return value.strftime("%H:%M")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, (bool, list, tuple)):
        return value
    return str(value)


def texts_of(fields: Iterable[Field], values: Mapping[str, Any] | Any) -> dict[str, Any]:
    """The inputs' texts of a row (or of a mapping of values)."""
    read = values.get if isinstance(values, Mapping) else lambda name: getattr(values, name, None)
    return {field.name: as_text(field, read(field.name)) for field in fields}


def read_form(fields: Iterable[Field], form: MultiDict[str, str], files: Any) -> dict[str, Any]:
    """The raw values that a form sent. A name that it did not send is left out; an unticked box
    is sent as nothing, so it counts as False (or as no choice)."""
    values: dict[str, Any] = {}
    for field in fields:
        if field.kind is Kind.FILE:
            if files.get(field.name):
                values[field.name] = files[field.name]
        elif field.kind is Kind.CHOICES:
            values[field.name] = form.getlist(field.name)
        elif field.kind is Kind.BOOLEAN:
            values[field.name] = form.get(field.name, "")
        elif field.name in form:
            values[field.name] = form[field.name]
    return values


def without_untouched(fields: Iterable[Field], values: Mapping[str, Any], row: Any) -> Any:
    """Drop masked values that came back as they were shown: they are unchanged (domain §8.1)."""
    shown = {
        field.name: masked_text(field, getattr(row, field.name, None))
        for field in fields
        if field.mask is not None
    }
    return {
        name: value
        for name, value in values.items()
        if shown.get(name) is None or value != shown[name]
    }


def form_field(
    field: Field,
    text: Any,
    *,
    errors: Sequence[str] = (),
    choices: Mapping[str, str] | None = None,
    search_url: str | None = None,
) -> Context:
    """One field for `kw.form_field`. `choices` are those of `field.options`."""
    found = {
        "name": field.name,
        "label": gettext(field.label),
        "kind": _kind(field, text),
        "value": text,
        "required": field.required,
        "help": gettext(field.help) if field.help else None,
        "placeholder": gettext(field.placeholder) if field.placeholder else None,
        "max_length": field.max_length if field.kind in (Kind.TEXT, Kind.MULTILINE) else None,
        "limit": field.max_length if field.kind is Kind.HTML else None,
        "errors": [without_label(message, field.label) for message in errors],
        "sensitive": field.personal is not Personal.NONE,
    }
    if field.mask is not None and text and not errors:
        hint = gettext("已遮盖；不修改时请保持原样")
        found["help"] = (
            in_words(Message(BRACKETED, name=field.help, detail=hint)) if field.help else hint
        )
    offered = choices if choices is not None else field.choices
    if found["kind"] in ("select", "checkboxes") and offered is not None:
        found |= _offered(field, text, offered, search_url)
    return found


def _kind(field: Field, text: Any) -> str:
    if field.mask is not None and field.kind is Kind.TEXT:
        return "text"
    if field.kind is Kind.TEXT and (field.max_length or 0) > 200:
        return "textarea"
    return _KINDS[field.kind]


def _offered(
    field: Field, text: Any, choices: Mapping[str, str], search_url: str | None
) -> Context:
    chosen = [str(item) for item in text] if isinstance(text, (list, tuple)) else [str(text)]
    several = field.kind is Kind.CHOICES  # all of them are in the page: several are ticked
    if search_url is not None and not several and len(choices) > SELECT_UP_TO:
        kept = [(key, label) for key, label in choices.items() if str(key) in chosen]
        return {"choices": kept, "search_url": search_url}
    pairs = [(key, gettext(label)) for key, label in choices.items()]
    if several and len(choices) > 24:
        return {"kind": "select", "multiple": True, "choices": pairs}
    return {"choices": pairs}


def fieldsets(
    fields: Sequence[Field],
    texts: Mapping[str, Any],
    *,
    groups: Sequence[tuple[str, Sequence[str]]] = (),
    errors: Errors | None = None,
    choices: Choices | None = None,
    search_urls: Mapping[str, str] | None = None,
) -> list[Context]:
    """The fields in the declared groups, the rest behind them; the first bad one gets the focus."""
    by_name = {field.name: field for field in fields}
    grouped = [(title, [n for n in names if n in by_name]) for title, names in groups]
    named = {name for _, names in grouped for name in names}
    rest = [name for name in by_name if name not in named]
    if rest:
        title = gettext("其他信息") if named else ""
        grouped.append((title, rest))
    made = []
    in_order = [name for _, names in grouped for name in names]
    focus = next((name for name in in_order if (errors or {}).get(name)), None)
    for title, names in grouped:
        entries = []
        for name in names:
            entry = form_field(
                by_name[name],
                texts.get(name, ""),
                errors=(errors or {}).get(name, ()),
                choices=(choices or {}).get(name),
                search_url=(search_urls or {}).get(name),
            )
            entries.append(entry | {"autofocus": name == focus})
        if entries:
            made.append({"title": gettext(title) if title else "", "fields": entries})
    return made


def split_errors(error: InvalidInput, fields: Iterable[Field]) -> tuple[Errors, list[str]]:
    """(messages of the form's own fields, messages of anything else)."""
    names = {field.name for field in fields}
    own = {name: messages for name, messages in error.errors.items() if name in names}
    others = [m for name, messages in error.errors.items() if name not in names for m in messages]
    return own, texts(others)
