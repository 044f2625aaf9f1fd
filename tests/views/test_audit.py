"""The audit page and the outbox: scope, filters, words, masks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import openpyxl
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import ADMINISTRATORS, Level
from app.models.account import OutboxMessage
from app.models.audit import AuditEntry
from app.models.settings import SiteSettings
from app.rules import audit, crud
from config import Mode
from tests.contract.world import World, text_of
from tests.factories import make_registration
from tests.views.conftest import SUPER, log_of, look, walk_phone

PATH = "/audit-entry/"
CODE = "验证码 483920"


@pytest.fixture(scope="module", autouse=True)
def deeds(office: World) -> None:
    """Each site changes its settings; a candidate is entered at the first; one code is sent."""
    for number in (0, 1):
        with unit_of_work(office.runtime.factory, office.actor(Level.SITE, number)) as session:
            row = session.scalars(select(SiteSettings)).one()
            values = {"max_subjects": "2", "review_required": "1"}
            crud.update(session, SiteSettings.__admin__, row.id, values, version=row.version)
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        make_registration(session, office.tree)
        session.add(
            OutboxMessage(
                channel="sms", target="13812345678", subject="登录", body=CODE, state="sent"
            )
        )


def test_a_site_reads_its_own_entries(office: World) -> None:
    page = text_of(office.browser().get(PATH + "?action=settings.sitesettings.edit"))
    assert "报考最大科次数量" in page
    assert "990701" in page
    assert "990702" not in page


@pytest.mark.parametrize("level", ADMINISTRATORS[:3])
def test_superiors_read_all_sites_and_choose_one(office: World, level: Level) -> None:
    browser = office.browser(level)
    asked = PATH + "?action=settings.sitesettings.edit"
    both = text_of(browser.get(asked))
    assert both.count("报考最大科次数量") == 2
    one = text_of(browser.get(asked + "&_org=990702"))
    assert one.count("报考最大科次数量") == 1


def test_the_other_session_stays_out(office: World) -> None:
    with unit_of_work(office.runtime.factory, system("seed", office.history.exam.id)) as session:
        audit.record(session, "exam.exam.edit", object_type="Exam", title="历史条目")
    center = office.browser(Level.CENTER)
    assert "历史条目" not in text_of(center.get(PATH))
    assert "历史条目" in text_of(office.browser(Level.CENTER, exam=57).get(PATH))


def test_the_page_speaks_chinese(office: World) -> None:
    answer = office.browser().get(PATH + "?object_type=SiteSettings")
    page = answer.get_data(as_text=True)
    assert "settings.sitesettings" not in page.split("<tbody>")[1]
    assert '<option value="edit">修改</option>' in page
    assert '<option value="SiteSettings" selected>' in page
    assert "<del><span" in page
    assert "否" in page


def test_filters_by_person_object_and_time(office: World) -> None:
    browser = office.browser(Level.PROVINCE)
    everything = text_of(browser.get(PATH))
    assert "证件号码" in everything
    by_action = text_of(browser.get(PATH + "?action=edit&object_type=SiteSettings"))
    assert "报考最大科次数量" in by_action
    assert "没有符合条件的记录" in text_of(
        browser.get(PATH + "?action=delete&object_type=SiteSettings")
    )
    by_object = text_of(browser.get(PATH + "?object_type=SiteSettings")).split("来源")[1]
    assert "证件号码" not in by_object
    assert "没有符合条件的记录" in text_of(browser.get(PATH + "?actor_name=nobody"))
    assert "没有符合条件的记录" in text_of(browser.get(PATH + "?at-to=2020-01-01"))
    wrong = browser.get(PATH + "?at=yesterday")
    assert wrong.status_code == 422


def test_personal_values_are_masked(office: World) -> None:
    page = text_of(office.browser().get(PATH + "?object_type=Registration"))
    assert "证件号码" in page
    assert "****" in page
    with office.looking() as session:
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.object_type == "Registration")
        ).one()
        digest = entry.changes["id_number"]["new"]["digest"]
    assert digest not in page


def test_the_workbook_holds_what_the_page_shows(office: World) -> None:
    answer = office.browser().get(PATH + "export?action=settings.sitesettings.edit")
    sheet = openpyxl.load_workbook(io.BytesIO(answer.data)).active
    answer.close()
    assert sheet is not None
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0][:6] == ("时间", "操作人", "机构代码", "代办机构", "操作", "对象")
    assert len(rows) == 2
    assert "报考最大科次数量：3 → 2" in str(rows[1][7])
    assert log_of(office, "audit.auditentry.export")


def test_nothing_can_be_written_here(office: World) -> None:
    browser = office.browser(*SUPER)
    with office.looking() as session:
        number = session.scalars(select(AuditEntry.id).limit(1)).one()
    for path in ("add", f"edit/{number}", f"delete/{number}"):
        assert browser.post(PATH + path).status_code in (302, 403)
    with office.looking() as session:
        assert session.scalars(select(AuditEntry.id).where(AuditEntry.id == number)).one()


def test_nobody_is_sent_to_the_log_in_page(office: World) -> None:
    assert office.nobody().get(PATH).status_code == 302


# ---------------------------------------------------------------- outbox


OUTBOX = "/outbox-message/"


@contextmanager
def in_production(office: World) -> Iterator[None]:
    """The same application with the settings of production."""
    settings = office.runtime.settings
    kept = settings.mode
    object.__setattr__(settings, "mode", Mode.PRODUCTION)
    try:
        yield
    finally:
        object.__setattr__(settings, "mode", kept)


def message_id(office: World) -> int:
    with office.looking() as session:
        return session.scalars(select(OutboxMessage.id)).one()


@pytest.mark.parametrize("person", [(Level.CENTER, 0), SUPER])
def test_the_outbox_masks_target_and_text(office: World, person: tuple[Level, int]) -> None:
    browser = office.browser(*person)
    for path in ("", f"show/{message_id(office)}"):
        page = text_of(browser.get(OUTBOX + path))
        assert "138****5678" in page
        assert "13812345678" not in page
        assert CODE not in page


@pytest.mark.parametrize("level", ADMINISTRATORS[1:])
def test_the_outbox_is_the_centres(office: World, level: Level) -> None:
    number = message_id(office)
    for path in ("", f"show/{number}", f"reveal/{number}"):
        assert office.browser(level).get(OUTBOX + path).status_code == 403


def test_in_development_the_text_can_be_read_and_the_look_is_logged(office: World) -> None:
    browser, number = office.browser(*SUPER), message_id(office)
    page = text_of(browser.post(f"{OUTBOX}reveal/{number}"))
    assert CODE in page
    assert log_of(office, "account.outboxmessage.reveal")[-1].object_id == number


def test_in_production_the_text_is_never_shown(office: World) -> None:
    browser, number = office.browser(*SUPER), message_id(office)
    with in_production(office):
        shown = browser.get(f"{OUTBOX}show/{number}", headers={"X-Forwarded-Proto": "https"})
        asked = browser.get(f"{OUTBOX}reveal/{number}")
        forced = browser.post(f"{OUTBOX}reveal/{number}", htmx=True)
    assert "查看完整信息" not in text_of(shown)
    assert asked.status_code == 403
    assert forced.status_code == 403
    assert CODE not in text_of(shown) + text_of(asked) + text_of(forced)


# ---------------------------------------------------------------- browser


@pytest.mark.browser
def test_the_log_in_a_browser(office: World, office_address: str, desktop_page: Page) -> None:
    page = look(desktop_page, office, office_address, SUPER, PATH)
    expect(page.get_by_role("cell", name="报名信息").first).to_be_visible()


@pytest.mark.browser
@pytest.mark.parametrize("path", [PATH, OUTBOX])
def test_the_pages_fit_a_phone(
    office: World, office_address: str, phone_page: Page, path: str
) -> None:
    walk_phone(phone_page, office, office_address, SUPER, path)
