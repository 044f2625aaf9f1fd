"""Parts of the description of REST that all its calls share."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext

from app.metadata.declarations import Declaration
from app.metadata.vocabulary import READING, Level, Verb
from app.views.engine import api_schemas as schemas
from app.views.engine.api_schemas import Schema
from app.views.texts import joined

#: how a call that changes something is allowed: the log-in and its token
TOKEN: list[dict[str, list[str]]] = [{"cookie": [], "token": []}]
#: statuses that a call may be refused with, beside 401 and 403
FOUND = ("404",)
WRITES = ("400", "404", "409", "422")


def reference(name: str) -> Schema:
    """The schema of that name among the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def call(
    declaration: Declaration,
    verb: Verb,
    summary: str,
    answer: tuple[str, Schema | None],
    refusals: tuple[str, ...],
    **further: Any,
) -> dict[str, Any]:
    """One operation of the document. `answer` is (status, schema of the body)."""
    status, schema = answer
    found = {
        "operationId": f"{declaration.name}.{verb.value}",
        "tags": [gettext(declaration.label)],
        "summary": summary,
        "responses": {status: answered(summary, schema)} | refused(*refusals),
    }
    if verb not in READING:
        found["security"] = TOKEN
    if gated := _window(declaration, verb):
        found["description"] = gated
    return found | further


def answered(said: str, schema: Schema | None) -> dict[str, Any]:
    """An answer in JSON, or without a body."""
    if schema is None:
        return {"description": said}
    return {"description": said, "content": {"application/json": {"schema": schema}}}


def accepted(schema: str) -> dict[str, Any]:
    """202: a job does it."""
    return answered(gettext("已提交，在后台执行"), reference(schema)) | {
        "headers": {"Location": {"schema": {"type": "string"}}}
    }


def file(said: str, media_type: str) -> dict[str, Any]:
    """An answer that is a file."""
    return {"description": said, "content": {media_type: {}}}


def refused(*statuses: str) -> dict[str, Any]:
    """401 and 403, which every call may be refused with, and others."""
    return {code: {"$ref": f"#/components/responses/{code}"} for code in ("401", "403", *statuses)}


def _window(declaration: Declaration, verb: Verb) -> str:
    """In which window it can be done, where there is one."""
    if declaration.window is None or verb in READING:
        return ""
    bound = joined(gettext(level.label) for level in Level if level in declaration.binds)
    sentence: str = gettext(
        "%(levels)s须在%(window)s内操作", levels=bound, window=gettext(declaration.window.label)
    )
    return sentence


def body(
    schema: Schema, example: Any = None, *, media_type: str = "application/json"
) -> dict[str, Any]:
    """A body that has to be sent."""
    told: dict[str, Any] = {"schema": schema}
    if example is not None:
        told["example"] = example
    return {"required": True, "content": {media_type: told}}


def key() -> Schema:
    """The id in an address."""
    return {"name": "id", "in": "path", "required": True, "schema": dict(schemas.KEY)}


def asked(name: str, said: str, schema: Schema | None = None) -> Schema:
    """A parameter of an address; text where nothing else is said."""
    return {
        "name": name,
        "in": "query",
        "schema": schema or {"type": "string"},
        "description": said,
    }


def paging(sizes: tuple[int, ...]) -> list[Schema]:
    """`_page` and `_size`."""
    return [
        asked("_page", gettext("页码，从 1 起"), {"type": "integer", "minimum": 1}),
        asked(
            "_size",
            gettext("每页条数"),
            {"type": "integer", "enum": list(sizes), "default": sizes[0]},
        ),
    ]
