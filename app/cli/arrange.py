"""`kaowu arrange`: arrange and number a site's entries, or solve a problem from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from app.cli.shell import Acting, Shell, acting_options, actor_for, complain, pass_shell, say
from app.cli.texts import _
from app.database.unit_of_work import run_unit
from app.rules import operations
from app.rules.arrangement.arrange import ARRANGE
from app.rules.arrangement.numbers import GENERATE
from app.rules.arrangement.solver import Instance, InvalidInstance, Mode, solve

_MODES = click.Choice([mode.value for mode in Mode])


@click.group("arrange", help=_("编排：编排考点、生成准考证号、求解算例"))
def arrange() -> None:
    """The group."""


@arrange.command("run", help=_("编排一个考点全部待编排的科次"))
@click.option("--mode", type=_MODES, default=Mode.BALANCED.value, show_default=True)
@acting_options
@pass_shell
def run_site(shell: Shell, mode: str, acting: Acting) -> None:
    """As 编排 of the page does: all or nothing, reproducible; who found no place is named."""
    actor = actor_for(shell, acting)
    report = run_unit(
        shell.factory,
        actor,
        lambda session: operations.run(session, ARRANGE, operations.Chosen(), {"mode": mode}),
        request_id=shell.request_id,
    )
    for outcome in report.outcomes:
        if not outcome.done:
            say(f"  {outcome.title}：{outcome.reason}")
    said = _("已编排 {done} 科次，未能编排 {left} 科次。")
    say(said.format(done=report.done, left=report.skipped))


@arrange.command(help=_("为一个考点全部已编排的科次生成准考证号"))
@acting_options
@pass_shell
def number(shell: Shell, acting: Acting) -> None:
    """As 生成准考证号 of the page does; numbers that were issued stay once tickets are out."""
    actor = actor_for(shell, acting)
    report = run_unit(
        shell.factory,
        actor,
        lambda session: operations.run(session, GENERATE, operations.Chosen(), {}),
        request_id=shell.request_id,
    )
    say(_("已生成 {count} 个准考证号。").format(count=report.done))


@arrange.command("solve", help=_("求解文件中的算例（格式 ncre-arrange/1），不用数据库"))
@click.argument("instance", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help=_("结果文件"))
@click.option("--mode", type=_MODES, help=_("编排方式；默认为算例中的方式"))
@click.option("--seed", type=int, help=_("随机种子；默认为算例中的种子"))
def solve_file(instance: Path, output: Path, mode: str | None, seed: int | None) -> None:
    """Read, solve, write; the proof is part of the result."""
    problem = Instance.from_json(_read(instance))
    chosen = Mode(mode) if mode else None
    solution = solve(problem, mode=chosen, seed=problem.seed if seed is None else seed)
    text = json.dumps(solution.to_json(), ensure_ascii=False, indent=1)
    output.write_text(f"{text}\n", encoding="utf-8")
    said = _("已编排 {placed} 科次（上限 {bound}），未能编排 {left} 科次，符合意向 {wishes}。")
    say(
        said.format(
            placed=solution.placed,
            bound=solution.bound.placed,
            left=len(solution.unplaced),
            wishes=solution.wishes,
        )
    )
    if not solution.proven:
        complain(_("未能证明这是最好的编排。"))


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInstance(problem=str(error)) from None
    if not isinstance(data, dict):
        raise InvalidInstance(problem=type(data).__name__)
    return data
