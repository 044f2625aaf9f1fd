"""`kaowu demo`: load the demo data, say who may log in."""

from __future__ import annotations

import json
import time

import click

from app import demo as data
from app.cli.shell import Shell, pass_shell, say, table
from app.cli.texts import _
from app.database.unit_of_work import reading, run_unit
from app.metadata.actor import system
from app.rules import permissions

#: the password of the demo accounts; without it one is made
PASSWORD_VARIABLE = "DEMO_PASSWORD"  # noqa: S105 - a name


@click.group("demo", help=_("演示数据：载入、账号"))
def demo() -> None:
    """The group."""


@demo.command(help=_("载入演示数据（一省、两地市、六考点、两个考次）"))
@click.option("--once", is_flag=True, help=_("已有数据时不做任何事，也不报错"))
@pass_shell
def load(shell: Shell, once: bool) -> None:
    """Fill an empty database. Refused in production, and where there is data already."""
    if shell.settings.is_production:
        raise data.DemoRefused()
    with reading(shell.factory, system("demo data")) as session:
        loaded, empty = data.is_loaded(session), data.is_empty(session)
    if once and not empty:
        say(_("演示数据已载入。") if loaded else _("数据库中已有其他数据，未载入演示数据。"))
        return
    if not empty:
        raise data.AlreadyFilled()
    started = time.monotonic()
    password = data.password_for(shell.settings.instance, shell.environ.get(PASSWORD_VARIABLE))
    run_unit(shell.factory, system("permissions sync"), permissions.sync)
    report = data.load(shell.machine, password, request_id=shell.request_id)
    said = _("已载入：{sites} 个考点，{registrations} 名考生，{entries} 科次（{seconds:.1f} 秒）。")
    say(
        said.format(
            sites=report.sites,
            registrations=report.registrations,
            entries=report.entries,
            seconds=time.monotonic() - started,
        )
    )


@demo.command(help=_("显示演示账号和密码"))
@pass_shell
def accounts(shell: Shell) -> None:
    """One line per account, and the password that they share."""
    if shell.settings.is_production:
        raise data.DemoRefused()
    with reading(shell.factory, system("demo data")) as session:
        found = data.accounts(session)
    if not found:
        say(_("没有演示账号：数据库中不是演示数据。"))
        return
    rows = [[_("演示账号"), _("邮箱"), _("手机")]]
    rows += [[_(account.role), account.email, account.mobile] for account in found]
    table(rows)
    path = shell.settings.instance / data.FILE
    kept = json.loads(path.read_text("utf-8"))["password"] if path.exists() else None
    say(_("密码（全部账号）：{password}").format(password=kept or _("见载入时的 DEMO_PASSWORD")))
