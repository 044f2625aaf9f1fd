"""The portal in English, from the choice of a site to the paid registration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import render_template_string
from flask_babel import force_locale

from app.database.base import Base
from tests.conftest import create_schema
from tests.databases import Databases
from tests.factories import person
from tests.portal.passport_world import Portal, open_portal
from tests.portal.registration_world import PAYMENT, STATUS, Candidate
from tests.translations.conftest import chinese_in, texts_in

VISITOR = ("/", "/unsupported", *(f"/passport/{p}" for p in ("", "login", "register", "forgot")))
VISITOR += ("/passport/login?way=code", "/passport/terms", "/no-such-page")
OWN = tuple(f"/passport/{page}" for page in ("me", "password", "email", "mobile"))


@pytest.fixture
def portal(databases: Databases, instance: Path) -> Iterator[Portal]:
    url = databases.clone("sqlite", f"portal_{instance.parent.name}", create_schema)
    with open_portal(url, instance) as made:
        yield made
    databases.drop(url)


@pytest.fixture
def candidate(portal: Portal) -> Candidate:
    made = Candidate(portal)
    assert made.get("/language/en").status_code == 302
    return made


def _chinese(portal: Portal, page: str) -> list[str]:
    engine = portal.factory.kw["bind"]
    return chinese_in(page, texts_in(engine, Base.metadata))


def test_a_visitor_reads_english(portal: Portal) -> None:
    visit = portal.visit()
    assert '<html lang="zh-' in visit.get("/").text
    visit.get("/language/en")
    for path in VISITOR:
        page = visit.get(path, follow_redirects=True).text
        assert '<html lang="en">' in page, path
        assert _chinese(portal, page) == [], path
    visit.get("/language/zh_CN")
    assert '<html lang="zh-' in visit.get("/").text
    with portal.app.test_request_context("/"), force_locale("en"):
        page = render_template_string(
            "{{ _('有 %(count)s 处需要修改，请看红色的提示。', count=1) }}"
        )
        assert page.startswith("1 place needs a change;")


def test_a_candidate_reads_english(candidate: Candidate) -> None:
    def check(path: str) -> None:
        assert _chinese(candidate.portal, candidate.get(path).text) == [], path

    for path in (*OWN, "/", "/registration/start", "/registration/start?province=99"):
        check(path)
    check(f"/registration/notice/{candidate.portal.tree.site.id}")
    candidate.accept()
    check("/registration/register")
    candidate.fill_in()
    for path in ("/registration/photo", STATUS, "/registration/person"):
        check(path)
    candidate.upload()
    check("/registration/subjects")
    candidate.choose(["14"])
    for path in (STATUS, PAYMENT, "/"):
        check(path)
    check(candidate.order())
    check(PAYMENT)
    candidate.at_the_bank("succeed", candidate.order())
    check(STATUS)


def test_refusals_are_english(candidate: Candidate) -> None:
    candidate.accept()
    wrong = {"id_number": "990000", "name": "", "guardian_mobile": "1"}
    answer = candidate.fill_in(**wrong)
    assert answer.status_code == 422
    engine = candidate.portal.factory.kw["bind"]
    typed = {str(value) for value in person().values()}
    assert chinese_in(answer.text, texts_in(engine, Base.metadata) | typed) == []
    assert re.search(r"required|ID number|identity number", answer.text)
