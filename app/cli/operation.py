"""`kaowu operation`: any declared operation, with the rights and the report of its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import click

from app.cli.running import assignments, declared, finish, machine_here
from app.cli.running import report as report_of
from app.cli.shell import (
    Acting,
    Shell,
    acting_options,
    actor_for,
    complain,
    pass_shell,
    say,
    table,
)
from app.cli.texts import _
from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.jobs import engine
from app.metadata import registry
from app.metadata.actor import Actor
from app.metadata.declarations import On, Operation
from app.metadata.errors import Message
from app.metadata.query import ListQuery
from app.rules import acting_for, effects, listing, operations
from app.rules.operations import REASON, Chosen, Report

#: rows of the outcome that are printed, those that were skipped first; all are in the log
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the options say: ids, or conditions; values of the form, and the reason."""

    ids: tuple[str, ...]
    where: tuple[str, ...]
    everything: bool
    values: tuple[str, ...]
    reason: str | None


@click.command("operation", help=_("执行列表上的操作。NAME 为操作的名称，用 --list 查看"))
@click.argument("name", required=False)
@click.option("--list", "listed", is_flag=True, help=_("列出可用的操作及其填写项"))
@click.option("--ids", multiple=True, metavar="ID,ID", help=_("记录编号，用逗号分隔；可多次给出"))
@click.option("--where", multiple=True, metavar="FIELD=VALUE", help=_("查询条件；可多次给出"))
@click.option("--all", "everything", is_flag=True, help=_("管辖范围内的全部记录"))
@click.option("--set", "values", multiple=True, metavar="FIELD=VALUE", help=_("填写项；可多次给出"))
@click.option("--reason", metavar="TEXT", help=_("操作原因"))
@click.option("--yes", is_flag=True, help=_("不再询问"))
@click.option("--dry-run", is_flag=True, help=_("只显示结果，不保存"))
@acting_options
@pass_shell
@click.pass_context
def operation(
    ctx: click.Context,
    shell: Shell,
    *,
    name: str | None,
    listed: bool,
    yes: bool,
    dry_run: bool,
    acting: Acting,
    ids: tuple[str, ...],
    where: tuple[str, ...],
    everything: bool,
    values: tuple[str, ...],
    reason: str | None,
) -> None:
    """Choose rows, ask once with their number, run all of them or none, print every outcome."""
    if listed:
        _list()
        return
    if name is None:
        raise click.UsageError(_("缺少 NAME"), ctx)
    declaration: Operation = declared(Operation, name)
    asked = _Asked(ids, where, everything, values, reason)
    chosen = _chosen(ctx, declaration, asked)
    actor = actor_for(shell, acting)
    with reading(shell.factory, actor) as session:
        operations.require(session, declaration)
        _require_conditions(ctx, declaration, chosen, actor)
        given = _values(ctx, declaration, session, asked)
        if actor.on_behalf_of:
            site = actor.on_behalf_of
            chosen, given = acting_for.within(session, declaration, chosen, given, site)
        chosen, number = _counted(session, declaration, chosen)
        told = _tell_effects(session, declaration, chosen, given)
    if not (yes or dry_run) and not click.confirm(_question(declaration, number), err=True):
        raise click.Abort
    if number > declaration.inline_up_to and not dry_run:
        good = _run_as_job(shell, actor, declaration, chosen, given, number=number)
    else:
        report = _run(shell, actor, declaration, chosen, given, confirmed=told, dry_run=dry_run)
        good = _print(report, dry_run=dry_run)
    if not good:
        ctx.exit(1)


def _list() -> None:
    """Name, label, page and fields of every operation."""
    rows = [[_("名称"), _("操作"), _("页面"), _("对象"), _("填写项（* 为必填）")]]
    for item in registry.declared(Operation):
        fields = [f"{field.name}{'*' if field.required else ''}" for field in item.fields]
        if item.living_fields is not None:
            fields.append("…")
        if item.reason_required:
            fields.append("--reason*")
        page = _(operations.resource_of(item).label)
        on = " ".join(kind.value for kind in On if kind in item.on)
        rows.append([item.name, _(item.label), page, on, " ".join(fields)])
    table(rows)


# ---------------------------------------------------------------- what is asked for


def _chosen(ctx: click.Context, declaration: Operation, asked: _Asked) -> Chosen:
    """Ids, or a query; neither for an operation of the page. Two of them are wrong usage."""
    if sum(map(bool, (asked.ids, asked.where, asked.everything))) > 1:
        raise click.UsageError(_("--ids、--where、--all 只能用一种"), ctx)
    if asked.where or asked.everything:
        return Chosen(query=ListQuery(declaration.resource, assignments(ctx, asked.where)))
    texts = [item.strip() for text in asked.ids for item in text.split(",") if item.strip()]
    if wrong := [item for item in texts if not _is_key(item)]:
        raise click.UsageError(_("不是记录编号：{text}").format(text=wrong[0]), ctx)
    return Chosen(tuple(dict.fromkeys(map(int, texts))))


