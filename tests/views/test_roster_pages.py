"""The pages of chapters 19-21 as they are seen and used: policies, import, library, moves."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.database.keys import digest
from app.database.unit_of_work import unit_of_work
from app.jobs import bulk, engine  # noqa: F401 - registers its handlers
from app.jobs.machine import machine_of
from app.metadata.actor import system
from app.metadata.vocabulary import Level
from app.models.job import JobRun
from app.models.roster import RosterPolicy, StudentRecord
from app.models.roster_moves import RosterMove
from tests import factories
from tests.browser import picture
from tests.contract.world import PASSWORD, World, text_of
from tests.factories import id_number
from tests.jobs.student_world import BIRTH, book, line
from tests.rules.roster.roster_world import add_record, set_policy
from tests.views.conftest import log_of, look, walk_phone

OUTPUT = Path(__file__).resolve().parents[1] / "output" / "roster"
SITE, PROVINCE = (Level.SITE, 0), (Level.PROVINCE, 0)


@pytest.fixture(scope="module", autouse=True)
def ground(office: World) -> None:
    """Both sites use the roster; the first has three students, one of whom is registered."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        for site in office.tree.sites:
            set_policy(session, office.tree, site)
        for name in ("陈一", "陈二", "李三"):
            row = add_record(session, office.tree, name=name)
        factories.make_registration(session, office.tree, id_number=row.id_number, name=row.name)
        factories.make_registration(session, office.tree)


@contextmanager
def unused(office: World) -> Iterator[None]:
    """The first site does not use the roster."""
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        set_policy(session, office.tree, office.tree.site, enabled=False)
    yield
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        set_policy(session, office.tree, office.tree.site)


def policy_of(office: World, number: int = 0) -> RosterPolicy:
    with office.looking() as session:
        site = office.tree.sites[number].id
        row = session.scalars(select(RosterPolicy).where(RosterPolicy.site_id == site)).one()
        assert row.allowed_sites is not None
        session.expunge_all()
        return row


def run_jobs(office: World) -> None:
    """Do what waits, as the worker would."""
    with office.looking() as session:
        waiting = session.scalars(select(JobRun.id).where(JobRun.state == "queued")).all()
    for job_id in waiting:
        engine.execute(machine_of(office.runtime), job_id)


# ---------------------------------------------------------------- 学籍报考设置


def test_r19_1_a_site_reads_its_own_settings_and_cannot_change_them(office: World) -> None:
    answer = office.browser().get("/roster-policy/")
    page = text_of(answer)
    assert "学籍报考设置" in page
    for words in ("启用学籍库", "仅接受本省学籍库考生报考", "可报考考点", "由省设置"):
        assert words in page
    assert "(990701)地市七考点1" in page
    assert office.browser().get(f"/roster-policy/edit/{policy_of(office).id}").status_code == 403


@pytest.mark.browser
@pytest.mark.allow_console_errors("409", "422")
def test_r19_1_the_province_sets_a_site_and_reads_what_it_touches(
    office: World, office_address: str, desktop_page: Page
) -> None:
    page = look(desktop_page, office, office_address, PROVINCE, "/roster-policy/")
    picture(page, OUTPUT / "policies-1440.png")
    row = page.locator(".kw-table tbody tr", has_text="990701")
    row.locator(".kw-op", has_text="修改").click()
    dialog = page.locator("#kw-dialog")
    expect(dialog).to_contain_text("990701")
    dialog.get_by_label("仅接受本考点学籍库考生报考").check()
    dialog.get_by_label("(990702)地市七考点2").check()
    picture(page, OUTPUT / "policy-dialog-1440.png")
    dialog.get_by_role("button", name="保存").click()
    expect(dialog).to_contain_text("涉及学籍库中的 3 条学籍信息")
    expect(dialog).to_contain_text("其中 1 名按新设置不能报考该考点")
    picture(page, OUTPUT / "policy-effects-1440.png")
    dialog.get_by_role("button", name="确认并保存").click()
    expect(page.locator(".kw-table")).to_contain_text("(990701)地市七考点1、(990702)地市七考点2")
    stored = policy_of(office)
    assert stored.own_site_only
    assert stored.allowed_sites == ["990701", "990702"]
    site = office.browser().get("/roster-policy/")
    assert "(990702)地市七考点2" in text_of(site)
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        set_policy(session, office.tree, office.tree.site)


