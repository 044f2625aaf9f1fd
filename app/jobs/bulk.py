"""Large operations and exports: the same rules as on the page, run by a worker."""

from __future__ import annotations

import tempfile
from typing import BinaryIO, cast

from app.database.policy import actor_of
from app.database.session import KaowuSession
from app.jobs import files
from app.jobs.engine import Work, handles
from app.jobs.exports import file_name, write_export
from app.jobs.imports.report import MEDIA_TYPE
from app.jobs.imports.rows import SHOWN_ERRORS
from app.jobs.outcome import Outcome
from app.metadata.declarations import Operation, Resource, RowOutcome
from app.metadata.errors import N_
from app.metadata.query import ListQuery
from app.rules import audit, operations
from app.rules.operations import Chosen

FOLDER_EXPORTS = "export"


@handles("operation")
def run_operation(work: Work) -> None:
    """Do it to all chosen rows in one transaction; every row's outcome is kept."""
    operation: Operation = work.declaration
    chosen = Chosen.from_json(work.parameters)

    def effect(session: KaowuSession) -> Outcome:
        report = operations.run(
            session,
            operation,
            chosen,
            work.parameters.get("values", {}),
            clock=work.clock,
            progress=work.progress,
        )
        skipped = [row for row in report.outcomes if not row.done]
        return Outcome(
            counts=((N_("完成"), report.done), (N_("跳过"), report.skipped)),
            errors=tuple(_skipped(row) for row in skipped[:SHOWN_ERRORS]),
            facts={"error_count": len(skipped), "error_rows": len(skipped)},
            progress=len(report.outcomes),
        )

    work.finish(effect)


def _skipped(row: RowOutcome) -> dict[str, object]:
    return {"sheet": "", "row": None, "column": "", "value": row.title, "message": row.reason}


@handles("export")
def run_export(work: Work) -> None:
    """Write the rows of a query to a workbook that can be downloaded for a month."""
    resource: Resource = work.declaration
    query = ListQuery.from_json(work.parameters["query"])
    actor = work.actor()
    with tempfile.TemporaryFile() as spool:
        stream = cast(BinaryIO, spool)
        with work.reading() as session:
            count = write_export(stream, session, resource, query, progress=work.progress)
        stream.seek(0)
        kept = files.store(
            work.machine,
            actor,
            stream,
            folder=FOLDER_EXPORTS,
            name=file_name(resource.label, work.clock()),
            suffix=".xlsx",
            media_type=MEDIA_TYPE,
            keep=files.KEEP_UPLOADS,
            request_id=f"job {work.order.id}",
        )

    def effect(session: KaowuSession) -> Outcome:
        name = f"{audit.area_of(resource.model)}.{resource.model.__name__.lower()}.export"
        audit.record(
            session,
            name,
            object_type=resource.model.__name__,
            title=resource.label,
            changes={
                "count": {"label": N_("条数"), "old": None, "new": count},
                "organisation": {
                    "label": N_("机构"),
                    "old": None,
                    "new": actor_of(session).organisation_code,
                },
            },
        )
        return Outcome(counts=((N_("导出"), count),), report_file_id=kept.id, progress=count)

    work.finish(effect)
