"""`kaowu arrange`: a site of the demo, and problems from files."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import sessionmaker

from app.database.session import KaowuSession
from app.database.unit_of_work import reading
from app.metadata.actor import system
from app.models.arrangement import ArrangementRun, Seat
from app.models.audit import AuditEntry
from app.models.organisation import Organisation
from app.models.registration import Entry
from app.rules.arrangement.solver import Candidate, Instance, Slot, Solution, Subject
from app.rules.arrangement.solver import Entry as SolverEntry
from tests.cli.conftest import Kaowu, lines

SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], scope="session")
_DAY = dt.datetime.combine(dt.date(2026, 9, 19), dt.time.min)
#: two seats, more than fifteen minutes apart, for three entries
PROBLEM = Instance(
    name="two seats",
    subjects=(
        Subject("14", 90, _DAY, _DAY + dt.timedelta(hours=23)),
        Subject("24", 120, _DAY, _DAY + dt.timedelta(hours=23)),
    ),
    slots=(
        Slot("1", "01", _DAY.replace(hour=8), _DAY.replace(hour=10), 1),
        Slot("2", "01", _DAY.replace(hour=11), _DAY.replace(hour=13), 1),
    ),
    candidates=(
        Candidate("a", "", (SolverEntry("14"), SolverEntry("24"))),
        Candidate("b", "", (SolverEntry("14"),)),
    ),
)


def test_the_paid_up_site_of_the_demo_is_arranged_and_logged(
    on_demo: Kaowu, demo_factory: sessionmaker[KaowuSession]
) -> None:
    said = on_demo("arrange", "run", "--as", "site990702@kaowu.test", "--exam", "58")
    assert (said.code, said.err) == (0, "")
    assert lines(said.out)[-1].endswith("未能编排 0 科次。")
    with reading(demo_factory, system("test")) as session:
        site_id = select(Organisation.id).where(Organisation.code == "990702")
        states = session.scalars(
            select(Entry.state).where(Entry.site_id.in_(site_id), Entry.state != "paid").distinct()
        ).all()
        assert states == ["arranged"]
        seats = session.scalar(select(func.count()).where(Seat.site_id.in_(site_id)))
        entries = session.scalar(
            select(func.count()).where(Entry.site_id.in_(site_id), Entry.state == "arranged")
        )
        assert seats == entries
        run = session.scalars(select(ArrangementRun).order_by(ArrangementRun.id.desc())).first()
        assert run is not None
        assert run.proven
        actions = session.scalars(
            select(AuditEntry.action).where(AuditEntry.request_id.like("cli %")).distinct()
        ).all()
    assert "arrangement.arrangement_run.run" in actions
    numbered = on_demo("arrange", "number", "--as", "site990702@kaowu.test")
    assert (numbered.code, numbered.out) == (0, f"已生成 {entries} 个准考证号。\n")
    again = on_demo("arrange", "run", "--as", "site990702@kaowu.test")
    assert (again.code, again.err) == (1, "没有待编排的科次。\n")


@SQLITE
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "请用 --as 指明操作人的邮箱。"),
        (["--as", "site990701@kaowu.test"], "当前不在编排时间内"),
        (["--as", "site990703@kaowu.test"], "当前不在编排时间内"),
        (["--as", "province99@kaowu.test"], "您没有“编排”的执行权限"),
        (["--as", "province99@kaowu.test", "--site", "990702"], "您没有“编排”的执行权限"),
        (["--as", "site990702@kaowu.test", "--exam", "57"], "历史考次"),
    ],
)
def test_who_may_not_arrange_is_refused(on_demo: Kaowu, options: list[str], sentence: str) -> None:
    said = on_demo("arrange", "run", *options)
    assert (said.code, said.out) == (1, "")
    assert sentence in said.err


@SQLITE
def test_numbers_need_a_whole_arrangement_and_an_open_window(on_demo: Kaowu) -> None:
    half = on_demo("arrange", "number", "--as", "site990702@kaowu.test")
    assert (half.code, half.out) == (1, "")
    assert "流水号未生成" in half.err
    closed = on_demo("arrange", "number", "--as", "site990703@kaowu.test")
    assert "当前不在编排时间内" in closed.err


@SQLITE
def test_an_unknown_mode_is_wrong_usage(on_demo: Kaowu) -> None:
    assert on_demo("arrange", "run", "--mode", "best").code == 2


@SQLITE
def test_a_problem_from_a_file_is_solved_without_a_database(kaowu: Kaowu, tmp_path: Path) -> None:
    path, output = tmp_path / "problem.json", tmp_path / "solution.json"
    path.write_text(json.dumps(PROBLEM.to_json()))
    nowhere = {"DATABASE_URL": "sqlite:////no/such/folder/x.sqlite3"}
    said = kaowu("arrange", "solve", path, "-o", output, **nowhere)
    assert (said.code, said.err) == (0, "")
    assert said.out == "已编排 2 科次（上限 2），未能编排 1 科次，符合意向 0。\n"
    solution = Solution.from_json(json.loads(output.read_text("utf-8")))
    assert len(solution.placements) == 2
    assert set(solution.placements.values()) == {"1", "2"}
    assert solution.proven
    first = output.read_bytes()
    kaowu("arrange", "solve", path, "-o", output)
    assert output.read_bytes() == first


@SQLITE
def test_a_file_that_is_no_problem_is_refused(kaowu: Kaowu, tmp_path: Path) -> None:
    path = tmp_path / "problem.json"
    for text in ("[]", "{", json.dumps(PROBLEM.to_json() | {"schema": "other"})):
        path.write_text(text)
        said = kaowu("arrange", "solve", path, "-o", tmp_path / "out.json")
        assert said.code == 1
        assert said.err
        assert not (tmp_path / "out.json").exists()
    assert kaowu("arrange", "solve", tmp_path / "missing.json", "-o", path).code == 2