@pytest.mark.browser
@pytest.mark.allow_console_errors("409", "422")
def test_r19_1_the_province_sets_many_sites(
    office: World, office_address: str, desktop_page: Page
) -> None:
    page = look(desktop_page, office, office_address, PROVINCE, "/roster-policy/")
    page.locator("thead input[type=checkbox]").first.check()
    page.locator("button", has_text="批量设置学籍报考").click()
    dialog = page.locator("#kw-dialog")
    expect(dialog).to_contain_text("为 2 个考点设置学籍报考")
    picture(page, OUTPUT / "policies-batch-1440.png")
    dialog.locator("#f-allowed").evaluate("select => { select.tomselect?.setValue('any') ?? 0 }")
    dialog.locator("#f-allowed").evaluate("select => { select.value = 'any' }")
    dialog.locator("button[type=submit]").click()
    expect(dialog).to_contain_text("涉及")
    dialog.get_by_role("button", name="确认").click()
    expect(page.locator(".kw-table tbody tr").first).to_contain_text("不限")
    assert [policy_of(office, number).allowed_sites for number in (0, 1)] == [[], []]
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        for site in office.tree.sites:
            set_policy(session, office.tree, site)


@pytest.mark.browser
@pytest.mark.parametrize("path", ["/roster-policy/", "/student-record/", "/roster-move/"])
def test_the_pages_fit_a_phone(
    office: World, office_address: str, phone_page: Page, path: str
) -> None:
    walk_phone(phone_page, office, office_address, SITE, path)
    picture(phone_page, OUTPUT / f"{path.strip('/')}-390.png", full_page=True)


# ---------------------------------------------------------------- pages that are not used


@pytest.mark.parametrize("path", ["/student-record/", "/student-record-import/"])
def test_r0_5b_the_menu_is_greyed_and_the_page_opens_with_the_reason(
    office: World, path: str
) -> None:
    with unused(office):
        answer = office.browser().get(path)
        assert answer.status_code == 200
        assert "本考点未启用学籍库" in text_of(answer)
        home = office.browser().get("/").get_data(as_text=True)
        assert "学籍信息管理" in home or "学籍库信息管理" in home
        assert home.count("本考点未启用学籍库") >= 2
        rest = office.browser().rest("GET", "/student_record/")
        assert (rest.status_code, rest.get_json()["code"]) == (403, "policy.not_used")
        added = office.browser().rest("POST", "/student_record/", {})
        assert added.get_json()["code"] == "policy.not_used"
        file = {"_file": (io.BytesIO(book([line()])), "a.xlsx")}
        path = "/student-record-import/"
        refused = office.browser().post(path, file, content_type="multipart/form-data")
        assert refused.status_code == 403


# ---------------------------------------------------------------- 学籍数据导入


@pytest.mark.browser
@pytest.mark.allow_console_errors("422")
def test_r20_6_a_file_with_errors_is_mended_by_its_report(
    office: World, office_address: str, desktop_page: Page, tmp_path: Path
) -> None:
    page = look(desktop_page, office, office_address, SITE, "/student-record-import/")
    expect(page.locator("main")).to_contain_text("学籍数据导入")
    expect(page.locator("#f-site")).to_have_value("990701")
    picture(page, OUTPUT / "import-1440.png")
    good, wrong = line(name="孙甲"), line(name="孙乙", education="博学")
    source = tmp_path / "学籍.xlsx"
    source.write_bytes(book([good, wrong]))
    page.set_input_files("#f-_file", source)
    page.get_by_role("button", name="校验提交").click()
    run_jobs(office)
    expect(page.locator("main")).to_contain_text("校验未通过，未导入任何数据", timeout=15_000)
    expect(page.locator(".kw-flash")).to_have_count(0)  # nothing says that it is still running
    expect(page.locator(".kw-table").last).to_contain_text("文化程度")
    expect(page.locator(".kw-table").last).to_contain_text("博学")
    picture(page, OUTPUT / "import-errors-1440.png", full_page=True)
    with page.expect_download() as download:
        page.get_by_role("link", name="下载报告").click()
    report = tmp_path / "report.xlsx"
    download.value.save_as(report)
    workbook = openpyxl.load_workbook(report)
    data = workbook["学籍信息模板"]
    column = [str(cell.value).strip("*") for cell in data[1]].index("文化程度") + 1
    data.cell(3, column).value = "本科"
    workbook.save(report)

    page.set_input_files("#f-_file", report)
    page.get_by_role("button", name="校验提交").click()
    run_jobs(office)
    expect(page.locator("main")).to_contain_text("导入成功", timeout=15_000)
    with office.looking() as session:
        names = session.scalars(select(StudentRecord.name).where(StudentRecord.name.like("孙%")))
        assert sorted(names) == ["孙乙", "孙甲"]


