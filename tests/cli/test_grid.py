"""`kaowu grid`: a grid out as a workbook, changed, and in again, as its page does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
from sqlalchemy import select
from sqlalchemy.orm import sessionmaker

from app.database.session import KaowuSession
from app.database.unit_of_work import reading
from app.metadata.actor import system
from app.models.exam import Exam
from app.models.organisation import Organisation
from app.models.settings import Fee
from tests.cli.conftest import Kaowu

PROVINCE = ("--as", "province99@kaowu.test", "--exam", "58")
SITE = ("--as", "site990701@kaowu.test", "--exam", "58")


def fees(factory: sessionmaker[KaowuSession], code: str) -> dict[str, int]:
    with reading(factory, system("test")) as session:
        rows = session.execute(
            select(Fee.subject_code, Fee.amount)
            .join(Organisation, Organisation.id == Fee.site_id)
            .join(Exam, Exam.id == Fee.exam_id)
            .where(Organisation.code == code, Exam.number == 58)
        ).all()
    return {subject: amount for subject, amount in rows}  # noqa: C416 - rows are no pairs to mypy


def put(path: Path, value: Any) -> None:
    """Change the fee of the person of the first site."""
    book = openpyxl.load_workbook(path)
    book.worksheets[0]["C2"] = value
    book.save(path)


def test_fees_are_exported_changed_and_imported(
    on_demo: Kaowu, demo_factory: sessionmaker[KaowuSession], tmp_path: Path
) -> None:
    path = tmp_path / "fees.xlsx"
    said = on_demo("grid", "export", "fee", "-o", path, "--site", "990701", *PROVINCE)
    assert (said.code, said.out) == (0, f"已导出 1 个考点：{path}\n")
    before = fees(demo_factory, "990701")
    put(path, 12)
    tried = on_demo("grid", "import", "fee", path, "--dry-run", *PROVINCE)
    assert tried.code == 0
    assert "将修改 1 个考点的 1 处。" in tried.out
    assert "没有保存。" in tried.out
    assert fees(demo_factory, "990701") == before
    other = on_demo("grid", "import", "fee", path, "--yes", "--site", "990702", *PROVINCE)
    assert "将修改 0 个考点" in other.out
    done = on_demo("grid", "import", "fee", path, "--yes", *PROVINCE)
    assert (done.code, done.err) == (0, "")
    assert "已保存 1 处改动。" in done.out
    assert fees(demo_factory, "990701") == before | {"PERSON": 1200}


def test_wrong_cells_and_missing_rights_are_told(on_demo: Kaowu, tmp_path: Path) -> None:
    path = tmp_path / "fees.xlsx"
    assert on_demo("grid", "export", "fee", "-o", path, *PROVINCE).code == 0
    put(path, "很多")
    wrong = on_demo("grid", "import", "fee", path, "--yes", *PROVINCE)
    assert wrong.code == 1
    assert "第2行 990701 人次费（元）：金额格式不正确" in wrong.err
    assert "没有保存任何内容" in wrong.err
    refused = on_demo("grid", "import", "fee", path, "--yes", *SITE)
    assert refused.code == 1
    assert "考点费用设置" in refused.err
    assert on_demo("grid", "export", "nothing", "-o", path, *SITE).code == 1


def test_the_grids_are_listed(on_demo: Kaowu) -> None:
    said = on_demo("grid", "list")
    assert "fee  考点费用设置" in said.out
    assert "preference  意向考试相关设置" in said.out
