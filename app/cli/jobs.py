"""`kaowu jobs`: look at jobs, try one again, work off what waits without a queue server."""

from __future__ import annotations

import click
from sqlalchemy import select

from app.cli.shell import Acting, Shell, acting_options, actor_for, pass_shell, say, table
from app.cli.texts import _
from app.database.unit_of_work import reading, run_unit
from app.jobs import engine
from app.metadata import registry
from app.metadata.actor import Actor, system
from app.metadata.declarations import Declaration
from app.metadata.errors import Message
from app.metadata.tasks import actor_label
from app.models.job import JOB_STATES, JobRun, JobState
from app.rules.windows import local

_TASK = system("command line")


@click.group("jobs", help=_("任务：查看、重试、执行"))
def jobs() -> None:
    """The group."""


def _actor(shell: Shell, acting: Acting) -> Actor:
    """A person where one is named; else the system, which sees all."""
    return actor_for(shell, acting) if acting.email else _TASK


@jobs.command("list", help=_("列出最近的任务"))
@click.option("--state", type=click.Choice(list(JOB_STATES)), help=_("只列出该状态的任务"))
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@acting_options
@pass_shell
def list_jobs(shell: Shell, state: str | None, limit: int, acting: Acting) -> None:
    """The newest first: those that the actor of --as may see, else all."""
    statement = select(JobRun).order_by(JobRun.id.desc()).limit(limit)
    if state is not None:
        statement = statement.where(JobRun.state == state)
    with reading(shell.factory, _actor(shell, acting)) as session:
        rows = [_row(run) for run in session.scalars(statement)]
    if not rows:
        say(_("没有任务。"))
        return
    head = [_("编号"), _("时间"), _("任务"), _("机构"), _("操作人"), _("状态"), _("进度")]
    table([head, *rows])


def _who(run: JobRun) -> str:
    """The person, or the task of the system in words."""
    label = actor_label(run.actor_level, run.actor_name)
    return label.message(_) if isinstance(label, Message) else label


def _row(run: JobRun) -> list[str]:
    declaration = registry.find(run.declaration, Declaration)
    return [
        str(run.id),
        local(run.created_at),
        _(declaration.label) if declaration else run.declaration,
        run.organisation_code,
        _who(run),
        _(JOB_STATES[run.state]),
        f"{run.progress}/{run.total}" if run.total is not None else str(run.progress),
    ]


@jobs.command(help=_("重试失败或已取消的任务"))
@click.argument("number", type=int)
@acting_options
@pass_shell
def retry(shell: Shell, number: int, acting: Acting) -> None:
    """Queue it again; the workers do it."""
    actor = _actor(shell, acting)
    machine = shell.machine
    run_unit(
        shell.factory,
        actor,
        lambda session: engine.retry(session, machine, number),
        request_id=shell.request_id,
    )
    say(_("任务 {number} 已重新排队。").format(number=number))


@jobs.command(help=_("在本进程中执行所有排队的任务，然后结束"))
@pass_shell
def work(shell: Shell) -> None:
    """Run what is queued, oldest first, without a queue server; a worker may help meanwhile."""
    machine = shell.machine
    waiting = select(JobRun.id).where(JobRun.state == JobState.QUEUED.value).order_by(JobRun.id)
    with reading(shell.factory, _TASK) as session:
        numbers = list(session.scalars(waiting))
    for number in numbers:
        said = _("任务 {number}：{state}")
        reached = engine.execute(machine, number)
        say(said.format(number=number, state=_(JOB_STATES.get(reached, reached))))
    say(_("执行了 {count} 个任务。").format(count=len(numbers)))
