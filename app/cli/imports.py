"""`kaowu import`: a file of rows, by the rules and with the rights of the import's page."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from app.cli.running import assignments, declared, finish, machine_here, report
from app.cli.shell import Acting, Shell, acting_options, actor_for, complain, pass_shell, say
from app.cli.texts import _
from app.database.unit_of_work import reading, run_unit
from app.jobs.files import row_by_id
from app.jobs.imports.engine import row_limit, submit
from app.jobs.imports.template import template_workbook
from app.metadata import registry
from app.metadata.actor import Actor, system
from app.metadata.declarations import Import
from app.metadata.fields import Kind
from app.metadata.vocabulary import Verb
from app.models.job import JobRun, StoredFile
from app.rules import audit, policy
from app.rules.acting_for import NotForOne
from app.rules.crud import choices_for

#: word in place of KIND that asks for a template
_TEMPLATE = "template"
_SITE = "site"
_BEAT_SECONDS = 1.0


@click.command(
    "import",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    help=_(
        "导入文件：kaowu import KIND FILE；下载模板：kaowu import template KIND FILE。"
        "KIND 为导入的名称，用 --list 查看。导入的选项（如 --overwrite）写在后面"
    ),
)
@click.argument("kind", required=False)
@click.argument("file", required=False)
@click.option("--list", "listing", is_flag=True, help=_("列出可用的导入"))
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help=_("其他选项"))
@click.option("--dry-run", is_flag=True, help=_("只校验，不导入"))
@click.option("--again", is_flag=True, help=_("同一文件已导入过时仍然导入"))
@click.option(
    "--report",
    "report_path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PATH",
    help=_("错误报告写到何处；默认写在文件旁边"),
)
@acting_options
@pass_shell
@click.pass_context
def import_file(
    ctx: click.Context,
    shell: Shell,
    *,
    kind: str | None,
    file: str | None,
    listing: bool,
    options: tuple[str, ...],
    dry_run: bool,
    again: bool,
    report_path: Path | None,
    acting: Acting,
) -> None:
    """Submit the file as its page does, run the job here, print counts and errors."""
    machine = machine_here(shell)
    if listing:
        _list_all()
        return
    if kind == _TEMPLATE:
        _write_template(ctx, shell, file, acting)
        return
    if kind is None or file is None:
        raise click.UsageError(_("缺少 KIND 或 FILE"), ctx)
    declaration: Import = declared(Import, kind)
    values = _values(ctx, declaration, options, acting)
    actor = actor_for(shell, acting)
    if actor.on_behalf_of and _SITE not in values:
        raise NotForOne(label=declaration.label)
    path = Path(file)
    run = submit(
        machine,
        actor,
        declaration,
        _read(ctx, path),
        path.name,
        options=values,
        apply=not dry_run,
        again=again,
        request_id=shell.request_id,
    )
    with _told_on_the_way(shell, run.id):
        ended = finish(shell, run.id)
    done = report(ended)
    if ended.report_file_id is not None:
        _write_report(shell, actor, ended, report_path or _beside(path))
    if not done or (dry_run and ended.result.get("error_count")):
        complain(_("没有导入。"))
        ctx.exit(1)
    if dry_run:
        say(_("校验通过，没有导入。"))


# ---------------------------------------------------------------- options


def _list_all() -> None:
    """Every import with the options of its own."""
    for item in registry.declared(Import):
        flags = [_flag(field.name) for field in item.options if field.kind is Kind.BOOLEAN]
        say("  ".join([item.name, _(item.label), *flags]))


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _values(
    ctx: click.Context, declaration: Import, options: tuple[str, ...], acting: Acting
) -> Mapping[str, object]:
    """The import's options: every tick of its form is a flag here, others are NAME=VALUE.

    --site answers an option `site` too: the superior says for whom he imports.
    """
    values: dict[str, object] = dict(assignments(ctx, options))
    ticks = {
        _flag(field.name): field for field in declaration.options if field.kind is Kind.BOOLEAN
    }
    for word in ctx.args:
        if word not in ticks:
            known = " ".join(ticks) or _("无")
            text = _("“{word}”不是“{label}”的选项，可用：{known}")
            raise click.UsageError(
                text.format(word=word, label=_(declaration.label), known=known), ctx
            )
        values[ticks[word].name] = True
    if acting.site is None or _SITE not in {field.name for field in declaration.options}:
        return values
    if values.setdefault(_SITE, acting.site) != acting.site:
        raise click.UsageError(_("--site 与 --option site 指明的考点不同，请去掉一个"), ctx)
    return values


def _read(ctx: click.Context, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        text = _("不能读取 {path}：{cause}").format(path=file, cause=error.strerror)
        raise click.UsageError(text, ctx) from None


def _write(ctx: click.Context, path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        text = _("不能写入 {path}：{cause}").format(path=path, cause=error.strerror)
        raise click.UsageError(text, ctx) from None


# ---------------------------------------------------------------- template, progress, report


def _write_template(ctx: click.Context, shell: Shell, kind: str | None, acting: Acting) -> None:
    """`kaowu import template KIND FILE`."""
    if kind is None or len(ctx.args) != 1:
        raise click.UsageError(_("应写成 kaowu import template KIND FILE"), ctx)
    declaration: Import = declared(Import, kind)
    machine, actor = machine_here(shell), actor_for(shell, acting)
    with reading(shell.factory, actor) as session:
        policy.check(session, declaration, Verb.VIEW, actor, machine.clock).require()
        choices = choices_for(session, declaration.columns, actor)
    path = Path(ctx.args[0])
    _write(ctx, path, template_workbook(declaration, choices, row_limit(machine, declaration)))
    say(_("模板已写入 {path}").format(path=path))


@contextmanager
def _told_on_the_way(shell: Shell, job_id: int) -> Iterator[None]:
    """A line on stderr whenever the job has got further; nothing where it ends at once."""
    ended = threading.Event()

    def tell() -> None:
        said = ""
        while not ended.wait(_BEAT_SECONDS):
            with reading(shell.factory, system("command line")) as session:
                run = row_by_id(session, JobRun, job_id)
                stage = (run.result or {}).get("stage") if run is not None else None
                line = "" if run is None or not stage else _progress_line(run, stage)
            if line and line != said:
                complain(line)
                said = line

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()


def _progress_line(run: JobRun, stage: str) -> str:
    total: Any = "…" if run.total is None else run.total
    return f"{_(stage)} {run.progress} / {total}"


def _beside(path: Path) -> Path:
    """“学籍.xlsx” -> “学籍.report.xlsx” in the same folder."""
    return path.with_name(f"{path.stem}.report.xlsx")


def _write_report(shell: Shell, actor: Actor, run: JobRun, path: Path) -> None:
    """The same workbook as the page's; its download is logged likewise."""

    def take(session: Any) -> StoredFile | None:
        stored = row_by_id(session, StoredFile, run.report_file_id)
        audit.record(session, f"job.{run.kind}.download", row=run, title=run.declaration)
        return stored

    stored = run_unit(shell.factory, actor, take, request_id=shell.request_id)
    if stored is None:
        return
    try:
        path.write_bytes(shell.machine.files.get(stored.key))
    except OSError as error:
        complain(_("不能写入 {path}：{cause}").format(path=path, cause=error.strerror))
        return
    say(_("错误报告已写入 {path}").format(path=path))
