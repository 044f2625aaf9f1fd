"""The registration pages in a real browser: a phone from the start to the ticket, and a desk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from app.models.registration import Photo
from tests.databases import Databases
from tests.factories import id_number, jpeg
from tests.portal.pages_world import (
    choose_photo,
    enter,
    open_pages,
    portrait,
)
from tests.portal.passport_world import Portal
from tests.portal.registration_world import (
    PAYMENT,
    STATUS,
    Candidate,
    bank,
    callback,
    put_notices,
)
from tests.rules.account_world import PASSWORD
from tests.rules.ticket_world import number_entries


@pytest.fixture
def portal(
    databases: Databases, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Portal]:
    with open_pages(databases, tmp_path, f"{request.node.name[:20]}_{id(request)}") as made:
        yield made


# ---------------------------------------------------------------- the whole way on a phone


@pytest.mark.allow_console_errors("422")  # a form with mistakes is answered with it
def test_r0_7_a_phone_registers_pays_and_prints(portal: Portal, phone_page: Page) -> None:
    page, site = phone_page, portal.tree.sites[2]
    put_notices(portal, "<p>省通告</p><script>alert(1)</script>", "")
    owner = portal.passport()
    page.goto(f"{portal.address}/passport/login")
    page.fill("#login", owner.email or "")
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.click("text=开始报名")
    page.click(f"text={site.code}")
    # notices: five seconds
    box, onwards = page.locator("[name=agree]"), page.locator("text=下一步")
    expect(box).to_be_disabled()
    expect(onwards).to_be_disabled()
    expect(page.locator("[data-read-left]")).to_contain_text("请阅读")
    expect(box).to_be_enabled(timeout=8000)
    box.check()
    onwards.click()
    # personal data
    page.fill("#name", "赵娜")
    number = id_number(sex="2")
    page.locator("#id_number").press_sequentially(number[:10])
    expect(page.locator("#id_number-message")).to_contain_text("已输入 10 位")
    wrong = number[:17] + ("1" if number[17] != "1" else "2")
    page.fill("#id_number", wrong)
    expect(page.locator("#id_number-message")).to_contain_text("校验位不正确")
    page.fill("#id_number", number)
    expect(page.locator("#id_number-message")).to_contain_text("校验通过")
    expect(page.locator("#birth")).to_have_value("2001-02-03")
    expect(page.locator("#sex")).to_have_value("2")
    page.click("text=保存，下一步")
    expect(page.locator(".note.bad")).to_contain_text("处需要修改")
    expect(page.locator("#education")).to_be_focused()
    expect(page.locator("#birth")).to_have_value("2001-02-03")
    page.select_option("#education", "20")
    page.select_option("#occupation", "01")
    page.fill("#mobile", "13800990077")
    page.click("text=保存，下一步")
    # photo
    expect(page).to_have_url(f"{portal.address}/registration/photo")
    choose_photo(page, "me.png", portrait("PNG"))
    expect(page.locator("[data-check=background]")).to_have_class("ok")
    expect(page.locator("[data-check=size]")).to_have_class("ok")
    page.click("text=旋转")
    page.click("[aria-label=放大]")
    page.click(".action-bar >> text=上传照片")
    # subjects
    expect(page).to_have_url(f"{portal.address}/registration/subjects")
    page.check("input[value='24']")
    page.check("input[value='14']")
    expect(page.locator("input[value='26']")).to_be_disabled()  # at most two
    told = page.locator("[data-count]")
    expect(told).to_have_text("已选 2 科")
    told.evaluate("told => { told.dataset.count = '{count} [count: subject|subjects]'; }")
    page.uncheck("input[value='14']")
    expect(told).to_have_text("1 subject")
    page.check("input[value='14']")
    expect(told).to_have_text("2 subjects")
    expect(page.locator("[data-sum]")).to_have_text("154.00")
    page.locator("[data-days='24'] >> text=9月20日").click()
    page.click("text=提交科目")
    expect(page.locator(".facts")).to_contain_text("意向 2026-09-20")
    # payment
    page.click(".action-bar >> text=去缴费")
    page.click("text=去支付")
    page.click("text=支付失败")
    expect(page.locator(".note.bad")).to_contain_text("支付失败")
    expect(page.locator("[data-due] b")).to_have_text("24:00:00")
    page.click("text=立即支付")
    page.click("text=支付成功 >> nth=0")
    expect(page.locator(".note.ok")).to_contain_text("支付成功")
    # ticket
    candidate = Candidate(portal, owner)
    with portal.writing() as session:
        numbers = number_entries(session, portal.tree, candidate.row())
    page.click(".action-bar >> text=打印准考证")
    expect(page.locator(".ticket")).to_contain_text(numbers[0])
    expect(page.locator(".ticket img")).to_have_js_property("naturalWidth", 240)
    with page.expect_download() as download:
        page.click("text=下载 PDF")
    assert download.value.suggested_filename == f"ticket-{numbers[0]}.pdf"


def test_the_same_way_without_scripts(portal: Portal, browser: Browser) -> None:
    context = browser.new_context(
        java_script_enabled=False, locale="zh-CN", viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    candidate = Candidate(portal)
    enter(page, portal, candidate)
    page.goto(f"{portal.address}/registration/notice/{portal.tree.sites[2].id}")
    page.check("[name=agree]")
    page.click("text=下一步")
    page.fill("#name", "钱测试")
    page.fill("#id_number", id_number())
    page.select_option("#education", "20")
    page.select_option("#occupation", "01")
    page.fill("#mobile", "13800990078")
    page.click("text=保存，下一步")
    photo: Any = {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": jpeg(size=1)}
    page.set_input_files("#photo", photo)
    page.click(".action-bar >> text=上传照片")
    expect(page.locator(".note.bad")).to_contain_text("20–200KB")
    page.set_input_files("#photo", photo | {"buffer": jpeg()})
    page.click(".action-bar >> text=上传照片")
    expect(page.locator(".note.ok")).to_contain_text("照片已上传")
    page.check("input[value='14']")
    page.click("text=提交科目")
    page.click(".action-bar >> text=去缴费")
    expect(page.locator(".amount")).to_have_text("¥82.00")
    page.click("text=去支付")
    page.click("text=支付成功，结果通知两次")
    expect(page.locator(".tags")).to_contain_text("已支付")
    context.close()


# ---------------------------------------------------------------- photo


@pytest.mark.parametrize("name", ["large.jpg", "plain.png"])
def test_3_11_the_browser_makes_a_fitting_jpeg(portal: Portal, phone_page: Page, name: str) -> None:
    """A photo of many megapixels becomes smaller; a drawing that is too simple becomes larger."""
    page, candidate = phone_page, Candidate(portal)
    candidate.register([])
    enter(page, portal, candidate)
    page.goto(f"{portal.address}/registration/photo")
    large = jpeg(2400, 3000, 1_500_000)
    choose_photo(page, name, large if name == "large.jpg" else portrait("PNG", (300, 400)))
    expect(page.locator("[data-check=size]")).to_have_class("ok")
    page.click(".action-bar >> text=上传照片")
    expect(page.locator(".note.ok")).to_contain_text("照片已上传")
    with portal.looking() as session:
        photo = session.get_one(Photo, candidate.row().photo_id)
        assert photo.width * 4 == photo.height * 3


def test_a_file_that_is_no_picture_is_told_at_once(portal: Portal, phone_page: Page) -> None:
    page, candidate = phone_page, Candidate(portal)
    candidate.register([])
    enter(page, portal, candidate)
    page.goto(f"{portal.address}/registration/photo")
    file: Any = {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"}
    page.set_input_files("#photo", file)
    expect(page.locator("#photo-message")).to_contain_text("无法读取这个文件")
    expect(page.locator("[data-pick]")).to_be_visible()


# ---------------------------------------------------------------- live parts


def test_a_draft_survives_a_reload_without_secrets(portal: Portal, phone_page: Page) -> None:
    page, candidate = phone_page, Candidate(portal)
    candidate.accept()
    enter(page, portal, candidate)
    page.goto(f"{portal.address}/registration/register")
    page.fill("#name", "孙测试")
    page.fill("#id_number", id_number())
    page.fill("#mobile", "13800990079")
    page.select_option("#education", "20")
    page.reload()
    expect(page.locator("#name")).to_have_value("孙测试")
    expect(page.locator("#education")).to_have_value("20")
    expect(page.locator("#id_number")).to_have_value("")
    expect(page.locator("#mobile")).to_have_value("")
    stored = page.evaluate("JSON.stringify(sessionStorage)")
    assert "13800990079" not in stored
    assert page.evaluate("localStorage.length") == 0


def test_other_documents_leave_birth_and_sex_to_the_candidate(
    portal: Portal, phone_page: Page
) -> None:
    page, candidate = phone_page, Candidate(portal)
    candidate.accept()
    enter(page, portal, candidate)
    page.goto(f"{portal.address}/registration/register")
    expect(page.locator("#sex")).to_be_disabled()
    page.select_option("#id_type", label="护照")
    expect(page.locator("#sex")).to_be_enabled()
    page.fill("#id_number", "E12345678")
    expect(page.locator("#id_number-message")).to_be_hidden()
    page.fill("#birth", "2001-02-03")


def test_seats_are_asked_for_while_the_page_is_open(portal: Portal, phone_page: Page) -> None:
    page, candidate, other = phone_page, Candidate(portal), Candidate(portal)
    site = portal.tree.sites[2]
    for each in (candidate, other):
        each.register([], site)
    enter(page, portal, candidate)
    page.clock.install()
    page.goto(f"{portal.address}/registration/subjects")
    expect(page.locator("[data-left='24']")).to_have_text("余 500")
    other.choose({"24": "2026-09-19"})
    page.check("input[value='24']")
    page.clock.run_for(11_000)
    expect(page.locator("[data-left='24']")).to_have_text("余 499")
    expect(page.locator("[data-days='24'] [data-day-left='2026-09-19']")).to_have_text("余 39")


def test_the_payment_page_notices_a_late_result(portal: Portal, phone_page: Page) -> None:
    page, candidate = phone_page, Candidate(portal)
    candidate.register(["14"])
    candidate.order()
    enter(page, portal, candidate)
    page.clock.install()
    page.goto(f"{portal.address}{PAYMENT}")
    expect(page.locator(".amount")).to_have_text("¥82.00")
    message = bank(portal).pay(candidate.orders()[0].number)
    assert callback(portal, message).status_code == 200
    page.clock.run_for(6000)
    expect(page.locator("h2 >> nth=0")).to_have_text("已支付全部科目")


def test_the_countdown_ends_with_a_sentence(portal: Portal, phone_page: Page) -> None:
    page, candidate = phone_page, Candidate(portal)
    candidate.register(["14"])
    candidate.order()
    portal.clock.forward(hours=11)
    enter(page, portal, candidate)
    page.clock.install()
    page.goto(f"{portal.address}{PAYMENT}")
    expect(page.locator("[data-due] b")).to_have_text("13:00:00")
    page.clock.fast_forward(13 * 3600 * 1000 + 2000)
    expect(page.locator("[data-due]")).to_contain_text("支付时间已到")


def test_withdrawing_asks_first(portal: Portal, phone_page: Page) -> None:
    page, candidate = phone_page, Candidate(portal)
    candidate.register(["14"])
    enter(page, portal, candidate)
    page.goto(f"{portal.address}{STATUS}")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.click("text=取消报名")
    expect(page).to_have_url(f"{portal.address}{STATUS}")
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("text=取消报名")
    expect(page.locator(".note.ok")).to_contain_text("名额已释放")
    expect(page.locator("main")).to_contain_text("开始报名")
