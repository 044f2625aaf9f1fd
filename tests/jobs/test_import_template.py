"""The template workbook of an import (R20.3)."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from typing import Any

import openpyxl

from app.jobs.imports.template import SAMPLE_SHEET, template_workbook
from app.metadata.fields import Kind
from app.models.arrangement import Room
from tests.jobs.conftest import Ground
from tests.jobs.import_tools import submit
from tests.jobs.support import HEADINGS, ROOMS, field


def test_the_template_has_hints_lists_samples_and_is_read_back(ground: Ground) -> None:
    content = template_workbook(ROOMS, {}, 500)
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames == ["考场", SAMPLE_SHEET, "代码表-类型"]
    page = book["考场"]
    assert [cell.value for cell in page[3]] == list(HEADINGS)
    assert page["B3"].font.color.rgb == "FFC00000"
    assert page["A1"].font.color.rgb == "FFC00000"
    lists = {
        str(rule.sqref): rule.formula1
        for rule in page.data_validations.dataValidation
        if rule.type == "list"
    }
    assert lists == {"D4:D503": "'代码表-类型'!$C$2:$C$3", "F4:F503": '"是,否"'}
    assert [cell.value for cell in book["代码表-类型"][2]] == ["1", "普通", "1-普通"]
    assert [cell.value for cell in book[SAMPLE_SHEET][4]][:3] == [None, "01", "教学楼101"]
    page["B4"], page["C4"], page["D4"] = "09", "甲楼", "2-备用"
    stream = io.BytesIO()
    book.save(stream)
    assert submit(ground, stream.getvalue()).state == "done"
    assert ground.all(Room)[0].number == "09"


def test_hints_stand_above_the_headings_and_beside_the_cells() -> None:
    columns = tuple(
        replace(column, help="两位数字") if column.name == "number" else column
        for column in ROOMS.columns
    )
    declaration = replace(ROOMS, name="test_hints", columns=columns)
    page = openpyxl.load_workbook(io.BytesIO(template_workbook(declaration, {}, 50)))["考场"]
    assert page["B2"].value == "两位数字"
    assert page["B2"].font.color.rgb == "FFC00000"
    notes = {
        str(rule.sqref): rule.prompt for rule in page.data_validations.dataValidation if rule.prompt
    }
    assert notes == {"B4:B53": "两位数字"}


def test_headings_are_protected_and_data_is_not() -> None:
    page = openpyxl.load_workbook(io.BytesIO(template_workbook(ROOMS, {}, 50)))["考场"]
    assert page.protection.sheet
    assert not page.protection.formatColumns
    assert page["B3"].protection.locked
    with zipfile.ZipFile(io.BytesIO(template_workbook(ROOMS, {}, 50))) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        book: Any = openpyxl.load_workbook(io.BytesIO(template_workbook(ROOMS, {}, 50)))
        styles = book._cell_styles
    for style in re.findall(r"<col [^>]*style=\"(\d+)\"", sheet):
        assert styles[int(style)].numFmtId == 49  # the format “@”
        assert styles[int(style)].protectionId
    assert page.freeze_panes == "A4"
    assert page.column_dimensions["C"].width > 10


def test_columns_of_one_list_share_a_sheet_and_living_lists_go_first() -> None:
    subjects = [field(f"s{n}", f"科目{n}", kind=Kind.CHOICE, choices={"x": "y"}) for n in (1, 2)]
    declaration = replace(ROOMS, name="test_lists", columns=(*ROOMS.columns, *subjects))
    living = {"14": "计算机基础", "24": "数据库"}
    content = template_workbook(declaration, {"s1": living, "s2": living})
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames[2:] == ["代码表-类型", "代码表-科目1"]
    assert [cell.value for cell in book["代码表-科目1"]["C"]][1:] == ["14-计算机基础", "24-数据库"]


def test_an_unfilled_template_has_no_data(ground: Ground) -> None:
    run = submit(ground, template_workbook(ROOMS, {}))
    assert "没有数据" in run.errors[0]["message"]
