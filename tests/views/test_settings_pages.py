"""The settings pages before registration (chapters 10, 11, 15-18), as they are seen and used."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import select

from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import ADMINISTRATORS, Level, Window
from app.models.default_settings import DefaultSettings
from app.models.exam import ExamDay
from app.models.organisation import Organisation
from app.models.roster import RosterPolicy
from app.models.settings import SiteSettings
from tests import factories
from tests.contract.world import World, text_of
from tests.factories import seeding
from tests.views.conftest import log_of

SENTENCES = (
    "是否启用考点管理员代考生集体报名",
    "是否启用考点管理员批量代考生缴费",
    "启用情况下，考生的报名信息需要审核通过才可以缴费",
    "启用情况下，报考本考点的考生必须填写班级信息",
    "单个考生在本考点最多报考科目数量，可设置值范围为 1~3",
    "不启用情况下，考生不能下载自己的准考证",
    "由省管理员设置是否启用",
)
PAGES = ("site-settings", "online-time", "site-notice", "class-option")


def row_of(office: World, number: int = 0) -> SiteSettings:
    with office.looking() as session:
        site = office.tree.sites[number].id
        return session.scalars(select(SiteSettings).where(SiteSettings.site_id == site)).one()


@contextmanager
def closed(office: World, place: Organisation) -> Iterator[None]:
    """W1 of the organisation has ended."""
    day, tree = dt.timedelta(days=1), office.tree
    with unit_of_work(office.runtime.factory, system("test")) as session:
        factories.set_window(session, place, Window.SETUP, tree.now - 3 * day, tree.now - day)
    yield
    with unit_of_work(office.runtime.factory, system("test")) as session:
        half = 30 * day
        factories.set_window(session, place, Window.SETUP, tree.now - half, tree.now + half)


@pytest.fixture(scope="module", autouse=True)
def candidates(office: World) -> None:
    """Two candidates at the first site; its online registration is running."""
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        for _ in range(2):
            factories.make_registration(session, office.tree, subjects=["14", "24"])


# ---------------------------------------------------------------- the page of one site


def test_r10_4_a_site_reads_the_manuals_sentence_beside_each_switch(office: World) -> None:
    page = text_of(office.browser().get("/site-settings/"))
    for sentence in SENTENCES:
        assert sentence in page
    assert "共 1 条" not in page  # no list of one


def test_r11_4_r21_1_a_list_says_what_it_is_for_and_who_set_it_last(office: World) -> None:
    site = office.browser()
    page = text_of(site.get("/site-subject/"))
    assert "科目和考试时间添加后不能修改；如需修改，请删除后重新添加。" in page
    assert "上次保存" not in page  # made with the site, by nobody on this page
    values = {"subject_code": "35", "first_day": "2026-09-19", "last_day": "2026-09-21"}
    asked = site.post("/site-subject/add", values, htmx=True).get_data(as_text=True)
    (token,) = re.findall(r'name="_confirm" value="(\w+)"', asked)
    added = site.post("/site-subject/add", values | {"_confirm": token}, htmx=True)
    assert added.status_code < 300, text_of(added)
    assert re.search(r"上次保存：.*\（990701\） \d{4}-", text_of(site.get("/site-subject/")))
    assert "跨考次一直保留" in text_of(site.get("/student-record/"))
    with closed(office, office.tree.site):
        page = text_of(site.get("/site-subject/"))
        assert "已结束" in page
        assert "如需延长，请联系上级管理员" in page


@pytest.mark.parametrize("path", [*PAGES, "site-subject"])
def test_r10_1_the_page_names_its_window(office: World, path: str) -> None:
    page = text_of(office.browser().get(f"/{path}/"))
    assert re.search(r"报名前设置时间 \d{4}-\d\d-\d\d \d\d:\d\d 至 .* 进行中", page)


@pytest.mark.parametrize("path", PAGES)
def test_r10_3_r15_5_r17_4_r18_5_when_it_is_closed_it_says_what_to_do(
    office: World, path: str
) -> None:
    with closed(office, office.tree.site):
        answer = office.browser().get(f"/{path}/")
        page, row = text_of(answer), row_of(office)
        assert "请向上级申请" in page
        assert "延长本考点的“报名前设置截止时间”" in page
        assert "已结束" in page
        assert f"/edit/{row.id}" not in answer.get_data(as_text=True)
        assert office.browser().get(f"/{path}/edit/{row.id}").status_code == 403
        # the other site is not touched by it
        assert f"/edit/{row_of(office, 1).id}" in office.browser(Level.SITE, 1).get(
            f"/{path}/"
        ).get_data(as_text=True)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("level", ADMINISTRATORS[:3])
def test_r0_6a_superiors_choose_a_site_from_a_list(office: World, path: str, level: Level) -> None:
    browser = office.browser(level)
    listed = browser.get(f"/{path}/?_org=990702").get_data(as_text=True)
    row = row_of(office, 1)
    assert f"/{path}/show/{row.id}" in listed
    assert f"/{path}/show/{row_of(office).id}" not in listed
    page = text_of(browser.get(f"/{path}/show/{row.id}"))
    assert "(990702)地市七考点2" in page


def test_p2_no_site_opens_the_page_of_another(office: World) -> None:
    for path in PAGES:
        for what in ("show", "edit"):
            assert office.browser().get(f"/{path}/{what}/{row_of(office, 1).id}").status_code == 404


@pytest.mark.parametrize("path", [*PAGES, "site-subject", "province-subject"])
def test_r0_4_in_a_history_session_they_are_read_only(office: World, path: str) -> None:
    answer = office.browser(exam=57).get(f"/{path}/")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    for word in ("/edit/", "/add", "preview"):
        assert f"/{path}{word}" not in page
    assert "历史考次的数据只能查看和导出" in page or path == "province-subject"


# ---------------------------------------------------------------- effects


def test_r10_2_the_form_asks_once_more_and_saves_nothing_before(office: World) -> None:
    browser, row = office.browser(), row_of(office)
    path = f"/site-settings/edit/{row.id}"
    values = {"version": row.version, "open": "1", "max_subjects": "1", "self_printing": "1"}
    asked = browser.post(path, values, htmx=True)
    page = text_of(asked)
    assert asked.status_code == 409
    assert "不建议在报名期间修改；该考点已有 2 名考生、4 科次" in page
    assert "2 名考生的报考科次已超过 1" in page
    assert "确认并保存" in page
    assert row_of(office).max_subjects == 3
    found = re.search(r'name="_confirm" value="(\w+)"', asked.get_data(as_text=True))
    assert found is not None
    assert browser.post(path, values | {"_confirm": "0" * 16}, htmx=True).status_code == 409
    saved = browser.post(path, values | {"_confirm": found[1]}, htmx=True)
    assert saved.status_code == 204
    assert row_of(office).max_subjects == 1
    page = text_of(browser.get("/site-settings/"))
    assert re.search(r"上次保存：\S+（990701） \d{4}-\d\d-\d\d", page)


def test_p4_the_province_changes_on_behalf_and_the_site_reads_so(office: World) -> None:
    row = row_of(office, 1)
    values = {"version": row.version, "open": "1", "max_subjects": "2", "self_printing": "1"}
    browser = office.browser(Level.PROVINCE)
    asked = browser.post(f"/site-settings/edit/{row.id}", values)
    found = re.search(r'name="_confirm" value="(\w+)"', asked.get_data(as_text=True))
    assert found is not None
    saved = browser.post(f"/site-settings/edit/{row.id}", values | {"_confirm": found[1]})
    assert saved.location.endswith(f"/site-settings/show/{row.id}")
    assert log_of(office, "settings.sitesettings.edit")[-1].on_behalf_of == "990702"
    assert "上级代改" in text_of(office.browser(Level.SITE, 1).get("/site-settings/"))
    with closed(office, office.tree.province):
        page = text_of(browser.get(f"/site-settings/show/{row.id}"))
        assert "不在本级的报名前设置时间内，不能代考点修改" in page


def test_r10_4a_stopping_asks_with_the_numbers_and_tells_everybody(office: World) -> None:
    browser, row = office.browser(Level.PROVINCE), row_of(office)
    values = {"ids": row.id, "_reason": "考场停电"}
    asked = browser.post("/site-suspend/", values, htmx=True)
    assert asked.status_code == 409
    assert "涉及 2 名考生、4 科次" in text_of(asked)
    found = re.search(r'name="_confirm" value="(\w+)"', asked.get_data(as_text=True))
    assert found is not None
    done = browser.post("/site-suspend/", values | {"_confirm": found[1]}, htmx=True)
    assert done.status_code == 204
    site = office.browser()
    assert "考点已被省停考：考场停电" in text_of(site.get("/site-settings/"))
    for path in ("online-time", "class-option", "site-notice"):
        assert "考点已停考（考场停电），本页的设置无效" in text_of(site.get(f"/{path}/"))
    resumed = browser.post("/site-resume/", {"ids": row.id, "_reason": "已恢复"}, htmx=True)
    assert resumed.status_code == 204


# ---------------------------------------------------------------- subjects and defaults


def test_p3_a_superior_names_the_site_for_which_he_adds(office: World) -> None:
    page = office.browser(Level.PROVINCE).get("/site-subject/add").get_data(as_text=True)
    assert 'name="_site"' in page
    assert "(990701)地市七考点1" in page
    assert 'name="_site"' not in office.browser().get("/site-subject/add").get_data(as_text=True)


def test_r11_3_the_province_is_told_which_sites_stand_outside(office: World) -> None:
    browser = office.browser(Level.PROVINCE)
    page = browser.get("/province-subject/").get_data(as_text=True)
    keys = re.findall(r"/province-subject/edit/(\d+)", page)
    day = str(factories.EXAM_DAYS[0])
    values = {"first_day": day, "last_day": day, "version": 1}
    refused = browser.post(f"/province-subject/edit/{keys[0]}", values, htmx=True)
    assert refused.status_code == 422
    assert "(990701)地市七考点1" in text_of(refused)


def test_r0_6b_defaults_are_shown_before_they_are_set(office: World) -> None:
    browser = office.browser(Level.PROVINCE)
    assert "本省尚未设置默认值" in text_of(browser.get("/default-settings/"))
    values = {"open": "1", "max_subjects": "2"}
    assert browser.post("/default-settings/add", values).status_code == 302
    page = text_of(browser.get("/default-settings/"))
    assert "本省尚未设置默认值" not in page
    assert "上次保存" in page
    assert office.browser().get("/default-settings/").status_code == 403


def test_r0_6b_the_centre_reads_what_serves_before_it_sets_defaults(office: World) -> None:
    browser = office.browser(Level.CENTER)
    page = text_of(browser.get("/default-settings/"))
    assert "考试中心尚未设置默认值" in page
    assert "报考最大科次数量：3 允许考生个人打印准考证：是" in page
    values = {"max_subjects": "2"}
    assert browser.post("/default-settings/add", values).status_code == 302
    page = browser.get("/default-settings/").get_data(as_text=True)
    assert "考试中心尚未设置默认值" not in page
    (key,) = re.findall(r"/default-settings/delete/(\d+)", page)
    assert browser.post(f"/default-settings/delete/{key}", {}).status_code == 302


def test_p4_a_city_gets_its_buttons_from_the_province(office: World) -> None:
    """§5 “V/E cfg”, after the defaults of the province were set above."""
    city, edit = office.browser(Level.CITY), f"/site-settings/edit/{row_of(office).id}"
    assert edit not in city.get("/site-settings/").get_data(as_text=True)
    with office.looking() as session:
        row = session.scalars(select(DefaultSettings)).one()
    values = {"cities_entrusted": "1", "max_subjects": "2", "version": str(row.version)}
    province, form = office.browser(Level.PROVINCE), f"/default-settings/edit/{row.id}"
    asked = province.post(form, values)
    assert asked.status_code == 409
    assert re.search(r"本省 \d+ 个地市将可以代所辖考点修改", text_of(asked))
    found = re.search(r'name="_confirm" value="(\w+)"', asked.get_data(as_text=True))
    assert found is not None
    assert province.post(form, values | {"_confirm": found[1]}).status_code == 302
    assert edit in city.get("/site-settings/").get_data(as_text=True)
    assert city.get(edit).status_code == 200


def test_section_5_a_first_row_begins_with_the_trust_in_force(office: World) -> None:
    tree = office.tree
    with (
        unit_of_work(office.runtime.factory, system("seed")) as session,
        factories.seeding(session),
    ):
        for row in session.scalars(select(DefaultSettings)):
            session.delete(row)
        centre = {"exam_id": tree.exam.id, "organisation_id": tree.center.id}
        session.add(DefaultSettings(**centre, cities_entrusted=True))
    browser = office.browser(Level.PROVINCE)
    assert "委托地市代考点设置" in text_of(browser.get("/default-settings/"))
    form = browser.get("/default-settings/add").get_data(as_text=True)
    (box,) = re.findall(r'<input[^>]*name="cities_entrusted"[^>]*>', form)
    assert " checked" in box


# ---------------------------------------------------------------- rows that others keep


def test_r0_6_nobody_gets_buttons_for_rows_that_another_level_keeps(office: World) -> None:
    centre, province = office.browser(Level.CENTER), office.browser(Level.PROVINCE)
    with unit_of_work(office.runtime.factory, system("seed")) as session, seeding(session):
        day = dt.date(2030, 3, 30)
        national = ExamDay(exam_id=office.tree.exam.id, day=day)
        session.add(national)
        session.flush()
        row_id = national.id
    edit, delete = f"/exam-day/edit/{row_id}", f"/exam-day/delete/{row_id}"
    for path in ("/exam-day/", f"/exam-day/show/{row_id}"):
        kept = centre.get(path).get_data(as_text=True)
        assert edit in kept
        assert delete in kept
        read = province.get(path).get_data(as_text=True)
        assert "2030-03-30" in read
        assert edit not in read
        assert delete not in read


def test_section_5_the_centre_reads_defaults_of_provinces_without_buttons(office: World) -> None:
    province = office.tree.province
    with unit_of_work(office.runtime.factory, system("seed")) as session, seeding(session):
        made = DefaultSettings(
            exam_id=office.tree.exam.id, province_id=province.id, organisation_id=province.id
        )
        session.add(made)
        session.flush()
        row_id = made.id
    page = office.browser(Level.CENTER).get("/default-settings/").get_data(as_text=True)
    assert f"/default-settings/show/{row_id}" in page
    assert f"/default-settings/edit/{row_id}" not in page
    assert f"/default-settings/delete/{row_id}" not in page
    with unit_of_work(office.runtime.factory, system("seed")) as session, seeding(session):
        session.delete(session.get_one(DefaultSettings, row_id))


def test_r10_4_the_general_settings_are_searched_by_what_their_page_shows(office: World) -> None:
    page = office.browser(Level.CENTER).get("/site-settings/").get_data(as_text=True)
    assert 'name="open"' in page
    assert 'name="online_enabled"' not in page  # of chapter 15, which has a page of its own


def test_r19_1_the_heading_of_a_policy_names_its_site_once(office: World) -> None:
    site = office.tree.sites[0]
    with office.looking() as session:
        policy = session.scalars(select(RosterPolicy).where(RosterPolicy.site_id == site.id)).one()
    page = text_of(office.browser(Level.PROVINCE).get(f"/roster-policy/show/{policy.id}"))
    assert page.count(f"学籍报考设置 · {site.display}") >= 1
    assert f"{site.display} {site.display}" not in page


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        ("online-time-set/?ids={row}", True),
        ("site-subject-add/", True),
        ("site-suspend/?ids={row}", False),  # the province's own business (R10.4a)
    ],
)
def test_p4_an_operation_says_beforehand_that_it_is_done_on_behalf(
    office: World, operation: str, told: bool
) -> None:
    address = operation.format(row=row_of(office).id)
    page = text_of(office.browser(Level.PROVINCE).get(f"/{address}"))
    assert "没有找到" not in page
    assert ("您将代考点办理" in page) is told
