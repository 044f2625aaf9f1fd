"""The import engine: every error of every row, all rows or none (R20.8, R38.5, domain §4)."""

from __future__ import annotations

import datetime as dt
import io
import itertools
from dataclasses import replace
from typing import Any

import openpyxl
import pytest
from python_calamine import CalamineWorkbook

from app.jobs import engine
from app.jobs.files import row_by_id
from app.jobs.imports import engine as imports
from app.jobs.imports.container import UploadRefused
from app.jobs.imports.rows import ImportRow
from app.jobs.imports.template import SAMPLE_SHEET, template_workbook
from app.metadata.errors import InvalidInput
from app.metadata.vocabulary import Level, Window
from app.metadata.sentences import told
from app.models.arrangement import Room
from app.models.audit import AuditEntry
from app.models.job import JobRun, StoredFile
from app.rules.policy import NoVerb, WindowClosed
from tests.factories import id_number, set_window
from tests.jobs.conftest import Ground
from tests.jobs.support import HEADINGS, ROOMS, registered, workbook

ORDERS = list(itertools.permutations(range(7)))[::997]
GOOD = [[1, "01", "甲楼101", "普通", dt.date(2026, 9, 19), "是", None], [2, "2", "乙楼202"]]


def submit(ground: Ground, content: bytes, name: str = "考场.xlsx", **options: Any) -> JobRun:
    """Upload as the site's administrator, run the job, return its row."""
    declaration = options.pop("declaration", ROOMS)
    machine = options.pop("machine", ground.machine)
    run = imports.submit(machine, ground.site, declaration, content, name, **options)
    engine.execute(machine, run.id)
    return ground.run(run.id)


def messages(run: JobRun) -> list[tuple[Any, str, str]]:
    """(row, column, message) of the errors."""
    return [(item["row"], item["column"], item["message"]) for item in run.errors]


def report(ground: Ground, run: JobRun) -> Any:
    """The report's workbook."""
    stored = next(row for row in ground.all(StoredFile) if row.id == run.report_file_id)
    return openpyxl.load_workbook(io.BytesIO(ground.machine.files.get(stored.key)))


# ---------------------------------------------------------------- good files


def test_all_rows_are_written_in_one_transaction_with_their_log(ground: Ground) -> None:
    run = submit(ground, workbook(GOOD))
    assert (run.state, run.error, run.errors) == ("done", None, [])
    assert run.result["counts"] == [
        {"label": "读取", "n": 2},
        {"label": "正确", "n": 2},
        {"label": "新增", "n": 2},
    ]
    assert sorted(room.number for room in ground.all(Room)) == ["01", "02"]
    actions = [entry.action for entry in ground.all(AuditEntry)]
    assert actions.count("arrangement.room.add") == 2
    assert all(room.site_id == ground.site.site_id for room in ground.all(Room))


@pytest.mark.parametrize("order", ORDERS)
def test_headings_stand_in_any_order_and_hints_above_them(
    ground: Ground, order: tuple[int, ...]
) -> None:
    headings = [HEADINGS[index] for index in order]
    cells = [[[*GOOD[0]][index] for index in order]]
    content = workbook([headings, *cells], headings=["带 * 的列必填"])
    run = submit(ground, content)
    assert run.state == "done", run.errors
    assert ground.count(Room) == 1


def test_r20_3_only_the_declared_sheet_is_read(ground: Ground) -> None:
    content = workbook(GOOD, others={"样例数据表": [["胡乱"], ["数据"]]})
    assert submit(ground, content).state == "done"
    run = submit(ground, workbook(GOOD, sheet="别的"))
    assert run.state == "rejected"
    assert "没有找到名为“考场”的工作表" in run.errors[0]["message"]


@pytest.mark.parametrize("kind", ["1", 1, 1.0, "普通", "1-普通", " １ "])
def test_codes_are_given_as_code_name_or_both(ground: Ground, kind: Any) -> None:
    assert submit(ground, workbook([[1, 1.0, "甲楼", kind]])).state == "done"
    assert ground.all(Room)[0].number == "01"


