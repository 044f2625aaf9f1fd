"""Imports: an upload becomes a job, the job becomes rows, or a list of all that is wrong.

Nothing is written on any error (atomic imports); the dry pass collects every error of every row,
then one transaction applies all rows, and the windows are asked again before it commits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.session import KaowuSession
from app.database.unit_of_work import Busy, reading, run_unit
from app.jobs import engine, files
from app.jobs.engine import Work, handles
from app.jobs.imports.container import UploadRefused, check_upload
from app.jobs.imports.report import MEDIA_TYPE, report_name, write_report
from app.jobs.imports.rows import SHOWN_ERRORS, ImportRow, Parsed, Problem, masked, parse_rows
from app.jobs.imports.sheets import read_sheet
from app.jobs.machine import Machine
from app.jobs.outcome import Outcome
from app.metadata.actor import Actor
from app.metadata.cleaning import load
from app.metadata.declarations import Import
from app.metadata.errors import N_, KaowuError, NotFound
from app.metadata.text import LOCAL_ZONE
from app.models.job import JobRun, JobState, StoredFile
from app.rules import availability, policy, windows
from app.rules.clock import Clock
from app.rules.crud import choices_for

logger = logging.getLogger("kaowu.imports")
FOLDER_UPLOADS, FOLDER_REPORTS = "upload", "report"
#: the defaults of `Import`: a declaration that says less means it
_DEFAULT_ROWS = 20_000
_DEFAULT_BYTES = 20 * 1024 * 1024


@dataclass(slots=True)
class ImportContext:
    """What row rule and apply are told. `rows` are all rows without form errors, `options` the
    cleaned options of the upload form; `facts` is the import's own place for what it looks up
    once (it begins empty in the dry pass and again in the transaction)."""

    actor: Actor
    clock: Clock
    options: Mapping[str, Any]
    machine: Machine
    rows: Sequence[ImportRow] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    job_id: int = 0
    checkpoint: Callable[[], None] = lambda: None

    def fresh(self) -> ImportContext:
        """The same without what was looked up."""
        return ImportContext(
            actor=self.actor,
            clock=self.clock,
            options=self.options,
            machine=self.machine,
            rows=self.rows,
            job_id=self.job_id,
            checkpoint=self.checkpoint,
        )


class RowsRefused(KaowuError):
    """`apply` met rows that cannot be written (a seat was taken meanwhile): nothing is written,
    and they are reported like those of the dry pass. `rows`: (row, column name, message)."""

    code = "import.rows_refused"
    template = N_("部分数据不能导入，未导入任何数据。")

    def __init__(self, rows: Sequence[tuple[ImportRow, str, str]]) -> None:
        super().__init__()
        self.rows = rows


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


# ---------------------------------------------------------------- the upload


def submit(
    machine: Machine,
    actor: Actor,
    declaration: Import,
    content: bytes,
    name: str,
    *,
    options: Mapping[str, Any] | None = None,
    apply: bool = True,
    request_id: str = "",
    address: str = "",
) -> JobRun:
    """Take an upload: look at it, keep it, and ask for the job. `apply=False` only checks (校验).

    Raises UploadRefused, InvalidInput (options), and what the policy refuses.
    """
    with reading(machine.factory, actor) as session:
        availability.require(session, declaration.name, actor)
        verb = engine.VERBS["import"]
        policy.check(session, declaration, verb, actor, machine.clock).require()
        given = dict(options or {})
        load(declaration.options, given, choices_for(session, declaration.options, actor))
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

    def ask(session: KaowuSession) -> JobRun:
        return engine.enqueue(
            session,
            machine,
            kind="import",
            declaration=declaration,
            parameters={"options": given, "apply": apply, "name": kept.name, "suffix": suffix},
            source_file_id=kept.id,
            file_digest=kept.sha256,
        )

    return run_unit(machine.factory, actor, ask, request_id=request_id, address=address)


def imported_before(
    session: Session, declaration: Import, digest: str | None, job_id: int | None = None
) -> JobRun | None:
    """The latest successful import of the very same file, other than `job_id`."""
    if digest is None:
        return None
    runs = session.scalars(
        select(JobRun)
        .where(
            JobRun.declaration == declaration.name,
            JobRun.file_digest == digest,
            JobRun.state == JobState.DONE.value,
            JobRun.id != (job_id or 0),
        )
        .order_by(JobRun.id.desc())
        .limit(10)
    )
    return next((run for run in runs if run.parameters.get("apply")), None)


# ---------------------------------------------------------------- the job


@handles("import")
def run_import(work: Work) -> None:
    """Read, check, and apply an upload."""
    declaration: Import = work.declaration
    _Import(work, declaration).run()


class _Import:
    """One run of one import."""

    def __init__(self, work: Work, declaration: Import) -> None:
        self.work = work
        self.declaration = declaration
        self.machine = work.machine
        self.notes: list[str] = []

    def run(self) -> None:
        with self.work.reading() as session:
            context, choices = self._prepare(session)
            try:
                parsed = self._parse(self._content(session), choices)
            except UploadRefused as error:
                self._refuse(None, [Problem("", None, "", "", error.message())])
                return
            context.rows = parsed.rows
            problems = parsed.problems + self._check(session, context, parsed)
        if problems and (self.declaration.atomic or not parsed.rows):
            self._refuse(parsed, problems)
        elif not self.work.parameters.get("apply", True):
            self._checked(parsed, problems)
        else:
            self._apply(context, parsed, problems)

    def _prepare(self, session: Session) -> tuple[ImportContext, Mapping[str, Mapping[str, str]]]:
        declaration, actor = self.declaration, self.work.actor()
        options = load(
            declaration.options,
            self.work.parameters.get("options", {}),
            choices_for(session, declaration.options, actor),
        )
        before = imported_before(session, declaration, self.work.order.file_digest, self._id)
        if before is not None and before.finished_at is not None:
            moment = windows.local(before.finished_at)
            self.notes.append(N_("同一文件已于 {moment} 成功导入过。").format(moment=moment))
        context = ImportContext(
            actor=actor,
            clock=self.machine.clock,
            options=options,
            machine=self.machine,
            job_id=self._id,
            checkpoint=self.work.checkpoint,
        )
        return context, choices_for(session, declaration.columns, actor)

    @property
    def _id(self) -> int:
        return self.work.order.id

    def _content(self, session: Session) -> bytes:
        stored = files.row_by_id(session, StoredFile, self.work.order.source_file_id)
        if stored is None:
            raise NotFound()
        return self.machine.files.get(stored.key)

    def _parse(self, content: bytes, choices: Mapping[str, Mapping[str, str]]) -> Parsed:
        declaration = self.declaration
        limit = row_limit(self.machine, declaration)
        sheet = read_sheet(
            content,
            str(self.work.parameters.get("suffix", ".xlsx")),
            declaration.sheet,
            limit,
            byte_limit(self.machine, declaration),
        )
        checkpoint = self.work.checkpoint
        return parse_rows(declaration, sheet, choices, limit, lambda *_: checkpoint())

    def _check(self, session: Session, context: ImportContext, parsed: Parsed) -> list[Problem]:
        """The row rule for every row that is well-formed; the bad rows leave `parsed.rows`."""
        problems: list[Problem] = []
        good = []
        for index, row in enumerate(parsed.rows):
            found = self.declaration.check(session, row, context)
            problems += [self._problem(parsed, row, name, text) for name, text in found or ()]
            if not found:
                good.append(row)
            if not index % 50:
                self.work.progress(index, parsed.data_rows)
        parsed.rows = good
        context.rows = good
        self.work.progress(parsed.data_rows, parsed.data_rows)
        return problems

    def _problem(self, parsed: Parsed, row: ImportRow, name: str, message: str) -> Problem:
        column = next((one for one in self.declaration.columns if one.name == name), None)
        label = column.label if column else ""
        shown = masked(column, row.cell(name)) if column else ""
        return Problem(parsed.sheet.name, row.number, label, shown, message)

    def _apply(self, context: ImportContext, parsed: Parsed, problems: list[Problem]) -> None:
        report_id = self._report(parsed, problems) if problems else None

        def effect(session: KaowuSession) -> Outcome:
            told = context.fresh()
            verb = self.work.verb
            with policy.permit(session, self.declaration, verb, clock=self.machine.clock):
                counts = self.declaration.apply(session, parsed.rows, told) or {}
            listed = tuple((str(label), int(number)) for label, number in counts.items())
            return self._outcome(parsed, problems, report_id, listed)

        try:
            self.work.finish(effect)
        except RowsRefused as error:
            later = [self._problem(parsed, *row) for row in error.rows]
            self._refuse(parsed, sorted(problems + later, key=lambda one: one.row or 0))
        except Busy:
            raise  # nothing is wrong with the file: the job has failed and may be tried again
        except KaowuError as error:
            # A window that closed meanwhile (N2), a counter that is full: all or nothing.
            self.work.refuse(self._outcome(parsed, problems, report_id, (), error.message()))

    def _checked(self, parsed: Parsed, problems: list[Problem]) -> None:
        report_id = self._report(parsed, problems) if problems else None
        outcome = self._outcome(parsed, problems, report_id, ())
        self.work.finish(lambda _session: outcome)

    def _refuse(self, parsed: Parsed | None, problems: list[Problem]) -> None:
        report_id = self._report(parsed, problems)
        self.work.refuse(self._outcome(parsed, problems, report_id, ()))

    def _report(self, parsed: Parsed | None, problems: list[Problem]) -> int:
        moment = self.machine.clock().astimezone(LOCAL_ZONE)
        kept = files.store(
            self.machine,
            self.work.actor(),
            write_report(parsed, problems),
            folder=FOLDER_REPORTS,
            name=report_name(self.declaration.label, moment),
            suffix=".xlsx",
            media_type=MEDIA_TYPE,
            keep=files.KEEP_UPLOADS,
            request_id=f"job {self._id}",
        )
        return kept.id

    def _outcome(
        self,
        parsed: Parsed | None,
        problems: list[Problem],
        report_id: int | None,
        counts: tuple[tuple[str, int], ...],
        error: str | None = None,
    ) -> Outcome:
        rows = parsed.data_rows if parsed else 0
        wrong = len({problem.row for problem in problems if problem.row is not None})
        return Outcome(
            counts=(
                (N_("读取"), rows),
                (N_("正确"), rows - wrong if parsed else 0),
                *counts,
            ),
            notes=tuple(self.notes),
            errors=tuple(problem.to_json() for problem in problems[:SHOWN_ERRORS]),
            facts={
                "error_count": len(problems),
                "error_rows": wrong,
                "applied": bool(counts) or not problems,
            },
            error=error,
            report_file_id=report_id,
            progress=rows,
        )
