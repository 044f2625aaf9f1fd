"""The one cleaner: whatever a form, a JSON body or a worksheet holds is a value or `Bad`."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.metadata.cleaning import clean
from app.metadata.fields import Field, Kind
from app.metadata.text import Bad
from app.metadata.vocabulary import Personal

CHOICES = {"1": "甲", "2": "乙"}
VALUES = st.one_of(
    st.text(max_size=30),
    st.from_regex(r"[+-]{0,3}[0-9]{0,30}(\.\.)?[0-9.eE]{0,9}", fullmatch=True),
    st.from_regex(r"[09][0-9]{3}[-/][0-9]{1,2}[-/][0-9]{1,2} [0-9]{1,2}:[0-9]{2}", fullmatch=True),
    st.from_regex(r"[1-9][0-9]{0,2}(,[0-9]{3}){0,9}(\.[0-9]{1,3})?", fullmatch=True),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.dates(),
    st.times(),
    st.datetimes(timezones=st.sampled_from([dt.UTC, None])),
    st.decimals(),
    st.lists(st.text(max_size=3) | st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.sampled_from(["9" * 5000, "1e309", "\ud800", "\x00", "0001-01-01 00:00", 10**400]),
)


def field(kind: Kind, **values: Any) -> Field:
    return Field(name="x", label="值", personal=Personal.NONE, kind=kind, **values)


FIELDS = [
    *(
        field(kind, choices=CHOICES if kind in (Kind.CHOICE, Kind.CHOICES) else None)
        for kind in Kind
    ),
    field(Kind.REFERENCE, stored_as_number=True),
]


@given(field=st.sampled_from(FIELDS), value=VALUES)
@settings(max_examples=300, deadline=None)
def test_whatever_comes_in_is_a_value_or_refused(field: Field, value: Any) -> None:
    try:
        found = clean(field, value)
    except Bad:
        return
    if field.kind in (Kind.INTEGER, Kind.MONEY):
        assert abs(found or 0) < 2**31, "the columns keep no more"
    elif isinstance(found, int) and field.kind is not Kind.FILE:
        assert abs(found) < 2**63, "the driver takes no more"


@pytest.mark.parametrize("text", ["+-5", "--5", "+", "9" * 5000, "1_0", "٣", 2.5, float("inf")])
def test_what_is_no_integer_is_refused(text: Any) -> None:
    with pytest.raises(Bad, match="应为整数"):
        clean(field(Kind.INTEGER), text)


@pytest.mark.parametrize(
    ("text", "number"), [("-5", -5), ("+5", 5), ("５", 5), (" 7 ", 7), (2.0, 2)]
)
def test_integers_in_every_writing(text: Any, number: int) -> None:
    assert clean(field(Kind.INTEGER), text) == number


def test_numbers_end_where_the_columns_do() -> None:
    with pytest.raises(Bad, match="不能大于 2147483647"):
        clean(field(Kind.INTEGER), "2147483648")
    with pytest.raises(Bad, match="不能小于 -2147483647"):
        clean(field(Kind.INTEGER), -(10**12))
    key = field(Kind.REFERENCE, stored_as_number=True)
    assert clean(key, str(2**63 - 1)) == 2**63 - 1
    with pytest.raises(Bad, match="不能大于"):
        clean(key, str(2**63))


@pytest.mark.parametrize("text", ["0001-01-01 00:00", dt.datetime.max.replace(tzinfo=dt.UTC)])
def test_moments_beyond_the_calendar_are_refused(text: Any) -> None:
    with pytest.raises(Bad, match="该日期不存在"):
        clean(field(Kind.DATETIME), text)


@pytest.mark.parametrize("value", [{"a": 1}, ["a"], 5, "\ud800"])
def test_a_password_is_a_text(value: Any) -> None:
    with pytest.raises(Bad, match="应为文字"):
        clean(field(Kind.PASSWORD), value)


@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.MULTILINE, Kind.DATE, Kind.CHOICE, Kind.MONEY])
def test_what_is_far_too_long_is_refused_unread(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sign may stand for eighteen: to read a cell of them costs what it grows to."""
    read: list[object] = []
    monkeypatch.setattr("app.metadata.cleaning.normalise", lambda *text, **_: read.append(text))
    with pytest.raises(Bad) as refusal:
        clean(field(kind, max_length=30, choices=CHOICES), "\ufdfa" * 20_000)
    assert (refusal.value.code, read) == ("text.too_long", [])


def test_blanks_that_fall_away_are_no_length() -> None:
    assert clean(field(Kind.TEXT, max_length=2), "\u200b" * 5_000 + "甲 乙"[::2]) == "甲乙"


def test_r20_4_a_wrong_choice_names_some_of_many_and_says_that_there_are_more() -> None:
    many = {str(number): f"第{number}" for number in range(30)}
    with pytest.raises(Bad) as refused:
        clean(field(Kind.CHOICE, choices=many), "x")
    assert str(refused.value.as_message()).endswith("第19、…")
    with pytest.raises(Bad) as refused:
        clean(field(Kind.CHOICE, choices={"1": "甲", "2": "乙"}), "x")
    assert str(refused.value.as_message()).endswith("甲、乙")
