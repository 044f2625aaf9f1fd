"""Words of translations that agree with numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.metadata.agreement import agreed
from app.metadata.errors import KaowuError, Message

WORDS = {
    "涉及 {people} 名考生、{entries} 科次": (
        "{people} [people: candidate|candidates] and {entries} [entries: entry|entries]"
    ),
    "{count} 名考生尚未支付": "{count} [count: candidate has|candidates have] not paid",
}


def english(text: str) -> str:
    return WORDS.get(text, text)


class Unpaid(KaowuError):
    code = "test.unpaid"
    template = "{count} 名考生尚未支付"


@pytest.mark.parametrize(
    ("people", "entries", "said"),
    [
        (1, 2, "1 candidate and 2 entries"),
        (0, 1, "0 candidates and 1 entry"),
        (11, "1", "11 candidates and 1 entry"),
    ],
)
def test_every_number_of_a_sentence_has_its_form(people: int, entries: int, said: str) -> None:
    message = Message("涉及 {people} 名考生、{entries} 科次", people=people, entries=entries)
    assert message.message(english) == said
    assert message == f"涉及 {people} 名考生、{entries} 科次"


def test_refusals_agree_as_well() -> None:
    assert Unpaid(count=1).message(english) == "1 candidate has not paid"
    assert Unpaid(count=3).message(english) == "3 candidates have not paid"


def test_what_is_filled_in_is_never_read_as_a_form() -> None:
    """Names are data: brackets of theirs stay."""
    name = "[count: a|b]"
    assert Message("{name}：{count}", name=name, count=1).message(str) == f"{name}：1"


@given(st.text(), st.integers())
def test_a_text_without_forms_stays_as_it_is(text: str, number: int) -> None:
    plain = text.replace("[", "")
    assert agreed(plain, {"n": number}) == plain
    assert agreed(f"[m: {plain}", {"n": number}) == f"[m: {plain}"
