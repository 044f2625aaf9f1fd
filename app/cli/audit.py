"""`kaowu audit`: read the log, verify its chain of seals."""

from __future__ import annotations

import click

from app.cli.shell import Acting, Shell, acting_options, actor_for, complain, pass_shell, say, table
from app.cli.texts import _
from app.database.unit_of_work import reading
from app.metadata.actor import system
from app.metadata.query import ListQuery
from app.metadata.vocabulary import Verb
from app.models.audit import AuditEntry
from app.rules import listing, policy, sealing
from app.rules.audit_log import AUDIT_LOG, action_label, object_label, who
from app.rules.windows import local

_SHOWN = 50


@click.group("audit", help=_("审计日志：查看、校验"))
def audit() -> None:
    """The group."""


@audit.command("list", help=_("列出操作人可以查看的最近日志"))
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option("--action", default="", help=_("操作代码的开头，如 registration."))
@acting_options
@pass_shell
def list_entries(shell: Shell, limit: int, action: str, acting: Acting) -> None:
    """The newest first, in the scope of --as, as the page shows them."""
    actor = actor_for(shell, acting)
    query = ListQuery(AUDIT_LOG.name, {"action": action} if action else {})
    with reading(shell.factory, actor) as session:
        policy.check(session, AUDIT_LOG, Verb.LIST, actor).require()
        page = listing.page(session, AUDIT_LOG, query, size=limit)
        rows = [_row(entry) for entry in page.rows]
    if not rows:
        say(_("没有日志。"))
        return
    table([[_("时间"), _("操作人"), _("机构"), _("操作"), _("对象"), _("名称"), _("原因")], *rows])


def _row(entry: AuditEntry) -> list[str]:
    return [
        local(entry.at, "%Y-%m-%d %H:%M:%S"),
        who(entry),
        entry.organisation_code,
        _(action_label(entry.action)),
        _(object_label(entry.object_type)),
        entry.object_title,
        entry.reason or "",
    ]


@audit.command(help=_("校验封存链：日志是否被修改、删除或插入"))
@click.option("--anchor", metavar="DIGEST", help=_("以前记下的末尾封存摘要"))
@pass_shell
@click.pass_context
def verify(ctx: click.Context, shell: Shell, anchor: str | None) -> None:
    """Exit 1 where the log is not what was sealed. The head is printed, to be kept elsewhere."""
    if not verified(shell, anchor):
        ctx.exit(1)


def verified(shell: Shell, anchor: str | None = None) -> bool:
    """Verify the chain and print what was found; whether it is sound."""
    with reading(shell.factory, system("audit verify")) as session:
        report = sealing.verify(session, anchor=anchor)
    for problem in report.problems[:_SHOWN]:
        parts = [_(problem.finding.label)]
        if problem.sequence is not None:
            parts.append(_("封存 {number}").format(number=problem.sequence))
        if problem.entry_id is not None:
            parts.append(_("日志 {number}").format(number=problem.entry_id))
        complain("  " + "  ".join(parts))
    said = _("封存 {seals} 段，日志 {entries} 条，尚未封存 {unsealed} 条。末尾摘要 {head}")
    say(
        said.format(
            seals=report.seals, entries=report.entries, unsealed=report.unsealed, head=report.head
        )
    )
    found = len(report.problems) + report.further
    if found:
        complain(_("发现 {count} 处问题。").format(count=found))
        return False
    say(_("审计日志完整。"))
    return True
