"""Log-in and shell (chapters 1, 3, 4, 5, 6): entries, browsers, sessions, menu, titles."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Response

from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import ADMINISTRATORS, Level
from app.models.exam import Exam
from app.models.organisation import Organisation
from app.portal import create_portal_app
from app.rules import availability
from app.rules.account import handover
from tests.contract.world import ADDRESS, AGENT, PASSWORD, World, text_of
from tests.factories import bind_administrator, make_passport, make_tree, seeding
from tests.views.conftest import SUPER

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
OLD = "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko"
#: pages of the manual's menu that are built, in its order (R0, R6.3)
MENU = [
    "用户与机构管理",
    "考点操作时间设置",
    "考点报名综合设置",
    "考点开考科目设置",
    "考点费用设置",
    "考点容量设置",
    "考生报名时间设置",
    "考生管理",
    "科目容量统计",
    "考场管理",
    "考场编排管理",
    "准考证号生成",
    "考点小版准考证下载",
]


class Visitor:
    """A browser of somebody who is not logged in yet."""

    def __init__(self, office: World) -> None:
        self.client = Client(office.server, Response)

    def get(self, path: str, agent: str = AGENT) -> TestResponse:
        return self.client.get(path, headers={"User-Agent": agent}, environ_overrides=ADDRESS)

    def log_in(self, account: str, password: str, **values: str) -> TestResponse:
        found = TOKEN.search(self.get("/admin/login/?province=99").get_data(as_text=True))
        assert found is not None
        data = {"csrf_token": found[1], "account": account, "password": password} | values
        return self.client.post(
            "/admin/login/", data=data, headers={"User-Agent": AGENT}, environ_overrides=ADDRESS
        )


@pytest.fixture
def visitor(office: World) -> Visitor:
    return Visitor(office)


# ---------------------------------------------------------------- entries


def test_r1_2_the_administration_sends_old_browsers_away(visitor: Visitor) -> None:
    for path in ("/admin/login/", "/admin/58/"):
        answer = visitor.get(path, OLD)
        assert "请使用推荐浏览器" in answer.get_data(as_text=True)
        assert "<form" not in answer.get_data(as_text=True)
    assert "请使用推荐浏览器" not in visitor.get("/admin/healthz", OLD).get_data(as_text=True)
    assert "<form" in visitor.get("/admin/login/?province=99").get_data(as_text=True)


def test_r2_1_the_administration_has_a_cookie_of_its_own(visitor: Visitor) -> None:
    cookie = visitor.get("/admin/login/?province=99").headers.get_all("Set-Cookie")
    own = next(text for text in cookie if text.startswith("kaowu_admin="))
    assert "Path=/admin" in own
    assert "HttpOnly" in own


def test_r6_2_the_province_is_chosen_first(office: World, visitor: Visitor) -> None:
    first = text_of(visitor.get("/admin/login/"))
    assert "后台管理入口" in first
    assert "测试省" in first
    assert "北京" not in first  # takes no part in the session (R1.1a)
    chosen = visitor.get("/admin/login/?province=99")
    assert "邮箱 / 手机号" in text_of(chosen)
    assert "测试省" in text_of(chosen)
    assert "测试省" in text_of(visitor.get("/admin/login/"))  # remembered
    assert "后台管理入口" in text_of(visitor.get("/admin/login/?choose=1"))
    assert office.tree.exam.state == "current"


def test_r5_0_the_log_in_page_leads_to_registration_and_back(
    office: World, visitor: Visitor
) -> None:
    page = visitor.get("/admin/login/?province=99").get_data(as_text=True)
    assert '<a href="/passport/register?next=/admin/">点击注册</a>' in page
    portal = create_portal_app(office.runtime.settings, office.runtime.factory).test_client()
    for path in re.findall(r'href="(/passport/[^"]+)"', page):
        assert portal.get(path).status_code == 200, path


def test_r5_0_log_in_leads_to_the_page_that_was_asked_for(office: World, visitor: Visitor) -> None:
    asked = visitor.get("/admin/58/operation-window/")
    assert asked.location.endswith("/login/?next=/admin/58/operation-window/")
    owner = office.people[Level.SITE, 0]
    target = {"next": "/admin/58/operation-window/"}
    assert visitor.log_in(owner.email or "", PASSWORD, **target).location == target["next"]
    elsewhere = Visitor(office).log_in(owner.email or "", PASSWORD, next="https://evil.example/")
    assert elsewhere.location == "/admin/"


def test_r3_3_a_passport_without_binding_learns_what_to_do(office: World, visitor: Visitor) -> None:
    hashed = office.people[Level.SITE, 0].password_hash
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        stranger = make_passport(session, password_hash=hashed)
    answer = visitor.log_in(stranger.email or "", PASSWORD)
    assert answer.status_code == 403
    assert "请联系上级管理员添加" in text_of(answer)
    assert visitor.get("/admin/58/").location.startswith("/admin/login/")


def test_r5_4_the_initial_password_leads_to_the_first_page_only(
    office: World, visitor: Visitor
) -> None:
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        owner, _ = bind_administrator(session, office.tree, must_change=True)
    answer = visitor.log_in(owner.email or "", "123456")
    way = urlsplit(answer.location)
    assert way.path == "/passport/first/enter"
    sent = parse_qs(way.query)
    assert sent["next"] == ["/admin/"]
    key = office.runtime.settings.portal_secret_key
    assert handover.unseal(key, sent["token"][0]) == (owner.id, owner.session_version)
    assert visitor.get("/admin/58/").location.startswith("/admin/login/")


def province_of(visitor: Visitor) -> str:
    found = visitor.client.get_cookie("kaowu_province", path="/admin")
    return found.value if found is not None else ""


def test_r6_2_who_came_through_a_foreign_entry_is_led_to_his_own(
    office: World, visitor: Visitor
) -> None:
    owner = office.people[Level.PROVINCE, 0]
    assert visitor.log_in(owner.email or "", PASSWORD, province="32").status_code == 302
    assert province_of(visitor) == "99"
    hint = "您属于（99）测试省，已转到本省入口"
    assert hint in text_of(visitor.get("/admin/58/"))
    own = Visitor(office)
    assert own.log_in(owner.email or "", PASSWORD, province="99").status_code == 302
    assert hint not in text_of(own.get("/admin/58/"))
    centre, person = Visitor(office), office.people[Level.CENTER, 0]
    assert centre.log_in(person.email or "", PASSWORD, province="32").status_code == 302
    assert "已转到本省入口" not in text_of(centre.get("/admin/58/"))


# ---------------------------------------------------------------- header and sessions


def test_r1_0_r6_1_header_and_names(office: World) -> None:
    page = office.browser().get("/").get_data(as_text=True)
    assert "NCRE 考试信息网" in page
    assert "欢迎登录全国计算机等级考试考务管理系统" in page
    assert office.app.config["APP_NAME"] == "全国计算机等级考试（NCRE）考务管理系统"
    for text in ("切换考次", "个人信息", "退出", "(990701)地市七考点1", "考点管理员"):
        assert text in page
    assert 'action="/admin/logout/"' in page


def sessions(answer: TestResponse) -> list[str]:
    page = answer.get_data(as_text=True)
    menu = page[page.index("kw-drop kw-session") :]
    return re.findall(r'href="/admin/(\d+)/"', menu[: menu.index("</details>")])


def test_r3_5_the_switch_lists_sessions_with_an_own_organisation_alone(office: World) -> None:
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        older = make_tree(session, number=56, state="history", sites=1)
        with seeding(session):
            session.get_one(Organisation, older.site.id).enabled = False
    assert sessions(office.browser().get("/")) == ["58", "57", "56"]
    assert sessions(office.browser(Level.SITE, 1).get("/")) == ["58", "57"]
    assert office.browser(exam=56).get("/").status_code == 200
    assert office.browser(Level.SITE, 1, exam=56).get("/").status_code == 403


def test_r4_5_r4_6_a_history_session_is_looked_at_in_a_tab_of_its_own(office: World) -> None:
    browser = office.browser()
    assert browser.client.get(
        "/admin/", headers={"User-Agent": AGENT}, environ_overrides=ADDRESS
    ).location.endswith("/admin/58/")
    old, new = office.browser(exam=57).get("/"), browser.get("/")
    assert "历史·只读" in text_of(old)
    assert "(57) 2026全国计算机等级考试" in text_of(old)
    assert 'href="/admin/57/operation-window/"' in old.get_data(as_text=True)
    assert 'href="/admin/58/operation-window/"' in new.get_data(as_text=True)
    with office.browser(Level.CITY, exam=57).get("/registration/export") as exported:
        assert exported.status_code == 200
        assert exported.data.startswith(b"PK")


def test_r0_4a_a_session_in_preparation_is_looked_at_below_the_province(office: World) -> None:
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        coming = make_tree(session, number=59, state="preparing", sites=1)
    site = office.browser(exam=59)
    assert site.get("/user-organisation/").status_code == 200
    row = office.get(Organisation, coming.site.id)
    form, sent = f"/organisation/edit/{row.id}", {"name": "新名称", "version": str(row.version)}
    for answer in (site.get(form), site.post(form, sent)):
        assert answer.status_code in (403, 422)
        assert "正在筹备中" in text_of(answer)
    assert office.get(Organisation, coming.site.id).name == coming.site.name
    assert office.get(Exam, coming.exam.id).state == "preparing"
    form = f"/organisation/edit/{coming.province.id}"
    assert office.browser(Level.PROVINCE, exam=59).get(form).status_code == 200


# ---------------------------------------------------------------- menu and titles


def menu_of(answer: TestResponse) -> list[str]:
    page = answer.get_data(as_text=True)
    menu = page[page.index('<ul class="kw-menu">') : page.index('<header class="kw-top">')]
    return re.findall(r'<li><a href="[^"]+"[^>]*>([^<]+)</a></li>', menu)


@pytest.mark.parametrize("level", ADMINISTRATORS)
def test_r4_1_r6_3_the_menu_has_the_order_of_the_flow(office: World, level: Level) -> None:
    shown = [label for label in menu_of(office.browser(level).get("/")) if label in MENU]
    assert shown == MENU


@pytest.mark.parametrize("person", [(Level.SITE, 0), SUPER])
def test_r0_5a_title_and_tab_are_the_text_of_the_menu(
    office: World, person: tuple[Level, int]
) -> None:
    browser = office.browser(*person)
    start = browser.get("/").get_data(as_text=True)
    menu = start[start.index('<ul class="kw-menu">') : start.index('<header class="kw-top">')]
    entries = re.findall(r'<li><a href="/admin/58(/[^"]+)"[^>]*>([^<]+)</a></li>', menu)
    assert len(entries) > 10
    for path, label in entries:
        page = browser.get(path).get_data(as_text=True)
        # R1.0: the product's name
        assert f"<title>{label} - 全国计算机等级考试（NCRE）考务管理系统</title>" in page, path
        assert f'data-title="{label}"' in page, path


def test_r0_5b_an_unused_page_stays_in_the_menu_and_opens_with_the_reason(
    office: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "本考点未启用考场管理。"
    monkeypatch.setitem(availability._reasons, "room", lambda _session, _actor: reason)
    browser = office.browser()
    menu = browser.get("/").get_data(as_text=True)
    assert re.search(r'href="/admin/58/room/"[^>]* class="kw-off" title="' + reason, menu)
    page = browser.get("/room/")
    assert reason in text_of(page)
    for answer in (browser.get("/room/add"), browser.post("/room/add", {"number": "01"})):
        assert answer.status_code in (403, 422)
        assert reason in text_of(answer)


def test_r0_5_r0_8_a_list_has_query_more_and_reset_in_this_order(office: World) -> None:
    page = office.browser().get("/registration/").get_data(as_text=True)
    places = [page.index(text) for text in (">查询</button>", 'data-kw="more"', ">重置</a>")]
    assert places == sorted(places)
    table = office.browser().get("/capacity-statistics/").get_data(as_text=True)
    assert "刷新" in table
    assert "导出" in table
    assert "kw-scroll" in table
