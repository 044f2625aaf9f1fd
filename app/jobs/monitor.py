"""Jobs as those above and beside them see them: one page of the list, the file that one left."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.database.policy import actor_of
from app.jobs import engine
from app.jobs.files import row_by_id
from app.metadata.errors import NotFound
from app.metadata.query import COUNT_BOUND, PAGE_SIZES
from app.metadata.vocabulary import Verb
from app.models.job import JobRun, JobState, StoredFile
from app.rules import audit


@dataclass(frozen=True, slots=True)
class Listed:
    """Some runs of the actor's scope, newest first. `total` counts up to COUNT_BOUND + 1."""

    rows: list[JobRun]
    total: int
    number: int
    size: int

    @property
    def bounded(self) -> bool:
        """Are there more than are counted?"""
        return self.total > COUNT_BOUND

    @property
    def counted(self) -> int:
        return min(self.total, COUNT_BOUND)


def runs(
    session: Session, *, state: str = "", number: int = 1, size: int = PAGE_SIZES[0]
) -> Listed:
    """One page of the jobs of the actor's scope, of one state where it is named. A page beyond
    the last is the last."""
    wanted = [JobRun.state == state] if state else []
    inner = select(JobRun.id).where(*wanted).limit(COUNT_BOUND + 1).subquery()
    total = session.scalar(select(func.count()).select_from(inner)) or 0
    number = min(max(number, 1), max(1, -(-total // size)))
    rows = session.scalars(
        select(JobRun)
        .where(*wanted)
        .order_by(JobRun.id.desc())
        .limit(size)
        .offset((number - 1) * size)
    )
    return Listed(list(rows), total, number, size)


def has_report(session: Session, run: JobRun) -> bool:
    """Is there a report or a workbook, and may the session's actor fetch it (`report_of`)?"""
    return run.report_file_id is not None and engine.may_handle(actor_of(session), run)


def document_of(session: Session, run: JobRun) -> int | None:
    """The key of the document that the job has made, where the session's actor may fetch it."""
    made = (run.result or {}).get("document_id")
    if run.kind != "document" or run.state != JobState.DONE.value or not made:
        return None
    return int(made) if engine.may(actor_of(session), run, Verb.DOWNLOAD) else None


def report_of(session: Session, job_id: int) -> StoredFile:
    """The report of an import or the workbook of an export, for whoever could have made it; the
    download is logged. The session must write. Raises NotFound."""
    run = engine.visible_run(session, job_id)
    if not engine.may_handle(actor_of(session), run):
        raise NotFound()
    stored = row_by_id(session, StoredFile, run.report_file_id)
    if stored is None:
        raise NotFound()
    audit.record(session, f"job.{run.kind}.download", row=run, title=run.declaration)
    return stored


__all__ = ["Listed", "document_of", "has_report", "report_of", "runs"]
