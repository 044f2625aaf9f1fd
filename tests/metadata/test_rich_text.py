"""Limited rich text: what survives, and how it is counted (N18)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.metadata.rich_text import plain, sanitised, shown_length

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
    clean = sanitised(f"<p>前</p>{text}")
    for word in ("script", "onerror", "onclick", "onbegin", "javascript", "style", "<img", "<form"):
        assert word not in clean.lower()
    assert "前" in clean


def test_text_without_tags_becomes_paragraphs() -> None:
    assert sanitised("第一行\n\n1 < 2 & 3") == "<p>第一行</p><p>1 &lt; 2 &amp; 3</p>"


def test_blocks_of_editors_become_paragraphs_and_empty_ones_nothing() -> None:
    assert sanitised("<div>一</div><div>二</div>") == "<p>一</p><p>二</p>"
    assert sanitised("<p> <br></p>") == ""


def test_lists_headings_and_links_stay() -> None:
    text = '<h3>题</h3><ul><li><b>甲</b></li></ul><a href="https://a.test/">乙</a>'
    clean = sanitised(text)
    assert "<h3>题</h3><ul><li><b>甲</b></li></ul>" in clean
    assert 'href="https://a.test/"' in clean
    assert plain(clean) == "题 甲 乙"


@given(st.text("<>&a好\n /=\"'", max_size=40))
def test_sanitising_twice_changes_nothing(text: str) -> None:
    once = sanitised(text)
    assert sanitised(once) == once
    assert shown_length(once) <= len(once)
