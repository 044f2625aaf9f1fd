"""`kaowu import`: the same rights, rules and answers as the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook
from sqlalchemy import func, select
from sqlalchemy.orm import sessionmaker

from app.database.session import KaowuSession
from app.database.unit_of_work import reading
from app.metadata.actor import system
from app.models.audit import AuditEntry
from app.models.organisation import Organisation
from tests.cli.conftest import Kaowu
from tests.jobs.student_world import book, line

KIND = "organisation_import"
GOOD = ("990705", "地市七考点五", "9907", "赵六", "zhaoliu@kaowu.test", "13900000055")
HEAD = ("机构代码", "机构名称", "上级代码", "管理员姓名", "邮箱", "手机")
SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], scope="session")


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    return _write(tmp_path / "机构.xlsx", [GOOD])


def _write(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    book = Workbook()
    page = book.active
    assert page is not None
    page.title = "机构与管理员"
    for row in (HEAD, *rows):
        page.append(list(row))
    book.save(path)
    return path


def _known(factory: sessionmaker[KaowuSession], code: str) -> int:
    with reading(factory, system("test")) as session:
        statement = select(func.count()).where(Organisation.code == code)
        return session.scalar(statement.select_from(Organisation)) or 0


def test_a_province_imports_an_organisation(
    on_demo: Kaowu, sheet: Path, demo_factory: sessionmaker[KaowuSession]
) -> None:
    said = on_demo("import", KIND, sheet, "--as", "province99@kaowu.test")
    assert (said.code, said.err) == (0, "")
    assert "新增机构 1" in said.out
    assert _known(demo_factory, "990705") == 1
    jobs = on_demo("jobs", "list", "--as", "PROVINCE99@kaowu.test")
    assert "机构与管理员批量导入" in jobs.out
    assert "已完成" in jobs.out
    with reading(demo_factory, system("test")) as session:
        asked = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "job.import.add")
        ).one()
        assert asked.organisation_code == "99"
        assert asked.request_id.startswith("cli ")


@SQLITE
def test_a_dry_run_writes_nothing(
    on_demo: Kaowu, sheet: Path, demo_factory: sessionmaker[KaowuSession]
) -> None:
    said = on_demo("import", KIND, sheet, "--as", "province99@kaowu.test", "--dry-run")
    assert said.code == 0
    assert "校验通过，没有导入。" in said.out
    assert _known(demo_factory, "990705") == 0


@SQLITE
def test_errors_are_listed_with_row_and_column_and_nothing_is_written(
    on_demo: Kaowu, tmp_path: Path, demo_factory: sessionmaker[KaowuSession]
) -> None:
    bad = ("3206", "别省地市", "32", "孙七", "sunqi@kaowu.test", "")
    path = _write(tmp_path / "bad.xlsx", [GOOD, bad])
    said = on_demo("import", KIND, path, "--as", "province99@kaowu.test")
    assert said.code == 1
    assert "第3行 上级代码 32：上级机构不存在，或不在您的管辖范围内" in said.err
    assert "没有导入。" in said.err
    assert _known(demo_factory, "990705") == 0


@SQLITE
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "请用 --as 指明操作人的邮箱。"),
        (["--as", "site990701@kaowu.test"], "您没有“机构与管理员批量导入”的执行权限"),
        (["--as", "candidate@kaowu.test"], "未绑定考务机构"),
        (["--as", "stranger@kaowu.test"], "没有找到"),
        (["--as", "not an address"], "没有找到"),
        (["--as", "province99@kaowu.test", "--exam", "12"], "没有考次 12。"),
        (["--as", "province99@kaowu.test", "--exam", "57"], "历史考次的数据只能查看和导出"),
        (["--as", "site990701@kaowu.test", "--site", "990702"], "不在您的管辖范围内"),
        (["--as", "city9907@kaowu.test", "--site", "990801"], "不在您的管辖范围内"),
    ],
)
def test_refusals_are_the_policy_s(
    on_demo: Kaowu, sheet: Path, options: list[str], sentence: str
) -> None:
    said = on_demo("import", KIND, sheet, *options)
    assert (said.code, said.out) == (1, "")
    assert sentence in said.err


@SQLITE
@pytest.mark.parametrize(
    "arguments",
    [
        [KIND],
        [KIND, "/no/such/file.xlsx"],
        [KIND, "/etc/hostname", "--overwrite"],
        [KIND, "/etc/hostname", "--option", "no equals sign"],
    ],
)
def test_wrong_usage(on_demo: Kaowu, arguments: list[str]) -> None:
    assert on_demo("import", *arguments, "--as", "province99@kaowu.test").code == 2


@SQLITE
def test_what_is_no_workbook_is_refused_before_a_job_is_made(
    on_demo: Kaowu, tmp_path: Path
) -> None:
    path = tmp_path / "names.txt"
    path.write_text("990705")
    assert on_demo("import", KIND, path, "--as", "province99@kaowu.test").code == 1
    assert on_demo("jobs", "list").out == "没有任务。\n"


@SQLITE
def test_an_unknown_kind_names_those_there_are(on_demo: Kaowu, sheet: Path) -> None:
    said = on_demo("import", "nothing", sheet, "--as", "province99@kaowu.test")
    assert said.code == 1
    assert KIND in said.err
    assert KIND in on_demo("import", "--list").out


@SQLITE
def test_r20_a_province_imports_student_records_for_a_site(on_demo: Kaowu, tmp_path: Path) -> None:
    """By the name of what is imported, on behalf of the site that --site names."""
    path = tmp_path / "学籍.xlsx"
    path.write_bytes(book([line(), line(education="博学")]))
    command = ("import", "student_record", path, "--exam", "58", "--site", "990701")
    said = on_demo(*command, "--as", "province99@kaowu.test")
    assert said.code == 1
    assert "文化程度" in said.out + said.err
    path.write_bytes(book([line()]))
    said = on_demo(*command, "--as", "province99@kaowu.test", "--overwrite")
    assert (said.code, said.err) == (0, "")
    assert "新增 1" in said.out
