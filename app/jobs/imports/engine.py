"""Imports: an upload becomes a job, the job becomes rows, or a list of all that is wrong.

Nothing is written on any error (atomic imports); the dry pass collects every error of every row,
then one transaction applies all rows, and the windows are asked again before it commits.
"""

from __future__ import annotations

import gc
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.orm import Session

from app.adapters.catalogues import translator
from app.database.session import KaowuSession
from app.database.unit_of_work import Busy, Conflict, run_unit
from app.jobs import files
from app.jobs.engine import Effect, Work, handles
from app.jobs.imports.container import UploadRefused
from app.jobs.imports.held import ImportRow
from app.jobs.imports.problems import Problem
from app.jobs.imports.reader import IMPORTS, read_apart
from app.jobs.imports.report import MEDIA_TYPE, report_name, write_report
from app.jobs.imports.rows import (
    SHOWN_ERRORS,
    Parsed,
    as_sentence,
    masked,
    parse_rows,
)
from app.jobs.imports.sheets import Sheet
from app.jobs.imports.uploads import (
    AlreadyImported,
    NotSubmittable,
    byte_limit,
    imported_before,
    may_submit,
    row_limit,
    same_file_note,
    submit,
    submit_checked,
)
from app.jobs.machine import Machine
from app.jobs.outcome import Outcome
from app.metadata.actor import Actor
from app.metadata.cleaning import load
from app.metadata.declarations import Import
from app.metadata.errors import N_, KaowuError, NotFound
from app.metadata.text import LOCAL_ZONE
from app.models.job import StoredFile
from app.rules import policy
from app.rules.clock import Clock
from app.rules.crud import choices_for

logger = logging.getLogger("kaowu.imports")
FOLDER_REPORTS = "report"
#: what counts are called: rows of the file, rows without an error
READ, RIGHT = N_("读取"), N_("正确")
_READING, _CHECKING = N_("正在读取"), N_("正在校验")
_WRITING, _REPORTING = N_("正在导入"), N_("正在生成报告")


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
    #: what was made of the rows alone: it stays when they are looked at again
    kept: dict[str, Any] = field(default_factory=dict)
    job_id: int = 0
    checkpoint: Callable[[], None] = lambda: None
    #: (rows done, all rows): said now and then by an `apply` that goes row by row
    progress: Callable[[int, int | None], None] = lambda done, total: None

    def fresh(self) -> ImportContext:
        """The same without what was looked up."""
        return ImportContext(
            actor=self.actor,
            clock=self.clock,
            options=self.options,
            machine=self.machine,
            rows=self.rows,
            kept=self.kept,
            job_id=self.job_id,
            checkpoint=self.checkpoint,
            progress=self.progress,
        )


class RowsRefused(KaowuError):
    """`apply` met rows that cannot be written (a seat was taken meanwhile): nothing is written,
    and they are reported like those of the dry pass. `rows`: (row, column name, message)."""

    code = "import.rows_refused"
    template = N_("部分数据不能导入，未导入任何数据。")

    def __init__(self, rows: Sequence[tuple[ImportRow, str, str]]) -> None:
        super().__init__()
        self.rows = rows


# ---------------------------------------------------------------- the job


@handles("import")
def run_import(work: Work) -> None:
    """Read, check, and apply an upload."""
    declaration: Import = work.declaration
    with _without_collector():
        _Import(work, declaration).run()


