"""Other people's rows, tokens, and what every page of a registration costs."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select, update

from app.models.account import AdminBinding, Passport, RateLimit
from tests.factories import add_site, bind_administrator
from tests.portal.passport_world import ADDRESS, Portal, open_portal
from tests.portal.registration_world import (
    PAYMENT,
    STATUS,
    TICKET,
    Candidate,
    change_row,
    put_notices,
)


@pytest.fixture
def portal(fresh_database: str, instance: Path) -> Iterator[Portal]:
    with open_portal(fresh_database, instance) as made:
        yield made


# ---------------------------------------------------------------- other people's rows


def test_p1_nobody_reaches_photo_order_or_entries_of_somebody_else(portal: Portal) -> None:
    owner, other = Candidate(portal), Candidate(portal)
    row = owner.register(["14"])
    owner.order()
    number = owner.orders()[0].number
    assert other.get("/registration/photo.jpg").status_code == 404
    other.register([])
    assert number not in other.get(PAYMENT).text
    for action in ("refresh", "abandon"):
        token = {"csrf_token": other.token("/registration/person")}
        answer = other.client.post(
            f"{PAYMENT}{action}", base_url=ADDRESS, data=token | {"order_number": number}
        )
        assert answer.status_code == 404
    assert owner.entries() == {"14": "paying"}
    assert owner.orders()[0].state == "open"
    change_row(portal, other.row(), photo_id=row.photo_id)  # even with a foreign key in his row
    assert other.get("/registration/photo.jpg").status_code == 404
    assert owner.get("/registration/photo.jpg").status_code == 200


def test_every_form_needs_its_token_but_the_call_back(portal: Portal) -> None:
    candidate = Candidate(portal)
    candidate.register(["14"])
    posts = {
        re.sub(r"<int[^>]*>", str(portal.tree.site.id), rule.rule): rule.endpoint
        for rule in portal.app.url_map.iter_rules()
        if "POST" in (rule.methods or ())
    }
    assert len(posts) > 15
    for path, endpoint in posts.items():
        answer = candidate.client.post(path, base_url=ADDRESS, data={})
        expected = 403 if endpoint == "callbacks.receive" else 400
        assert answer.status_code == expected, path
    assert candidate.entries() == {"14": "unpaid"}


# ---------------------------------------------------------------- cost


def test_every_page_needs_at_most_six_statements_and_is_small(portal: Portal) -> None:
    with portal.writing() as session:
        site = add_site(session, portal.tree, "990703", subjects=("14", "24", "35"), day_quota=9)
    put_notices(portal, "<p>省</p>", "<p>考点</p>")
    candidate = Candidate(portal)
    statements: list[str] = []
    engine = portal.factory.kw["bind"]
    event.listen(engine, "before_cursor_execute", lambda *found: statements.append(found[2]))

    def visit(*paths: str) -> None:
        for path in paths:
            statements.clear()
            answer = candidate.get(path)
            assert answer.status_code == 200, path
            asked = [text for text in statements if text.startswith("SELECT")]
            assert len(asked) <= 6, (path, asked)
            static = re.findall(r'(?:href|src)="(/static/portal/[^"]+)"', answer.text)
            weight = len(gzip.compress(answer.data))
            for name in static:
                with candidate.get(name) as file:
                    weight += len(gzip.compress(file.data))
            assert weight < 30_000, path

    visit("/", "/registration/start", f"/registration/notice/{site.id}")
    candidate.accept(site)
    visit("/registration/register")
    candidate.fill_in()
    candidate.upload()
    pages = (
        *("/", STATUS, "/registration/person", "/registration/photo", "/registration/subjects"),
        *("/registration/seats", PAYMENT, f"{PAYMENT}state", TICKET),
    )
    visit(*pages)
    candidate.choose({"14": "2026-09-19", "24": ""})
    visit(*pages)
    address = candidate.order()
    visit(*pages)
    candidate.at_the_bank("succeed", address)
    visit(*pages)


def test_choosing_subjects_costs_four_statements(portal: Portal) -> None:
    """The rush is this one request: the visitor and his rate; his registration; site, entries and
    offer; and everything that is written (log, registration, entries, rate, counters), on
    PostgreSQL at once. All in one transaction."""
    candidate = Candidate(portal)
    candidate.register(["14"])
    token = {"csrf_token": candidate.token("/registration/subjects")}
    statements: list[str] = []
    engine = portal.factory.kw["bind"]
    event.listen(engine, "before_cursor_execute", lambda *found: statements.append(found[2]))
    begun: list[object] = []
    event.listen(engine, "begin", begun.append)
    data = token | {"subject": ["24"]}
    answer = candidate.client.post("/registration/subjects", base_url=ADDRESS, data=data)
    assert answer.location == STATUS
    asked = [text for text in statements if not text.startswith("BEGIN")]
    assert len(asked) == (4 if engine.dialect.name == "postgresql" else 9), asked
    assert len(begun) == 1
    assert candidate.entries() == {"14": "deleted", "24": "unpaid"}


def test_what_is_refused_counts_among_a_candidates_writes(
    fresh_database: str, instance: Path
) -> None:
    """The refusal is rolled back, its count is not."""
    with open_portal(fresh_database, instance, RATE_WRITE="3/60") as portal:
        candidate = Candidate(portal)
        candidate.accept()
        answers = [candidate.fill_in(mobile="1").status_code for _ in range(5)]
    assert answers == [422, 422, 422, 429, 429]


def test_who_may_not_choose_any_more_writes_nothing(portal: Portal) -> None:
    """The look for the visitor is inside the transaction of the write: it still comes first."""
    candidate = Candidate(portal)
    candidate.register(["14"])
    data = {"csrf_token": candidate.token("/registration/subjects"), "subject": ["24"]}
    cookie = candidate.cookie

    def send() -> tuple[int, str]:
        candidate.client.set_cookie("kaowu_portal", cookie, domain="127.0.0.1")
        answer = candidate.client.post("/registration/subjects", base_url=ADDRESS, data=data)
        return answer.status_code, (answer.location or "").partition("?")[0]

    def change(**values: Any) -> None:
        with portal.writing() as session:
            session.execute(
                update(Passport.__table__)  # type: ignore[arg-type]
                .where(Passport.__table__.c.id == candidate.passport.id)
                .values(values)
            )

    change(active=False)
    assert send() == (302, "/passport/login")
    change(active=True, session_version=99)  # logged out elsewhere
    assert send() == (302, "/passport/login")
    change(session_version=1)
    with portal.writing() as session:
        binding = AdminBinding.__table__
        bind_administrator(session, portal.tree)
        session.flush()
        session.execute(update(binding).values(passport_id=candidate.passport.id))  # type: ignore[arg-type]
    assert send() == (403, "")
    assert candidate.entries() == {"14": "unpaid"}


def test_a_choice_is_counted_once_and_refused_above_the_rate(
    fresh_database: str, instance: Path
) -> None:
    with open_portal(fresh_database, instance, RATE_WRITE="30/60") as portal:
        candidate = Candidate(portal)
        candidate.register(["14"])
        bucket = RateLimit.bucket == f"write:{candidate.passport.id}"

        def count() -> int:
            with portal.looking() as session:
                return session.scalars(select(RateLimit.count).where(bucket)).one()

        before = count()
        assert candidate.choose(["24"]).status_code == 302
        assert count() == before + 1
        assert candidate.choose(["99"]).status_code == 422
        assert count() == before + 2
        with portal.writing() as session:
            session.execute(update(RateLimit).where(bucket).values(count=30))
        assert candidate.choose(["14"]).status_code == 429
        assert count() == 31
        assert candidate.entries() == {"14": "deleted", "24": "unpaid"}
