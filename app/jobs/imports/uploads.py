"""Uploads: looked at, kept, and asked to be imported – at once, or checked first (校验) and then
submitted (提交) from the very file that was checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.adapters.files import FileMissing
from app.database.policy import actor_of
from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.jobs import engine, files
from app.jobs.imports.container import check_upload
from app.jobs.machine import Machine
from app.metadata.actor import Actor
from app.metadata.cleaning import load
from app.metadata.declarations import Import
from app.metadata.errors import N_, KaowuError, Message
from app.metadata.tasks import actor_label
from app.models.job import JobRun, JobState, StoredFile
from app.rules import availability, policy, windows
from app.rules.crud import choices_for

FOLDER_UPLOADS = "upload"
#: the defaults of `Import`: a declaration that says less means it
_DEFAULT_ROWS = 20_000
_DEFAULT_BYTES = 20 * 1024 * 1024
_ACTIVE = (JobState.QUEUED.value, JobState.RUNNING.value)
SAME_FILE = N_("同一文件已由{who}于 {moment} 成功导入过。")


class AlreadyImported(KaowuError):
    """The very same file was imported before; ask again with `again=True`."""

    code = "import.again"
    template = N_("同一文件已由{who}于 {moment} 成功导入过。如需再次导入，请确认后重新提交。")
    status = 409


class NotSubmittable(KaowuError):
    """Only a check without errors can be submitted, and only once."""

    code = "import.not_submittable"
    template = N_("只有校验通过且尚未提交的文件可以提交。请刷新页面查看导入结果。")
    status = 409


def row_limit(machine: Machine, declaration: Import) -> int:
    """Most rows of a file: the installation's limit, or a lower one of the declaration."""
    declared = declaration.max_rows
    limit = machine.import_max_rows
    return min(declared, limit) if declared < _DEFAULT_ROWS else limit


def byte_limit(machine: Machine, declaration: Import) -> int:
    """Largest upload in bytes, likewise."""
    declared = declaration.max_bytes
    limit = machine.import_max_bytes
    return min(declared, limit) if declared < _DEFAULT_BYTES else limit


def submit(
    machine: Machine,
    actor: Actor,
    declaration: Import,
    content: bytes,
    name: str,
    *,
    options: Mapping[str, Any] | None = None,
    apply: bool = True,
    again: bool = True,
    language: str = "",
    request_id: str = "",
    address: str = "",
) -> JobRun:
    """Take an upload: look at it, keep it, and ask for the job. `apply=False` only checks (校验).

    The report is written in `language` (Chinese where it has no catalogue or none is named).
    With `again=False` a file that was imported before is not taken. Raises UploadRefused,
    InvalidInput (options), AlreadyImported, and what the policy refuses; nothing is kept then.
    """
    given = dict(options or {})
    digest = hashlib.sha256(content).hexdigest() if apply and not again else None
    named = _admitted(machine, actor, declaration, given, digest)
    if named and named != actor.organisation_code:
        actor = actor.behalf(named)
    suffix = check_upload(content, name, declaration.formats, byte_limit(machine, declaration))
    kept = files.store(
        machine,
        actor,
        content,
        folder=FOLDER_UPLOADS,
        name=name,
        suffix=suffix,
        media_type="application/octet-stream",
        keep=files.KEEP_UPLOADS,
        request_id=request_id,
    )

    parameters = {
        "options": given,
        "apply": apply,
        "name": kept.name,
        "suffix": suffix,
        "language": language,
    }

    def ask(session: KaowuSession) -> JobRun:
        return engine.enqueue(
            session,
            machine,
            kind="import",
            declaration=declaration,
            parameters=parameters,
            source_file_id=kept.id,
            file_digest=kept.sha256,
        )

    return run_unit(machine.factory, actor, ask, request_id=request_id, address=address)


def _admitted(
    machine: Machine,
    actor: Actor,
    declaration: Import,
    given: Mapping[str, Any],
    digest: str | None,
) -> str | None:
    """May the actor import this now? Returns the organisation that the options name.

    A file of that digest, where one is given, must not have been imported before.
    """
    with reading(machine.factory, actor) as session:
        availability.require(session, declaration.name, actor)
        verb = engine.VERBS["import"]
        policy.check(session, declaration, verb, actor, machine.clock).require()
        cleaned = load(declaration.options, given, choices_for(session, declaration.options, actor))
        before = imported_before(session, declaration, digest)
        if before is not None:
            raise AlreadyImported(**_who_and_when(before))
    return cleaned.get(declaration.on_behalf)


def submit_checked(session: Session, machine: Machine, declaration: Import, run_id: int) -> JobRun:
    """Import the file of a check that found nothing (提交): no second upload.

    Rows and windows are checked anew when the job runs. Raises NotFound, NotSubmittable,
    FileMissing, and what the policy refuses.
    """
    run = engine.visible_run(session, run_id)
    # the row is locked until the end: two clicks make one import
    session.refresh(run, with_for_update=True)
    if run.declaration != declaration.name or not is_submittable(session, run):
        raise NotSubmittable()
    if files.row_by_id(session, StoredFile, run.source_file_id) is None:
        raise FileMissing()
    made = engine.enqueue(
        session,
        machine,
        kind="import",
        declaration=declaration,
        parameters={**run.parameters, "apply": True, "checked": str(run.id)},
        source_file_id=run.source_file_id,
        file_digest=run.file_digest,
    )
    made.on_behalf_of = run.on_behalf_of  # the choice of the checked file goes with it
    return made


def may_submit(session: Session, run: JobRun) -> bool:
    """Is it a check that waits for 提交, and may the session's actor import at all?"""
    granted = engine.may(actor_of(session), run, engine.VERBS["import"])
    return granted and is_submittable(session, run)


def is_submittable(session: Session, run: JobRun) -> bool:
    """A green check whose file is still there and was not submitted yet."""
    if run.kind != "import" or run.state != JobState.DONE.value or run.source_file_id is None:
        return False
    if run.parameters.get("apply", True) or (run.result or {}).get("error_count"):
        return False
    later = session.scalars(
        select(JobRun).where(
            JobRun.declaration == run.declaration,
            JobRun.source_file_id == run.source_file_id,
            JobRun.state.in_([*_ACTIVE, JobState.DONE.value]),
            JobRun.id != run.id,
        )
    )
    return not any(other.parameters.get("checked") == str(run.id) for other in later)


def imported_before(
    session: Session, declaration: Import, digest: str | None, job_id: int | None = None
) -> JobRun | None:
    """The latest successful import of the very same file, other than `job_id`."""
    if digest is None:
        return None
    return session.scalar(
        select(JobRun)
        .where(
            JobRun.declaration == declaration.name,
            JobRun.file_digest == digest,
            JobRun.state == JobState.DONE.value,
            JobRun.parameters["apply"].as_boolean(),
            JobRun.id != (job_id or 0),
        )
        .order_by(JobRun.id.desc())
        .limit(1)
    )


def same_file_note(before: JobRun | None) -> str | None:
    """Who imported the same file, and when; None where nobody did."""
    if before is None or before.finished_at is None:
        return None
    return Message(SAME_FILE, **_who_and_when(before))


def _who_and_when(run: JobRun) -> dict[str, Any]:
    moment = windows.local(run.finished_at) if run.finished_at else ""
    return {"who": actor_label(run.actor_level, run.actor_name), "moment": moment}
