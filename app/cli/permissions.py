"""`kaowu permissions`: the living matrix, brought up to the code or shown."""

from __future__ import annotations

import click
from sqlalchemy import select

from app.cli.shell import Shell, pass_shell, say, table
from app.cli.texts import _
from app.database.unit_of_work import reading, run_unit
from app.metadata import registry
from app.metadata.actor import system
from app.metadata.declarations import Declaration
from app.metadata.vocabulary import Verb
from app.models.account import Role
from app.rules import permissions as rules
from app.rules.permissions import Cell, SyncReport

_TASK = system("permissions sync")


@click.group("permissions", help=_("角色权限：同步、查看"))
def permissions() -> None:
    """The group."""


@permissions.command(help=_("按代码中的默认值更新角色权限；手工改过的保留"))
@click.option("--dry-run", is_flag=True, help=_("只显示，不保存"))
@pass_shell
def sync(shell: Shell, dry_run: bool) -> None:
    """Three-way merge between code, last baseline and the living matrix (architecture §4.5)."""
    report = run_unit(
        shell.factory,
        _TASK,
        lambda session: rules.sync(session, dry_run=dry_run),
        request_id=shell.request_id,
    )
    print_report(report, details=True)
    if dry_run:
        say(_("没有保存。"))


def print_report(report: SyncReport, *, details: bool = False) -> None:
    """Print how many cells were added, removed and kept; with `details`, which."""
    if report.is_empty and not report.kept:
        say(_("角色权限没有变化。"))
        return
    said = _("角色权限：新增 {added} 项，移除 {removed} 项，保留手工修改 {kept} 项。")
    say(said.format(added=len(report.added), removed=len(report.removed), kept=len(report.kept)))
    if not details:
        return
    for mark, cells in (("+", report.added), ("-", report.removed), ("=", report.kept)):
        for cell in cells:
            say(f"  {mark} {_cell(cell)}")


def _cell(cell: Cell) -> str:
    role, name, verb = cell
    declaration = registry.find(name, Declaration)
    label = _(declaration.label) if declaration else name
    return f"{role}  {label}（{name}）  {_(verb.label)}"


@permissions.command(help=_("显示一个角色的权限（center、province、city、site、super 等）"))
@click.argument("role")
@pass_shell
def show(shell: Shell, role: str) -> None:
    """One line per page: its label, its name, the verbs that the role has."""
    with reading(shell.factory, _TASK) as session:
        row = rules.role_named(session, role)
        label = row.label
        cells = rules.grants_of(session, role)
        others = session.scalars(select(Role.name).order_by(Role.name)).all()
    say(f"{_(label)}（{role}）")
    verbs: dict[str, set[Verb]] = {}
    for name, verb in cells:
        verbs.setdefault(name, set()).add(verb)
    rows = [[_("页面"), _("名称"), _("权限")]]
    for declaration in registry.all_declarations():
        if granted := verbs.get(declaration.name):
            words = "、".join(_(verb.label) for verb in Verb if verb in granted)
            rows.append([_(declaration.label), declaration.name, words])
    table(rows, indent="  ")
    say(_("其他角色：{names}").format(names="、".join(name for name in others if name != role)))
