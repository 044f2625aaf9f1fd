"""`kaowu check`: is what must be true still true? For monitoring: exit 1 where it is not."""

from __future__ import annotations

import click

from app.cli.audit import verified
from app.cli.shell import Shell, complain, exam_of, pass_shell, say
from app.cli.texts import _
from app.database.unit_of_work import reading
from app.metadata.actor import system
from app.models.organisation import Organisation
from app.rules import capacity as counters
from config import SettingsError

_TASK = system("check")


@click.group("check", help=_("检查：容量计数、审计日志、生产环境设置"))
def check() -> None:
    """The group."""


@check.command(help=_("按报考记录重新计数，与容量计数比较"))
@click.option("--exam", type=int, metavar="NUMBER", help=_("考次号；默认为全部考次"))
@pass_shell
@click.pass_context
def capacity(ctx: click.Context, shell: Shell, exam: int | None) -> None:
    """Compare every counter of seats with the entries that hold them (load.md, proofs)."""
    with reading(shell.factory, _TASK) as session:
        exam_id = None if exam is None else exam_of(session, exam).id
        wrong = counters.recount(session, exam_id)
        for miscount in wrong:
            site = session.get(Organisation, miscount.site_id)
            said = _("{site} {pool}：计数 {used}，实际 {counted}")
            complain(
                said.format(
                    site=site.display if site else miscount.site_id,
                    pool=counters.pool_label(miscount.pool),
                    used=miscount.used,
                    counted=miscount.counted,
                )
            )
    if wrong:
        complain(_("有 {count} 个容量计数与报考记录不一致。").format(count=len(wrong)))
        ctx.exit(1)
    say(_("容量计数与报考记录一致。"))


@check.command(help=_("校验审计日志的封存链"))
@pass_shell
@click.pass_context
def audit(ctx: click.Context, shell: Shell) -> None:
    """The same as `kaowu audit verify`."""
    if not verified(shell):
        ctx.exit(1)


@check.command(help=_("检查设置和密钥能否用于生产环境"))
@pass_shell
@click.pass_context
def settings(ctx: click.Context, shell: Shell) -> None:
    """What would keep a production process from starting, whatever the mode of this one."""
    try:
        shell.settings.check_production()
    except SettingsError as error:
        complain(_("这些设置不能用于生产环境："))
        for mistake in error.mistakes:
            complain(f"  - {mistake}")
        ctx.exit(1)
    say(_("设置可以用于生产环境。"))