def test_csv_in_gb18030_and_a_zip_with_one_workbook(ground: Ground) -> None:
    text = '考场号,考场地址,类型,日期,大考场,证件号码\r\n="07",甲楼,,,,\r\n'
    assert submit(ground, text.encode("gb18030"), "a.csv").state == "done"
    stream = io.BytesIO()
    import zipfile

    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("文件夹/考场.xlsx", workbook(GOOD))
    assert submit(ground, stream.getvalue(), "a.zip").state == "done"
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("b.xlsx", workbook(GOOD))
    run = submit(ground, stream.getvalue(), "a.zip")
    assert run.state == "rejected"
    assert "只有一个" in run.errors[0]["message"]
    assert ground.count(Room) == 3


# ---------------------------------------------------------------- errors


def test_every_error_of_every_row_is_reported_and_nothing_written(ground: Ground) -> None:
    number = id_number(1)
    rows = [
        [1, "01", "甲楼"],
        [2, "abc", None],
        [3, "03", "丙楼", "豪华", "2026-02-30", "也许"],
        [None, None, None],
        [5, "05", "x" * 61, None, None, None, float(number)],
    ]
    run = submit(ground, workbook(rows))
    assert run.state == "rejected"
    assert [(row, column) for row, column, _ in messages(run)] == [
        (3, "考场号"),
        (3, "考场地址"),
        (4, "类型"),
        (4, "日期"),
        (4, "大考场"),
        (6, "考场地址"),
        (6, "证件号码"),
    ]
    texts = {(row, column): text for row, column, text in messages(run)}
    assert texts[3, "考场地址"] == "必填"
    assert "请设为文本格式" in texts[6, "证件号码"]
    assert ground.count(Room) == 0
    assert run.result["error_count"] == 7
    assert run.result["error_rows"] == 3


def test_personal_values_are_masked_in_the_error_list(ground: Ground) -> None:
    number = id_number(7)
    content = workbook([[1, "01", None, None, None, None, number]])
    with registered(
        replace(
            ROOMS,
            name="test_keepers",
            check=lambda _session, row, _context: [("keeper", "此人不能担任")],
        )
    ):
        from app.metadata.registry import get

        run = submit(
            ground,
            workbook([[1, "01", "甲", None, None, None, number]]),
            declaration=get("test_keepers"),
        )
    assert run.errors[0]["value"] == number[:6] + "*" * 8 + number[-4:]
    assert number not in str(submit(ground, content).errors)


def test_two_rows_with_the_same_key_are_both_wrong(ground: Ground) -> None:
    run = submit(ground, workbook([[1, "01", "甲"], [2, "02", "乙"], [3, " 1", "丙"]]))
    assert messages(run) == [
        (2, "考场号", "与第 4 行重复"),
        (4, "考场号", "与第 2 行重复"),
    ]


@pytest.mark.parametrize(
    ("headings", "expected"),
    [
        (HEADINGS[:2], [("考场地址", "缺少这一列")]),
        ([*HEADINGS, "楼层"], [("楼层", "没有这一列")]),
        ([*HEADINGS, "考场号"], [("考场号", "列名重复")]),
        (["甲", "乙"], [("", "没有找到表头")]),
    ],
)
def test_wrong_headings_are_named(
    ground: Ground, headings: list[str], expected: list[tuple[str, str]]
) -> None:
    run = submit(ground, workbook(GOOD[1:], headings=headings))
    assert run.state == "rejected"
    for column, part in expected:
        assert any(column == c and part in text for _, c, text in messages(run)), run.errors


def test_an_empty_sheet_is_refused(ground: Ground) -> None:
    run = submit(ground, workbook([[None], ["  "]]))
    assert "没有数据" in run.errors[0]["message"]


def test_scenario_60_1500_errors_show_1000_and_the_report_has_all(ground: Ground) -> None:
    rows = [[number, "xx", "甲楼"] for number in range(1500)]
    run = submit(ground, workbook(rows))
    assert run.state == "rejected"
    assert len(run.errors) == 1000
    assert run.result["error_count"] == 1500
    assert ground.count(Room) == 0
    book = report(ground, run)
    listed = book["错误清单"]
    assert listed.max_row == 1501
    assert [cell.value for cell in listed[1501]][:3] == ["考场", 1501, "考场号"]
    data = book["考场"]
    assert data.cell(1, 8).value == "错误信息"
    assert data.cell(1501, 2).value == "xx"
    assert "考场号" in data.cell(1501, 8).value


