"""Setting one field: shrinking and breaking (units: points and em/1000)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.jobs.documents.stamping.fonts import find_fonts
from app.jobs.documents.stamping.layout import TextSlot
from app.jobs.documents.stamping.text import Typesetter, break_lines, fit

FONTS = find_fonts()
WIDTH = Typesetter(FONTS).width
ONE_LINE = TextSlot(
    name="field",
    x=0,
    baseline=100,
    width=100,
    size=10,
    height=0,
    anchor="first",
    alignment="left",
    pitch=12,
    rise=9,
    colour=(0, 0, 0),
)
TWO_LINES = replace(ONE_LINE, height=20.0)
TEXTS = st.text(
    alphabet="测试市学院路号楼，。（）《》ABCdefg 0123456789-·", min_size=1, max_size=80
)


def test_a_text_that_fits_keeps_its_size() -> None:
    assert fit("测试市学院路一二三四", ONE_LINE, WIDTH) == (10, ["测试市学院路一二三四"])


def test_a_text_a_little_too_long_is_shrunk_to_one_line_even_where_two_would_fit() -> None:
    size, lines = fit("测试市学院路一二三四五", TWO_LINES, WIDTH)
    assert lines == ["测试市学院路一二三四五"]
    assert size == pytest.approx(100 / 11, abs=0.01)


def test_a_long_text_gets_the_largest_size_at_which_two_lines_fit() -> None:
    size, lines = fit("测试市学院路" * 3, TWO_LINES, WIDTH)
    assert len(lines) == 2
    assert size > 100 / 18 * 1.3


@given(text=TEXTS, slot=st.sampled_from([ONE_LINE, TWO_LINES]))
def test_every_text_fits_into_its_slot_and_nothing_is_lost(text: str, slot: TextSlot) -> None:
    size, lines = fit(text, slot, WIDTH)
    assert 0 < size <= slot.size
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    for line in lines:
        assert WIDTH(line) * size / 1000 <= slot.width + 0.01
    if len(lines) > 1:
        assert len(lines) * slot.pitch * size / slot.size <= slot.height + 0.01


@given(text=TEXTS, available=st.integers(min_value=3000, max_value=20_000))
def test_lines_are_not_too_wide_and_none_begins_with_closing_punctuation(
    text: str, available: int
) -> None:
    lines = break_lines(text, available, WIDTH)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    for line in lines:
        assert WIDTH(line) <= available
    longest = max(map(len, text.replace(" ", "").split("，")), default=0)
    if longest * 1000 <= available and not set(text) & set("（《·。）》"):
        assert not any(line.startswith("，") for line in lines[1:])


def test_words_and_numbers_stay_whole() -> None:
    assert break_lines("科学大道 100 号 Innovation 中心", 7000, WIDTH) == [
        "科学大道 100",
        "号 Innovation",
        "中心",
    ]


def test_one_glyph_for_two_characters_copies_as_what_was_written() -> None:
    typesetter = Typesetter(FONTS)
    unified, radical = FONTS.locate("人"), FONTS.locate("\u2f08")
    assert unified is not None
    assert unified == radical
    operators = typesetter.show(typesetter.glyphs("人\u2f08人"), 10)
    assert "ActualText<FEFF2F08>" in operators
    assert operators.count(unified.code) == 3
    assert typesetter.used[0] == {unified.number: "人"}
