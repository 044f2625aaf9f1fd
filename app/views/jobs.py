"""Jobs: the monitor (任务监控), one job's page that htmx polls, cancel, retry, files."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext

from app.jobs import engine, monitor
from app.jobs.declarations import JOBS
from app.jobs.imports.engine import RIGHT, may_submit
from app.jobs.outcome import message_of, remarks_of
from app.metadata import registry
from app.metadata.declarations import Document, Import
from app.metadata.errors import BRACKETED, N_
from app.metadata.query import PAGE_SIZES
from app.metadata.tasks import actor_label
from app.metadata.vocabulary import Verb
from app.models.job import JOB_KINDS, JOB_STATES, JobRun, JobState
from app.views import request as context
from app.views.engine import answers
from app.views.engine.answers import verb
from app.views.engine.downloads import send_stored
from app.views.engine.jobs import label_of, machine
from app.views.pace import pace_of
from app.views.texts import text, texts

#: as the templates call the states
SHOWN_STATES = {
    "queued": "waiting",
    "running": "running",
    "done": "done",
    "rejected": "refused",
    "failed": "failed",
    "cancelled": "cancelled",
}
_TONES = {
    "queued": "info",
    "running": "info",
    "done": "ok",
    "rejected": "bad",
    "failed": "bad",
    "cancelled": "off",
}
_ACTIVE = (JobState.QUEUED.value, JobState.RUNNING.value)
_UNITS = {"import": N_("行"), "document": N_("份")}


# ---------------------------------------------------------------- one run as templates show it


def run_context(run: JobRun) -> dict[str, Any]:
    """`Run` of kw/parts/run.html."""
    result = run.result or {}
    verdict = verdict_of(run)
    return {
        "state": SHOWN_STATES[run.state],
        "title": _title(run),
        "verdict": verdict,
        "n": run.progress,
        "total": run.total or 0,
        "unit": gettext(_UNITS.get(run.kind, N_("条"))),
        "poll_url": url_for(f"{JOBS.name}.show", row_id=run.id),
        "message": " ".join(texts(remarks_of(result, run.error))),
        "pace": pace_of(run, gettext(_UNITS.get(run.kind, N_("条")))),
        "counts": [
            {"label": gettext(item["label"]), "n": item["n"]} for item in result.get("counts", [])
        ],
        "started": run.started_at,
        "finished": run.finished_at,
        "problems": [_problem(item) for item in run.errors or []] or None,
        "problem_count": result.get("error_count", 0),
        "problem_rows": result.get("error_rows", 0),
        "actions": [*_submission(run), *actions_of(run)],
        **_files(run),
    }


def _title(run: JobRun) -> str | None:
    if run.state in _ACTIVE:
        if run.cancel_requested:
            return str(gettext("正在取消…"))
        stage = (run.result or {}).get("stage")
        return f"{gettext(stage)}…" if stage and run.state == JobState.RUNNING.value else None
    return str(gettext("导入结果") if run.kind == "import" else gettext("处理结果"))


def _submission(run: JobRun) -> list[dict[str, Any]]:
    """提交, behind a check that found nothing: the stored file is imported, no second upload."""
    if not may_submit(context.read_session(), run):
        return []
    rows = next((item["n"] for item in run.result["counts"] if item["label"] == RIGHT), 0)
    return [
        {
            "label": gettext("提交"),
            "url": url_for(f"{run.declaration}.submit", run_id=run.id),
            "kind": "post",
            "primary": True,
            "confirm": gettext("确定导入校验通过的 %(n)s 行？", n=rows),
        }
    ]


def _problem(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "sheet": item["sheet"],
        "row": item["row"] if item["row"] is not None else "",
        "column": _column(item["column"]),
        "text": item["value"],
        "message": text(message_of(item)),
    }


def _column(heading: str) -> str:
    """A heading of the file; in another language its meaning, and what stands in the file."""
    meaning = text(heading)
    return (
        meaning if meaning == heading else gettext(BRACKETED).format(name=meaning, detail=heading)
    )


def verdict_of(run: JobRun) -> dict[str, str] | None:
    """One sentence about the outcome; None while there is none."""
    if run.state in _ACTIVE:
        return None
    tone = _TONES[run.state]
    if run.kind != "import":
        return {"text": gettext(JOB_STATES[run.state]), "tone": tone}
    wrong = bool((run.result or {}).get("error_count"))
    texts = {
        "done": gettext("导入成功"),
        "rejected": gettext("未导入任何数据")
        if run.error
        else gettext("校验未通过，未导入任何数据"),
        "failed": gettext("导入没有完成，未导入任何数据"),
        "cancelled": gettext("已取消，未导入任何数据"),
    }
    if run.state == "done" and not run.parameters.get("apply", True):
        return {
            "text": gettext("校验发现错误，未导入数据")
            if wrong
            else gettext("校验通过，未导入数据"),
            "tone": "warn" if wrong else "ok",
        }
    if run.state == "done" and wrong:
        return {"text": gettext("部分导入，错误的行未导入"), "tone": "warn"}
    return {"text": texts[run.state], "tone": tone}


def actions_of(run: JobRun) -> list[dict[str, Any]]:
    """Cancel what goes on, try again what failed."""
    if not engine.may_handle(context.actor(), run):
        return []
    if run.state in _ACTIVE:
        if run.cancel_requested:
            return []
        return [
            {
                "label": gettext("取消任务"),
                "url": url_for(f"{JOBS.name}.cancel", row_id=run.id),
                "kind": "post",
                "confirm": gettext("确定取消这个任务？已处理的部分不会保留。"),
                "danger": True,
            }
        ]
    if run.state in (JobState.FAILED.value, JobState.CANCELLED.value):
        url = url_for(f"{JOBS.name}.retry", row_id=run.id)
        return [{"label": gettext("重试"), "url": url, "kind": "post"}]
    return []


def _files(run: JobRun) -> dict[str, Any]:
    """Links to what the job has left; none to what the reader may not fetch."""
    session, found = context.read_session(), {}
    if monitor.has_report(session, run):
        address = url_for(f"{JOBS.name}.file", row_id=run.id)
        found["result_url" if run.kind == "export" else "report_url"] = address
    made = monitor.document_of(session, run)
    if made is not None:
        found["result_url"] = url_for(f"{run.declaration}.download", row_id=made)
    return found


# ---------------------------------------------------------------- pages


class JobsPage(BaseView):
    """The monitor, and everything about one job."""

    route_base = "/jobs"
    endpoint = JOBS.name
    class_permission_name = JOBS.name
    default_view = "index"
    declaration = JOBS

    @expose("/")
    @verb(Verb.VIEW)
    def index(self) -> Any:
        """The jobs of the actor's scope, newest first."""
        size = request.args.get("_size", PAGE_SIZES[0], type=int)
        state = request.args.get("state", "")
        state = state if state in JOB_STATES else ""
        found = monitor.runs(
            context.read_session(),
            state=state,
            number=request.args.get("_page", 1, type=int),
            size=size if size in PAGE_SIZES else PAGE_SIZES[0],
        )
        return answers.page(
            "list",
            title=gettext(JOBS.label),
            notices=[],
            search=_search(state),
            toolbar={"refresh_url": url_for(f"{JOBS.name}.index", state=state or None)},
            table=_table(found.rows, (found.number - 1) * found.size + 1),
            paging={
                "page": found.number,
                "size": found.size,
                "total": found.counted,
                "bounded": found.bounded,
                "url_pattern": (f"?state={state}&" if state else "?") + "_page={page}&_size={size}",
            },
        )

    @expose("/<int:row_id>/")
    @verb(Verb.VIEW)
    def show(self, row_id: int) -> Any:
        """One job; htmx asks for it every second while it runs."""
        run = engine.visible_run(context.read_session(), row_id)
        back = _back(run)
        if run.kind == "import":
            return answers.page(
                "import_run", title=label_of(run), run=run_context(run), back_url=back
            )
        return answers.page(
            "job", title=label_of(run), run=run_context(run), entries=_entries(run), back_url=back
        )

    @expose("/<int:row_id>/cancel", methods=["POST"])
    @verb(Verb.VIEW)
    def cancel(self, row_id: int) -> Any:
        """Stop it."""
        made = machine()
        context.run(lambda session: engine.cancel(session, made, row_id))
        # its panel says what becomes of it; a message would stay when the job has ended
        return redirect(url_for(f"{JOBS.name}.show", row_id=row_id))

    @expose("/<int:row_id>/retry", methods=["POST"])
    @verb(Verb.VIEW)
    def retry(self, row_id: int) -> Any:
        """Queue it again."""
        made = machine()
        context.run(lambda session: engine.retry(session, made, row_id))
        return redirect(url_for(f"{JOBS.name}.show", row_id=row_id))

    @expose("/<int:row_id>/file")
    @verb(Verb.VIEW)
    def file(self, row_id: int) -> Any:
        """The report of an import or the workbook of an export, for whoever could have made it."""
        stored = context.run(lambda session: monitor.report_of(session, row_id))
        return send_stored(machine().files, stored)