def test_the_report_computes_nothing(ground: Ground) -> None:
    run = submit(ground, workbook([["=1+1", "=cmd|'/c calc'!A1", '=HYPERLINK("http://x")']]))
    book = report(ground, run)
    kinds = {cell.data_type for sheet in book for line in sheet.iter_rows() for cell in line}
    assert "f" not in kinds


def test_rows_that_apply_refuses_are_reported_and_roll_everything_back(ground: Ground) -> None:
    def taken_meanwhile(session: Any, rows: list[ImportRow], context: Any) -> Any:
        ROOMS.apply(session, rows, context)
        session.flush()
        raise imports.RowsRefused([(rows[-1], "number", "刚刚被占用")])

    declaration = replace(ROOMS, name="test_taken", apply=taken_meanwhile)
    with registered(declaration):
        run = submit(ground, workbook(GOOD), declaration=declaration)
    assert run.state == "rejected"
    assert messages(run) == [(3, "考场号", "刚刚被占用")]
    assert ground.count(Room) == 0


def test_a_partial_import_writes_the_good_rows(ground: Ground) -> None:
    declaration = replace(ROOMS, name="test_partial", atomic=False)
    with registered(declaration):
        run = submit(ground, workbook([[1, "01", "甲"], [2, "xx", "乙"]]), declaration=declaration)
    assert run.state == "done"
    assert messages(run) == [(3, "考场号", "考场号为 01–99")]
    assert [room.number for room in ground.all(Room)] == ["01"]
    assert run.report_file_id is not None


def test_checking_alone_writes_nothing(ground: Ground) -> None:
    run = submit(ground, workbook(GOOD), apply=False)
    assert (run.state, run.errors) == ("done", [])
    assert ground.count(Room) == 0


def test_options_are_cleaned_and_reach_the_rules(ground: Ground) -> None:
    seen: list[Any] = []

    def look(_session: Any, _row: Any, context: Any) -> list[Any]:
        seen.append(context.options)
        return []

    declaration = replace(ROOMS, name="test_options", check=look)
    with registered(declaration):
        run = submit(
            ground, workbook(GOOD[:1]), declaration=declaration, options={"overwrite": "1"}
        )
        with pytest.raises(InvalidInput):
            submit(ground, workbook(GOOD), declaration=declaration, options={"other": "1"})
    assert run.state == "done"
    assert seen == [{"overwrite": True}]


# ---------------------------------------------------------------- who and when


def test_n2_a_window_that_closes_while_the_import_runs_refuses_all(ground: Ground) -> None:
    passed = [dt.timedelta(0)]

    def slow(session: Any, rows: list[ImportRow], context: Any) -> Any:
        counts = ROOMS.apply(session, rows, context)
        passed.append(dt.timedelta(days=40))
        return counts

    declaration = replace(ROOMS, name="test_closing", apply=slow)
    machine = replace(ground.machine, clock=lambda: dt.datetime.now(dt.UTC) + passed[-1])
    with registered(declaration):
        run = submit(ground, workbook(GOOD), declaration=declaration, machine=machine)
    assert run.state == "rejected"
    assert "编排时间" in (run.error or "")
    assert ground.count(Room) == 0


@pytest.mark.postgres
def test_n2_a_window_that_is_moved_while_the_import_runs_refuses_all(ground: Ground) -> None:
    past = ground.tree.now - dt.timedelta(days=2)

    def moved(session: Any, rows: list[ImportRow], context: Any) -> Any:
        counts = ROOMS.apply(session, rows, context)
        ground.write(
            lambda other: set_window(
                other, ground.tree.site, Window.ARRANGEMENT, past - dt.timedelta(days=1), past
            )
        )
        return counts

    declaration = replace(ROOMS, name="test_moved", apply=moved)
    with registered(declaration):
        run = submit(ground, workbook(GOOD), declaration=declaration)
    assert run.state == "rejected"
    assert ground.count(Room) == 0


