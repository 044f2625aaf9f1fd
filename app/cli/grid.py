"""`kaowu grid`: grids of settings as workbooks, with the rights, the preview and the errors of
their pages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import click

from app.cli.running import declared
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
from app.database.policy import actor_of
from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.jobs import grids as workbooks
from app.jobs.grids import Upload
from app.metadata import registry
from app.metadata.actor import Actor
from app.metadata.declarations import Grid
from app.metadata.errors import say as in_words
from app.metadata.vocabulary import Verb
from app.rules import effects, grids
from app.rules.clock import system_clock
from app.rules.grids import Choice, Examined
from app.rules.policy import check

#: changes and errors that are printed
_SHOWN = 100


@click.group("grid", help=_("设置表格：导出为工作簿，修改后导入"))
def grid() -> None:
    """The group."""


@grid.command("list", help=_("列出可用的表格"))
def list_grids() -> None:
    """Names and labels."""
    for item in registry.declared(Grid):
        say(f"{item.name}  {_(item.label)}")


@grid.command("export", help=_("导出表格。NAME 为表格的名称"))
@click.argument("name")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE"
)
@acting_options
@pass_shell
def export(shell: Shell, *, name: str, output: Path, acting: Acting) -> None:
    """Write the workbook of the actor's sites, or of those below --site."""
    declaration: Grid = declared(Grid, name)
    actor = _actor(shell, acting)

    def work(session: KaowuSession) -> int:
        check(session, declaration, Verb.EXPORT, actor).require()
        found = grids.page(session, declaration, Choice(acting.site or ""))
        with output.open("wb") as stream:
            count = workbooks.write_grid(stream, declaration, found, translate=_)
        grids.record_export(session, declaration, count)
        return count

    count = run_unit(shell.factory, actor, work, request_id=shell.request_id)
    say(_("已导出 {count} 个考点：{path}").format(count=count, path=output))


@grid.command("import", help=_("导入修改过的表格。NAME 为表格的名称"))
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--yes", is_flag=True, help=_("不再询问"))
@click.option("--dry-run", is_flag=True, help=_("只显示结果，不保存"))
@acting_options
@pass_shell
@click.pass_context
def import_grid(
    ctx: click.Context,
    shell: Shell,
    *,
    name: str,
    file: Path,
    yes: bool,
    dry_run: bool,
    acting: Acting,
) -> None:
    """Print every change with its effects, ask once, save all of it in one transaction."""
    declaration: Grid = declared(Grid, name)
    actor = _actor(shell, acting)
    with reading(shell.factory, actor) as session:
        if refusal := grids.refusal(session, declaration):
            raise refusal
        seen = _preview(session, declaration, file, acting)
        if not _tell(seen):
            ctx.exit(1)
    if dry_run or not seen.examined.changes:
        say(_("没有保存。"))
        return
    if not yes and not click.confirm(_("确定保存？"), err=True):
        raise click.Abort
    upload = seen.upload
    count = run_unit(
        shell.factory,
        actor,
        lambda unit: grids.save(
            unit,
            declaration,
            upload.sent,
            upload.seen,
            clock=system_clock,
            confirmed=effects.ALL if yes else seen.token,
        ),
        request_id=shell.request_id,
    )
    say(_("已保存 {count} 处改动。").format(count=count))


def _actor(shell: Shell, acting: Acting) -> Actor:
    """--site says which rows; on whose behalf each is written the log finds out by itself."""
    return replace(actor_for(shell, acting), on_behalf_of=None)


@dataclass(frozen=True, slots=True)
class _Preview:
    upload: Upload
    examined: Examined
    sentences: list[str]
    #: confirms the effects among them
    token: str


def _preview(session: KaowuSession, declaration: Grid, file: Path, acting: Acting) -> _Preview:
    columns = declaration.columns(session, actor_of(session))
    with file.open("rb") as stream:
        content = stream.read(workbooks.MAX_BYTES + 1)
    upload = workbooks.read_grid(content, file.name, declaration, columns, translate=_)
    if acting.site:
        chosen = grids.sites_of(actor_of(session), Choice(acting.site))
        codes = {site.code for site in session.scalars(chosen)}
        upload.sent = {code: cells for code, cells in upload.sent.items() if code in codes}
    examined = grids.examine(session, declaration, upload.sent, upload.seen)
    touched = grids.effects(session, declaration, examined.changes)
    told = [*touched, *grids.questions(declaration, examined.changes)]
    sentences = [str(in_words(sentence, _)) for sentence in told]
    return _Preview(upload, examined, sentences, effects.token_of(touched))


def _tell(preview: _Preview) -> bool:
    """Print errors, or changes and effects; whether it can be saved."""
    examined = preview.examined
    titles = {column.name: grids.title_of(column) for column in examined.columns}
    wrong = [(row, code, message) for row, code, message in preview.upload.errors]
    for (code, name), message in examined.errors.items():
        place = f"{code} {in_words(titles.get(name, name), _)}"
        wrong.append((preview.upload.lines.get(code, 0), place, message))
    for code, name in examined.conflicts:
        place = f"{code} {in_words(titles[name], _)}"
        wrong.append((preview.upload.lines.get(code, 0), place, grids.CHANGED_MEANWHILE))
    for row, place, message in sorted(wrong, key=lambda item: item[0])[:_SHOWN]:
        line = _("第{row}行").format(row=row)
        complain(f"{line} {place}：{in_words(message, _)}")
    if wrong:
        complain(_("有 {count} 处错误，没有保存任何内容。").format(count=len(wrong)))
        return False
    _print_changes(examined)
    for sentence in preview.sentences:
        say(f"  {sentence}")
    return True


def _print_changes(examined: Examined) -> None:
    columns = {column.name: column for column in examined.columns}
    rows = [
        [
            change.site.display,
            str(in_words(grids.title_of(columns[name]), _)),
            str(in_words(grids.shown(columns[name], change.before[name]), _) or "—"),
            str(in_words(grids.shown(columns[name], value), _) or "—"),
        ]
        for change in examined.changes
        for name, value in change.after.items()
    ]
    if rows:
        table([[_("考点"), _("项目"), _("原值"), _("新值")], *rows[:_SHOWN]])
    count = _("将修改 {sites} 个考点的 {cells} 处。")
    say(count.format(sites=len(examined.changes), cells=examined.cells))
