"""Limited rich text: what survives, and how it is counted (N18)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.metadata.cleaning import clean
from app.metadata.fields import Field, Kind
from app.metadata.rich_text import LONGEST, plain, sanitised, shown_length, to_show
from app.metadata.text import Bad
from app.metadata.vocabulary import Personal

ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<a href="javascript:alert(1)">x</a>',
    '<p style="position:fixed" onclick="x()">y</p>',
    "<iframe src=//evil></iframe>",
    "<svg><animate onbegin=alert(1)></svg>",
    '<form action="//evil"><input></form>',
)


@pytest.mark.parametrize("text", ATTACKS)
def test_n18_nothing_that_acts_survives(text: str) -> None:
    harmless = sanitised(f"<p>前</p>{text}")
    for word in ("script", "onerror", "onclick", "onbegin", "javascript", "style", "<img", "<form"):
        assert word not in harmless.lower()
    assert "前" in harmless


def test_text_without_tags_becomes_paragraphs() -> None:
    assert sanitised("第一行\n\n1 < 2 & 3") == "<p>第一行</p><p>1 &lt; 2 &amp; 3</p>"


def test_blocks_of_editors_become_paragraphs_and_empty_ones_nothing() -> None:
    assert sanitised("<div>一</div><div>二</div>") == "<p>一</p><p>二</p>"
    assert sanitised("<p> <br></p>") == ""


def test_lists_headings_and_links_stay() -> None:
    text = '<h3>题</h3><ul><li><b>甲</b></li></ul><a href="https://a.test/">乙</a>'
    harmless = sanitised(text)
    assert "<h3>题</h3><ul><li><b>甲</b></li></ul>" in harmless
    assert 'href="https://a.test/"' in harmless
    assert plain(harmless) == "题 甲 乙"


@given(st.text("<>&a好\n /=\"'", max_size=40))
def test_sanitising_twice_changes_nothing(text: str) -> None:
    once = sanitised(text)
    assert sanitised(once) == once
    assert shown_length(once) <= len(once)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("<p>一<b></b><i><u><span></span></u></i>二</p>", "<p>一二</p>"),
        ("<p>一<b>" + "<i>" * 3000 + "</i>" * 3000 + "</b></p>", "<p>一</p>"),
        ('<p>一<a href="https://a.test/?x=>"></a>二</p>', "<p>一二</p>"),
        ("<p>一<b> </b>二<br></p>", "<p>一<b> </b>二<br></p>"),
        ("<table><tbody><tr><td></td></tr></tbody></table>一",) * 2,
    ],
)
def test_n18_inline_elements_that_hold_nothing_are_dropped(text: str, stored: str) -> None:
    assert sanitised(text) == stored


PIECES = st.sampled_from(["<b>", "</b>", "<i>", "</i>", '<a href="tel:1>">', "</a>", "<p>", "字"])


@given(st.lists(PIECES, max_size=25).map("".join))
def test_what_is_seen_stays_when_empty_elements_go(text: str) -> None:
    once = sanitised(text)
    assert sanitised(once) == once
    assert shown_length(once) == text.count("字")
    assert "<b></b>" not in once


def test_n18_a_text_is_sanitised_once_however_often_it_is_shown() -> None:
    stored = sanitised("<p>只清理一次</p>")
    before = to_show.cache_info().misses
    assert {to_show(stored) for _ in range(5)} == {stored}
    assert to_show("<p>只清理一次<script>x()</script></p>") == stored
    assert to_show.cache_info().misses == before + 2


def test_r17_a_text_of_markup_alone_is_refused_before_it_is_sanitised() -> None:
    notice = Field(name="x", label="通告", personal=Personal.NONE, kind=Kind.HTML, max_length=5_000)
    assert clean(notice, "<b></b>" * 8_000 + "字") == "<p>字</p>"
    with pytest.raises(Bad, match="内容连同格式超过 60000 个字符"):
        clean(notice, "字" + "<b></b>" * (LONGEST // 7 + 1))
