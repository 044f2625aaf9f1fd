"""R10.4a at the candidate's: a stopped site stays visible with the reason, and takes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.portal.passport_world import Portal, open_portal
from tests.portal.registration_world import PAYMENT, STATUS, Candidate, change_settings


@pytest.fixture
def portal(fresh_database: str, instance: Path) -> Iterator[Portal]:
    with open_portal(fresh_database, instance) as made:
        yield made


def test_r10_4a_the_status_page_tells_why_and_nothing_can_be_paid(portal: Portal) -> None:
    candidate = Candidate(portal)
    candidate.register(["14"])
    change_settings(portal, open=False, suspension_reason="考场供电故障")
    page = candidate.get(STATUS).text
    assert "考点已停考" in page
    assert "考场供电故障" in page
    assert "已报的科目保留" in page
    assert candidate.entries() == {"14": "unpaid"}
    refused = candidate.post(f"{PAYMENT}order", form=PAYMENT)
    assert "考场供电故障" in candidate.get(refused.location).text
    assert candidate.orders() == []


def test_r10_4a_nobody_new_is_offered_the_site(portal: Portal) -> None:
    change_settings(portal, open=False, suspension_reason="考场供电故障")
    candidate = Candidate(portal)
    page = candidate.get("/registration/start?province=99").text
    assert "(990701)" not in page
