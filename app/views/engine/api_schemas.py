"""JSON schemas (2020-12, as OpenAPI 3.1 uses them) of what REST takes and gives, from metadata."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask_babel import gettext

from app.metadata.actor import Actor
from app.metadata.declarations import Operation, Resource
from app.metadata.fields import Computed, Field, Kind, Search, fields_of
from app.metadata.query import PAGE_SIZES
from app.metadata.vocabulary import Verb
from app.rules import crud, listing
from app.views.engine.asked import UNTIL
from app.views.engine.rest import CONFIRM

Schema = dict[str, Any]
KEY: Schema = {"type": "string", "pattern": r"^\d{1,19}$"}
ERROR = {"$ref": "#/components/schemas/error"}
MONEY = r"^-?\d+(\.\d{1,2})?$"
MOMENT = r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}(:\d{2})?$"
CLOCK = r"^\d{2}:\d{2}(:\d{2})?$"
_KINDS: dict[Kind, Schema] = {
    Kind.INTEGER: {"type": "integer"},
    Kind.MONEY: {"type": "string", "pattern": MONEY},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.DATE: {"type": "string", "format": "date"},
    Kind.DATETIME: {"type": "string", "pattern": MOMENT},
    Kind.TIME: {"type": "string", "pattern": CLOCK},
}


def constant(value: Any) -> Schema:
    """A schema of one type, for short."""
    return {"type": value}


def members(properties: dict[str, Schema], required: Iterable[str] = ()) -> Schema:
    """An object with these members and no others."""
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if names := sorted(required):
        found["required"] = names
    return found


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    found = dict(schema)
    if "type" in found:
        found["type"] = [found["type"], "null"]
    if "enum" in found:
        found["enum"] = [*found["enum"], None]
    return found


def _said(field: Field | Computed) -> str:
    """The label, the help, and what the codes of a choice mean."""
    parts = [gettext(field.label)]
    if isinstance(field, Field):
        if field.help:
            parts.append(gettext(field.help))
        if field.choices and field.kind is not Kind.BOOLEAN:
            words = (f"{code}={gettext(label)}" for code, label in field.choices.items())
            parts.append(gettext("取值：") + " ".join(words))
    return " ".join(map(str, parts))


def given(field: Field) -> Schema:
    """What a field of a form takes. Living choices are not listed: they may be many, or people."""
    schema: Schema = dict(_KINDS.get(field.kind, constant("string")))
    if field.kind is Kind.INTEGER:
        bounds = {"minimum": field.minimum, "maximum": field.maximum}
        schema |= {name: value for name, value in bounds.items() if value is not None}
    elif field.kind is Kind.CHOICES:
        schema = {"type": "array", "items": _choice(field)}
    elif field.kind is Kind.CHOICE:
        schema = _choice(field)
    elif field.max_length and schema == constant("string"):
        schema["maxLength"] = field.max_length
    if not field.required:
        schema = nullable(schema)
    return schema | {"description": _said(field)}


def _choice(field: Field) -> Schema:
    choices = list(field.choices or ())
    return constant("string") | ({"enum": choices} if choices else {})


def shown(column: Field | Computed) -> Schema:
    """What a row shows of a column. A computed one may be anything; what is masked is text."""
    said = {"description": _said(column), "readOnly": True}
    if column.mask is not None:
        return {"type": ["string", "null"]} | said
    if isinstance(column, Computed):
        return said
    schema: Schema = dict(_KINDS.get(column.kind, constant("string")))
    if column.kind is Kind.CHOICES:
        schema = {"type": "array", "items": constant("string")}
    elif column.kind is Kind.CHOICE and column.stored_as_number:
        schema = constant("integer")
    return nullable(schema) | said


def row_of(resource: Resource) -> Schema:
    """A row as REST gives it out."""
    columns: list[Any] = [f for f in fields_of(resource.model).values() if f.shown]
    columns += [column for column in resource.computed if column.shown]
    properties = {"id": dict(KEY), "version": constant("integer")}
    if not hasattr(resource.model, "version"):
        del properties["version"]
    required = list(properties)
    properties |= {column.name: shown(column) for column in columns}
    return members(properties, required)


def form_of(resource: Resource, verb: Verb, actor: Actor) -> Schema:
    """The body that adds a row or changes one, as this actor may send it."""
    fields = [f for f in crud.form_fields(resource, verb, actor) if f.kind is not Kind.FILE]
    properties = {field.name: given(field) for field in fields}
    required = [field.name for field in fields if field.required]
    properties[CONFIRM] = confirmation()
    if verb is Verb.EDIT:
        required = []
        if hasattr(resource.model, "version"):
            said = gettext("读取该记录时的 version")
            properties["version"] = constant("integer") | {"description": said}
            required = ["version"]
    return members(properties, required)


def confirmation() -> Schema:
    """The member that confirms the effects of a change on what exists."""
    said = gettext("影响已有数据时以 409 列出影响（effects），确认后填 true 或返回的 confirm")
    return {"type": ["boolean", "string"], "description": said}


def page_of(resource: Resource) -> Schema:
    """One page of rows."""
    row = {"$ref": f"#/components/schemas/{resource.name}"}
    properties: dict[str, Schema] = {
        "count": constant("integer"),
        "more": constant("boolean"),
        "page": constant("integer"),
        "size": constant("integer"),
        "rows": {"type": "array", "items": row},
    }
    return members(properties, properties)


# ---------------------------------------------------------------- parameters of lists


def _parameter(name: str, schema: Schema, text: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": text}


def conditions(resource: Resource) -> list[Schema]:
    """The query parameters of a list."""
    found = []
    for field in listing.searches_of(resource):
        label = gettext(field.label)
        if field.search is Search.RANGE:
            found.append(_parameter(field.name, constant("string"), label + gettext("（起）")))
            found.append(
                _parameter(f"{field.name}{UNTIL}", constant("string"), label + gettext("（止）"))
            )
        else:
            found.append(_parameter(field.name, constant("string"), _said(field)))
    names = [f.name for f in fields_of(resource.model).values() if listing.is_sortable(resource, f)]
    order = [*names, *(f"-{name}" for name in names)]
    sizes = {"type": "integer", "enum": list(PAGE_SIZES), "default": PAGE_SIZES[0]}
    return [
        *found,
        _parameter("_page", {"type": "integer", "minimum": 1}, gettext("页码，从 1 起")),
        _parameter("_size", sizes, gettext("每页条数")),
        _parameter(
            "_order", {"type": "string", "enum": order}, gettext("排序字段，前面加 - 为倒序")
        ),
        _parameter("_org", constant("string"), gettext("下级机构代码")),
    ]


# ---------------------------------------------------------------- operations, statistics


def query_of(resource: Resource) -> Schema:
    """All results of a query: its conditions, and the count that was confirmed."""
    searches = {}
    for field in listing.searches_of(resource):
        said = _said(field)
        if field.search is Search.RANGE:
            said += gettext("（起..止）")
        searches[field.name] = constant("string") | {"description": said}
    whole = gettext("查询条件，不填为全部")
    below = gettext("下级机构代码")
    counted = gettext("试运行时返回的条数，正式提交时必填")
    bound = gettext("试运行时返回的上界，之后新增的记录不处理")
    return members(
        {
            "filters": members(searches) | {"description": whole},
            "organisation": constant("string") | {"description": below},
            "expected": {"type": "integer", "minimum": 0, "description": counted},
            "high_water": KEY | {"description": bound},
        }
    ) | {"description": gettext("查询结果的全部记录，与 ids 二选一")}


def values_of(operation: Operation, fields: Iterable[Field]) -> Schema:
    """The values of an operation's form, as the actor may send them now."""
    known = [field for field in fields if not field.name.startswith("_")]
    required = [f.name for f in known if f.required and f.default is None]
    found = members({field.name: given(field) for field in known}, required)
    return found | {"description": gettext("填写项")}


