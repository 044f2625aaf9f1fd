"""JSON schemas of jobs, imports, documents and grids over REST."""

from __future__ import annotations

from flask_babel import gettext

from app.metadata.declarations import Document, Import
from app.models.job import JOB_KINDS, JOB_STATES
from app.views.engine.api_parts import reference
from app.views.engine.api_schemas import (
    KEY,
    MOMENT,
    Schema,
    confirmation,
    constant,
    given,
    members,
    nullable,
)
from app.views.engine.grid_body import MOST_ROWS

_TEXT, _NUMBER, _FLAG = constant("string"), constant("integer"), constant("boolean")
_MOMENT = nullable({"type": "string", "pattern": MOMENT})
_CELL: Schema = {"type": ["string", "number", "boolean", "null"]}
_BINARY = "application/octet-stream"


def components() -> dict[str, Schema]:
    """All of them by their names in the document."""
    return {
        "queued": _all({"job": dict(KEY), "address": _TEXT}),
        "job": _job(),
        "jobs": _page(_all(_summary())),
        "job_errors": _page(_job_error()),
        "field": _field(),
        "import_kind": _import_kind(),
        "import_kinds": _rows(reference("import_kind")),
        "document_kind": _all(_document_kind()),
        "document_kinds": _rows(reference("document_kind")),
        "document_state": _document_state(),
        "grid_kinds": _rows(_all(_kind())),
        "grid_page": _grid_page(),
        "grid_result": _grid_result(),
    }


def _all(properties: dict[str, Schema]) -> Schema:
    """An object that has all of these."""
    return members(properties, properties)


