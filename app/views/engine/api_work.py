"""The calls of jobs, imports, documents and grids in the description of REST."""

from __future__ import annotations

from typing import Any, TypeVar

from flask_babel import gettext
from sqlalchemy.orm import Session

from app.database.policy import actor_of
from app.jobs.declarations import JOBS
from app.jobs.imports.report import MEDIA_TYPE
from app.metadata import registry
from app.metadata.actor import Actor
from app.metadata.declarations import Declaration, Document, Grid, Import
from app.metadata.errors import N_, Message
from app.metadata.fields import Kind
from app.metadata.query import PAGE_SIZES
from app.metadata.vocabulary import Verb
from app.models.job import JOB_STATES
from app.rules.policy import granted
from app.views.engine import api_parts as parts
from app.views.engine import api_work_schemas as schemas
from app.views.engine import grid_asked
from app.views.engine.api_schemas import Schema
from app.views.texts import text

Paths = dict[str, Any]
D = TypeVar("D", bound=Declaration)
#: statuses that an upload may be refused with
_UPLOADS = ("400", "409", "413", "415", "422")
_LOOKS, _READS = ("422",), ("404", "422")
#: a row of a grid as it is sent
_CELLS = {"rows": [{"code": "990701", "version": "eyIxNCI6IjcyLjAwIn0=", "cells": {"14": "88.00"}}]}


def paths(session: Session) -> Paths:
    """The calls that the session's actor has."""
    actor = actor_of(session)
    found: Paths = {}
    if granted(JOBS, Verb.VIEW, actor):
        found |= _jobs(any(granted(item, Verb.RUN, actor) for item in registry.declared(Import)))
    if imports := _visible(Import, actor):
        found["/import/"] = _kinds("imports", gettext("导入"), "import_kinds")
        for declaration in imports:
            found |= _import(declaration, actor)
    if documents := _visible(Document, actor):
        found["/document/"] = _kinds("documents", gettext("生成文件"), "document_kinds")
        for document in documents:
            found |= _document(document, actor)
    if any(granted(item, Verb.DOWNLOAD, actor) for item in registry.declared(Document)):
        found["/document/file/{id}"] = {"get": _download()}
    if grids := _visible(Grid, actor):
        found["/grid/"] = _kinds("grids", gettext("设置表格"), "grid_kinds")
        for grid in grids:
            found |= _grid(grid, actor)
    return found


def _visible(kind: type[D], actor: Actor) -> list[D]:
    return [item for item in registry.declared(kind) if granted(item, Verb.VIEW, actor)]


def _kinds(name: str, tag: str, schema: str) -> Paths:
    """The list of what there is of a kind."""
    said = gettext("可用的种类及填写项")
    call = {
        "operationId": f"{name}.view",
        "tags": [tag],
        "summary": said,
        "responses": {"200": parts.answered(said, parts.reference(schema))} | parts.refused(),
    }
    return {"get": call}


def _named(summary: str, declaration: Declaration) -> str:
    """“上传文件：学籍数据导入”."""
    return text(Message(N_("{label}：{message}"), label=summary, message=declaration.label))


# ---------------------------------------------------------------- jobs


def _jobs(may_import: bool) -> Paths:
    states: Schema = {"type": "string", "enum": list(JOB_STATES)}
    asked = [parts.asked("state", gettext("状态"), states), *parts.paging(PAGE_SIZES)]
    found: Paths = {
        "/job/": {"get": _job("list", gettext("列出后台任务"), "jobs", _LOOKS, parameters=asked)},
        "/job/{id}": {"get": _job("view", gettext("查看后台任务的进度和结果"), "job", parts.FOUND)},
        "/job/{id}/errors": {
            "get": _job(
                "errors",
                gettext("分页列出错误"),
                "job_errors",
                _READS,
                parameters=parts.paging(PAGE_SIZES),
            )
        },
        "/job/{id}/report": {"get": _report()},
        "/job/{id}/cancel": {"post": _handle("cancel", gettext("取消任务"))},
        "/job/{id}/retry": {"post": _handle("retry", gettext("重新执行失败或已取消的任务"))},
    }
    if may_import:
        submit = _handle("submit", gettext("提交校验通过的文件"))
        del submit["responses"]["200"]
        submit["responses"]["202"] = parts.accepted("queued")
        found["/job/{id}/submit"] = {"post": submit}
    for path, place in found.items():
        if "{id}" in path:
            place["parameters"] = [parts.key()]
    return found