@contextmanager
def _without_collector() -> Iterator[None]:
    """Millions of cells are made and kept, none in a circle: looking for circles among them again
    and again would take a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


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
            key = self._key(session)
        # the session is given back: nothing is asked of the database while the file is read
        try:
            # without a name here: twenty megabytes would stay until the child has parsed them
            with self._read(self.machine.files.get(key)) as sheet:
                parsed = parse_rows(
                    self.declaration, sheet, choices, self._limit, self.work.progress
                )
                self._judge(context, parsed)
        except UploadRefused as error:
            self._refuse(None, [Problem("", None, "", "", error.parameters["reason"])])

    def _judge(self, context: ImportContext, parsed: Parsed) -> None:
        """Check the well-formed rows, then write all, or report."""
        self.notes += parsed.notes
        context.rows = parsed.rows
        with self.work.reading() as session:
            self._check(session, context, parsed)
        problems = parsed.problems
        if problems and (self.declaration.atomic or not parsed.rows):
            self._refuse(parsed, problems, context)
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
        note = same_file_note(before)
        if note is not None:
            self.notes.append(note)
        context = ImportContext(
            actor=actor,
            clock=self.machine.clock,
            options=options,
            machine=self.machine,
            job_id=self._id,
            checkpoint=self._checkpoint,
            progress=self.work.progress,
        )
        return context, choices_for(session, declaration.columns, actor)

    def _checkpoint(self) -> None:
        """Between two parts of what an import does: is it to stop? And what the last part has left
        in circles goes – statements with the values of thousands of rows."""
        self.work.checkpoint()
        gc.collect(0)

    @property
    def _id(self) -> int:
        return self.work.order.id

    def _key(self, session: Session) -> str:
        stored = files.row_by_id(session, StoredFile, self.work.order.source_file_id)
        if stored is None:
            raise NotFound()
        return stored.key

    @property
    def _limit(self) -> int:
        return row_limit(self.machine, self.declaration)

    def _read(self, content: bytes) -> AbstractContextManager[Sheet]:
        self.work.stage(_READING)
        return read_apart(
            content,
            str(self.work.parameters.get("suffix", ".xlsx")),
            self.declaration.sheet,
            self._limit,
            byte_limit(self.machine, self.declaration),
            checkpoint=self.work.checkpoint,
            bounds=replace(IMPORTS, memory=self.machine.import_max_memory),
        )

    def _check(self, session: Session, context: ImportContext, parsed: Parsed) -> None:
        """The row rule for every row that is well-formed; the bad rows leave `parsed.rows`."""
        good = []
        total = len(parsed.rows)
        self.work.stage(_CHECKING, total)
        check = self.declaration.check
        for index, row in enumerate(parsed.rows):
            found = check(session, row, context)
            for name, message in found or ():
                self._complain(parsed, row, name, message)
            if not found:
                good.append(row)
            if not index % 50:
                self.work.progress(index, total)
        parsed.rows = good
        context.rows = good
        context.facts.clear()  # looked up anew in the transaction: not twice in memory
        self.work.progress(total, total)

    def _complain(self, parsed: Parsed, row: ImportRow, name: str, message: object) -> None:
        column = next((one for one in self.declaration.columns if one.name == name), None)
        label = column.label if column else ""
        shown = masked(column, row.cell(name)) if column else ""
        parsed.errors.add(row.number, label, shown, as_sentence(message))

    def _apply(self, context: ImportContext, parsed: Parsed, problems: list[Problem]) -> None:
        report_id = self._report(parsed, problems) if problems else None
        self.work.stage(_WRITING, len(parsed.rows))

        def effect(session: KaowuSession) -> Outcome:
            told = context.fresh()
            verb = self.work.verb
            with policy.permit(session, self.declaration, verb, clock=self.machine.clock):
                counts = self.declaration.apply(session, parsed.rows, told) or {}
            listed = tuple((str(label), int(number)) for label, number in counts.items())
            return self._outcome(parsed, problems, report_id, listed)

        try:
            self._finish(effect)
        except RowsRefused as error:
            for row, name, message in error.rows:
                self._complain(parsed, row, name, message)
            self._refuse(parsed, parsed.problems, context)
        except Busy:
            raise  # nothing is wrong with the file: the job has failed and may be tried again
        except KaowuError as error:
            # A window that closed meanwhile (N2), a counter that is full: all or nothing.
            self.work.refuse(self._outcome(parsed, problems, report_id, (), error.as_message()))

    def _finish(self, effect: Effect) -> None:
        """Another import has written the same row after this one had looked for it (R20.5): the
        second look finds it, and says of it what is said of every row that exists."""
        try:
            self.work.finish(effect)
        except Conflict:
            self.work.checkpoint()
            self.work.finish(effect)

    def _checked(self, parsed: Parsed, problems: list[Problem]) -> None:
        report_id = self._report(parsed, problems) if problems else None
        outcome = self._outcome(parsed, problems, report_id, ())
        self.work.finish(lambda _session: outcome)

    def _refuse(
        self,
        parsed: Parsed | None,
        problems: list[Problem],
        context: ImportContext | None = None,
    ) -> None:
        looked = self.declaration.looked
        if looked is not None and context is not None:
            run_unit(
                self.machine.factory,
                self.work.actor(),
                lambda session: looked(session, context),
                request_id=f"job {self._id}",
            )
        report_id = self._report(parsed, problems)
        self.work.refuse(self._outcome(parsed, problems, report_id, ()))

    def _report(self, parsed: Parsed | None, problems: list[Problem]) -> int:
        self.work.stage(_REPORTING)
        moment = self.machine.clock().astimezone(LOCAL_ZONE)
        translate = translator(str(self.work.parameters.get("language", "")))
        with tempfile.TemporaryFile() as content:
            write_report(
                content,
                parsed,
                problems,
                only_wrong=not self.declaration.atomic,
                checkpoint=self.work.checkpoint,
                translate=translate,
            )
            content.seek(0)
            kept = files.store(
                self.machine,
                self.work.actor(),
                content,
                folder=FOLDER_REPORTS,
                name=report_name(self.declaration.label, moment, translate),
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
        found = {problem.row for problem in problems if problem.row is not None}
        wrong = len(found | parsed.wrong if parsed else found)
        return Outcome(
            counts=(
                (READ, rows),
                (RIGHT, max(rows - wrong, 0)),  # a wrong heading is a row, too, but no data
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


__all__ = [
    "READ",
    "RIGHT",
    "AlreadyImported",
    "ImportContext",
    "NotSubmittable",
    "RowsRefused",
    "byte_limit",
    "imported_before",
    "may_submit",
    "row_limit",
    "run_import",
    "submit",
    "submit_checked",
]