def test_r20_6_a_province_chooses_the_site(office: World) -> None:
    page = office.browser(Level.PROVINCE).get("/student-record-import/").get_data(as_text=True)
    assert '<option value="990701"' in page
    assert '<option value="990702"' in page
    number = id_number(birth=BIRTH)
    file = {"_file": (io.BytesIO(book([line(id_number=number)])), "a.xlsx"), "site": "990702"}
    answer = office.browser(Level.PROVINCE).post(
        "/student-record-import/", file, content_type="multipart/form-data"
    )
    assert answer.status_code == 302
    run_jobs(office)
    with office.looking() as session:
        row = session.scalars(
            select(StudentRecord).where(StudentRecord.id_digest == digest(number))
        ).one()
        assert row.site_code == "990702"
    (entry,) = [e for e in log_of(office, "roster.studentrecord.add") if e.object_id == row.id]
    assert entry.on_behalf_of == "990702"


def test_r20_6_a_cancelled_import_tells_its_state_alone(office: World) -> None:
    """No message of the click stays above the panel, and nothing is to be cancelled twice."""
    browser = office.browser()
    file = {"_file": (io.BytesIO(book([line(name="周取消")])), "b.xlsx"), "site": "990701"}
    browser.post("/student-record-import/", file, content_type="multipart/form-data")
    with unit_of_work(office.runtime.factory, system("test")) as session:
        run = session.scalars(select(JobRun).order_by(JobRun.id.desc()).limit(1)).one()
        run.cancel_requested = True
    page = text_of(browser.get(f"/jobs/{run.id}/"))
    assert "正在取消…" in page
    assert "取消任务" not in page
    with unit_of_work(office.runtime.factory, system("test")) as session:
        session.get_one(JobRun, run.id).cancel_requested = False
    assert browser.post(f"/jobs/{run.id}/cancel", {}).status_code == 302
    page = text_of(browser.get(f"/jobs/{run.id}/"))
    assert "已取消，未导入任何数据" in page
    assert "已请求" not in page


# ---------------------------------------------------------------- 学籍库信息管理


@pytest.mark.browser
@pytest.mark.allow_console_errors("422")
def test_r21_2_a_record_is_added_and_errors_stand_beside_their_fields(
    office: World, office_address: str, desktop_page: Page
) -> None:
    page = look(desktop_page, office, office_address, SITE, "/student-record/")
    expect(page.locator(".kw-table tbody")).to_contain_text("陈一")
    expect(page.locator(".kw-table tbody")).to_contain_text("********")
    picture(page, OUTPUT / "library-1440.png")
    page.get_by_role("link", name="新增").click()
    dialog = page.locator("#kw-dialog")
    number = id_number(birth=BIRTH)
    wrong = number[:17] + ("1" if number[17] != "1" else "2")
    page.fill("#f-name", "周新")
    page.fill("#f-id_number", wrong)
    for name, value in (("id_type", "1"), ("sex", "1"), ("ethnic", "01"), ("education", "20")):
        page.locator(f"#f-{name}").evaluate(
            "(select, value) => { select.tomselect ? select.tomselect.setValue(value)"
            " : select.value = value }",
            value,
        )
    page.locator("#f-birth").evaluate("(input, value) => { input.value = value }", "2001-01-01")
    picture(page, OUTPUT / "library-add-1440.png")
    dialog.locator("button[type=submit]").click()
    expect(dialog.locator(".kw-error")).to_contain_text("校验位不正确")
    page.fill("#f-id_number", number)
    with page.expect_navigation():
        dialog.locator("button[type=submit]").click()
    expect(page.locator(".kw-table tbody")).to_contain_text("周新")


