"""`kaowu import`: a file of rows, by the rules and with the rights of the import's page."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.running import assignments, declared, finish, machine_here, report
from app.cli.shell import Acting, Shell, acting_options, actor_for, complain, pass_shell, say
from app.cli.texts import _
from app.jobs.imports.engine import submit
from app.metadata import registry
from app.metadata.declarations import Import

OVERWRITE = "overwrite"


@click.command("import", help=_("导入文件。KIND 为导入的名称，用 --list 查看"))
@click.argument("kind", required=False)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--list", "listing", is_flag=True, help=_("列出可用的导入"))
@click.option("--overwrite", is_flag=True, help=_("覆盖已有数据"))
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help=_("其他选项"))
@click.option("--dry-run", is_flag=True, help=_("只校验，不导入"))
@acting_options
@pass_shell
@click.pass_context
def import_file(
    ctx: click.Context,
    shell: Shell,
    *,
    kind: str | None,
    file: Path | None,
    listing: bool,
    overwrite: bool,
    options: tuple[str, ...],
    dry_run: bool,
    acting: Acting,
) -> None:
    """Submit the file as its page does, run the job here, print counts and errors."""
    machine = machine_here(shell)
    if listing:
        for item in registry.declared(Import):
            say(f"{item.name}  {_(item.label)}")
        return
    if kind is None or file is None:
        raise click.UsageError(_("缺少 KIND 或 FILE"), ctx)
    declaration: Import = declared(Import, kind)
    values: dict[str, object] = dict(assignments(ctx, options))
    if overwrite:
        if OVERWRITE not in {field.name for field in declaration.options}:
            raise click.UsageError(_("该导入没有“覆盖”选项"), ctx)
        values[OVERWRITE] = True
    actor = actor_for(shell, acting)
    run = submit(
        machine,
        actor,
        declaration,
        _read(ctx, file),
        file.name,
        options=values,
        apply=not dry_run,
        request_id=shell.request_id,
    )
    done = report(finish(shell, run.id))
    if not done:
        complain(_("没有导入。"))
        ctx.exit(1)
    if dry_run:
        say(_("校验通过，没有导入。"))


def _read(ctx: click.Context, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        text = _("不能读取 {path}：{cause}").format(path=file, cause=error.strerror)
        raise click.UsageError(text, ctx) from None