def _search(state: str) -> dict[str, Any]:
    address = url_for(f"{JOBS.name}.index")
    states = [(key, gettext(label)) for key, label in JOB_STATES.items()]
    field = {"name": "state", "label": gettext("状态"), "kind": "select", "value": state}
    return {"fields": [field | {"choices": states}], "action": address, "reset_url": address}


def _table(rows: list[JobRun], first: int) -> dict[str, Any]:
    return {
        "label": gettext(JOBS.label),
        "first_number": first,
        "columns": [
            {"name": "label", "label": gettext("任务"), "sticky": True},
            {"name": "kind", "label": gettext("类型"), "align": "mid"},
            {"name": "state", "label": gettext("状态"), "align": "mid"},
            {"name": "progress", "label": gettext("进度"), "align": "num"},
            {"name": "attempt", "label": gettext("次数"), "align": "num"},
            {"name": "actor", "label": gettext("操作人")},
            {"name": "organisation", "label": gettext("机构")},
            {"name": "created", "label": gettext("提交时间")},
            {"name": "finished", "label": gettext("结束时间")},
        ],
        "rows": [_row(run) for run in rows],
        "empty_text": gettext("还没有任务"),
    }


def _row(run: JobRun) -> dict[str, Any]:
    total = "…" if run.total is None else run.total
    return {
        "id": run.id,
        "cells": {
            "label": label_of(run),
            "kind": gettext(JOB_KINDS[run.kind]),
            "state": {"text": gettext(JOB_STATES[run.state]), "tone": _TONES[run.state]},
            "progress": f"{run.progress} / {total}",
            "attempt": run.attempt,
            "actor": text(actor_label(run.actor_level, run.actor_name)),
            "organisation": run.organisation_code,
            "created": run.created_at,
            "finished": run.finished_at,
        },
        "actions": [
            {
                "label": gettext("查看"),
                "url": url_for(f"{JOBS.name}.show", row_id=run.id),
                "kind": "link",
            },
            *actions_of(run),
        ],
    }


def _entries(run: JobRun) -> list[dict[str, Any]]:
    return [
        {"label": gettext("任务编号"), "value": str(run.id)},
        {"label": gettext("操作人"), "value": text(actor_label(run.actor_level, run.actor_name))},
        {"label": gettext("提交时间"), "value": run.created_at},
        {"label": gettext("开始时间"), "value": run.started_at},
        {"label": gettext("结束时间"), "value": run.finished_at},
        {"label": gettext("尝试次数"), "value": run.attempt},
        {"label": gettext("最近心跳"), "value": run.heartbeat_at},
    ]


def _back(run: JobRun) -> str:
    """The page that the job was asked for on, or the monitor."""
    try:
        declaration = registry.get(run.declaration)
    except KeyError:
        return url_for(f"{JOBS.name}.index")
    if isinstance(declaration, (Import, Document)) or run.kind == "export":
        return url_for(f"{declaration.name}.index")
    return url_for(f"{JOBS.name}.index")


def register(builder: Any) -> None:
    """The pages of this module."""
    builder.add_view_no_menu(JobsPage, endpoint=JOBS.name)
