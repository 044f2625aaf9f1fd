"""《接口说明》: the calls of REST that this administrator has, as OpenAPI and as a page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from flask import Response, current_app, jsonify, request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext

from app.metadata.errors import N_
from app.metadata.vocabulary import Verb
from app.rules.api_description import API_DESCRIPTION
from app.views import request as context
from app.views.engine import answers, api_calls
from app.views.engine.answers import verb

Context = dict[str, Any]
_METHODS = ("get", "post", "patch", "delete")
_TYPES = {
    "integer": N_("整数"),
    "boolean": "true / false",
    "array": N_("列表"),
    "object": N_("一组“名称: 值”"),
}


def document() -> Context:
    """The OpenAPI document for whoever asks."""
    return api_calls.description(
        context.read_session(),
        server=f"{request.script_root}/api/v1",
        cookie=current_app.config["SESSION_COOKIE_NAME"],
        version=version("kaowu"),
    )


class ApiDocument(BaseView):
    """The document at a stable address, for programs."""

    route_base = "/api/v1"
    class_permission_name = API_DESCRIPTION.name
    default_view = "openapi"
    declaration = API_DESCRIPTION

    @expose("/openapi.json")
    @verb(Verb.VIEW)
    def openapi(self) -> Response:
        """OpenAPI 3.1, with the calls that the matrix grants the reader and no others."""
        return jsonify(document())


class ApiPage(BaseView):
    """The same document as a page, for people."""

    route_base = "/api-description"
    class_permission_name = API_DESCRIPTION.name
    default_view = "index"
    declaration = API_DESCRIPTION

    @expose("/")
    @verb(Verb.VIEW)
    def index(self) -> Any:
        """One section per page of the product, one line per call."""
        found = document()
        return answers.page(
            "api",
            title=gettext(API_DESCRIPTION.label),
            notices=[{"text": found["info"]["description"]}],
            server=found["servers"][0]["url"],
            document_url=url_for("api_document.openapi"),
            token_header=api_calls.CSRF_HEADER,
            sections=_sections(found),
        )


def _sections(found: Mapping[str, Any]) -> list[Context]:
    """[{title, calls: [{method, path, summary, note, example, fields}]}], in order."""
    sections: dict[str, list[Context]] = {}
    for path, operations in found["paths"].items():
        for method in _METHODS:
            if method in operations:
                call = operations[method]
                sections.setdefault(call["tags"][0], []).append(
                    {
                        "method": method.upper(),
                        "path": path,
                        "summary": call["summary"],
                        "note": call.get("description", ""),
                        "example": _example(call),
                        "fields": [
                            *_parameters([*operations.get("parameters", ()), *_asked(call)]),
                            *_members(_schema(call)),
                        ],
                    }
                )
    return [{"title": title, "calls": calls} for title, calls in sections.items()]


def _asked(call: Mapping[str, Any]) -> list[Context]:
    return list(call.get("parameters", ()))


def _schema(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of the body, JSON or a form with a file; an empty one where there is none."""
    content: Mapping[str, Context] = call.get("requestBody", {}).get("content", {})
    schemas = [told["schema"] for told in content.values()]
    return schemas[0] if schemas else {}


def _example(call: Mapping[str, Any]) -> str:
    """An example of the body in one line; "" where there is none, or it is no JSON."""
    told = call.get("requestBody", {}).get("content", {}).get("application/json", {})
    return json.dumps(told["example"], ensure_ascii=False) if "example" in told else ""


def _parameters(parameters: list[Context]) -> Iterator[Context]:
    for parameter in parameters:
        yield {
            "name": parameter["name"],
            "kind": _kind(parameter["schema"]),
            "required": parameter.get("required", False),
            "text": parameter.get("description", ""),
        }


def _members(schema: Mapping[str, Any], prefix: str = "") -> Iterator[Context]:
    """The members of a body; those of an object in it follow it as “values.name”, those of the
    objects of a list as “rows[].code”."""
    required = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        yield {
            "name": prefix + name,
            "kind": _kind(member),
            "required": name in required,
            "text": member.get("description", ""),
        }
        yield from _members(member, f"{prefix}{name}.")
        yield from _members(member.get("items", {}), f"{prefix}{name}[].")


def _kind(schema: Mapping[str, Any]) -> str:
    """A word for the type: “整数”, “日期”; text where the schema says nothing else."""
    kinds = schema.get("type", "string")
    kind = next(item for item in ([kinds] if isinstance(kinds, str) else kinds) if item != "null")
    if schema.get("format") == "date":
        return str(gettext("日期"))
    if "contentMediaType" in schema:
        return str(gettext("文件"))
    return str(gettext(_TYPES.get(kind, N_("文字"))))


def register(builder: Any) -> None:
    builder.add_view_no_menu(ApiDocument, endpoint="api_document")
    builder.add_view_no_menu(ApiPage, endpoint=API_DESCRIPTION.name)
