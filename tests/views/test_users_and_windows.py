"""《用户与机构管理》 and 《考点操作时间设置》 over HTTP (chapters 7, 8, 9; R0.4, R5.4)."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace

import pytest
from sqlalchemy import select

from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.text import LOCAL_ZONE
from app.metadata.vocabulary import Level, Window
from app.models.account import AdminBinding, Passport
from app.models.organisation import Organisation
from app.rules.account.access import Access
from app.rules.account.activation import set_password_by_link
from app.rules.account.login import authenticate
from app.rules.account.passwords import Proof, set_first_password
from app.rules.clock import fixed
from config import InitialPassword
from tests.contract.world import PASSWORD, Browser, World, text_of
from tests.factories import (
    EXAM_DAYS,
    add_site,
    bind_administrator,
    make_passport,
    make_registration,
    set_window,
)
from tests.views.conftest import log_of

SITE, SIBLING = (Level.SITE, 0), (Level.SITE, 1)
PAGE = "/user-organisation/"
TITLES = [
    "报名前设置开始时间",
    "报名前设置截止时间",
    "报名资格管理开始时间",
    "报名资格管理结束时间",
    "报名管理开始时间",
    "报名管理结束时间",
    "考生网上报名最早时间",
    "考生网上报名最晚时间",
    "编排开始时间",
    "编排结束时间",
    "准考证打印开始时间",
    "缺考违纪管理开始时间",
    "缺考违纪管理结束时间",
    "考前资料下载开始时间",
    "考前资料下载结束时间",
    "考后资料下载开始时间",
    "考后资料下载结束时间",
]


@pytest.fixture
def person(office: World) -> Passport:
    """A passport that nobody has bound yet."""
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        return make_passport(session)


def binding_of(office: World, passport: Passport) -> AdminBinding | None:
    with office.looking() as session:
        return session.scalars(
            select(AdminBinding).where(AdminBinding.passport_id == passport.id)
        ).one_or_none()


# ---------------------------------------------------------------- chapters 7 and 8


def test_r7_0_r8_1_two_panes_with_their_titles(office: World) -> None:
    page = text_of(office.browser(Level.CITY).get(f"{PAGE}?id={office.tree.site.id}"))
    places = [
        page.index(text)
        for text in ("考试机构管理 (9907)地市七", "机构代码 990701", "地市七考点1的用户管理")
    ]
    assert places == sorted(places)
    columns = "姓名 所属机构 角色 邮箱 操作 1 测试考生 (990701)地市七考点1 考点管理员 p***@"
    assert columns in page


def test_r7_0_the_form_counts_what_is_empty_and_shows_every_field(office: World) -> None:
    page = text_of(office.browser().get(PAGE))
    assert re.search(r"建议全部填写、正确填写，方便联系（\d 项为空）", page)
    form = text_of(office.browser(Level.CITY).get(f"/organisation/edit/{office.tree.site.id}"))
    labels = "机构名称 简称 考点地址 邮编 负责人 联系人 电话 手机 传真 邮箱 备注 是否启用 信息审核"
    for label in labels.split():
        assert label in form


def test_r7_4_r8_3_users_of_siblings_and_superiors_are_not_found(office: World) -> None:
    other = binding_of(office, office.people[SIBLING])
    above = binding_of(office, office.people[Level.CITY, 0])
    browser = office.browser()
    for row in (other, above):
        assert row is not None
        assert browser.get(f"{PAGE}user/edit/{row.id}").status_code == 404
        assert browser.post(f"{PAGE}user/delete/{row.id}").status_code == 404
    for place in (office.tree.sites[1], office.tree.city):
        assert browser.get(f"{PAGE}?id={place.id}").status_code == 404
        assert browser.get(f"/organisation/show/{place.id}").status_code == 404


def test_r8_5_a_guide_stands_behind_the_camcorder(office: World) -> None:
    page = office.browser().get(PAGE).get_data(as_text=True)
    guide = page[page.index('<details class="kw-guide">') :]
    guide = guide[: guide.index("</details>")]
    assert 'title="操作演示：如何添加用户"' in guide
    assert "fa-video" in guide
    assert guide.count("<li>") == 4


def test_r8_6_the_dialog_has_the_words_of_the_manual(office: World) -> None:
    path = f"{PAGE}user/add/{office.tree.site.id}"
    answer = office.browser().get(path, htmx=True)
    page, shown = answer.get_data(as_text=True), text_of(answer)
    sentence = (
        "一个通行证ID只能绑定一个机构, 通行证ID为空时可以进行查找通行证, "
        "不为空时可以进行查看该通行证的信息。"
    )
    assert sentence in shown
    assert "通行证ID * 通行证ID要求唯一性 查找通行证ID: 查找 查看 姓名 *" in shown
    assert shown.index("姓名 *") < shown.index("邮箱")
    assert 'placeholder="请输入通行证ID"' in page
    assert 'placeholder="请输入姓名"' in page
    # Enter saves: the button that does stands before the two others
    assert page.index('class="visually-hidden" tabindex="-1"') < page.index('value="find"')
    assert "新增用户" in text_of(office.browser().get(path))


def test_r8_6_look_up_by_mail_and_by_id(office: World, person: Passport) -> None:
    path, browser = f"{PAGE}user/add/{office.tree.site.id}", office.browser()
    found = browser.post(path, {"email": (person.email or "").upper(), "do": "find"})
    assert f'value="{person.number}"' in found.get_data(as_text=True)
    looked = browser.post(path, {"number": person.number, "do": "look"})
    assert f'value="{person.email}"' in looked.get_data(as_text=True)
    unknown = browser.post(path, {"email": "nobody@example.com", "do": "find"})
    assert "没有找到该通行证" in text_of(unknown)
    assert binding_of(office, person) is None


def test_r8_6_the_look_up_says_what_hinders_and_who_only_inside_the_scope(
    office: World, person: Passport
) -> None:
    """Nobody learns who owns an address, and nobody has to save to learn that it is bound."""
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        bound, _ = bind_administrator(session, office.tree, name="甲考点人员")
        candidate = make_passport(session, name="某考生")
        make_registration(session, office.tree, passport=candidate)
    path = f"{PAGE}user/add/{office.tree.sites[1].id}"

    def found(browser: Browser, passport: Passport) -> str:
        answer = browser.post(path, {"email": passport.email, "do": "find"})
        assert answer.status_code == 200
        page = str(answer.get_data(as_text=True))
        assert f'value="{passport.number}"' in page
        return page

    sibling, city = office.browser(*SIBLING), office.browser(Level.CITY)
    outside, inside = found(sibling, bound), found(city, bound)
    assert "该通行证已绑定其他机构" in outside
    assert "甲考点人员" not in outside
    assert "该通行证已绑定(990701)地市七考点1" in inside
    assert "甲考点人员" in inside
    taken = found(city, candidate)
    assert "已有报名信息，不能设为管理员" in taken
    assert "某考生" not in taken
    free = found(city, person)
    assert "该通行证已绑定" not in free
    assert f'value="{person.name}"' not in free
    row = binding_of(office, bound)
    assert row is not None
    own = city.post(f"{PAGE}user/edit/{row.id}", {"number": bound.number, "do": "look"})
    assert "该通行证已绑定" not in text_of(own)  # it is this user's own


@pytest.mark.parametrize("exam", [58, 57])
def test_r8_2_r0_4_users_are_added_edited_and_deleted_in_any_session(
    office: World, person: Passport, exam: int
) -> None:
    """R0.4 exception 1: users belong to no session."""
    place = (office.tree if exam == 58 else office.history).site
    browser = office.browser(exam=exam)
    sent = {"number": person.number, "name": "李老师"}
    assert browser.post(f"{PAGE}user/add/{place.id}", sent).status_code == 302
    row = binding_of(office, person)
    assert row is not None
    assert (row.organisation_code, row.name) == ("990701", "李老师")
    path = f"{PAGE}user/edit/{row.id}"
    assert browser.post(path, sent | {"name": "李主任"}).status_code == 302
    assert "李主任" in text_of(office.browser(exam=58).get(PAGE))
    assert browser.post(f"{PAGE}user/delete/{row.id}").status_code == 302
    assert binding_of(office, person) is None


def test_r8_2_nobody_deletes_himself(office: World) -> None:
    own = binding_of(office, office.people[SITE])
    assert own is not None
    page = office.browser().get(PAGE).get_data(as_text=True)
    assert 'title="不能删除自己"' in page
    answer = office.browser().post(f"{PAGE}user/delete/{own.id}")
    assert "不能删除自己" in text_of(answer)
    assert binding_of(office, office.people[SITE]) is not None


def test_r0_4_an_organisation_of_a_history_session_is_read_only(office: World) -> None:
    for level in (Level.SITE, Level.CENTER):
        row = office.get(Organisation, office.history.site.id)
        browser, form = office.browser(level, exam=57), f"/organisation/edit/{row.id}"
        sent = {"name": "新名称", "version": str(row.version)}
        for answer in (browser.get(form), browser.post(form, sent)):
            assert answer.status_code in (403, 422)
            assert "历史考次的数据只能查看和导出" in text_of(answer)
    assert office.get(Organisation, office.history.site.id).name == office.history.site.name


def test_r7_0_a_saved_organisation_leads_back_to_the_page_of_the_menu(office: World) -> None:
    row = office.get(Organisation, office.tree.site.id)
    home = f"/admin/58/user-organisation/?id={row.id}"
    form = f"/organisation/edit/{row.id}"
    page = office.browser().get(form).get_data(as_text=True)
    assert f'href="{home}"' in page  # 取消
    assert 'data-title="用户与机构管理"' in page
    sent = {"name": row.name, "contact": "李老师", "version": str(row.version)}
    assert office.browser().post(form, sent).location == home


def test_r5_4_the_superior_sees_and_hands_out_an_activation_code(office: World) -> None:
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        owner, _ = bind_administrator(session, office.tree, name="导入员", must_change=True)
    row = binding_of(office, owner)
    assert row is not None
    path, superior = f"/user-access/activation/{row.id}", office.browser(Level.CITY)
    assert path in superior.get(f"{PAGE}?id={office.tree.site.id}").get_data(as_text=True)
    assert office.browser(*SIBLING).post(path).status_code == 404
    assert not re.search(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){2}", text_of(superior.get(path)))
    found = re.search(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){2}", text_of(superior.post(path)))
    assert found is not None
    assert log_of(office, "account.activation_code")[-1].object_title == "导入员"
    access = Access(office.runtime.factory, mail=False, sms=False)
    set_first_password(access, owner.id, PASSWORD, Proof("activation", found[0]))
    assert authenticate(access, owner.email or "", PASSWORD).administrator
    assert superior.post(path).status_code == 404  # he has a password now
    assert path not in superior.get(f"{PAGE}?id={office.tree.site.id}").get_data(as_text=True)


def test_8_3_the_superior_hands_out_a_link_where_links_open_accounts(
    office: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = office.runtime
    settings = replace(runtime.settings, initial_password_mode=InitialPassword.LINK)
    with unit_of_work(runtime.factory, system("seed")) as session:
        owner, _ = bind_administrator(session, office.tree, name="链接员", must_change=True)
    row = binding_of(office, owner)
    assert row is not None
    monkeypatch.setitem(office.app.extensions, "kaowu", replace(runtime, settings=settings))
    shown = text_of(office.browser(Level.CITY).post(f"/user-access/activation/{row.id}"))
    found = re.search(rf"http://\S+/passport/activate\?token=({owner.number}\.\w{{12}})", shown)
    assert found is not None
    assert "链接只显示这一次" in shown
    assert office.get(Passport, owner.id).invited_at is not None  # the upkeep sends no other
    set_password_by_link(Access(runtime.factory), found[1], PASSWORD)


# ---------------------------------------------------------------- chapter 9


def headings(office: World, level: Level) -> list[str]:
    page = office.browser(level).get("/operation-window/").get_data(as_text=True)
    head = page[page.index("<thead>") : page.index("</thead>")]
    return [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<th .*?</th>", head)]


def test_r9_1_the_columns_have_the_titles_of_the_manual(office: World) -> None:
    found = headings(office, Level.SITE)
    assert found[0] == "考点"
    assert [title for title in found[10:] if title != "状态"] == TITLES
    assert [title for title in headings(office, Level.CITY) if title in TITLES][-17:] == TITLES


def test_r9_1_a_site_reads_its_row_the_tip_and_nothing_to_press(office: World) -> None:
    answer = office.browser().get("/operation-window/")
    tip = (
        "提示: 1、控制考点管理员操作, 由上级管理员设置。 "
        "2、考生网报时间的设置在《报名前设置》→《考生报名时间设置》中, 不是此页面!"
    )
    page = text_of(answer)
    assert tip in page
    assert "(990701)地市七考点1" in page
    assert "(990702)" not in page
    for path in ("edit", "extend"):
        answer = office.browser().get(f"/operation-window/{path}/{office.tree.site.id}")
        assert answer.status_code == 403


def test_r9_2_r0_3_many_are_set_at_once_and_the_refused_ones_named(office: World) -> None:
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        sites = [add_site(session, office.tree, f"99078{number}") for number in (1, 2)]
    city, at = office.browser(Level.CITY), office.tree.now.astimezone(LOCAL_ZONE)
    start, end = (f"{at + dt.timedelta(days=days):%Y-%m-%d} 08:00" for days in (-3, 3))
    sent = {"ids": [str(site.id) for site in sites], "setup_start": start, "setup_end": end}
    done = text_of(city.post("/operation-window/batch", sent))
    assert "已完成 2 项，未执行 0 项" in done
    assert "早于" in done  # windows out of their usual order are warned of (R6.4)
    page = text_of(city.get("/operation-window/?name=99078"))
    assert page.count(f"{start}:00 {end}:00") == 2
    beyond = f"{at + dt.timedelta(days=90):%Y-%m-%d} 08:00"
    outcome = text_of(city.post("/operation-window/batch", sent | {"setup_end": beyond}))
    assert outcome.count("超出上级“地市七”的范围") == 2
    below = {"ids": [str(office.tree.city.id)], "setup_start": start, "setup_end": end}
    assert "由上级设置" in text_of(city.post("/operation-window/batch", below))
    row = f"/operation-window/extend/{sites[0].id}"
    later = f"{at + dt.timedelta(days=5):%Y-%m-%d} 20:00"
    extension = {"window": "setup", "end": later}
    assert city.post(row, extension).status_code == 422  # without a reason
    assert city.post(row, extension | {"reason": "考点申请"}).status_code == 302
    assert log_of(office, "exam.operationwindow.edit")[-1].reason == "考点申请"


def test_r9_2a_the_superiors_page_warns_ten_days_before_the_exam(office: World) -> None:
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        site = add_site(session, office.tree, "990791")
        set_window(session, site, Window.DISCIPLINE, None)
    first = EXAM_DAYS[0]
    days = {
        before: dt.datetime(first.year, first.month, first.day, 9, tzinfo=LOCAL_ZONE)
        - dt.timedelta(days=before)
        for before in (11, 10)
    }
    shown = {}
    for before, moment in days.items():
        office.app.extensions["kaowu_clock"] = fixed(moment.astimezone(dt.UTC))
        try:
            shown[before] = [
                text_of(office.browser(level).get("/operation-window/"))
                for level in (Level.PROVINCE, Level.CITY, Level.SITE)
            ]
        finally:
            del office.app.extensions["kaowu_clock"]
    warning = "离考试不足十天，以下考点尚有操作时间未设置： (990791)"
    assert [warning in page for page in shown[11]] == [False, False, False]
    assert [warning in page for page in shown[10]] == [True, True, False]
