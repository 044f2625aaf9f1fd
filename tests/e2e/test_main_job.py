"""The main job from end to end: 中心 opens a session, a candidate prints his ticket.

Administrators sit at 1440 px, the candidate holds a phone of 390 px. Nothing is seeded but the tree
of the former session and the accounts.
"""

from __future__ import annotations

import datetime as dt
import io
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import FilePayload

from app.database.session import make_engine, make_session_factory
from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.text import LOCAL_ZONE
from app.metadata.vocabulary import Level, Window
from app.rules import permissions
from app.rules.operations import REASON
from app.rules.password import hash_password
from app.runtime import load_declarations
from tests import factories
from tests.e2e.people import PASSWORD, Administrator
from tests.e2e.stack import Stack, running
from tests.factories import jpeg

if TYPE_CHECKING:
    from playwright.sync_api import Page

TODAY = dt.datetime.now(LOCAL_ZONE)
EXAM_DAY = (TODAY + dt.timedelta(days=30)).date()
CANDIDATE = "walker@example.test"
NAME = "行程测试"


def seed(url: str) -> None:
    """The former session with organisations and catalogue, the administrators, a passport."""
    load_declarations()  # the matrix is synchronised with all of them
    factory = make_session_factory(make_engine(url))
    hashed = hash_password(PASSWORD)
    with unit_of_work(factory, system("seed")) as session:
        tree = factories.make_tree(session, number=57)
        for level in (Level.CENTER, Level.PROVINCE, Level.SITE):
            factories.bind_administrator(
                session, tree, level, email=f"{level.value}@example.test", password_hash=hashed
            )
        factories.make_passport(session, email=CANDIDATE, password_hash=hashed, name=NAME)
        permissions.sync(session)
    factory.kw["bind"].dispose()


@pytest.fixture
def stack(fresh_database: str, valkey_url: str, instance: Path) -> Stack:  # type: ignore[misc]
    seed(fresh_database)
    with running(fresh_database, valkey_url, instance) as made:
        yield made


def local(days: float) -> str:
    return (TODAY + dt.timedelta(days=days)).strftime("%Y-%m-%d %H:%M")


def all_windows(**changes: tuple[float, float]) -> dict[str, str]:
    """All nine windows from yesterday to in sixty days, as the form takes them."""
    values = {}
    for window in Window:
        start, end = changes.get(window.value, (-1, 60))
        values[f"{window.value}_start"] = local(start)
        if not window.open_ended:
            values[f"{window.value}_end"] = local(end)
    return values


def open_session(desk: Administrator) -> None:
    """中心: a new session by copying, day, subjects, provinces, windows; then it is current."""
    desk.exam = 57
    desk.log_in("center@example.test")
    desk.fill("/exam/add", number="58", code="58", title="2026年12月全国计算机等级考试")
    desk.exam = 58
    desk.fill("/exam-day/add", day=EXAM_DAY.isoformat())
    desk.fill("/exam-subject-from-catalogue/")
    desk.open("/operation-window/")
    desk.page.goto(desk.address + desk.row_link("(99)", "设置"))
    desk.fill_here(**all_windows())
    desk.open("/exam/")
    desk.page.goto(desk.address + desk.row_link("2026年12月", "设为当前考次"))
    desk.fill_here(**{REASON: "开始报名", "_password": PASSWORD})


def prepare_province(desk: Administrator) -> None:
    """省: subjects with their days, windows of city and site, fees."""
    desk.log_in("province@example.test")
    day = EXAM_DAY.isoformat()
    for code in ("14", "24"):
        desk.fill("/province-subject/add", subject_code=code, first_day=day, last_day=day)
    for organisation in ("(9907)", "(990701)"):
        desk.open("/operation-window/")
        desk.page.goto(desk.address + desk.row_link(organisation, "设置"))
        desk.fill_here(**all_windows())


def prepare_site(desk: Administrator) -> None:
    """考点: opens, subjects, capacity, online time, address."""
    desk.log_in("site@example.test")
    desk.open("/site-settings/")
    desk.page.goto(desk.address + desk.page_link("修改"))
    desk.fill_here(open=True, review_required=True)
    day = EXAM_DAY.isoformat()
    for code in ("14", "24"):
        desk.fill("/site-subject/add", subject_code=code, first_day=day, last_day=day)
    limits = {"TOTAL": "100", "S:14": "20", "S:24": "20"}
    desk.fill("/capacity/edit/990701", **{f"v:990701:{pool}": n for pool, n in limits.items()})
    desk.fill_here()  # the preview
    desk.open("/online-time/")
    desk.page.goto(desk.address + desk.page_link("修改"))
    desk.fill_here(online_enabled=True, online_start=local(-0.5), online_end=local(20))


def set_fees(desk: Administrator) -> None:
    """省: fees of the site's subjects."""
    desk.log_in("province@example.test")
    desk.open("/fee/")
    desk.fill_grid({"c-990701-PERSON": "10.00", "c-990701-14": "72.00", "c-990701-24": "72.00"})


