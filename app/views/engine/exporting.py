"""Export of a list: small ones are streamed at once, large ones become a job."""

from __future__ import annotations

import tempfile
from typing import Any

from flask import request, send_file, url_for
from flask_babel import gettext
from sqlalchemy import func, select

from app.jobs.exports import file_name, write_export
from app.metadata.declarations import Resource
from app.metadata.errors import N_
from app.metadata.query import ListQuery
from app.rules import audit, listing
from app.views import request as context
from app.views.engine import answers, jobs
from app.views.engine.asked import Asked

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: more rows than this are written by a worker
INLINE_ROWS = 20_000


def export(resource: Resource, wanted: Asked) -> Any:
    """The workbook, or the question whether a job shall make it, or (POST) the job's page."""
    session = context.read_session()
    statement = listing.statement_for(session, resource, wanted.query)
    ids = statement.with_only_columns(resource.model.id).limit(INLINE_ROWS + 1).subquery()
    count = session.scalar(select(func.count()).select_from(ids)) or 0
    if count > INLINE_ROWS:
        return _later(resource, wanted)
    _log(resource, wanted.query, count)
    stream = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the answer
    try:
        write_export(stream, context.read_session(), resource, wanted.query, translate=gettext)
    except BaseException:
        stream.close()
        raise
    stream.seek(0)
    name = file_name(gettext(resource.label), context.clock()())
    return send_file(stream, mimetype=XLSX, as_attachment=True, download_name=name, max_age=0)


def _later(resource: Resource, wanted: Asked) -> Any:
    if request.method == "POST":
        run = jobs.enqueue("export", resource, {"query": listing.kept(wanted.query).to_json()})
        return answers.saved(gettext("已提交，正在后台生成"), run, follow=True)
    address = url_for(f"{resource.name}.export") + wanted.address(_size=None)
    form = {
        "action": address,
        "submit_label": gettext("后台生成"),
        "cancel_url": url_for(f"{resource.name}.index"),
    }
    text = gettext("查询结果超过 %(count)s 条，将在后台生成文件，完成后可下载。", count=INLINE_ROWS)
    return answers.page("confirm", title=gettext("导出查询结果"), text=text, form=form)


def _log(resource: Resource, query: ListQuery, count: int) -> None:
    """Exports leave an entry of their own; the filters may be personal, so only their names."""
    name = f"{audit.area_of(resource.model)}.{resource.model.__name__.lower()}.export"
    asked_for = "、".join(sorted(query.filters)) or None
    changes: audit.Changes = {
        "count": {"label": N_("条数"), "old": None, "new": count},
        "filters": {"label": N_("查询条件"), "old": None, "new": asked_for},
    }
    context.run(
        lambda session: audit.record(
            session,
            name,
            object_type=resource.model.__name__,
            title=resource.label,
            changes=changes,
        )
    )


__all__ = ["INLINE_ROWS", "XLSX", "export"]
