"""The page of an import in a real browser: check, mend, submit – on desktop and phone."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.database.unit_of_work import unit_of_work
from app.jobs import engine, ledger
from app.jobs.machine import machine_of
from app.metadata.actor import system
from app.metadata.vocabulary import Level
from app.models.arrangement import Room
from app.models.job import JobRun
from tests.browser import picture
from tests.conftest import create_schema
from tests.contract.world import World, make_world
from tests.databases import Databases
from tests.jobs.support import ROOMS, SLOW, registered, workbook
from tests.serving import serve

SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], scope="session")
OUTPUT = Path(__file__).resolve().parents[1] / "output" / "jobs"
_numbers = itertools.count()


@pytest.fixture
def world(
    database_kind: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """An administration that knows the test declarations."""
    url = databases.clone(database_kind, f"import_browser_{next(_numbers)}", create_schema)
    with registered(ROOMS, SLOW):
        made = make_world(url, tmp_path_factory.mktemp("instance"))
        yield made
    made.runtime.engine.dispose()
    databases.drop(url)


@pytest.fixture
def address(world: World) -> Iterator[str]:
    """The application on a port of this machine."""
    with serve(world.server) as address:
        yield f"{address}/admin/58/test-rooms/"


@pytest.fixture(params=["desktop_page", "phone_page"])
def page(request: Any, world: World) -> Page:
    """A page of somebody of a site, on both sizes."""
    made: Page = request.getfixturevalue(request.param)
    value = world.cookie(world.people[Level.SITE, 0], made.evaluate("navigator.userAgent"))
    cookie: Any = {"name": "kaowu_admin", "value": value, "domain": "127.0.0.1", "path": "/admin"}
    made.context.add_cookies([cookie])
    return made


def shown(page: Page, name: str) -> None:
    """The page does not scroll sideways; a picture is kept."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if page.viewport_size:
        picture(page, OUTPUT / f"{name}-{page.viewport_size['width']}.png", full_page=True)


def choose(page: Page, path: Path, rows: list[list[Any]], button: str) -> None:
    """Choose a workbook of these rows and press a button of the form."""
    path.write_bytes(workbook(rows))
    page.locator('input[name="_file"]').set_input_files(str(path))
    page.get_by_role("button", name=button, exact=True).click()


def run_all(page: Page, world: World) -> None:
    """What a worker would do, once the page waits for it."""
    expect(page.locator("#kw-run")).to_contain_text("正在排队")
    machine = machine_of(world.runtime)
    with world.looking() as session:
        waiting = [run.id for run in session.query(JobRun).filter(JobRun.state == "queued")]
    for number in waiting:
        engine.execute(machine, number)


@SQLITE
def test_a_file_is_checked_mended_and_submitted(
    page: Page, address: str, world: World, tmp_path: Path
) -> None:
    page.goto(address)
    expect(page.locator("body")).to_contain_text("未导入文件")
    shown(page, "empty")
    wrong = [[1, "xx", "甲楼"], [2, "02", None], [3, "03", "丙楼", "豪华", "2026-02-30", "也许"]]
    choose(page, tmp_path / "a.xlsx", wrong, "校验提交")
    run_all(page, world)
    expect(page.locator("#kw-run")).to_contain_text("校验未通过，未导入任何数据")
    expect(page.locator("#kw-run")).to_contain_text("共 5 处错误，涉及 3 行")
    shown(page, "errors")

    choose(page, tmp_path / "b.xlsx", [[1, "01", "甲楼"], [2, "02", "乙楼"]], "仅校验")
    run_all(page, world)
    expect(page.locator("#kw-run")).to_contain_text("校验通过，未导入数据")
    shown(page, "checked")
    page.locator("#kw-run").get_by_role("button", name="提交", exact=True).click()
    expect(page.locator("#kw-confirm")).to_contain_text("确定导入校验通过的 2 行？")
    shown(page, "question")
    page.locator("#kw-confirm").get_by_role("button", name="确定").click()
    run_all(page, world)
    expect(page.locator("#kw-run")).to_contain_text("导入成功")
    expect(page.locator("#kw-run").get_by_role("button", name="提交", exact=True)).to_have_count(0)
    with world.looking() as session:
        assert session.query(Room).count() == 2

    page.locator('input[name="_file"]').set_input_files(str(tmp_path / "b.xlsx"))
    page.get_by_role("button", name="校验提交", exact=True).click()
    expect(page.locator("body")).to_contain_text("同一文件已由")
    shown(page, "again")


@SQLITE
def test_the_page_shows_how_fast_it_goes_and_can_be_left(
    page: Page, address: str, world: World, tmp_path: Path
) -> None:
    page.goto(address)
    choose(page, tmp_path / "a.xlsx", [[1, "01", "甲楼"]], "校验提交")
    machine = machine_of(world.runtime)
    with world.looking() as session:
        (number,) = [run.id for run in session.query(JobRun)]
    order = ledger.claim(machine, number)
    assert order is not None
    # so long ago that the seconds of a busy machine do not change the figures
    begun = machine.clock() - dt.timedelta(seconds=10_000)
    stage = {"stage": "正在校验", "begun": begun.isoformat()}
    with unit_of_work(world.runtime.factory, system("seed")) as session:
        ledger.change(
            session,
            ledger.held(order),
            progress=610_000,
            total=610_600,
            result=stage,
            heartbeat_at=machine.clock(),
        )
    page.goto(address)
    run = page.locator("#kw-run")
    expect(run).to_contain_text("正在校验…")
    expect(run).to_contain_text("已处理 610000 / 610600 行")
    expect(run).to_contain_text("约 61 行/秒，预计还需 10 秒")
    expect(run.get_by_role("button", name="取消任务")).to_be_visible()
    shown(page, "running")
