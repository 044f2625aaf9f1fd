"""The registration pages as they look: accessible, within the window, on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import picture
from tests.databases import Databases
from tests.portal.pages_world import (
    OUTPUT,
    choose_photo,
    enter,
    grainy_portrait,
    open_pages,
    portrait,
)
from tests.portal.passport_world import Portal
from tests.portal.registration_world import (
    PAYMENT,
    STATUS,
    TICKET,
    Candidate,
    change_capacity,
    change_row,
    change_settings,
    put_notices,
)
from tests.portal.test_passport_pages import complaints
from tests.rules.ticket_world import number_entries


@pytest.fixture
def portal(
    databases: Databases, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Portal]:
    with open_pages(databases, tmp_path, f"{request.node.name[:20]}_{id(request)}") as made:
        yield made


def _look(page: Page, portal: Portal, name: str, path: str) -> list[str]:
    page.goto(portal.address + path)
    page.wait_for_load_state("networkidle")
    picture(page, OUTPUT / f"{name}.png", full_page=True)
    return [f"{name}: {found}" for found in complaints(page)]


@pytest.mark.allow_console_errors("422")
@pytest.mark.parametrize("width", ["phone", "desk"])
def test_pages_are_accessible_and_fit_the_window(
    portal: Portal, width: str, request: pytest.FixtureRequest
) -> None:
    page: Page = request.getfixturevalue("phone_page" if width == "phone" else "desktop_page")
    candidate, site = Candidate(portal), portal.tree.sites[2]
    put_notices(portal, "<p>本省网上报名时间为 7 月 23 日至 8 月 29 日。</p>", "<p>考点说明</p>")
    wrong: list[str] = []

    def look(name: str, path: str) -> None:
        enter(page, portal, candidate)
        wrong.extend(_look(page, portal, f"{name}-{width}", path))

    look("home", "/")
    look("start", "/registration/start")
    look("notice", f"/registration/notice/{site.id}")
    candidate.accept(site)
    look("register", "/registration/register")
    page.click("text=保存，下一步")
    wrong += complaints(page)
    candidate.accept(site)
    candidate.fill_in(name="赵娜")
    look("photo", "/registration/photo")
    choose_photo(page, "me.jpg", portrait("JPEG"))
    wrong += complaints(page)
    picture(page, OUTPUT / f"photo-open-{width}.png", full_page=True)
    candidate.upload(grainy_portrait())
    change_capacity(portal, "S:14", 36)
    look("subjects", "/registration/subjects")
    page.check("input[value='24']")
    wrong += complaints(page)
    candidate.choose({"24": "2026-09-19", "26": ""})
    look("status", STATUS)
    look("person", "/registration/person")
    look("unpaid", PAYMENT)
    address = candidate.order()
    look("order", PAYMENT)
    look("bank", address)
    candidate.at_the_bank("succeed", address)
    look("paid", PAYMENT)
    look("ticket-waits", TICKET)
    with portal.writing() as session:
        number_entries(session, portal.tree, candidate.row())
    look("ticket", TICKET)
    look("home-paid", "/")
    assert wrong == []


@pytest.mark.allow_console_errors("409")  # the stale form is answered with it
def test_refusals_are_accessible_and_fit_a_phone(portal: Portal, phone_page: Page) -> None:
    page, candidate = phone_page, Candidate(portal)
    change_settings(portal, review_required=True)
    row = candidate.register(["14"])
    rejected = {
        "review": "rejected",
        "reject_reason": "照片背景不是浅色，请重新上传后再次提交审核。",
    }
    change_row(portal, row, reject_type="2", photo_renewal=True, **rejected)
    enter(page, portal, candidate)
    wrong = _look(page, portal, "rejected-phone", STATUS)
    expect(page.locator(".action-bar")).to_contain_text("重新上传照片")
    page.goto(f"{portal.address}/registration/person")
    page.fill("#address", "我填的地址")
    change_row(portal, row, address="考点改的地址")
    page.click("text=保存")
    expect(page.locator(".stale")).to_contain_text("考点改的地址")
    picture(page, OUTPUT / "stale-phone.png", full_page=True)
    wrong += complaints(page)
    page.click(".action-bar >> text=保存")
    expect(page.locator(".note.ok")).to_contain_text("报名信息已保存")
    assert candidate.row().address == "我填的地址"
    change_row(portal, row, locked=True)
    wrong += _look(page, portal, "locked-phone", "/registration/person")
    assert wrong == []


def test_the_ticket_prints_on_one_page(portal: Portal, desktop_page: Page) -> None:
    from pypdf import PdfReader

    page, candidate = desktop_page, Candidate(portal)
    candidate.register(["14", "24"])
    candidate.at_the_bank("succeed")
    with portal.writing() as session:
        numbers = number_entries(session, portal.tree, candidate.row())
    enter(page, portal, candidate)
    page.goto(f"{portal.address}{TICKET}")
    page.emulate_media(media="print")
    for shell in (".top-bar", ".steps", ".action-bar", ".foot", ".note"):
        expect(page.locator(f"{shell}:visible")).to_have_count(0)
    page.pdf(path=OUTPUT / "ticket.pdf", prefer_css_page_size=True)
    reader = PdfReader(OUTPUT / "ticket.pdf")
    assert len(reader.pages) == 1
    text = reader.pages[0].extract_text()
    assert all(number in text for number in numbers)
