"""考次管理 through its pages (R0.4, R0.6): what is offered, what is asked, and life without a
current session. The tests of this module share one world and end its session in the last one."""

from __future__ import annotations

import re

from sqlalchemy import select

from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import Level
from app.models.account import Passport, RoleGrant
from app.models.exam import Exam
from app.portal import create_portal_app
from app.rules import permissions
from app.rules.account import login
from tests.contract.world import AGENT, PASSWORD, World, text_of
from tests.factories import permitted
from tests.views.conftest import make_super
from tests.views.test_entry_and_shell import Visitor


def ids(office: World) -> dict[int, int]:
    with office.looking() as session:
        return {exam.number: exam.id for exam in session.scalars(select(Exam))}


def test_r6_4_what_waits_leads_to_the_filtered_list(office: World) -> None:
    site = office.browser(Level.SITE, 0).get("/").get_data(as_text=True)
    assert 'href="/admin/58/registration/?payment=paid"' in site
    for path in (
        "/registration/?payment=paid",
        "/registration/?review=pending",
        "/jobs/?state=failed",
    ):
        assert office.browser().get(path).status_code == 200
    windows = office.browser(Level.PROVINCE).get("/operation-window/?level=site&unset=before")
    assert windows.status_code == 200
    assert "990701" not in text_of(windows)  # its windows are set
    assert "990701" in text_of(office.browser(Level.PROVINCE).get("/operation-window/?level=site"))


def test_r6_4_nothing_leads_to_a_page_that_one_cannot_open(office: World) -> None:
    city, link = office.browser(Level.CITY), 'href="/admin/58/registration/'
    figures = re.compile(r'<dl class="kw-kpis">.*?</dl>', re.DOTALL)

    def shown() -> str:
        found = figures.search(city.get("/").get_data(as_text=True))
        assert found is not None
        return found[0]

    assert link in shown()
    with unit_of_work(office.runtime.factory, system("test")) as session, permitted(session):
        for row in session.scalars(
            select(RoleGrant).where(
                RoleGrant.role == "city", RoleGrant.declaration == "registration"
            )
        ):
            session.delete(row)
        permissions.bump_version(session)
    assert city.get("/registration/").status_code == 403
    assert link not in shown()
    assert "报名考生" in shown()


def test_r0_4_operations_stand_in_rows_of_the_right_state_only(office: World) -> None:
    page = office.browser(Level.CENTER).get("/exam/").get_data(as_text=True)
    known = ids(office)
    assert f"/exam-close/?ids={known[58]}" in page
    assert f"/exam-provinces/?ids={known[58]}" in page
    for name in ("exam-close", "exam-provinces", "exam-make-current"):
        assert f"/{name}/?ids={known[57]}" not in page
    assert f"/exam-make-current/?ids={known[58]}" not in page


def test_8_2_the_password_asked_for_again_locks_as_at_the_log_in(office: World) -> None:
    office.people[Level.CENTER, 2] = owner = make_super(office, "再次验证")
    browser, row = office.browser(Level.CENTER, 2), ids(office)[58]
    for given in ["wrong"] * login.FAILURES + [PASSWORD]:
        values = {"ids": row, "_reason": "测试", "_password": given}
        refused = browser.post("/exam-close/", values, htmx=True)
        assert refused.status_code == 422
        assert "登录密码不正确" in text_of(refused)
    with office.looking() as session:
        found = session.get(Passport, owner.id)
        assert found is not None
        assert found.locked_until is not None


def test_r0_6_after_closing_the_centre_still_gets_in(office: World) -> None:
    browser, row = office.browser(Level.CENTER), ids(office)[58]
    question = text_of(browser.get(f"/exam-close/?ids={row}", htmx=True))
    assert "确定关闭当前考次“(58) 2026全国计算机等级考试”" in question
    values = {"ids": row, "_reason": "考试已结束"}
    refused = browser.post("/exam-close/", values | {"_password": "wrong"}, htmx=True)
    assert refused.status_code == 422
    assert (
        browser.post("/exam-close/", values | {"_password": PASSWORD}, htmx=True).status_code == 204
    )
    assert "历史·只读" in browser.get("/").get_data(as_text=True)
    visitor = Visitor(office)
    assert "测试省" in text_of(visitor.get("/admin/login/"))
    owner = office.people[Level.CENTER, 0]
    assert visitor.log_in(owner.email or "", PASSWORD).location == "/admin/"
    assert visitor.get("/admin/").location == "/admin/58/"
    assert browser.get("/exam/").status_code == 200
    portal = create_portal_app(office.runtime.settings, office.runtime.factory).test_client()
    home = portal.get("/", headers={"User-Agent": AGENT})
    assert "目前没有开放报名的考次" in home.get_data(as_text=True)