def register(phone: Page, address: str) -> None:
    """考生: logs in, reads, fills in, uploads, chooses two subjects, submits."""
    phone.goto(f"{address}/passport/login")
    phone.fill("[name=login]", CANDIDATE)
    phone.fill("[name=password]", PASSWORD)
    phone.locator("main button[type=submit]:visible, main form button.button:visible").last.click()
    phone.wait_for_load_state()
    phone.goto(f"{address}/registration/start")
    if phone.locator("a", has_text="测试省").count():
        phone.locator("a", has_text="测试省").first.click()
    phone.locator("a", has_text="(990701)").first.click()
    phone.wait_for_selector("input[name=agree]:enabled", timeout=15_000)
    phone.check("input[name=agree]")
    phone.locator(".action-bar button").last.click()
    phone.wait_for_url("**/registration/register")  # whole: what is not there yet is left out
    person = factories.person(name=NAME)
    for name in sorted(person, key=lambda item: item not in ("id_type", "id_number")):
        field, value = phone.locator(f"[name={name}]"), person[name]
        # sex and birth follow from the ID number
        if not field.count() or not value or not field.first.is_editable():
            continue
        if field.first.evaluate("element => element.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(str(value))
    phone.locator(".action-bar button").last.click()
    phone.wait_for_url("**/registration/photo")
    photo = FilePayload(name="photo.jpg", mimeType="image/jpeg", buffer=jpeg(600, 800, 60_000))
    phone.set_input_files("input[name=photo]", photo)
    phone.wait_for_selector("[data-check=size].ok")
    phone.locator(".action-bar button").last.click()
    phone.wait_for_url("**/registration/subjects")
    assert phone.locator('[data-left="14"]').inner_text() == "余 20"
    for code in ("14", "24"):
        phone.locator(f'input[name=subject][value="{code}"]').check()
    assert phone.locator("[data-sum]").inner_text() == "154.00"
    phone.locator(".action-bar button").last.click()
    phone.wait_for_url("**/registration/")
    phone.locator(".action-bar button", has_text="提交审核").click()
    phone.wait_for_selector("text=已提交审核")


def approve(desk: Administrator) -> None:
    """考点: the list shows the candidate; his data are approved."""
    desk.log_in("site@example.test")
    desk.open("/registration/")
    desk.open(f"/registration-approve/?ids={desk.row_key(NAME)}")
    desk.fill_here()


def pay(phone: Page, address: str) -> None:
    """考生: orders, pays at the sandbox bank."""
    phone.goto(f"{address}/registration/payment/")
    phone.locator(".action-bar button", has_text="去支付").click()
    phone.wait_for_url("**/sandbox/pay**")
    phone.locator("button[name=do][value=succeed]").click()
    phone.wait_for_url("**/registration/")
    phone.wait_for_selector("text=已支付")


def arrange(desk: Administrator) -> None:
    """考点: a room with two sittings, arrangement, numbers."""
    desk.log_in("site@example.test")
    desk.fill("/room/add", number="07", address="实训楼 301")
    desk.open("/room/")
    for start, end in (("08:00", "10:00"), ("10:30", "12:30")):
        desk.open("/room/")
        desk.open(f"/sitting-batch/?ids={desk.row_key('实训楼')}")
        desk.fill_here(days=[EXAM_DAY.isoformat()], start=start, end=end, capacity="30")
    desk.fill("/arrangement-run/")
    desk.fill("/ticket-numbers/")
    desk.open("/admission-ticket/")
    assert desk.page.locator("tbody tr", has_text=NAME).count() == 2


def small_tickets(desk: Administrator) -> bytes:
    """考点: generates the small tickets as a job, waits, downloads the archive."""
    desk.open("/small-tickets/")
    desk.page.locator("main form button", has_text="生成").first.click()
    desk.page.wait_for_selector("main a:has-text('下载')", timeout=60_000)
    with desk.page.expect_download() as download:
        desk.page.locator("main a", has_text="下载").first.click()
    return Path(download.value.path()).read_bytes()


def text_of(pdf: bytes) -> str:
    """What an independent reader finds on the pages."""
    result = subprocess.run(
        ["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True
    )
    return result.stdout.decode()


@pytest.mark.browser
@pytest.mark.valkey
@pytest.mark.one_database("postgresql")
def test_from_the_centre_to_the_printed_ticket(
    stack: Stack, desktop_page: Page, phone_page: Page
) -> None:
    desk = Administrator(desktop_page, stack.address)
    open_session(desk)
    prepare_province(desk)
    prepare_site(desk)
    set_fees(desk)
    register(phone_page, stack.address)
    approve(desk)
    pay(phone_page, stack.address)
    arrange(desk)
    archive = zipfile.ZipFile(io.BytesIO(small_tickets(desk)))
    (name,) = [item for item in archive.namelist() if item.endswith(".pdf")]
    printed = text_of(archive.read(name))
    assert printed.count(NAME) == 2
    phone_page.goto(f"{stack.address}/registration/ticket/")
    assert phone_page.locator(".ticket").is_visible()
    with phone_page.expect_download() as download:
        phone_page.locator(".action-bar a", has_text="下载 PDF").click()
    own = text_of(Path(download.value.path()).read_bytes())
    assert NAME in own
    assert "990701" in own
    assert "1458990701070001" in own.replace(" ", "") or "2458990701070001" in own.replace(" ", "")
