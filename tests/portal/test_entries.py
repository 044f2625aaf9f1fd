"""What a visitor is offered at the door (R0.4a, R1.1a, R2.1): session, provinces, networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from app.models.exam import ExamProvince
from app.models.organisation import Organisation
from tests.factories import make_tree, plant, seeding
from tests.portal.passport_world import Portal, open_portal
from tests.portal.registration_world import Candidate


@pytest.fixture
def portal(fresh_database: str, instance: Path) -> Iterator[Portal]:
    with open_portal(fresh_database, instance) as made:
        yield made


def test_r0_4a_candidates_do_not_see_a_session_in_preparation(portal: Portal) -> None:
    with portal.writing() as session:
        coming = make_tree(session, number=59, state="preparing")
    assert "(59)" not in portal.visit().get("/").text
    candidate = Candidate(portal)
    assert "(58) 2026全国计算机等级考试" in candidate.get("/").text
    start = candidate.get("/registration/start").text
    assert f"/registration/notice/{portal.tree.site.id}" in start
    assert f"/registration/notice/{coming.site.id}" not in start
    assert candidate.get(f"/registration/notice/{coming.site.id}").status_code == 404


def test_r1_1a_only_participating_provinces_are_offered(portal: Portal) -> None:
    exam = portal.tree.exam.id
    with portal.writing() as session:
        for code, name in (("11", "北京市"), ("31", "上海市")):
            place = Organisation(exam_id=exam, level="province", code=code, name=name)
            plant(session, place)
        plant(session, ExamProvince(exam_id=exam, province_code="11"))
    candidate = Candidate(portal)
    page = candidate.get("/registration/start").text
    assert "请选择省份" in page
    assert "province=11" in page
    assert "province=99" in page
    assert "province=31" not in page
    assert "北京市" in candidate.get("/registration/start?province=11").text
    assert "请选择省份" in candidate.get("/registration/start?province=31").text


def test_r1_1a_a_site_of_another_province_is_not_entered_by_its_address(portal: Portal) -> None:
    candidate = Candidate(portal)
    address = f"/registration/notice/{portal.tree.site.id}"
    assert candidate.get(address).status_code == 200
    with portal.writing() as session, seeding(session):
        session.delete(session.scalars(select(ExamProvince)).one())
    answer = candidate.get(address)
    assert answer.location == "/registration/start"
    assert "所在的省份不参加本考次" in candidate.get("/registration/start").text


def test_r2_1_both_networks_are_served_with_a_cookie_of_each_host(
    fresh_database: str, instance: Path
) -> None:
    hosts = {"PUBLIC_URL": "http://bm.example.com/", "EDU_URL": "http://bm.example.edu/"}
    with open_portal(fresh_database, instance, **hosts) as portal:
        client = portal.app.test_client()
        for host in hosts.values():
            answer = client.get("/passport/login", base_url=host)
            assert answer.status_code == 200
            cookie = answer.headers["Set-Cookie"]
            assert cookie.startswith("kaowu_portal=")
            assert "Domain=" not in cookie
        for host in ("bm.example.com", "bm.example.edu"):
            assert client.get_cookie("kaowu_portal", domain=host) is not None
        assert client.get("/", base_url="http://bm.example.org/").status_code == 400
