"""`kaowu db`: bring the database up to date, look whether it is."""

from __future__ import annotations

import click

from app.cli.permissions import print_report
from app.cli.shell import Shell, complain, pass_shell, say
from app.cli.texts import _
from app.database import migrate
from app.database.unit_of_work import run_unit
from app.metadata.actor import system
from app.rules import permissions


@click.group("db", help=_("数据库：升级、检查"))
def database() -> None:
    """The group."""


@database.command(help=_("升级到最新版本，并同步角色权限"))
@pass_shell
def upgrade(shell: Shell) -> None:
    """Run the revisions that are missing, then bring the permission matrix up to the code."""
    before = migrate.current(shell.engine)
    migrate.upgrade(shell.engine)
    after = migrate.current(shell.engine)
    if before == after:
        say(_("数据库已是最新版本 {revision}。").format(revision=after))
    else:
        said = _("数据库已从 {before} 升级到 {after}。")
        say(said.format(before=before or _("空库"), after=after))
    task = system("permissions sync")
    print_report(run_unit(shell.factory, task, permissions.sync, request_id=shell.request_id))


@database.command(help=_("退回到某个版本（base 为空库）；之后的数据会丢失"))
@click.argument("revision", default="base")
@click.option("--yes", is_flag=True, help=_("不再询问"))
@pass_shell
def downgrade(shell: Shell, revision: str, yes: bool) -> None:
    """Take revisions back. Data that only they hold is lost, so it asks first."""
    if not yes:
        click.confirm(_("退回会删除数据，确定吗？"), abort=True)
    migrate.downgrade(shell.engine, revision)
    at = migrate.current(shell.engine) or _("空库")
    say(_("数据库已退回到 {revision}。").format(revision=at))


@database.command(help=_("检查数据库结构与代码是否一致"))
@pass_shell
@click.pass_context
def check(ctx: click.Context, shell: Shell) -> None:
    """Exit 1 where the revision is not the newest, or tables differ from the models."""
    at, newest = migrate.current(shell.engine), migrate.head()
    if at != newest:
        said = _("数据库版本为 {at}，应为 {head}。请运行 kaowu db upgrade。")
        complain(said.format(at=at or _("空库"), head=newest))
        ctx.exit(1)
    found = migrate.differences(shell.engine)
    for difference in found:
        complain(str(difference))
    if found:
        complain(_("数据库结构与代码有 {count} 处不一致。").format(count=len(found)))
        ctx.exit(1)
    say(_("数据库结构与代码一致，版本 {revision}。").format(revision=at))


@database.command(help=_("显示代码中的最新版本和数据库的当前版本"))
@pass_shell
def head(shell: Shell) -> None:
    """Newest revision of the code, and the one of the database."""
    at = migrate.current(shell.engine) or _("空库")
    say(_("代码 {head}，数据库 {at}").format(head=migrate.head(), at=at))
