"""Whatever an address says, the answer is a page or a refusal: never a failure (ASVS 5, 7)."""

from __future__ import annotations

import re

import pytest

from app.metadata.vocabulary import Level
from tests.contract.world import World

TOO_LARGE = ("9223372036854775808", "99999999999999999999999")
QUERIES = ("id=²", "ids=²", "run=²", *(f"{n}={v}" for n in ("id", "ids", "run") for v in TOO_LARGE))


@pytest.mark.parametrize("key", TOO_LARGE)
@pytest.mark.parametrize("level", [Level.CENTER, Level.SITE])
def test_a_number_too_large_for_a_key_is_not_found(office: World, level: Level, key: str) -> None:
    browser = office.browser(level)
    asked = 0
    for rule in office.app.url_map.iter_rules():
        if "<int" not in rule.rule:
            continue
        path = re.sub(r"<int[^>]*>", key, rule.rule)
        answers = [browser.get(path)] if "GET" in (rule.methods or ()) else []
        answers += [browser.post(path)] if "POST" in (rule.methods or ()) else []
        # 405: the router then only remembers that other methods have such an address
        assert {answer.status_code for answer in answers} <= {404, 405}, path
        asked += len(answers)
    assert asked > 50


@pytest.mark.parametrize("query", QUERIES)
def test_what_is_no_key_in_a_query_breaks_no_page(office: World, query: str) -> None:
    browser = office.browser(Level.CENTER)
    for path in ("/user-organisation/", "/operation-window/batch", "/organisation-import/"):
        assert browser.get(f"{path}?{query}").status_code < 500, path