def _many(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _rows(items: Schema) -> Schema:
    return _all({"rows": _many(items)})


def _page(items: Schema) -> Schema:
    return _all(
        {
            "count": _NUMBER,
            "more": _FLAG,
            "page": _NUMBER,
            "size": _NUMBER,
            "rows": _many(items),
        }
    )


def _said(schema: Schema, text: str) -> Schema:
    return schema | {"description": text}


# ---------------------------------------------------------------- jobs


def _summary() -> dict[str, Schema]:
    return {
        "id": dict(KEY),
        "address": _TEXT,
        "kind": {"type": "string", "enum": list(JOB_KINDS)},
        "declaration": _TEXT,
        "label": _TEXT,
        "state": {"type": "string", "enum": list(JOB_STATES)},
        "progress": _NUMBER,
        "total": nullable(_NUMBER),
        "attempt": _NUMBER,
        "actor": _TEXT,
        "organisation": _TEXT,
        "created_at": _MOMENT,
        "started_at": _MOMENT,
        "finished_at": _MOMENT,
    }


def _job() -> Schema:
    return _all(
        _summary()
        | {
            "stage": nullable(_TEXT),
            "dry_run": _FLAG,
            "submittable": _FLAG,
            "error": nullable(_TEXT),
            "notes": _many(_TEXT),
            "counts": _many(_all({"label": _TEXT, "count": _NUMBER})),
            "error_count": _NUMBER,
            "error_rows": _NUMBER,
            "errors": _many(_job_error()),
            "file": nullable(_TEXT),
        }
    )


def _job_error() -> Schema:
    row = nullable(_NUMBER)
    return _all({"sheet": _TEXT, "row": row, "column": _TEXT, "value": _TEXT, "message": _TEXT})


# ---------------------------------------------------------------- kinds and their fields


def _kind() -> dict[str, Schema]:
    now = gettext("当前不能操作的原因，可以操作时为 null")
    return {
        "name": _TEXT,
        "label": _TEXT,
        "help": _TEXT,
        "address": _TEXT,
        "refusal": _said(nullable(_TEXT), now),
    }


def _field_members() -> dict[str, Schema]:
    choices = nullable({"type": "object", "additionalProperties": _TEXT})
    return {
        "name": _TEXT,
        "label": _TEXT,
        "kind": _TEXT,
        "required": _FLAG,
        "help": _TEXT,
        "choices": _said(choices, gettext("代码和名称")),
    }


def _field() -> Schema:
    return _all(_field_members())


def _import_kind() -> Schema:
    heading = gettext("文件中的列标题")
    return _all(
        _kind()
        | {
            "template": _TEXT,
            "formats": _many(_TEXT),
            "most_rows": _NUMBER,
            "most_bytes": _NUMBER,
            "atomic": _said(_FLAG, gettext("任一行有错时全部不导入")),
            "sheet": _said(_TEXT, gettext("文件中工作表的名称")),
            "columns": _many(_all({"heading": _said(_TEXT, heading)} | _field_members())),
            "options": _many(reference("field")),
        }
    )


def upload(declaration: Import) -> Schema:
    """The parts of a request that brings a file."""
    file = gettext("导入文件")
    properties: dict[str, Schema] = {
        "file": {"type": "string", "contentMediaType": _BINARY, "description": file}
    }
    properties |= {option.name: given(option) for option in declaration.options}
    properties["dry_run"] = _said(_FLAG, gettext("只校验，不导入"))
    properties["again"] = _said(_FLAG, gettext("同一文件已导入过时仍然导入"))
    required = [option.name for option in declaration.options if option.required]
    return members(properties, ["file", *required])


# ---------------------------------------------------------------- documents


def _document_kind() -> dict[str, Schema]:
    return _kind() | {"media_type": _TEXT, "parameters": _many(reference("field"))}


def _document_state() -> Schema:
    summary = _all(_summary())
    stale = gettext("生成后数据有变化；null 为未检查")
    row = _all(
        {
            "id": dict(KEY),
            "address": _TEXT,
            "name": _TEXT,
            "size": _NUMBER,
            "sha256": _TEXT,
            "values": constant("object"),
            "organisation": _TEXT,
            "organisation_name": _TEXT,
            "created_at": _MOMENT,
            "stale": _said(nullable(_FLAG), stale),
        }
    )
    return _all(
        _document_kind()
        | {
            "running": _many(summary),
            "failed": {"anyOf": [summary, {"type": "null"}]},
            "count": _NUMBER,
            "page": _NUMBER,
            "size": _NUMBER,
            "rows": _many(row),
        }
    )


def parameters(declaration: Document) -> Schema:
    """The body that asks for a document; a parameter that is left out keeps its first value."""
    properties = {field.name: given(field) for field in declaration.parameters}
    required = [
        field.name for field in declaration.parameters if field.required and field.default is None
    ]
    values = _said(members(properties, required), gettext("填写项"))
    return members({"values": values}, ["values"] if required else [])


# ---------------------------------------------------------------- grids


def _grid_page() -> Schema:
    words: Schema = {"type": "object", "additionalProperties": _TEXT}
    column = _all(
        _field_members() | {"group": _TEXT, "editable": _FLAG, "unset": _TEXT, "words": words}
    )
    cell = _all({"value": _CELL, "editable": _FLAG, "locked": _TEXT, "note": _TEXT})
    row = _all(
        {
            "code": _TEXT,
            "name": _TEXT,
            "version": _TEXT,
            "cells": {"type": "object", "additionalProperties": cell},
        }
    )
    return _all(
        _kind()
        | {
            "notices": _many(_TEXT),
            "columns": _many(column),
            "count": _NUMBER,
            "page": _NUMBER,
            "size": _NUMBER,
            "rows": _many(row),
        }
    )


def cells() -> Schema:
    """The body that saves cells."""
    row = _all(
        {
            "code": _said({"type": "string", "maxLength": 10}, gettext("考点代码")),
            "version": _said(_TEXT, gettext("读取该行时的 version")),
            "cells": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": _CELL,
                "description": gettext("要修改的单元格：列的 name 和新值"),
            },
        }
    )
    tried = gettext("只试运行，不保存")
    return members(
        {
            "rows": _many(row) | {"minItems": 1, "maxItems": MOST_ROWS},
            "dry_run": {"type": "boolean", "default": False, "description": tried},
            "confirm": confirmation(),
        },
        ["rows"],
    )


def _grid_result() -> Schema:
    change = _all({"code": _TEXT, "column": _TEXT, "before": _CELL, "after": _CELL})
    return _all(
        {
            "dry_run": _FLAG,
            "sites": _NUMBER,
            "cells": _NUMBER,
            "changes": _many(change),
            "effects": _many(_TEXT),
            "confirm": _TEXT,
        }
    )


__all__ = ["cells", "components", "parameters", "upload"]
