"""The parts of the engine that need no request: addresses, forms, cells."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from app.metadata.cleaning import clean
from app.metadata.errors import InvalidInput, NotFound
from app.metadata.fields import Field, Kind
from app.metadata.masking import mask_id
from app.metadata.query import PAGE_SIZES, ListQuery
from app.metadata.vocabulary import Personal
from app.views.engine import forms
from app.views.engine.asked import asked
from tests.contract.models import Hall

RESOURCE: Any = Hall.__admin__


@pytest.fixture
def app() -> Any:
    """A bare application, for translations."""
    made = Flask("test")
    Babel(made)
    with made.test_request_context():
        yield made


def field(kind: Kind = Kind.TEXT, **values: Any) -> Field:
    return Field(name="x", label="项", personal=Personal.NONE, kind=kind, **values)


# ---------------------------------------------------------------- addresses


def test_an_address_is_read() -> None:
    found = asked(
        RESOURCE,
        MultiDict(
            {
                "name": "甲",
                "day": "2026-09-19",
                "day-to": "2026-09-20",
                "colour": " ",
                "_order": "-seats",
                "_org": "990701",
                "_page": "3",
                "_size": "50",
            }
        ),
    )
    assert found.query == ListQuery(
        "test_hall",
        {"name": "甲", "day": "2026-09-19..2026-09-20"},
        ("seats", "desc"),
        "990701",
    )
    assert (found.page, found.size) == (3, 50)


def test_half_a_range_is_a_range() -> None:
    found = asked(RESOURCE, MultiDict({"day-to": "2026-09-20"}))
    assert found.query.filters == {"day": "..2026-09-20"}


@given(st.dictionaries(st.sampled_from(["_page", "_size", "_order", "_org"]), st.text()))
def test_whatever_is_asked_page_and_size_stay_in_bounds(arguments: dict[str, str]) -> None:
    try:
        found = asked(RESOURCE, arguments)
    except NotFound:  # no organisation can have such a code
        code = arguments["_org"]
        assert not (code.isascii() and code.isalnum()) or len(code) > 6
        return
    assert 1 <= found.page < 10**7
    assert found.size in PAGE_SIZES


@given(st.text(min_size=1).filter(str.strip), st.sampled_from(["name", "colour"]))
def test_the_address_of_a_list_asks_for_the_same_list(text: str, name: str) -> None:
    from urllib.parse import parse_qsl

    first = asked(RESOURCE, {name: text, "_order": "-seats", "_size": "50"})
    again = asked(RESOURCE, dict(parse_qsl(first.address()[1:], keep_blank_values=True)))
    assert again.query == first.query
    assert again.size == first.size


@given(st.integers(min_value=1, max_value=2**63 - 1), st.integers(min_value=0))
def test_a_query_survives_json(high_water: int, expected: int) -> None:
    query = ListQuery("r", {"a": "b"}, ("a", "asc"), "99", high_water, expected)
    assert ListQuery.from_json(query.to_json()) == query


# ---------------------------------------------------------------- forms


@pytest.mark.parametrize(
    ("made", "value", "text"),
    [
        (field(), None, ""),
        (field(), "甲", "甲"),
        (field(Kind.MONEY), 7250, "72.50"),
        (field(Kind.DATE), dt.date(2026, 9, 1), "2026-09-01"),
        (field(Kind.TIME), dt.time(8, 5), "08:05"),
        (field(Kind.DATETIME), dt.datetime(2026, 9, 1, 0, 5, tzinfo=dt.UTC), "2026-09-01 08:05"),
        (
            field(Kind.DATETIME),
            dt.datetime(2026, 9, 1, 0, 5, 9, tzinfo=dt.UTC),
            "2026-09-01 08:05:09",
        ),
        (field(Kind.INTEGER), 7, "7"),
        (field(Kind.BOOLEAN), True, True),
        (field(mask=mask_id), "990101200001010011", "990101********0011"),
    ],
)
def test_values_as_a_form_shows_them(made: Field, value: Any, text: Any) -> None:
    assert forms.as_text(made, value) == text


@given(st.integers(min_value=0, max_value=10**9))
def test_what_a_form_shows_is_read_back(fen: int) -> None:
    made = field(Kind.MONEY)
    assert clean(made, forms.as_text(made, fen)) == fen


@given(st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1)))  # noqa: DTZ001
def test_moments_are_read_back_to_the_second(moment: dt.datetime) -> None:
    made = field(Kind.DATETIME)
    stored = moment.replace(microsecond=0, tzinfo=dt.UTC)
    assert clean(made, forms.as_text(made, stored)) == stored


def test_a_form_leaves_out_what_was_not_sent() -> None:
    fields = [
        Field(name="a", label="a", personal=Personal.NONE),
        Field(name="b", label="b", personal=Personal.NONE, kind=Kind.BOOLEAN),
        Field(name="c", label="c", personal=Personal.NONE, kind=Kind.CHOICES, choices={"1": "一"}),
        Field(name="d", label="d", personal=Personal.NONE),
    ]
    sent = MultiDict([("a", "x"), ("c", "1"), ("c", "2"), ("other", "y")])
    assert forms.read_form(fields, sent, {}) == {"a": "x", "b": "", "c": ["1", "2"]}


def test_masked_values_that_came_back_are_dropped() -> None:
    made = field(mask=mask_id)
    row = SimpleNamespace(x="990101200001010011")
    untouched = {"x": "990101********0011", "y": "1"}
    assert forms.without_untouched([made], untouched, row) == {"y": "1"}
    assert forms.without_untouched([made], {"x": "1"}, row) == {"x": "1"}
    assert forms.without_untouched([made], {"x": ""}, SimpleNamespace(x=None)) == {"x": ""}


def test_short_lists_are_a_select_and_long_ones_are_searched(app: Any) -> None:
    made = field(Kind.REFERENCE, options=lambda s, a: {})
    few = {str(n): f"第{n}" for n in range(3)}
    many = {str(n): f"第{n}" for n in range(201)}
    found = forms.form_field(made, "1", choices=few, search_url="/options")
    assert found["choices"] == list(few.items())
    assert "search_url" not in found
    found = forms.form_field(made, "7", choices=many, search_url="/options")
    assert (found["choices"], found["search_url"]) == ([("7", "第7")], "/options")


def test_the_first_wrong_field_of_the_page_gets_the_focus(app: Any) -> None:
    """Its groups have an order of their own."""
    names = ("a", "b", "c")
    fields = [Field(name=name, label=name, personal=Personal.NONE) for name in names]
    sets = forms.fieldsets(
        fields, {}, groups=(("组", ("c", "b")),), errors={"b": ["b：必填"], "c": ["c：必填"]}
    )
    assert [s["title"] for s in sets] == ["组", "其他信息"]
    made = {entry["name"]: entry for s in sets for entry in s["fields"]}
    assert [name for name, entry in made.items() if entry["autofocus"]] == ["c"]
    assert made["b"]["errors"] == ["必填"]


def test_errors_of_other_fields_are_told_above_the_form() -> None:
    error = InvalidInput({"x": ["项：必填"], "y": ["别的"]})
    assert forms.split_errors(error, [field()]) == ({"x": ["项：必填"]}, ["别的"])
