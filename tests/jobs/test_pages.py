"""The pages of imports, documents and jobs, as a browser asks for them."""

from __future__ import annotations

import io
import itertools
import os
import re
from collections.abc import Iterator
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select

from app.database.unit_of_work import unit_of_work
from app.jobs import engine
from app.jobs.documents.small_tickets import SMALL_TICKETS
from app.jobs.machine import Machine, machine_of
from app.metadata.actor import system
from app.metadata.vocabulary import Level, Window
from app.models.arrangement import Room
from app.models.job import DocumentFile, JobRun
from tests.conftest import create_schema
from tests.contract.world import World, make_world, text_of
from tests.databases import Databases
from tests.factories import set_window
from tests.jobs.support import ROOMS, SLOW, registered, workbook

_numbers = itertools.count()
IMPORT, DOCUMENT = "/test-rooms/", "/test-slow/"


@pytest.fixture
def world(
    database_kind: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """An administration that knows the test declarations; its queue server is not there."""
    url = databases.clone(database_kind, f"pages_{os.getpid()}_{next(_numbers)}", create_schema)
    with registered(ROOMS, SLOW):
        made = make_world(url, tmp_path_factory.mktemp("instance"))
        yield made
    made.runtime.engine.dispose()
    databases.drop(url)


def machine(world: World) -> Machine:
    return machine_of(world.runtime)


def jobs_of(world: World) -> list[JobRun]:
    with world.looking() as session:
        found = list(session.scalars(select(JobRun).order_by(JobRun.id)))
        session.expunge_all()
        return found


def upload(world: World, content: bytes, name: str = "考场.xlsx", **values: Any) -> Any:
    """Post the form of the import page as the site."""
    data = values | {"_file": (io.BytesIO(content), name)}
    return world.browser().post(IMPORT, data, content_type="multipart/form-data")


def test_an_upload_becomes_a_run_whose_page_polls_until_it_ends(world: World) -> None:
    site = world.browser()
    page = site.get(IMPORT)
    assert page.status_code == 200
    assert "未导入文件" in text_of(page)
    answer = upload(world, workbook([[1, "01", "甲楼"], [2, "xx", "乙楼"]]))
    assert answer.status_code == 302, text_of(answer)
    page = site.get(IMPORT)
    assert "正在排队" in text_of(page)
    (poll,) = re.findall(r'hx-get="/admin/58(/jobs/\d+/)"', page.get_data(as_text=True))
    fragment = site.get(poll, headers={"HX-Request": "true", "HX-Target": "kw-run"})
    assert "<html" not in fragment.get_data(as_text=True)
    assert 'hx-trigger="load delay:1s"' in fragment.get_data(as_text=True)

    (run,) = jobs_of(world)
    assert engine.execute(machine(world), run.id) == "done"
    shown = text_of(site.get(IMPORT))
    assert "校验未通过，未导入任何数据" in shown
    assert "考场号为 01–99" in shown
    assert "hx-trigger" not in site.get(poll).get_data(as_text=True).split('id="kw-run"')[1][:60]
    report = site.get(f"/jobs/{run.id}/file")
    assert report.status_code == 200
    book = openpyxl.load_workbook(io.BytesIO(report.get_data()))
    assert book.sheetnames == ["考场", "错误清单"]
    assert world.entries("job.import.download")


def test_a_good_upload_says_so(world: World) -> None:
    upload(world, workbook([[1, "01", "甲楼"]]))
    (run,) = jobs_of(world)
    engine.execute(machine(world), run.id)
    shown = text_of(world.browser().get(IMPORT))
    assert "导入成功" in shown
    assert "新增" in shown
    with world.looking() as session:
        assert len(list(session.scalars(select(Room)))) == 1


def test_checking_only_is_offered(world: World) -> None:
    upload(world, workbook([[1, "01", "甲楼"]]), _check_only="1")
    (run,) = jobs_of(world)
    engine.execute(machine(world), run.id)
    assert "校验通过，未导入数据" in text_of(world.browser().get(IMPORT))
    with world.looking() as session:
        assert list(session.scalars(select(Room))) == []


@pytest.mark.parametrize(
    ("content", "name", "part"),
    [
        (b"", "", "请选择要导入的文件"),
        (b"Rar!\x1a\x07\x00", "a.rar", "不支持 .rar"),
        (b"x", "a.xlsx", "不符"),
        (workbook([]), "a.xlsm", "宏"),
    ],
)
def test_a_refused_upload_shows_why(world: World, content: bytes, name: str, part: str) -> None:
    answer = upload(world, content, name)
    assert answer.status_code == 422
    assert part in text_of(answer)
    assert jobs_of(world) == []


def test_the_template_is_downloaded(world: World) -> None:
    answer = world.browser().get(f"{IMPORT}template")
    book = openpyxl.load_workbook(io.BytesIO(answer.get_data()))
    assert book.sheetnames[0] == "考场"


def test_r0_2_outside_the_window_the_page_opens_and_says_why(world: World) -> None:
    with unit_of_work(world.runtime.factory, system("seed")) as session:
        set_window(session, world.tree.site, Window.ARRANGEMENT, None)
    page = world.browser().get(IMPORT)
    assert page.status_code == 200
    assert "编排时间" in text_of(page)
    assert 'name="_file"' not in page.get_data(as_text=True)
    answer = upload(world, workbook([[1, "01", "甲"]]))
    assert answer.status_code in (302, 403)
    assert jobs_of(world) == []


def test_levels_without_the_verb_and_strangers_are_refused(world: World) -> None:
    assert world.browser(Level.PROVINCE).get(IMPORT).status_code == 403
    assert world.browser(Level.PROVINCE).post(f"{DOCUMENT}generate").status_code in (302, 403)
    assert world.nobody().get(IMPORT).status_code == 302
    assert world.browser().post(IMPORT, csrf=False).status_code in (302, 400)
    assert jobs_of(world) == []


def test_a_job_is_cancelled_and_tried_again_from_its_page(world: World) -> None:
    upload(world, workbook([[1, "01", "甲楼"]]))
    (run,) = jobs_of(world)
    site, other = world.browser(), world.browser(number=1)
    assert other.get(f"/jobs/{run.id}/").status_code == 404
    assert other.post(f"/jobs/{run.id}/cancel").status_code == 404
    assert site.post(f"/jobs/{run.id}/cancel").status_code == 302
    assert jobs_of(world)[0].state == "cancelled"
    assert "已取消" in text_of(site.get(f"/jobs/{run.id}/"))
    assert site.post(f"/jobs/{run.id}/retry").status_code == 302
    assert jobs_of(world)[0].state == "queued"


def test_the_monitor_shows_the_jobs_of_the_scope(world: World) -> None:
    upload(world, workbook([[1, "01", "甲楼"]]))
    for browser, seen in (
        (world.browser(), True),
        (world.browser(Level.CITY), True),
        (world.browser(Level.PROVINCE), True),
        (world.browser(Level.CENTER), True),
        (world.browser(number=1), False),
    ):
        page = browser.get("/jobs/")
        assert page.status_code == 200
        assert ("考场导入" in text_of(page).split("任务监控")[-1]) is seen
    city = world.browser(Level.CITY).get("/jobs/").get_data(as_text=True)
    assert "/cancel" not in city, "only who could have started it may cancel"


def test_a_document_is_generated_shown_stale_and_downloaded(world: World) -> None:
    site = world.browser()
    assert "还没有生成过文件" in text_of(site.get(DOCUMENT))
    assert site.post(f"{DOCUMENT}generate").status_code == 302
    page = site.get(DOCUMENT)
    assert "排队中" in text_of(page)
    assert 'hx-trigger="load delay:2s"' in page.get_data(as_text=True)
    (run,) = jobs_of(world)
    assert engine.execute(machine(world), run.id) == "done"
    shown = text_of(site.get(DOCUMENT))
    assert "已生成" in shown
    assert "1 KB" in shown
    assert "已过期" not in shown.replace("会标记“已过期”", "")
    with world.looking() as session:
        (document_id,) = session.scalars(select(DocumentFile.id))
    answer = site.get(f"{DOCUMENT}{document_id}/download")
    assert answer.get_data() == b"%PDF-test\n[]"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert world.browser(number=1).get(f"{DOCUMENT}{document_id}/download").status_code == 404

    upload(world, workbook([[1, "01", "甲楼"]]))
    engine.execute(machine(world), jobs_of(world)[-1].id)
    shown = text_of(site.get(DOCUMENT))
    assert "已过期" in shown.replace("会标记“已过期”", "")
    assert "重新生成" in shown


def test_local_files_are_handed_to_the_server_in_front(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = world.browser()
    site.post(f"{DOCUMENT}generate")
    engine.execute(machine(world), jobs_of(world)[0].id)
    with world.looking() as session:
        (document_id,) = session.scalars(select(DocumentFile.id))
    object.__setattr__(world.runtime.settings, "files_accel_prefix", "/internal/")
    answer = site.get(f"{DOCUMENT}{document_id}/download")
    assert answer.headers["X-Accel-Redirect"].startswith("/internal/document/")
    assert answer.get_data() == b""


@pytest.mark.parametrize("path", ["/organisation-import/", "/small-tickets/", "/jobs/"])
@pytest.mark.parametrize("level", [Level.CENTER, Level.PROVINCE, Level.CITY, Level.SITE])
def test_the_first_users_open_for_whom_the_matrix_says(
    world: World, path: str, level: Level
) -> None:
    allowed = path != "/organisation-import/" or level in (Level.CENTER, Level.PROVINCE)
    answer = world.browser(level).get(path)
    assert answer.status_code == (200 if allowed else 403)
    if path == "/small-tickets/":
        assert "考点小版准考证下载" in text_of(answer)


def test_r34_2_the_order_is_chosen_beside_the_button(world: World) -> None:
    """No search form: nothing is searched here, and every document has one order."""
    object.__setattr__(SLOW, "parameters", SMALL_TICKETS.parameters)
    try:
        site = world.browser()
        page = site.get(DOCUMENT).get_data(as_text=True)
        form = page[page.index('id="kw-generate"') :].split("</form>")[0]
        assert "排序方式" in form
        assert '<option value="room" selected>' in form
        assert "全部" not in form
        assert 'role="search"' not in page
        assert site.post(f"{DOCUMENT}generate", {"order": "name"}).status_code == 302
        assert jobs_of(world)[-1].parameters["order"] == "name"
    finally:
        object.__setattr__(SLOW, "parameters", ())
