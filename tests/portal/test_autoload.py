"""载入学籍信息 (R19.3, R19.3a), and the sites that admit a candidate (R19.4), on the portal."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from app.models.audit import AuditEntry
from app.models.organisation import Organisation
from app.models.registration import Life
from app.models.roster import StudentRecord
from app.models.settings import ClassOption
from app.rules.roster import attempts
from tests.browser import picture
from tests.databases import Databases
from tests.factories import id_number, make_registration, plant, seeding
from tests.portal.pages_world import OUTPUT, enter, open_pages
from tests.portal.passport_world import Portal
from tests.portal.registration_world import Candidate
from tests.rules.roster.roster_world import add_record, set_policy

PATH = "/registration/register"
NOTHING = "没有可以载入的学籍信息"


@pytest.fixture(scope="module")
def portal(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """The first site uses the roster, the second does not."""
    with open_pages(databases, tmp_path_factory.mktemp("autoload"), "autoload") as made:
        with made.writing() as session:
            set_policy(session, made.tree, made.tree.site, allowed=())
            set_policy(session, made.tree, made.tree.sites[1], enabled=False, allowed=())
        yield made


@pytest.fixture
def candidate(portal: Portal) -> Candidate:
    """Has read the notices of the third site."""
    made = Candidate(portal)
    made.accept(portal.tree.sites[2])
    return made


def record(portal: Portal, **values: Any) -> StudentRecord:
    with portal.writing() as session:
        return add_record(session, portal.tree, **values)


def ask(candidate: Candidate, name: str, number: str, **values: str) -> str:
    typed = {"name": name, "id_type": "1", "id_number": number, "do": "load"}
    answer = candidate.post(PATH, **(typed | values))
    assert answer.status_code in (200, 429), answer.status_code
    return answer.text


def test_r19_3_a_matching_record_fills_the_form_in(portal: Portal, candidate: Candidate) -> None:
    row = record(portal, name="陈丽", mobile="13812345678", address="某路1号", email="c@e.cn")
    page = ask(candidate, " 陈丽 ", row.id_number.lower())
    for value in ("信息学院", "软件工程", "一班", "2026000001"):
        assert f'value="{value}"' in page
    assert '<option value="02" selected>' in page
    assert '<option value="20" selected>' in page
    assert "已载入学籍信息" in page
    assert row.id_number.lower() in page, "as it was typed"
    for secret in ("13812345678", "某路1号", "c@e.cn"):
        assert secret not in page, "contacts are not loaded (§8.1)"


@pytest.mark.parametrize("case", ["name", "number", "none", "form", "unused"])
def test_r19_3a_everything_else_has_the_same_neutral_answer(
    portal: Portal, candidate: Candidate, case: str
) -> None:
    site = portal.tree.sites[1] if case == "unused" else portal.tree.site
    row = record(portal, site=site, name="陈丽")
    name = "陈莉" if case == "name" else "陈丽"
    number = {"number": id_number(), "none": id_number(), "form": "12345"}.get(case, row.id_number)
    page = ask(candidate, name, number)
    assert NOTHING in page
    assert "信息学院" not in page
    # what was typed stays, and nothing tells the cases apart
    neutral = page.replace(number, "").replace(name, "")
    other = ask(candidate, "王五", id_number(999_000))
    stripped = other.replace(id_number(999_000), "").replace("王五", "")
    assert _plain(neutral) == _plain(stripped)


def _plain(page: str) -> str:
    """The page without tokens and nonces."""
    return re.sub(r'(nonce|value)="[^"]*"', "", page)


def test_r19_3a_each_attempt_is_logged_where_the_record_is(
    portal: Portal, candidate: Candidate
) -> None:
    row = record(portal, name="陈丽")
    ask(candidate, "陈丽", row.id_number)
    ask(candidate, "别人", row.id_number)
    with portal.looking() as session:
        found = session.scalars(
            select(AuditEntry)
            .where(
                AuditEntry.action == "roster.studentrecord.autoload",
                AuditEntry.object_id == row.id,
            )
            .order_by(AuditEntry.id)
        ).all()
        session.expunge_all()
    assert [entry.outcome for entry in found] == ["done", "refused"]
    assert {entry.site_id for entry in found} == {portal.tree.site.id}
    assert found[0].passport_id == candidate.passport.id
    assert row.id_number not in str(found[0].changes)


def test_r19_3a_attempts_are_rate_limited(portal: Portal, candidate: Candidate) -> None:
    row = record(portal, name="陈丽")
    for _ in range(attempts.RATE[0]):
        assert NOTHING in ask(candidate, "陈丽", id_number())
    page = ask(candidate, "陈丽", row.id_number)
    assert "过于频繁" in page
    assert "信息学院" not in page


def test_r18_2_a_class_that_the_site_does_not_offer_is_left_out(
    portal: Portal, candidate: Candidate
) -> None:
    place = portal.tree.path(portal.tree.sites[2])
    with portal.writing() as session:
        plant(session, ClassOption(**place, name="会计一班", position=1))
    row = record(portal, name="陈丽")
    page = ask(candidate, "陈丽", row.id_number)
    assert "软件工程" in page
    assert "一班</option>" in page
    assert '<option value="一班" selected>' not in page
    with portal.writing() as session, seeding(session):
        session.delete(session.scalars(select(ClassOption)).one())


def test_r19_3_what_was_loaded_may_be_edited_or_discarded(
    portal: Portal, candidate: Candidate
) -> None:
    row = record(portal, name="陈丽")
    assert "不使用学籍信息" in ask(candidate, "陈丽", row.id_number)
    typed = {"name": "陈丽", "id_type": "1", "id_number": row.id_number, "major": "软件工程"}
    page = candidate.post(PATH, do="discard", **typed).text
    assert "软件工程" not in page
    assert "已清除载入的学籍信息" in page
    answer = candidate.fill_in(name="陈丽", id_number=row.id_number, major="会计学")
    assert answer.location == "/registration/photo"
    assert candidate.row().major == "会计学"
    with portal.looking() as session:
        assert session.get_one(StudentRecord, row.id).major == "软件工程"


# ---------------------------------------------------------------- which sites


def test_r19_4_the_choice_of_sites_tells_which_do_not_admit(portal: Portal) -> None:
    """Once it is known who he is: from a registration that has ended."""
    owner = portal.passport()
    here, there, third = portal.tree.sites[:3]
    with portal.writing() as session:
        set_policy(session, portal.tree, there, own_site_only=True, allowed=())
        old = make_registration(
            session, portal.tree, third, passport=owner, subjects=(), life=Life.EXPIRED.value
        )
    candidate = Candidate(portal, owner)
    page = candidate.get("/registration/start").text
    assert f"/registration/notice/{there.id}" not in page
    assert "只接受符合其学籍报考设置的考生" in page
    assert "不可报考" in page
    assert f"/registration/notice/{here.id}" in page
    stranger = Candidate(portal).get("/registration/start").text
    assert f"/registration/notice/{there.id}" in stranger

    # he may still ask for it by its address: the rule refuses, and the page leads on
    candidate.accept(there)
    answer = candidate.fill_in(id_number=old.id_number, birth=old.birth.isoformat())
    assert answer.status_code == 422
    assert "选择其他考点" in answer.text
    with portal.writing() as session:
        set_policy(session, portal.tree, there, enabled=False, allowed=())


@pytest.fixture
def closed(portal: Portal) -> Iterator[Organisation]:
    """The second site takes its own students alone."""
    site = portal.tree.sites[1]
    with portal.writing() as session:
        set_policy(session, portal.tree, site, own_site_only=True, allowed=())
    yield site
    with portal.writing() as session:
        set_policy(session, portal.tree, site, enabled=False, allowed=())


def test_r19_3a_a_refused_registration_does_not_tell_whose_number_it_is(
    portal: Portal, closed: Organisation
) -> None:
    """The page is the same for a number with a record as for one without; both are counted, and
    the log of the site that holds the record tells of it."""
    row = record(portal, site=closed, name="陈丽")
    candidate = Candidate(portal)
    candidate.accept(closed)
    pages = []
    for number in (row.id_number, id_number()):
        answer = candidate.fill_in(name="王五", id_number=number)
        assert answer.status_code == 422
        pages.append(_plain(answer.text))
    assert pages[0] == pages[1]
    assert "请核对姓名和证件号码" in pages[0]
    with portal.looking() as session:
        found = session.scalars(
            select(AuditEntry).where(
                AuditEntry.action == "roster.studentrecord.admission",
                AuditEntry.passport_id == candidate.passport.id,
            )
        ).all()
        session.expunge_all()
    assert [(e.object_id, e.site_id, e.outcome) for e in found] == [
        (row.id, closed.id, "refused"),
        (None, None, "refused"),
    ]
    assert row.id_number not in str(found[0].changes)
    assert candidate.fill_in(name="陈丽", id_number=row.id_number).status_code == 302


def test_r19_3a_refused_registrations_are_rate_limited(
    portal: Portal, closed: Organisation
) -> None:
    """Then not even the right name gets in, for it would be the answer to a guess."""
    row = record(portal, site=closed, name="陈丽")
    candidate = Candidate(portal)
    candidate.accept(closed)
    for _ in range(attempts.RATE[0]):
        assert candidate.fill_in(name="王五", id_number=row.id_number).status_code == 422
    for name in ("王五", "陈丽"):
        answer = candidate.fill_in(name=name, id_number=row.id_number)
        assert answer.status_code == 429
        assert "过于频繁" in answer.text


# ---------------------------------------------------------------- in a browser


def test_r19_3a_a_phone_loads_edits_and_goes_on(
    portal: Portal, candidate: Candidate, phone_page: Page
) -> None:
    page, row = phone_page, record(portal, name="陈丽", id_number=id_number(sex="2"), sex="2")
    enter(page, portal, candidate)
    page.goto(f"{portal.address}{PATH}")
    page.fill("#department", "填错的院系")  # a draft that the record replaces
    page.fill("#name", "陈丽")
    page.fill("#id_number", row.id_number)
    page.click("text=载入学籍信息")
    expect(page.locator(".note.ok")).to_contain_text("已载入学籍信息")
    expect(page.locator("#department")).to_have_value("信息学院")
    expect(page.locator("#education")).to_have_value("20")
    expect(page.locator("#birth")).to_have_value("2001-02-03")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    picture(page, OUTPUT / "autoload-390.png", full_page=True)
    page.reload()  # asks again and loads again
    expect(page.locator("#department")).to_have_value("信息学院")
    page.fill("#department", "经管学院")
    page.fill("#mobile", "13800990011")
    page.press("#mobile", "Enter")
    expect(page).to_have_url(f"{portal.address}/registration/photo")
    stored = candidate.row()
    assert (stored.department, stored.major) == ("经管学院", "软件工程")
    assert stored.birth == dt.date(2001, 2, 3)


def test_r19_3a_the_same_without_scripts(
    portal: Portal, candidate: Candidate, browser: Browser
) -> None:
    row = record(portal, name="陈丽")
    context = browser.new_context(
        java_script_enabled=False, locale="zh-CN", viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    enter(page, portal, candidate)
    page.goto(f"{portal.address}{PATH}")
    page.fill("#name", "陈丽")
    page.fill("#id_number", row.id_number)
    page.click("text=载入学籍信息")
    expect(page.locator("#major")).to_have_value("软件工程")
    page.click("text=不使用学籍信息")
    expect(page.locator("#major")).to_have_value("")
    expect(page.locator("#name")).to_have_value("陈丽")
    context.close()
