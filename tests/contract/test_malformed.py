"""Malformed input of every kind is answered with what is wrong, never with an error of ours."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.metadata.vocabulary import Level
from tests.contract.world import World

LISTS = ("test_hall", "roster_move", "registration", "sitting")
EDGES = [
    "0001-01-01",
    "9999-12-31",
    "+-5",
    "9" * 400,
    "\x00",
    "%",
    "\ud83d",
    "1..2",
    "٣",
    "..",
    "-",
]
TEXTS = st.text(max_size=12) | st.sampled_from(EDGES)
NAMES = st.sampled_from(
    [
        *("name", "at", "at-to", "day", "day-to", "open", "seats", "seats-to", "colour", "keeper"),
        *("name_digest", "_page", "_size", "_order", "_org", "id", "exam_id"),
    ]
)


@pytest.mark.parametrize("name", LISTS)
@given(query=st.dictionaries(NAMES | st.text(max_size=5), TEXTS, max_size=3))
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
def test_any_query_of_a_list_is_answered(world: World, name: str, query: dict[str, str]) -> None:
    arguments = {key: text.encode("utf-8", "replace") for key, text in query.items()}
    page = f"/{name.replace('_', '-')}/"
    answer = world.browser(Level.PROVINCE).get(page, query_string=arguments)
    assert answer.status_code in (200, 404, 422), query


@pytest.mark.parametrize("year", ["0001-01-01", "9999-12-31"])
def test_a_range_reaches_to_the_ends_of_the_calendar(world: World, year: str) -> None:
    browser = world.browser(Level.PROVINCE)
    for query in (f"at={year}", f"at-to={year}"):
        assert browser.get(f"/roster-move/?{query}").status_code in (200, 422)


@pytest.mark.parametrize("body", ["[" * 100_000, '{"name":' * 100_000, '{"seats": ' + "9" * 5000])
def test_json_that_cannot_be_read_is_a_bad_request(world: World, body: str) -> None:
    browser = world.browser()
    answer = browser.client.post(
        f"{browser.prefix}/api/v1/test_hall/",
        data=body,
        headers={"User-Agent": "kaowu tests", "X-CSRFToken": world.csrf()},
        content_type="application/json",
        environ_overrides={"REMOTE_ADDR": "127.0.0.1"},
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("seats", ["+-5", "--5", "9" * 5000, 10**30, [[[1]]]])
def test_what_is_no_number_is_told_at_its_field(world: World, seats: object) -> None:
    body = {"name": "形", "seats": seats, "colour": "green", "price": "72.50"}
    answer = world.browser().rest("POST", "/test_hall/", body)
    assert answer.status_code == 422
    assert "seats" in answer.get_json()["errors"]


@pytest.mark.parametrize("number", ["9" * 19, "9" * 30, "9" * 5000])
def test_a_number_that_is_no_key_is_not_found(world: World, number: str) -> None:
    answer = world.browser().post(f"/student-record-import/{number}/submit")
    assert answer.status_code == 404