def test_r0_2_no_upload_outside_the_window_nor_without_the_right(ground: Ground) -> None:
    past = ground.tree.now - dt.timedelta(days=2)
    with pytest.raises(NoVerb):
        imports.submit(ground.machine, ground.city, ROOMS, workbook(GOOD), "a.xlsx")
    ground.write(
        lambda session: set_window(
            session, ground.tree.site, Window.ARRANGEMENT, past - dt.timedelta(days=1), past
        )
    )
    with pytest.raises(WindowClosed):
        imports.submit(ground.machine, ground.site, ROOMS, workbook(GOOD), "a.xlsx")
    assert ground.count(JobRun) == 0
    assert ground.count(StoredFile) == 0


def test_the_same_file_is_recognised(ground: Ground) -> None:
    content = workbook([[1, "01", "甲"]])
    assert submit(ground, content).result["notes"] == []
    run = submit(ground, content)
    assert "成功导入过" in told(run.result["notes"][0])
    assert run.state == "rejected"
    assert ground.count(Room) == 1


def test_too_many_rows_are_refused(ground: Ground) -> None:
    machine = replace(ground.machine, import_max_rows=20)
    rows = [[number, f"{number:02d}", "甲"] for number in range(1, 24)]
    run = submit(ground, workbook(rows), machine=machine)
    assert "超过 20 行" in run.errors[0]["message"]
    assert submit(ground, workbook(rows[:20]), machine=machine).state == "done"


def test_uploads_are_kept_for_a_while_only(ground: Ground) -> None:
    from app.jobs.file_expiry import delete_expired_files

    run = submit(ground, workbook([[1, "xx", "甲"]]))
    assert ground.count(StoredFile) == 2
    keys = [row.key for row in ground.all(StoredFile)]
    later = replace(ground.machine, clock=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(days=31))
    assert delete_expired_files(ground.machine) == 0
    assert delete_expired_files(later) == 2
    assert ground.count(StoredFile) == 0
    assert not any(ground.machine.files.exists(key) for key in keys)
    kept = ground.run(run.id)
    assert (kept.source_file_id, kept.report_file_id) == (None, None)


def test_uploads_without_a_name_of_their_own_are_refused(ground: Ground) -> None:
    for name in ("a.rar", "a.xlsm", "a.exe", "xlsx", ""):
        with pytest.raises(UploadRefused):
            imports.submit(ground.machine, ground.site, ROOMS, workbook(GOOD), name)
    assert ground.count(StoredFile) == 0


# ---------------------------------------------------------------- the template


def test_the_template_has_hints_lists_samples_and_is_read_back(ground: Ground) -> None:
    content = template_workbook(ROOMS, {})
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames[:2] == ["考场", SAMPLE_SHEET]
    page = book["考场"]
    headings = [cell.value for cell in page[3]]
    assert headings == list(HEADINGS)
    assert page["B3"].font.color.rgb == "00C00000"
    lists = {
        str(rule.sqref).split(":")[0]: rule.formula1
        for rule in page.data_validations.dataValidation
    }
    assert lists == {"D4": "'代码表-类型'!$C$2:$C$3", "F4": '"是,否"'}
    assert page.column_dimensions["B"].number_format == "@"
    assert [cell.value for cell in book["代码表-类型"][2]] == ["1", "普通", "1-普通"]
    page["B4"], page["C4"], page["D4"] = "09", "甲楼", "2-备用"
    stream = io.BytesIO()
    book.save(stream)
    assert submit(ground, stream.getvalue()).state == "done"
    assert ground.all(Room)[0].number == "09"
    assert CalamineWorkbook.from_filelike(io.BytesIO(content)).sheet_names[0] == "考场"


def test_an_unfilled_template_has_no_data(ground: Ground) -> None:
    run = submit(ground, template_workbook(ROOMS, {}))
    assert "没有数据" in run.errors[0]["message"]


def test_levels_without_the_right_see_no_run_of_others(ground: Ground) -> None:
    run = submit(ground, workbook(GOOD))
    from app.database.unit_of_work import reading

    with reading(ground.machine.factory, ground.tree.actor(Level.SITE, 1)) as session:
        assert row_by_id(session, JobRun, run.id) is None
    with reading(ground.machine.factory, ground.city) as session:
        assert row_by_id(session, JobRun, run.id) is not None