def report() -> Schema:
    """What became of every row."""
    row = members(
        {
            "id": dict(KEY),
            "title": constant("string"),
            "done": constant("boolean"),
            "reason": constant("string"),
        },
        ("id", "title", "done", "reason"),
    )
    properties: dict[str, Schema] = {
        "dry_run": constant("boolean"),
        "chosen": constant("integer"),
        "done": constant("integer"),
        "skipped": constant("integer"),
        "rows": {"type": "array", "items": row},
        "more": constant("boolean"),
    }
    further = {"job": constant("boolean"), "query": constant("object")}
    return members(properties | further, properties)


def accepted() -> Schema:
    """Where a long run is followed."""
    properties = {"job": dict(KEY), "address": constant("string"), "chosen": constant("integer")}
    return members(properties, properties)


def error() -> Schema:
    """A refusal: a stable code, a sentence, the messages of single fields, or the effects that
    want to be confirmed."""
    messages = {"type": "array", "items": constant("string")}
    return {
        "type": "object",
        "properties": {
            "code": constant("string"),
            "message": constant("string"),
            "errors": {"type": "object", "additionalProperties": messages},
            "effects": messages,
            CONFIRM: constant("string"),
        },
        "required": ["code", "message"],
    }


def table() -> Schema:
    """A statistic."""
    text, cells = constant("string"), {"type": "array"}
    properties: dict[str, Schema] = {
        "computed_at": nullable(_KINDS[Kind.DATETIME]),
        "row_label": text,
        "columns": {
            "type": "array",
            "items": members({"group": text, "label": text}, ("group", "label")),
        },
        "rows": {
            "type": "array",
            "items": members({"label": text, "cells": cells}, ("label", "cells")),
        },
        "total": nullable(cells),
        "notes": {"type": "array", "items": text},
    }
    return members(properties, properties)
