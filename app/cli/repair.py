"""`kaowu repair`: a superuser sets values of one row of a history session (R0.4)."""

from __future__ import annotations

import click

from app.cli.running import assignments, declared
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
from app.database.unit_of_work import run_unit
from app.metadata import registry
from app.metadata.actor import Actor
from app.metadata.declarations import Resource
from app.metadata.errors import say as in_words
from app.rules import effects
from app.rules import repair as repairs
from app.rules.audit_log import changes_of
from app.rules.repair import Repaired


@click.command(
    "repair",
    help=_(
        "修复历史考次的一条记录，仅限系统管理员。RESOURCE 为数据的名称，用 --list 查看；"
        "ID 为记录编号。默认只显示结果，加 --apply 才保存"
    ),
)
@click.argument("resource", required=False)
@click.argument("row_id", metavar="[ID]", type=click.IntRange(1, 2**63 - 1), required=False)
@click.option("--list", "listed", is_flag=True, help=_("列出可以修复的数据及其填写项"))
@click.option("--set", "values", multiple=True, metavar="FIELD=VALUE", help=_("填写项；可多次给出"))
@click.option("--reason", metavar="TEXT", help=_("修复原因，必填，记入审计日志"))
@click.option("--apply", "applied", is_flag=True, help=_("保存"))
@acting_options
@pass_shell
@click.pass_context
def repair(
    ctx: click.Context,
    shell: Shell,
    *,
    resource: str | None,
    row_id: int | None,
    listed: bool,
    values: tuple[str, ...],
    reason: str | None,
    applied: bool,
    acting: Acting,
) -> None:
    """Print old and new values; save them with --apply alone."""
    actor = actor_for(shell, acting)
    if listed:
        _list(actor)
        return
    if resource is None or row_id is None or not values or not reason:
        raise click.UsageError(_("须给出 RESOURCE、ID、--set 和 --reason"), ctx)
    declaration: Resource = declared(Resource, resource)
    given = assignments(ctx, values)

    def attempt(confirmed: str) -> Repaired:
        def work(session: KaowuSession) -> Repaired:
            row = (session, declaration, row_id, given)
            if not applied:
                repairs.rehearse(*row, reason=reason, confirmed=confirmed)
            return repairs.repair(*row, reason=reason, confirmed=confirmed)

        try:
            return run_unit(shell.factory, actor, work, request_id=shell.request_id)
        except repairs.Rehearsed as rehearsed:
            return rehearsed.repaired

    try:
        found = attempt("")
    except effects.Unconfirmed as asked:
        for sentence in asked.effects:
            complain(f"  {in_words(sentence, _)}")
        found = attempt(asked.token)
    _tell(declaration, found)
    say(_("已修复。") if applied else _("没有保存。加 --apply 保存。"))


def _tell(declaration: Resource, found: Repaired) -> None:
    """The row, and each value as the log holds it."""
    say(f"{_(declaration.noun or declaration.label)} {found.title}")
    for change in changes_of(found.entry, _):
        old, new = (text or _("空") for text in (change.before, change.after))
        say(f"  {change.label}：{old} → {new}")


def _list(actor: Actor) -> None:
    """Name, label and fields of all that is repaired."""
    rows = [[_("名称"), _("数据"), _("填写项")]]
    for item in registry.declared(Resource):
        names = [field.name for field in repairs.fields_for(item, actor)]
        if names:
            rows.append([item.name, _(item.noun or item.label), " ".join(names)])
    table(rows)


__all__ = ["repair"]
