"""`kaowu document`: generate a file and fetch it, with the rights of the document's page."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from app.cli.running import assignments, declared, finish, machine_here, report
from app.cli.shell import Acting, Shell, acting_options, actor_for, complain, pass_shell, say
from app.cli.texts import _
from app.database.unit_of_work import run_unit
from app.jobs.documents.engine import download, generate
from app.metadata import registry
from app.metadata.actor import Actor
from app.metadata.declarations import Document
from app.models.job import StoredFile
from app.rules.acting_for import NotForOne


@click.command("document", help=_("生成并下载文件。KIND 为文件的名称，用 --list 查看"))
@click.argument("kind", required=False)
@click.option("--list", "listing", is_flag=True, help=_("列出可用的文件"))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help=_("保存到；默认为当前目录下的原文件名")
)
@click.option("--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help=_("生成选项"))
@acting_options
@pass_shell
@click.pass_context
def document(
    ctx: click.Context,
    shell: Shell,
    *,
    kind: str | None,
    listing: bool,
    output: Path | None,
    parameters: tuple[str, ...],
    acting: Acting,
) -> None:
    """Generate in a job that runs here; the download asks scope and window as the page does."""
    machine = machine_here(shell)
    if listing:
        for item in registry.declared(Document):
            say(f"{item.name}  {_(item.label)}")
        return
    if kind is None:
        raise click.UsageError(_("缺少 KIND"), ctx)
    declaration: Document = declared(Document, kind)
    values = {
        field.name: field.default for field in declaration.parameters if field.default is not None
    } | assignments(ctx, parameters)
    actor = actor_for(shell, acting)
    if actor.on_behalf_of is not None:  # a document is made for who asks for it
        raise NotForOne(label=declaration.label)
    run = run_unit(
        shell.factory,
        actor,
        lambda session: generate(session, machine, declaration, values),
        request_id=shell.request_id,
    )
    ended = finish(shell, run.id)
    if not report(ended):
        complain(_("没有生成。"))
        ctx.exit(1)
    document_id = int(ended.result["document_id"])
    path = _fetch(shell, actor, declaration, document_id, output)
    say(_("已保存：{path}").format(path=path))


def _fetch(
    shell: Shell, actor: Actor, declaration: Document, document_id: int, output: Path | None
) -> Path:
    stored: StoredFile = run_unit(
        shell.factory,
        actor,
        lambda session: download(session, declaration, document_id),
        request_id=shell.request_id,
    )
    path = Path(stored.name) if output is None else output
    if path.is_dir():
        path /= stored.name
    with shell.machine.files.open(stored.key) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)
    return path
