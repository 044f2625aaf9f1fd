"""The description of REST (OpenAPI 3.1), made from the registry: only what the actor may call."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from sqlalchemy.orm import Session

from app.database.policy import actor_of
from app.metadata import registry
from app.metadata.actor import Actor
from app.metadata.declarations import On, Operation, Resource, Statistic
from app.metadata.errors import N_, Message
from app.metadata.fields import Kind
from app.metadata.vocabulary import Verb
from app.rules import availability, operations
from app.rules.policy import granted
from app.views.engine import api_parts as parts
from app.views.engine import api_schemas as schemas
from app.views.engine import api_work, api_work_schemas
from app.views.engine.api_schemas import Schema
from app.views.engine.operation_rest import MOST_IDS
from app.views.engine.rest import CONFIRM
from app.views.engine.statistic_rest import ORGANISATION
from app.views.texts import text

VERSION = "3.1.0"
CSRF_HEADER = "X-CSRFToken"
INTRODUCTION = N_(
    "与页面使用同一套权限、操作时间和校验。编号为文字，金额以元为单位，时间为北京时间。"
    "读取的内容可以原样提交，未列出的项目一律拒绝。"
)


def description(session: Session, *, server: str, cookie: str, version: str) -> dict[str, Any]:
    """The whole document for the session's actor. `server` is the address of /api/v1 in a session
    of the exam, `cookie` the name of the log-in's cookie, `version` that of the product."""
    actor = actor_of(session)
    paths: dict[str, Any] = {}
    rows: dict[str, Schema] = {}
    for resource in registry.declared(Resource):
        if resource.api and (found := _resource(resource, actor)):
            paths |= found
            rows[resource.name] = schemas.row_of(resource)
    for operation in registry.declared(Operation):
        if callable_now(session, operation):
            paths[f"/operation/{operation.name}/"] = {"post": _operation(session, operation)}
    for statistic in registry.declared(Statistic):
        if granted(statistic, Verb.VIEW, actor):
            paths[f"/statistic/{statistic.name}/"] = {"get": _statistic(statistic)}
    paths |= api_work.paths(session)
    return {
        "openapi": VERSION,
        "info": {
            "title": gettext("考务管理系统接口"),
            "version": version,
            "description": gettext(INTRODUCTION),
        },
        "servers": [{"url": server}],
        "security": [{"cookie": []}],
        "paths": paths,
        "components": _components(cookie) | {"schemas": _schemas() | rows},
    }


def _schemas() -> dict[str, Schema]:
    return {
        "error": schemas.error(),
        "report": schemas.report(),
        "accepted": schemas.accepted(),
        "table": schemas.table(),
    } | api_work_schemas.components()


def _components(cookie: str) -> dict[str, Any]:
    return {
        "responses": _responses(),
        "securitySchemes": {
            "cookie": {"type": "apiKey", "in": "cookie", "name": cookie},
            "token": {"type": "apiKey", "in": "header", "name": CSRF_HEADER},
        },
    }


def callable_now(session: Session, operation: Operation) -> bool:
    """May the actor call the operation over REST? Not what asks for a password or a file."""
    return (
        granted(operation, Verb.RUN, actor_of(session))
        and not operation.reauthenticate
        and not operations.takes_file(operation, session)
    )


def _responses() -> dict[str, Any]:
    texts = {
        "400": gettext("请求无效，或 X-CSRFToken 不正确"),
        "401": gettext("没有登录"),
        "403": gettext("没有权限，或不在操作时间内"),
        "404": gettext("没有该记录，或不在管辖范围内"),
        "409": gettext("记录或查询结果已变化，或记录已被使用"),
        "413": gettext("上传的文件过大。"),
        "415": gettext("请求内容的格式不正确"),
        "422": gettext("内容有误，errors 列出每一项的原因"),
    }
    body = {"application/json": {"schema": schemas.ERROR}}
    return {code: {"description": text, "content": body} for code, text in texts.items()}


# ---------------------------------------------------------------- calls

#: where a verb of a resource is called
_PLACES = {
    Verb.LIST: ("/", "get"),
    Verb.ADD: ("/", "post"),
    Verb.SHOW: ("/{id}", "get"),
    Verb.EDIT: ("/{id}", "patch"),
    Verb.DELETE: ("/{id}", "delete"),
}


