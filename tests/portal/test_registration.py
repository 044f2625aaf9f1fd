"""The registration pages over HTTP: steps, refusals, both notices, stale forms, other people."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.metadata.id_numbers import check_digit
from app.metadata.rich_text import to_show
from app.metadata.vocabulary import Level
from app.models.registration import Review
from tests.factories import add_site, bind_administrator, id_number, person
from tests.portal.passport_world import Portal, open_portal
from tests.portal.registration_world import (
    PAYMENT,
    STATUS,
    TICKET,
    Candidate,
    change_capacity,
    change_row,
    change_settings,
    main_action,
    put_notices,
)
from tests.rules.account_world import HASH, PASSWORD

EVIL = '<p onclick="x()">通告<b>重要</b></p><script>alert(1)</script><img src=x onerror=alert(2)>'


@pytest.fixture
def portal(fresh_database: str, instance: Path) -> Iterator[Portal]:
    with open_portal(fresh_database, instance) as made:
        yield made


@pytest.fixture
def candidate(portal: Portal) -> Candidate:
    return Candidate(portal)


# ---------------------------------------------------------------- the way through


def test_r0_7_each_step_leads_to_the_next_one(candidate: Candidate) -> None:
    assert "开始报名" in candidate.get("/").text
    assert "(990701)地市七考点1" in candidate.get("/registration/start").text
    assert candidate.accept().location == "/registration/register"
    assert candidate.fill_in().location == "/registration/photo"
    assert main_action(candidate.get(STATUS)) == "上传照片"
    assert candidate.upload().location == "/registration/subjects"
    assert main_action(candidate.get(STATUS)) == "选择科目"
    assert candidate.choose(["14", "24"]).location == STATUS
    assert main_action(candidate.get(STATUS)) == "去缴费"
    assert candidate.at_the_bank("succeed").location == STATUS
    assert candidate.entries() == {"14": "paid", "24": "paid"}
    assert main_action(candidate.get(STATUS)) == "打印准考证"
    for path in ("/registration/start", "/registration/register"):
        assert candidate.get(path).status_code == 302


def test_pages_without_a_registration_lead_to_its_start(candidate: Candidate) -> None:
    assert candidate.get(STATUS).location == "/registration/start"
    assert candidate.get("/registration/register").location == "/registration/start"
    for path in ("/registration/photo", "/registration/photo.jpg", PAYMENT, TICKET):
        assert candidate.get(path).status_code == 404


def test_strangers_log_in_first_and_administrators_read_why_not(portal: Portal) -> None:
    stranger = portal.visit()
    for path in ("/registration/start", STATUS, PAYMENT, TICKET, "/registration/photo.jpg"):
        assert stranger.get(path).location.startswith("/passport/login?next=")
    with portal.writing() as session:
        owner, _ = bind_administrator(session, portal.tree, Level.PROVINCE, password_hash=HASH)
    visit = portal.visit()
    visit.log_in(owner.email or "", PASSWORD)
    answer = visit.get("/registration/start")
    assert answer.status_code in (302, 403)  # 302: the second factor stands before it
    assert portal.tree.site.name not in answer.text


def test_r15_4_only_sites_within_their_time_are_offered(
    portal: Portal, candidate: Candidate
) -> None:
    site = portal.tree.site
    change_settings(portal, online_end=portal.clock.now - dt.timedelta(minutes=1))
    text = candidate.get("/registration/start").text
    assert site.code not in text
    assert portal.tree.sites[1].code in text
    assert candidate.get(f"/registration/notice/{site.id}").location == "/registration/start"
    assert "网上报名时间" in candidate.get("/registration/start").text


def test_r13_3_full_sites_are_shown_without_a_link(portal: Portal, candidate: Candidate) -> None:
    other = Candidate(portal)
    change_capacity(portal, "TOTAL", 1)
    other.register(["14"])
    text = candidate.get("/registration/start").text
    assert "已满" in text
    assert f"/registration/notice/{portal.tree.site.id}" not in text


def test_long_lists_of_sites_can_be_searched(portal: Portal, candidate: Candidate) -> None:
    with portal.writing() as session:
        for number in range(3, 13):
            add_site(session, portal.tree, f"9907{number:02d}")
    assert 'type="search"' in candidate.get("/registration/start").text
    text = candidate.get("/registration/start?q=990705").text
    assert "(990705)" in text
    assert "(990706)" not in text


# ---------------------------------------------------------------- notices


def test_notices_are_agreed_to_in_the_version_that_was_read(
    portal: Portal, candidate: Candidate
) -> None:
    path = f"/registration/notice/{portal.tree.site.id}"
    for values in ({}, {"agree": "1", "version": "0" * 40}):
        answer = candidate.post(path, **values)
        assert answer.status_code == 200
        assert "请阅读并同意" in answer.text
    candidate.accept()
    put_notices(portal, "<p>新通告</p>", "")
    answer = candidate.fill_in()
    assert answer.location == path
    assert "报名通告已更新" in candidate.get(path).text


def test_n18_r16_1_r17_3_both_pages_show_both_notices_without_scripts(
    portal: Portal, candidate: Candidate
) -> None:
    put_notices(portal, EVIL, EVIL.replace("通告", "考点说"))
    notice = candidate.get(f"/registration/notice/{portal.tree.site.id}").text
    candidate.accept()
    form = candidate.get("/registration/register").text
    candidate.fill_in()
    for text in (
        notice,
        form,
        candidate.get(STATUS).text,
        candidate.get("/registration/person").text,
    ):
        assert "通告<b>重要</b>" in text
        assert "考点说<b>重要</b>" in text
        for trace in ("alert(", "onerror", "onclick", "<img src=x"):
            assert trace not in text


def test_n18_a_notice_is_sanitised_once_for_all_who_read_it(
    portal: Portal, candidate: Candidate
) -> None:
    put_notices(portal, "<p>全省一次</p>", "<p>考点一次</p>")
    path = f"/registration/notice/{portal.tree.site.id}"
    to_show.cache_clear()  # another test of this process may have read the same notices
    assert all("全省一次" in candidate.get(path).text for _ in range(3))
    assert to_show.cache_info().misses == 2


def test_a_notice_of_plain_text_keeps_its_lines(portal: Portal, candidate: Candidate) -> None:
    put_notices(portal, "第一行 & 其他\n第二行", "")
    text = candidate.get(f"/registration/notice/{portal.tree.site.id}").text
    assert "<p>第一行 &amp; 其他</p><p>第二行</p>" in text


# ---------------------------------------------------------------- personal data


def test_mistakes_stand_beside_their_fields_and_nothing_typed_is_lost(
    candidate: Candidate,
) -> None:
    candidate.accept()
    wrong = id_number()[:-1] + "X"
    if wrong[-1] == check_digit(wrong[:17]):
        wrong = wrong[:-1] + "1"
    answer = candidate.fill_in(id_number=wrong, mobile="12", name="", address="测试路99号")
    assert answer.status_code == 422
    for name in ("id_number", "mobile", "name"):
        message = re.search(rf'id="{name}-message" role="alert">([^<]+)<', answer.text)
        assert message is not None, name
    assert "有 3 处需要修改" in answer.text
    assert 'value="测试路99号"' in answer.text
    assert candidate.get(STATUS).location == "/registration/start"


def test_birth_and_sex_follow_from_the_id_number_without_scripts(candidate: Candidate) -> None:
    candidate.accept()
    number = id_number(birth=dt.date(2003, 4, 5), sex="2")
    assert candidate.fill_in(id_number=number, birth="", sex="").status_code == 302
    row = candidate.row()
    assert (row.birth, row.sex) == (dt.date(2003, 4, 5), "2")


def test_r10_4_a_required_class_comes_from_the_options(
    portal: Portal, candidate: Candidate
) -> None:
    change_settings(portal, class_required=True)
    candidate.accept()
    answer = candidate.fill_in()
    assert answer.status_code == 422
    assert 'id="class_name-message" role="alert"' in answer.text
    assert candidate.fill_in(class_name="一班").status_code == 302


def test_n12_a_person_registers_once(portal: Portal, candidate: Candidate) -> None:
    other = Candidate(portal)
    number = id_number()
    candidate.accept()
    candidate.fill_in(id_number=number)
    other.accept()
    answer = other.fill_in(id_number=number)
    assert answer.status_code == 409
    assert "该证件号码在本考次已报名" in answer.text


def changed(candidate: Candidate, version: str = "", **values: Any) -> TestResponse:
    """Send the page of personal data; `version` stands for a page that was opened before."""
    page = candidate.get("/registration/person").text
    current = re.search(r'name="version" value="(\d+)"', page)
    assert current is not None
    data = person(id_number=candidate.row().id_number) | {"version": version or current[1]} | values
    return candidate.post("/registration/person", **data)


def test_n3_a_stale_page_shows_both_versions_and_may_be_saved_again(
    portal: Portal, candidate: Candidate
) -> None:
    row = candidate.register()
    change_row(portal, row, address="考点改的地址", education="30")
    answer = changed(candidate, str(row.version), address="我填的地址", education="20")
    assert answer.status_code == 409
    assert "报名信息已被他人修改" in answer.text
    table = answer.text[answer.text.index("<table>") : answer.text.index("</table>")]
    assert "<td>我填的地址</td><td>考点改的地址</td>" in table
    assert "文化程度" in table
    assert candidate.row().address == "考点改的地址"
    version = re.search(r'name="version" value="(\d+)"', answer.text)
    assert version is not None
    assert changed(candidate, version[1], address="我填的地址").location == STATUS
    assert candidate.row().address == "我填的地址"


def test_n3_a_page_from_before_the_lock_is_refused(portal: Portal, candidate: Candidate) -> None:
    row = candidate.register()
    change_row(portal, row, locked=True)
    answer = changed(candidate, str(row.version), address="我填的地址")
    assert answer.status_code == 409
    assert "报名信息已锁定" in answer.text
    assert candidate.row().address == row.address


def test_r25_28_a_change_after_approval_is_submitted_again(
    portal: Portal, candidate: Candidate
) -> None:
    change_settings(portal, review_required=True)
    row = candidate.register()
    change_row(portal, row, review=Review.APPROVED.value)
    changed(candidate, address="新地址")
    answer = candidate.get(STATUS)
    assert "请提交审核" in answer.text
    assert main_action(answer) == "提交审核"
