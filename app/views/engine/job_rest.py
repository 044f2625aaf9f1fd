"""REST of jobs at /api/v1/job/: how work of every kind is followed, and what its page offers.

Operations, imports, documents and exports alike.
"""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext

from app.jobs import engine, monitor
from app.jobs.declarations import JOBS
from app.jobs.imports.engine import NotSubmittable, may_submit, submit_checked
from app.jobs.outcome import message_of, remarks_of
from app.metadata import registry
from app.metadata.declarations import Import
from app.metadata.tasks import actor_label
from app.metadata.vocabulary import Verb
from app.models.job import JOB_STATES, JobRun, JobState
from app.rules.listing import BadQuery
from app.rules.policy import NoVerb, granted
from app.views import request as context
from app.views.engine.answers import verb
from app.views.engine.asked import page_and_size
from app.views.engine.downloads import send_stored
from app.views.engine.editing import ROW
from app.views.engine.jobs import label_of, machine
from app.views.engine.rest import accepted, moment, no_body
from app.views.texts import text, texts

PREFIX = "/api/v1/job"
STATE = "state"
#: errors that a job tells by itself; the others are read page by page
FIRST_ERRORS = 20


def summary_of(run: JobRun) -> dict[str, Any]:
    """A job as a list shows it."""
    return {
        "id": str(run.id),
        "address": url_for("api_job.show", row_id=run.id),
        "kind": run.kind,
        "declaration": run.declaration,
        "label": label_of(run),
        "state": run.state,
        "progress": run.progress,
        "total": run.total,
        "attempt": run.attempt,
        "actor": text(actor_label(run.actor_level, run.actor_name)),
        "organisation": run.organisation_code,
        "created_at": moment(run.created_at),
        "started_at": moment(run.started_at),
        "finished_at": moment(run.finished_at),
    }


def job_of(run: JobRun) -> dict[str, Any]:
    """A job as JSON. `errors` are the first ones; `file` leads to report, workbook or document.
    What the reader may not fetch or submit is not offered to him."""
    result = run.result or {}
    stage = result.get("stage") if run.state == JobState.RUNNING.value else None
    is_import = run.kind == "import"
    return summary_of(run) | {
        "stage": gettext(stage) if stage else None,
        "dry_run": is_import and not run.parameters.get("apply", True),
        "submittable": is_import and may_submit(context.read_session(), run),
        "error": text(remarks_of(result, run.error)[0]) if run.error else None,
        "notes": texts(remarks_of(result, None)),
        "counts": [
            {"label": gettext(item["label"]), "count": item["n"]}
            for item in result.get("counts", [])
        ],
        "error_count": result.get("error_count", 0),
        "error_rows": result.get("error_rows", 0),
        "errors": [error_of(item) for item in (run.errors or [])[:FIRST_ERRORS]],
        "file": _file(run),
    }


def _file(run: JobRun) -> str | None:
    session = context.read_session()
    if monitor.has_report(session, run):
        return url_for("api_job.report", row_id=run.id)
    made = monitor.document_of(session, run)
    return None if made is None else url_for("api_document_file.show", row_id=made)


def error_of(item: dict[str, Any]) -> dict[str, Any]:
    """One error of a job as JSON, in the reader's language."""
    shown = {name: item.get(name) for name in ("sheet", "row", "value")}
    return shown | {"column": text(item.get("column")), "message": text(message_of(item))}


class JobRest(BaseView):
    """The jobs of the actor's scope."""

    route_base = PREFIX
    class_permission_name = JOBS.name
    default_view = "index"
    declaration = JOBS

    @expose("/")
    @verb(Verb.VIEW)
    def index(self) -> Response:
        """One page of them, newest first; `state` chooses those of one state."""
        number, size = page_and_size(request.args, (STATE,))
        state = request.args.get(STATE, "")
        if state and state not in JOB_STATES:
            raise BadQuery({STATE: [state]})
        found = monitor.runs(context.read_session(), state=state, number=number, size=size)
        return jsonify(
            {
                "count": found.counted,
                "more": found.bounded,
                "page": found.number,
                "size": found.size,
                "rows": [summary_of(run) for run in found.rows],
            }
        )

    @expose(f"/{ROW}")
    @verb(Verb.VIEW)
    def show(self, row_id: int) -> Response:
        """Its state, progress, counts and first errors."""
        return self._told(row_id)

    @staticmethod
    def _told(row_id: int) -> Response:
        return jsonify(job_of(engine.visible_run(context.read_session(), row_id)))

    @expose(f"/{ROW}/errors")
    @verb(Verb.VIEW)
    def errors(self, row_id: int) -> Response:
        """One page of the errors that are kept for the screen (R38.5); all are in the report."""
        number, size = page_and_size(request.args)
        run = engine.visible_run(context.read_session(), row_id)
        kept = run.errors or []
        number = min(number, max(1, -(-len(kept) // size)))
        rows = kept[(number - 1) * size : number * size]
        return jsonify(
            {
                "count": len(kept),
                "more": (run.result or {}).get("error_count", 0) > len(kept),
                "page": number,
                "size": size,
                "rows": [error_of(item) for item in rows],
            }
        )

    @expose(f"/{ROW}/report")
    @verb(Verb.VIEW)
    def report(self, row_id: int) -> Any:
        """The report of an import or the workbook of an export; the download is logged."""
        stored = context.run(lambda session: monitor.report_of(session, row_id))
        return send_stored(machine().files, stored)

    @expose(f"/{ROW}/submit", methods=["POST"])
    @verb(Verb.VIEW)
    def submit(self, row_id: int) -> Response:
        """提交: import the file of a check that found nothing; 202 with the job that does it."""
        no_body()
        run = engine.visible_run(context.read_session(), row_id)
        declaration = registry.find(run.declaration, Import)
        if declaration is None:
            raise NotSubmittable()
        if not granted(declaration, Verb.RUN, context.actor()):
            raise NoVerb(label=declaration.label, verb=Verb.RUN.label)
        made = machine()
        return accepted(
            context.run(lambda session: submit_checked(session, made, declaration, row_id).id)
        )

    @expose(f"/{ROW}/cancel", methods=["POST"])
    @verb(Verb.VIEW)
    def cancel(self, row_id: int) -> Response:
        """Stop it: at once where it waits, at its next step where it runs."""
        no_body()
        made = machine()
        context.run(lambda session: engine.cancel(session, made, row_id))
        return self._told(row_id)

    @expose(f"/{ROW}/retry", methods=["POST"])
    @verb(Verb.VIEW)
    def retry(self, row_id: int) -> Response:
        """Queue it again, where it failed or was cancelled."""
        no_body()
        made = machine()
        context.run(lambda session: engine.retry(session, made, row_id))
        return self._told(row_id)


__all__ = ["FIRST_ERRORS", "JobRest", "error_of", "job_of", "summary_of"]
