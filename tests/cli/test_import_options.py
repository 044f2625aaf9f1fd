"""`kaowu import`: options of an import, templates, reports, the same file twice."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest
from openpyxl import Workbook

from tests.cli.conftest import Kaowu
from tests.cli.test_import import GOOD, HEAD, KIND, SQLITE

WHO = ("--as", "province99@kaowu.test")
BAD = ("3206", "别省地市", "32", "孙七", "sunqi@kaowu.test", "")


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    return written(tmp_path / "机构.xlsx", GOOD)


def written(path: Path, *rows: tuple[str, ...]) -> Path:
    """A workbook of these rows."""
    book = Workbook()
    page = book.active
    assert page is not None
    page.title = "机构与管理员"
    for row in (HEAD, *rows):
        page.append(list(row))
    book.save(path)
    return path


@SQLITE
def test_all_imports_are_listed_with_their_flags(on_demo: Kaowu) -> None:
    said = on_demo("import", "--list")
    assert said.code == 0
    assert "organisation_import  机构与管理员批量导入" in said.out
    assert "student_record_import  学籍数据导入  --overwrite" in said.out


@SQLITE
def test_the_report_stands_beside_the_file_and_can_be_mended(
    on_demo: Kaowu, tmp_path: Path
) -> None:
    path = written(tmp_path / "bad.xlsx", GOOD, BAD)
    said = on_demo("import", KIND, path, *WHO)
    assert said.code == 1
    report = tmp_path / "bad.report.xlsx"
    assert f"错误报告已写入 {report}" in said.out
    book = openpyxl.load_workbook(report)
    page = book["机构与管理员"]
    assert "上级机构不存在" in page["G3"].value
    for column, value in enumerate(("990706", "地市七考点六", "9907", "孙七"), start=1):
        page.cell(3, column, value)
    book.save(report)
    assert "新增机构 2" in on_demo("import", KIND, report, *WHO).out


@SQLITE
def test_the_report_goes_where_it_is_asked_for(on_demo: Kaowu, tmp_path: Path) -> None:
    path, report = written(tmp_path / "bad.xlsx", BAD), tmp_path / "errors.xlsx"
    assert on_demo("import", KIND, path, *WHO, "--report", report).code == 1
    assert openpyxl.load_workbook(report).sheetnames == ["机构与管理员", "错误清单"]
    assert not (tmp_path / "bad.report.xlsx").exists()


@SQLITE
def test_a_dry_run_with_errors_ends_with_one(on_demo: Kaowu, tmp_path: Path) -> None:
    path = written(tmp_path / "bad.xlsx", BAD)
    said = on_demo("import", KIND, path, *WHO, "--dry-run")
    assert said.code == 1
    assert "没有导入。" in said.err


@SQLITE
def test_the_same_file_is_refused_until_it_is_asked_for_again(on_demo: Kaowu, sheet: Path) -> None:
    assert on_demo("import", KIND, sheet, *WHO).code == 0
    said = on_demo("import", KIND, sheet, *WHO)
    assert (said.code, said.out) == (1, "")
    assert "成功导入过" in said.err
    said = on_demo("import", KIND, sheet, *WHO, "--again")
    assert said.code == 1
    assert "成功导入过" in said.out


@SQLITE
def test_a_template_is_written_and_imported_when_filled_in(on_demo: Kaowu, tmp_path: Path) -> None:
    path = tmp_path / "template.xlsx"
    assert on_demo("import", "template", KIND, path, *WHO).code == 0
    book = openpyxl.load_workbook(path)
    for column, value in enumerate(GOOD, start=1):
        book["机构与管理员"].cell(4, column, value)
    book.save(path)
    assert "新增机构 1" in on_demo("import", KIND, path, *WHO).out


@SQLITE
@pytest.mark.parametrize(
    "arguments",
    [
        ["template", KIND],
        ["template"],
        [KIND, "/etc/hostname", "--no-such-option"],
        [KIND, "/etc/hostname", "--overwrite"],
    ],
)
def test_wrong_usage_ends_with_two(on_demo: Kaowu, arguments: list[str]) -> None:
    assert on_demo("import", *arguments, *WHO).code == 2


@SQLITE
def test_who_may_not_see_the_page_gets_no_template(on_demo: Kaowu, tmp_path: Path) -> None:
    path = tmp_path / "template.xlsx"
    said = on_demo("import", "template", KIND, path, "--as", "site990701@kaowu.test")
    assert said.code == 1
    assert not path.exists()


@SQLITE
def test_p3_an_import_reaches_no_other_site_than_the_named_one(on_demo: Kaowu, sheet: Path) -> None:
    """Nor is one done for a site whose file names organisations itself."""
    site = (*WHO, "--site", "990701")
    other = on_demo("import", "student_record", sheet, *site, "--option", "site=990801")
    assert (other.code, other.out) == (2, "")
    assert "请去掉一个" in other.err
    unbounded = on_demo("import", KIND, sheet, *site)
    assert (unbounded.code, unbounded.out) == (1, "")
    assert "请去掉 --site" in unbounded.err
