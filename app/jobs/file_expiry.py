"""Files whose time is over: uploads, reports, replaced documents, and what a dead job left."""

from __future__ import annotations

from functools import partial

from sqlalchemy import delete, select, update

from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.jobs.ledger import BOOKKEEPING
from app.jobs.machine import Machine
from app.models.job import DocumentFile, JobRun, StoredFile

_BATCH = 200


def delete_expired_files(machine: Machine) -> int:
    """Delete files past their `expires_at`, the row first: a crash in between leaves a file that
    nobody can reach, never a row without its file. Returns how many."""
    now = machine.clock()
    with reading(machine.factory, BOOKKEEPING) as session:
        found = session.execute(
            select(StoredFile.id, StoredFile.key).where(StoredFile.expires_at < now).limit(_BATCH)
        ).all()
    for file_id, key in found:
        run_unit(machine.factory, BOOKKEEPING, partial(_forget, file_id))
        machine.files.delete(key)
    return len(found)


def _forget(file_id: int, session: KaowuSession) -> None:
    """Delete a file's row and whatever points to it."""
    silent = {"synchronize_session": False}
    for column in (JobRun.source_file_id, JobRun.report_file_id):
        session.execute(
            update(JobRun)
            .where(column == file_id)
            .values({column.key: None})
            .execution_options(**silent)
        )
    for statement in (
        delete(DocumentFile).where(DocumentFile.file_id == file_id),
        delete(StoredFile).where(StoredFile.id == file_id),
    ):
        session.execute(statement.execution_options(**silent))
