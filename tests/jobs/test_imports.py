"""The import engine: all rows or none, by whom and when (R20.8, domain §4)."""

from __future__ import annotations

import datetime as dt
import io
import itertools
from dataclasses import replace
from typing import Any

import pytest

from app.database.unit_of_work import reading
from app.jobs.files import row_by_id
from app.jobs.imports import engine as imports
from app.jobs.imports.container import UploadRefused
from app.jobs.imports.held import ImportRow
from app.metadata.sentences import told
from app.metadata.vocabulary import Level, Window
from app.models.arrangement import Room
from app.models.audit import AuditEntry
from app.models.job import JobRun, StoredFile
from app.rules.policy import NoVerb, WindowClosed
from tests.factories import set_window
from tests.jobs.conftest import Ground
from tests.jobs.import_tools import GOOD, submit
from tests.jobs.support import HEADINGS, ROOMS, registered, workbook

ORDERS = list(itertools.permutations(range(7)))[::997]


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


def test_levels_without_the_right_see_no_run_of_others(ground: Ground) -> None:
    run = submit(ground, workbook(GOOD))
    with reading(ground.machine.factory, ground.tree.actor(Level.SITE, 1)) as session:
        assert row_by_id(session, JobRun, run.id) is None
    with reading(ground.machine.factory, ground.city) as session:
        assert row_by_id(session, JobRun, run.id) is not None