def _require_conditions(
    ctx: click.Context, declaration: Operation, chosen: Chosen, actor: Actor
) -> None:
    """All rows are asked for with --all, never with a condition that turns out to be none."""
    if chosen.query is None:
        return
    resource = operations.resource_of(declaration)
    if empty := listing.without_condition(resource, chosen.query, actor):
        text = _("条件“{name}”没有内容；要选择全部记录，请用 --all")
        raise click.UsageError(text.format(name=empty[0]), ctx)


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and int(text) < 2**63


def _values(
    ctx: click.Context, declaration: Operation, session: KaowuSession, asked: _Asked
) -> dict[str, object]:
    """The raw values of the form; a name that is given twice has a list of values.

    Raises OnlyOnPage for an operation that takes a file. A password is not asked for again: who
    has a shell has shown more than that.
    """
    if operations.takes_file(declaration, session):
        raise operations.OnlyOnPage(label=declaration.label)
    given: dict[str, object] = {}
    for text in asked.values:
        for name, value in assignments(ctx, (text,)).items():
            before = given.get(name)
            if before is None:
                given[name] = value
            else:
                given[name] = [*before, value] if isinstance(before, list) else [before, value]
    if asked.reason is not None:
        given[REASON] = asked.reason
    return operations.with_defaults(operations.fields_of(declaration, session), given)


def _counted(session: KaowuSession, declaration: Operation, chosen: Chosen) -> tuple[Chosen, int]:
    """The choice as it is seen now (later rows are not touched), and its number of rows."""
    number = operations.count(session, declaration, chosen)
    if chosen.query is None:
        return chosen, number
    resource = operations.resource_of(declaration)
    return Chosen(query=listing.seen(session, resource, chosen.query)), number


def _tell_effects(
    session: KaowuSession, declaration: Operation, chosen: Chosen, values: Mapping[str, object]
) -> str:
    """What exists and is touched, as the page shows it before it is confirmed; returns what
    confirms just that."""
    try:
        operations.require_confirmed(session, declaration, chosen, values, "")
    except effects.Unconfirmed as asked:
        for sentence in asked.effects:
            complain(f"  {_said(sentence)}")
        return asked.token
    return ""


def _question(declaration: Operation, number: int) -> str:
    label = _(declaration.label)
    if number == 0:
        return _("确定执行“{label}”？").format(label=label)
    if declaration.confirm:
        return _(declaration.confirm).format(count=number)
    return _("确定对 {count} 条记录执行“{label}”？").format(count=number, label=label)


# ---------------------------------------------------------------- doing it


def _run(
    shell: Shell,
    actor: Actor,
    declaration: Operation,
    chosen: Chosen,
    values: Mapping[str, object],
    *,
    confirmed: str,
    dry_run: bool,
) -> Report:
    def work(session: KaowuSession) -> Report:
        if dry_run:
            operations.rehearse(session, declaration, chosen, values)
        return operations.run(session, declaration, chosen, values, confirmed=confirmed)

    try:
        return run_unit(shell.factory, actor, work, request_id=shell.request_id)
    except operations.Rehearsed as rehearsed:
        return rehearsed.report


def _run_as_job(
    shell: Shell,
    actor: Actor,
    declaration: Operation,
    chosen: Chosen,
    values: Mapping[str, object],
    *,
    number: int,
) -> bool:
    """More rows than the page does at once: the page's job, run here; False as from `_print`.

    The job shows its progress to others, can be cancelled, and asks the windows again at its end.
    """
    parameters = chosen.to_json() | {"values": dict(values)}
    job_id = run_unit(
        shell.factory,
        actor,
        lambda session: (
            engine.enqueue(
                session,
                machine_here(shell),
                kind="operation",
                declaration=declaration,
                parameters=parameters,
                total=number,
            ).id
        ),
        request_id=shell.request_id,
    )
    ended = finish(shell, job_id)
    if not report_of(ended):
        return False
    skipped = ended.result.get("error_count", 0)
    return not skipped or skipped < ended.progress


def _print(report: Report, *, dry_run: bool) -> bool:
    """Every outcome that has something to tell, then the counts; False where all were skipped."""
    told = [outcome for outcome in report.outcomes if outcome.reason or not outcome.done]
    told.sort(key=lambda outcome: outcome.done)
    for outcome in told[:_SHOWN]:
        words = _said(outcome.reason) or _("未执行")
        (say if outcome.done else complain)(f"  {outcome.title}：{words}")
    if len(told) > _SHOWN:
        complain(_("……还有 {count} 条。").format(count=len(told) - _SHOWN))
    if report.outcomes:
        said = _("已完成 {done} 项，未执行 {skipped} 项。")
        say(said.format(done=report.done, skipped=report.skipped))
    else:
        say(_("操作成功。"))
    if dry_run:
        say(_("没有保存。"))
    return not report.skipped or report.done > 0


def _said(reason: str) -> str:
    """A reason in the language of the shell."""
    if isinstance(reason, Message):
        return reason.message(_)
    return _(reason) if reason else ""


__all__ = ["operation"]