def _job(
    name: str, summary: str, schema: str, refusals: tuple[str, ...], **further: Any
) -> dict[str, Any]:
    further["operationId"] = f"{JOBS.name}.{name}"
    answer = ("200", parts.reference(schema))
    return parts.call(JOBS, Verb.VIEW, summary, answer, refusals, **further)


def _handle(name: str, summary: str) -> dict[str, Any]:
    return _job(name, summary, "job", parts.WRITES, security=parts.TOKEN)


def _report() -> dict[str, Any]:
    summary = gettext("下载导入报告或导出的文件")
    call = _job("report", summary, "job", parts.FOUND)
    call["responses"]["200"] = parts.file(summary, MEDIA_TYPE)
    return call


# ---------------------------------------------------------------- imports


def _import(declaration: Import, actor: Actor) -> Paths:
    path = f"/import/{declaration.name}/"
    view = _named(gettext("可用的种类及填写项"), declaration)
    answer = ("200", parts.reference("import_kind"))
    found: Paths = {path: {"get": parts.call(declaration, Verb.VIEW, view, answer, ())}}
    summary = _named(gettext("下载模板"), declaration)
    template = parts.call(declaration, Verb.VIEW, summary, ("200", None), ())
    template["operationId"] = f"{declaration.name}.template"
    template["responses"]["200"] = parts.file(summary, MEDIA_TYPE)
    found[f"{path}template"] = {"get": template}
    if granted(declaration, Verb.RUN, actor):
        found[path]["post"] = _upload(declaration)
    return found


def _upload(declaration: Import) -> dict[str, Any]:
    schema = schemas.upload(declaration)
    example = {"file": "(xlsx)", "dry_run": True} | {
        option.name: True for option in declaration.options if option.kind is Kind.BOOLEAN
    }
    call = parts.call(
        declaration,
        Verb.RUN,
        _named(gettext("上传文件"), declaration),
        ("202", None),
        _UPLOADS,
        requestBody=parts.body(schema, example, media_type="multipart/form-data"),
    )
    call["responses"]["202"] = parts.accepted("queued")
    return call


# ---------------------------------------------------------------- documents


def _document(declaration: Document, actor: Actor) -> Paths:
    state = parts.call(
        declaration,
        Verb.VIEW,
        _named(gettext("已生成的文件"), declaration),
        ("200", parts.reference("document_state")),
        _LOOKS,
        parameters=parts.paging(PAGE_SIZES),
    )
    place = {"get": state}
    if granted(declaration, Verb.GENERATE, actor):
        first = {
            field.name: field.default
            for field in declaration.parameters
            if field.default is not None
        }
        place["post"] = parts.call(
            declaration,
            Verb.GENERATE,
            _named(gettext("生成文件"), declaration),
            ("202", None),
            ("400", "409", "415", "422"),
            requestBody=parts.body(schemas.parameters(declaration), {"values": first}),
        )
        place["post"]["responses"]["202"] = parts.accepted("queued")
    return {f"/document/{declaration.name}/": place}


def _download() -> dict[str, Any]:
    said = gettext("下载已生成的文件")
    return {
        "operationId": "documents.download",
        "tags": [gettext("生成文件")],
        "summary": said,
        "parameters": [parts.key()],
        "responses": {"200": parts.file(said, "application/octet-stream")}
        | parts.refused(*parts.FOUND),
    }


# ---------------------------------------------------------------- grids


def _grid(grid: Grid, actor: Actor) -> Paths:
    asked = [
        parts.asked("_org", gettext("下级机构代码")),
        parts.asked("_q", gettext("代码或名称")),
        *parts.paging(grid_asked.PAGE_SIZES),
    ]
    page = ("200", parts.reference("grid_page"))
    summary = _named(gettext("读取表格"), grid)
    place = {"get": parts.call(grid, Verb.VIEW, summary, page, _LOOKS, parameters=asked)}
    if granted(grid, Verb.EDIT, actor):
        place["post"] = parts.call(
            grid,
            Verb.EDIT,
            _named(gettext("修改单元格"), grid),
            ("200", parts.reference("grid_result")),
            ("400", "409", "415", "422"),
            requestBody=parts.body(schemas.cells(), _CELLS),
        )
    return {f"/grid/{grid.name}/": place}


__all__ = ["paths"]
