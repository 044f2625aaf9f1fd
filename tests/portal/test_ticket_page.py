"""The candidate's ticket over HTTP (W6, R10.4, R36.4, ch. 37): the date, preview, PDF, counting."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from pypdf import PdfReader
from sqlalchemy import select

from app.metadata.vocabulary import Window
from app.models.arrangement import AdmissionTicket
from tests.portal.passport_world import Portal, open_portal
from tests.portal.registration_world import (
    STATUS,
    TICKET,
    Candidate,
    change_settings,
    change_window,
    main_action,
)
from tests.rules.ticket_world import number_entries

PDF = f"{TICKET}ticket.pdf"
WECHAT = {"User-Agent": "Mozilla/5.0 (iPhone) AppleWebKit/605 MicroMessenger/8.0.50"}


@pytest.fixture
def portal(fresh_database: str, instance: Path) -> Iterator[Portal]:
    with open_portal(fresh_database, instance) as made:
        yield made


def numbered(portal: Portal) -> tuple[Candidate, list[str]]:
    """A candidate who has paid two subjects and has their numbers."""
    candidate = Candidate(portal)
    candidate.register(["14", "24"])
    candidate.at_the_bank("succeed")
    with portal.writing() as session:
        numbers = number_entries(session, portal.tree, candidate.row())
    return candidate, numbers


def downloads(portal: Portal) -> list[int]:
    with portal.looking() as session:
        found = select(AdmissionTicket.downloads).order_by(AdmissionTicket.number)
        return list(session.scalars(found))


def test_w6_before_it_the_page_tells_the_date(portal: Portal) -> None:
    candidate, numbers = numbered(portal)
    opens = portal.clock.now + dt.timedelta(days=2)
    change_window(portal, Window.TICKET, opens)
    shown = opens.astimezone(dt.timezone(dt.timedelta(hours=8))).strftime("%Y-%m-%d %H:%M")
    page = candidate.get(TICKET)
    assert f"开放时间：{shown}" in page.text
    assert main_action(page) == "查看进度"
    assert f"{shown} 起" in candidate.get(STATUS).text
    assert numbers[0] not in page.text
    assert candidate.get(PDF).status_code == 422
    assert downloads(portal) == [0, 0]
    portal.clock.forward(days=2)
    # two days later one logs in again
    again = Candidate(portal, candidate.passport)
    assert numbers[0] in again.get(TICKET).text


def test_r36_4_preview_and_pdf_show_every_subject_and_downloads_count(portal: Portal) -> None:
    candidate, numbers = numbered(portal)
    page = candidate.get(TICKET)
    row = candidate.row()
    for text in (*numbers, row.name, row.id_number, "07 考场 1 批次", "实训楼 301", "08:00–10:00"):
        assert text in page.text
    assert main_action(page) == "下载 PDF"
    assert downloads(portal) == [0, 0]  # looking is not downloading
    answer = candidate.get(PDF)
    assert answer.mimetype == "application/pdf"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    reader = PdfReader(io.BytesIO(answer.data))
    assert len(reader.pages) == 1
    text = reader.pages[0].extract_text().replace(" ", "")
    assert all(number in text for number in numbers)
    assert row.id_number in text
    assert len(reader.pages[0].images) == 1
    assert downloads(portal) == [1, 1]
    candidate.get(PDF)
    assert downloads(portal) == [2, 2]


def test_r10_4_self_printing_off_leaves_it_to_the_site(portal: Portal) -> None:
    candidate, numbers = numbered(portal)
    change_settings(portal, self_printing=False)
    page = candidate.get(TICKET)
    assert "请到考点领取" in page.text
    assert numbers[0] not in page.text
    assert "由考点发放" in candidate.get(STATUS).text
    assert "打印准考证" not in candidate.get(STATUS).text
    assert candidate.get(PDF).status_code == 422
    assert downloads(portal) == [0, 0]


def test_nobody_gets_the_ticket_of_somebody_else(portal: Portal) -> None:
    candidate, numbers = numbered(portal)
    other = Candidate(portal)
    assert other.get(PDF).status_code == 404
    other.register(["14"])
    other.at_the_bank("succeed")
    page = other.get(TICKET).text
    assert "准考证号尚未生成" in page
    assert candidate.row().id_number not in page
    assert other.get(PDF).status_code == 422
    with portal.writing() as session:
        own = number_entries(session, portal.tree, other.row())
    page = other.get(TICKET).text
    assert own[0] in page
    assert not any(number in page for number in numbers)


def test_inside_wechat_the_page_says_how_to_get_out(portal: Portal) -> None:
    candidate, _ = numbered(portal)
    page = candidate.get(TICKET, headers=WECHAT).text
    assert "在浏览器打开" in page
    assert "ticket.pdf" not in page
    assert "data-print" not in page
    assert "在浏览器打开" not in candidate.get(TICKET).text


def test_a_ticket_without_a_photo_file_is_still_printed(portal: Portal, instance: Path) -> None:
    candidate, numbers = numbered(portal)
    for file in (instance / "files" / "photo").rglob("*.jpg"):
        file.unlink()
    answer = candidate.get(PDF)
    assert answer.status_code == 200
    reader = PdfReader(io.BytesIO(answer.data))
    assert numbers[0] in reader.pages[0].extract_text().replace(" ", "")