def _resource(resource: Resource, actor: Actor) -> dict[str, Any]:
    """The paths of a resource with the calls that the actor has."""
    paths: dict[str, Any] = {}
    for verb, (tail, method) in _PLACES.items():
        if granted(resource, verb, actor):
            start: dict[str, Any] = {"parameters": [parts.key()]} if tail == "/{id}" else {}
            path = paths.setdefault(f"/{resource.name}{tail}", start)
            path[method] = _row_call(resource, verb, actor)
    return paths


def _row_call(resource: Resource, verb: Verb, actor: Actor) -> dict[str, Any]:
    noun = resource.noun or resource.label
    summary = text(Message(N_("{verb}{noun}"), verb=verb.label, noun=noun))
    row = parts.reference(resource.name)
    if verb is Verb.LIST:
        asked = schemas.conditions(resource)
        answer: tuple[str, Schema | None] = ("200", schemas.page_of(resource))
        return parts.call(resource, verb, summary, answer, ("404", "422"), parameters=asked)
    if verb is Verb.SHOW:
        return parts.call(resource, verb, summary, ("200", row), parts.FOUND)
    if verb is Verb.DELETE:
        confirm = {"name": CONFIRM, "in": "query", "schema": schemas.confirmation()}
        return parts.call(
            resource, verb, summary, ("204", None), parts.WRITES, parameters=[confirm]
        )
    body = parts.body(schemas.form_of(resource, verb, actor))
    status = "201" if verb is Verb.ADD else "200"
    return parts.call(resource, verb, summary, (status, row), parts.WRITES, requestBody=body)


def _operation(session: Session, operation: Operation) -> dict[str, Any]:
    resource = operations.resource_of(operation)
    label = gettext(operation.label)
    call = parts.call(
        operation,
        Verb.RUN,
        f"{gettext(resource.label)}{gettext('：')}{label}",
        ("200", parts.reference("report")),
        parts.WRITES,
        requestBody=parts.body(_order(session, operation, resource)),
    )
    call["responses"]["202"] = parts.accepted("accepted")
    limits = [call.pop("description", "")]
    if operation.limit is not None:
        limits.append(gettext("一次最多处理 %(n)s 条", n=operation.limit))
    if said := gettext("；").join(filter(None, limits)):
        call["description"] = said
    return call


def _order(session: Session, operation: Operation, resource: Resource) -> Schema:
    """The body of an operation. Its form may depend on the data; what is not used here has none."""
    unused = availability.reason_for(session, resource.name, actor_of(session)) is not None
    fields = operation.fields if unused else operations.fields_of(operation, session)
    values = schemas.values_of(operation, fields)
    properties: dict[str, Schema] = {"values": values}
    required = ["values"] if values.get("required") else []
    if operation.on & {On.ROW, On.SELECTION}:
        properties["ids"] = {
            "type": "array",
            "items": dict(schemas.KEY),
            "maxItems": MOST_IDS,
            "description": gettext("记录编号"),
        }
    if On.QUERY in operation.on:
        properties["query"] = schemas.query_of(resource)
    if operation.reason_required:
        said = gettext("操作原因")
        properties["reason"] = {"type": "string", "maxLength": 200, "description": said}
        required.append("reason")
    tried = gettext("只试运行，不保存")
    properties["dry_run"] = {"type": "boolean", "default": False, "description": tried}
    properties[CONFIRM] = schemas.confirmation()
    return schemas.members(properties, required)


def _statistic(statistic: Statistic) -> dict[str, Any]:
    parameters = [
        parts.asked(
            field.name,
            gettext(field.label),
            schemas.constant("boolean" if field.kind is Kind.BOOLEAN else "string"),
        )
        for field in statistic.filters
    ]
    organisation = parts.asked(ORGANISATION, gettext("下级机构代码"))
    return parts.call(
        statistic,
        Verb.VIEW,
        gettext(statistic.label),
        ("200", parts.reference("table")),
        ("404", "422"),
        parameters=[*parameters, organisation],
    )