@pytest.mark.browser
@pytest.mark.allow_console_errors("422")
def test_r21_2_all_results_are_deleted_after_their_number_was_typed(
    office: World, office_address: str, desktop_page: Page
) -> None:
    page = look(desktop_page, office, office_address, SITE, "/student-record/?name=陈")
    page.locator("text=删除全部查询结果").click()
    dialog = page.locator("#kw-dialog")
    expect(dialog).to_contain_text("将删除查询结果的全部 2 条学籍")
    page.fill("#f-typed", "3")
    page.locator("input[type=password]").fill(PASSWORD)
    picture(page, OUTPUT / "delete-all-1440.png")
    dialog.locator("button[type=submit]").click()
    expect(dialog.locator(".kw-error").first).to_contain_text("请输入要删除的条数 2")
    page.fill("#f-typed", "2")
    page.locator("input[type=password]").fill(PASSWORD)
    dialog.locator("button[type=submit]").click()
    page.wait_for_url("**/jobs/**")
    run_jobs(office)
    expect(page.locator("main")).to_contain_text("已完成", timeout=15_000)
    with office.looking() as session:
        left = session.scalars(select(StudentRecord.name).where(StudentRecord.name.like("陈%")))
        assert left.all() == []


@pytest.mark.parametrize("level", [Level.CITY, Level.SITE])
def test_5_contacts_are_masked_on_page_and_rest(office: World, level: Level) -> None:
    """All of them, also where somebody lives; a look in full is logged, and not for cities."""
    contacts: dict[str, Any] = {
        "mobile": "13812341234",
        "email": "zhang@example.com",
        "address": "测试省远村路9号",
    }
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        row = add_record(session, office.tree, name="周址", **contacts)
    browser = office.browser(level)
    shown = text_of(browser.get(f"/student-record/show/{row.id}"))
    told = browser.rest("GET", f"/student_record/{row.id}").get_json()
    for name, value in contacts.items():
        assert value not in shown
        assert "***" in told[name]
    opened = browser.post(f"/student-record/reveal/{row.id}")
    assert opened.status_code == (403 if level is Level.CITY else 200)
    assert (contacts["address"] in text_of(opened)) == (level is Level.SITE)


def test_r21_export_has_masked_numbers(office: World) -> None:
    answer = office.browser().post("/student-record/export?name=李")
    book_ = openpyxl.load_workbook(io.BytesIO(answer.data))
    cells = [str(cell.value) for row in book_.active.rows for cell in row]  # type: ignore[union-attr]
    assert "李三" in cells
    assert any("********" in cell for cell in cells)


# ---------------------------------------------------------------- 学籍变动记录


def test_r20_5_the_losing_site_finds_it_on_its_welcome_page(office: World) -> None:
    number = id_number()
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        factories.plant(
            session,
            RosterMove(
                at=dt.datetime.now(dt.UTC),
                from_name="吴转",
                to_name="吴专",
                id_number=number,
                id_digest=str(digest(number)),
                from_province_code="99",
                from_city_code="9907",
                from_site_code="990701",
                from_site_name="地市七考点1",
                to_province_code="99",
                to_city_code="9907",
                to_site_code="990702",
                to_site_name="地市七考点2",
                from_education="30",
                to_education="20",
            ),
        )
    home = office.browser().get("/")
    assert "1 名学生的学籍已转到其他考点" in text_of(home)
    assert "/roster-move/?from_site_code=990701" in home.get_data(as_text=True)
    for number_, name, other in ((0, "吴转", "吴专"), (1, "吴专", "吴转")):
        page = text_of(office.browser(Level.SITE, number_).get(f"/roster-move/?name={name}"))
        assert name in page
        assert "(990702)地市七考点2" in page
        page = text_of(office.browser(Level.SITE, number_).get(f"/roster-move/?name={other}"))
        assert "没有符合条件的记录" in page
    with office.looking() as session:
        (row_id,) = session.scalars(select(RosterMove.id)).all()
    path = "/roster-move-acknowledge/"
    answer = office.browser().post(path, {"ids": str(row_id)})
    assert answer.status_code in (200, 302)
    assert "学籍已转到其他考点" not in text_of(office.browser().get("/"))
