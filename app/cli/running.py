"""Jobs that a command asks for are run here and now, and their outcome is printed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from app.adapters.queue import JobQueue
from app.cli.shell import Shell, complain, say
from app.cli.texts import _
from app.database.unit_of_work import reading
from app.jobs import bulk, engine  # noqa: F401 - bulk registers its handlers
from app.jobs.machine import Machine
from app.jobs.outcome import message_of, remarks_of
from app.metadata import registry
from app.metadata.actor import system
from app.metadata.declarations import Declaration
from app.metadata.errors import N_, KaowuError, Message
from app.models.job import JOB_STATES, JobRun, JobState

_SHOWN = 20
_POLL_SECONDS = 0.5
_WAITING = (JobState.QUEUED.value, JobState.RUNNING.value)


class UnknownKind(KaowuError):
    """No declaration of that name."""

    code = "cli.unknown_kind"
    template = N_("没有“{name}”。可用：{known}")
    status = 404


class _SentNowhere(JobQueue):
    """The job is run by the command itself; were it to die, the upkeep would send the number."""

    def push(self, job_id: int) -> bool:
        return False


def machine_here(shell: Shell) -> Machine:
    """The machine of a command: what it asks for is not sent to the workers."""
    return replace(shell.machine, queue=_SentNowhere(shell.settings.redis_url))


def declared(kind: type[Declaration], name: str) -> Any:
    """The declaration of a kind by name; an import also by the name of what it imports
    (student_record for student_record_import). Raises UnknownKind naming all there are."""
    found = registry.find(name, kind) or registry.find(f"{name}_import", kind)
    if found is None:
        known = "、".join(f"{item.name}（{_(item.label)}）" for item in registry.declared(kind))
        raise UnknownKind(name=name, known=known or _("无"))
    return found


def assignments(ctx: click.Context, texts: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE options as a mapping; a wrong one, or a name given twice, is wrong usage."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(_("应写成 名称=值：{text}").format(text=text), ctx)
        if name in found:
            raise click.UsageError(_("{name}给出了两次，只能给一个值").format(name=name), ctx)
        found[name] = value
    return found


def finish(shell: Shell, job_id: int) -> JobRun:
    """Run the job, or wait for the worker that was faster; its row afterwards."""
    engine.execute(machine_here(shell), job_id)
    while True:
        with reading(shell.factory, system("command line")) as session:
            run = session.get_one(JobRun, job_id)
            session.expunge(run)
        if run.state not in _WAITING:
            return run
        time.sleep(_POLL_SECONDS)


def report(run: JobRun) -> bool:
    """Print counts, notes and the first errors of an ended job; whether it is done."""
    done = run.state == JobState.DONE.value
    say(_("任务 {number}：{state}").format(number=run.id, state=_(JOB_STATES[run.state])))
    for count in run.result.get("counts", ()):
        say(f"  {_(count['label'])} {count['n']}")
    remarks = [_say(one) for one in remarks_of(run.result, run.error)]
    if run.error:
        complain(remarks.pop(0))
    for note in remarks:
        say(f"  {note}")
    for error in run.errors[:_SHOWN]:
        complain(_error_line(error))
    hidden = run.result.get("error_count", len(run.errors)) - _SHOWN
    if hidden > 0:
        complain(_("……还有 {count} 个错误，见报告。").format(count=hidden))
    return done


def _error_line(error: Mapping[str, Any]) -> str:
    place = _("第{row}行").format(row=error["row"]) if error.get("row") else ""
    parts = (place, error.get("column") or "", error.get("value") or "")
    head = " ".join(part for part in parts if part)
    message = _say(message_of(error))
    return f"  {head}：{message}" if head else f"  {message}"


def _say(sentence: Any) -> str:
    """A stored sentence in the language of the shell."""
    return sentence.message(_) if isinstance(sentence, Message) else _(str(sentence))
