"""REST that only reads: statistics at /api/v1/statistic/<name>/, a job at /api/v1/job/<number>.

A job is how long work of every kind is followed: operations, imports, documents, exports.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from flask import Response, jsonify, request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext

from app.jobs import engine as job_engine
from app.jobs.declarations import JOBS
from app.jobs.outcome import message_of, remarks_of
from app.metadata.declarations import Statistic, StatisticTable
from app.metadata.text import LOCAL_ZONE
from app.metadata.vocabulary import Verb
from app.models.job import JobRun
from app.rules import listing
from app.rules.statistics import engine
from app.views import request as context
from app.views.engine.answers import verb
from app.views.engine.resource import ROW
from app.views.texts import text, texts

STATISTIC_PREFIX = "/api/v1/statistic"
JOB_PREFIX = "/api/v1/job"
ORGANISATION = "_org"


def moment(value: dt.datetime | None) -> str | None:
    """Local time, as the forms write it."""
    return None if value is None else value.astimezone(LOCAL_ZONE).strftime("%Y-%m-%d %H:%M:%S")


def table_of(table: StatisticTable) -> dict[str, Any]:
    """A statistic as JSON. Cells stand in the order of `columns`; null where there is no value."""
    return {
        "computed_at": moment(table.computed_at),
        "row_label": text(table.row_label),
        "columns": [
            {"group": text(group.label), "label": text(label)}
            for group, label in engine.leaves(table.groups)
        ],
        "rows": [{"label": text(label), "cells": _cells(cells)} for label, cells in table.rows],
        "total": _cells(table.total) if table.total else None,
        "notes": texts(table.notes),
    }


def _cells(cells: list[Any]) -> list[Any]:
    plain = [engine.value_of(cell) for cell in cells]
    return [text(value) if isinstance(value, str) else value for value in plain]


class StatisticRest(BaseView):
    """Base of the generated views; `statistic_rest` makes one per declaration."""

    declaration: ClassVar[Statistic]

    @expose("/")
    @verb(Verb.VIEW)
    def index(self) -> Response:
        """The whole table; filters by their names, `_org` narrows to an organisation."""
        known = {field.name for field in self.declaration.filters}
        if unknown := sorted(set(request.args) - known - {ORGANISATION}):
            raise listing.BadQuery({name: [name] for name in unknown})
        table = engine.compute(
            context.read_session(),
            self.declaration,
            organisation=request.args.get(ORGANISATION, "")[:10],
            values={name: value for name, value in request.args.items() if name in known},
            clock=context.clock(),
        )
        return jsonify(table_of(table))


def statistic_rest(statistic: Statistic) -> type[StatisticRest]:
    """The view class of a statistic's REST; its endpoint is `api_<name>`."""
    return type(
        f"{statistic.name.title().replace('_', '')}Rest",
        (StatisticRest,),
        {
            "declaration": statistic,
            "route_base": f"{STATISTIC_PREFIX}/{statistic.name}",
            "class_permission_name": statistic.name,
            "default_view": "index",
            "__doc__": f"REST of the statistic {statistic.name}.",
        },
    )


def job_of(run: JobRun) -> dict[str, Any]:
    """A job as JSON. `errors` are the first ones; `file` leads to the report or workbook."""
    result = run.result or {}
    has_file = run.report_file_id is not None
    return {
        "id": str(run.id),
        "kind": run.kind,
        "declaration": run.declaration,
        "state": run.state,
        "progress": run.progress,
        "total": run.total,
        "created_at": moment(run.created_at),
        "started_at": moment(run.started_at),
        "finished_at": moment(run.finished_at),
        "error": " ".join(texts(remarks_of(result, run.error))) if run.error else None,
        "counts": [
            {"label": gettext(item["label"]), "count": item["n"]}
            for item in result.get("counts", [])
        ],
        "error_count": result.get("error_count", 0),
        "errors": [error_of(item) for item in run.errors or []],
        "file": url_for(f"{JOBS.name}.file", row_id=run.id) if has_file else None,
    }


def error_of(item: dict[str, Any]) -> dict[str, Any]:
    """One error of a job as JSON, in the reader's language."""
    shown = {name: item.get(name) for name in ("sheet", "row", "column", "value")}
    return shown | {"message": text(message_of(item))}


class JobRest(BaseView):
    """One job of the actor's scope."""

    route_base = JOB_PREFIX
    class_permission_name = JOBS.name
    default_view = "show"
    declaration = JOBS

    @expose(f"/{ROW}")
    @verb(Verb.VIEW)
    def show(self, row_id: int) -> Response:
        """Its state, progress, counts and first errors."""
        return jsonify(job_of(job_engine.visible_run(context.read_session(), row_id)))
