"""Fonts: what is found, what may be drawn, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.jobs.documents.stamping.errors import FontMissing
from app.jobs.documents.stamping.fonts import (
    FONT_DIRECTORIES,
    FontChain,
    FontFace,
    FontSource,
    code_points,
    find_fonts,
)
from tests.jobs.documents.samples import make_font

PRIVATE_USE = "\ue863"
EXTENSION_G = "\U00030000"


@pytest.fixture(scope="module")
def fonts() -> FontChain:
    return find_fonts()


def main_file() -> Path:
    name = "NotoSansCJK-Regular.ttc"
    return next(found for folder in FONT_DIRECTORIES for found in folder.rglob(name))


def with_fallback(folder: Path, characters: str, *, cff: bool = False) -> FontChain:
    make_font(folder / "Squares.ttf", "Squares", characters, cff=cff)
    source = FontSource("Squares.ttf", "Squares", "Squares")
    return FontChain([find_fonts().faces[0], FontFace(folder / source.file, source)])


def test_main_font_is_the_simplified_chinese_face(fonts: FontChain) -> None:
    assert fonts.families[0] == "Noto Sans CJK SC"
    assert fonts.faces[0].source.name == "NotoSansCJKsc-Regular"


def test_missing_main_font_is_a_typed_refusal(tmp_path: Path) -> None:
    make_font(tmp_path / "HanaMinB.ttf", "HanaMinB", "一")
    with pytest.raises(FontMissing, match="没有安装中文字体"):
        find_fonts((tmp_path,))


def test_installed_fallbacks_join_the_chain_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "NotoSansCJK-Regular.ttc").symlink_to(main_file())
    make_font(tmp_path / "BabelStoneHan.ttf", "BabelStoneHan", "\U00031350")
    make_font(tmp_path / "HanaMinB.ttf", "HanaMinB", EXTENSION_G)
    chain = find_fonts((tmp_path,))
    assert chain.families == ["Noto Sans CJK SC", "HanaMinB", "BabelStone Han"]
    first, second = chain.locate(EXTENSION_G), chain.locate("\U00031350")
    assert first is not None
    assert second is not None
    assert (first.face, second.face) == (1, 2)


def test_a_file_of_the_right_name_with_another_face_is_refused(tmp_path: Path) -> None:
    make_font(tmp_path / "NotoSansSC-Regular.otf", "SomethingElse", "一", cff=True)
    with pytest.raises(FontMissing, match="NotoSansSC-Regular"):
        find_fonts((tmp_path,))


@pytest.mark.parametrize("text", ["赵娜", "李𠮷", "刘𬭎", "王㛃", "陈䶮", "阿依古丽·买买提", "〇"])
def test_names_of_the_general_standard_are_covered(fonts: FontChain, text: str) -> None:
    assert fonts.uncovered(text) == []


def test_private_use_is_never_drawn_even_when_a_fallback_has_a_glyph(tmp_path: Path) -> None:
    chain = with_fallback(tmp_path, PRIVATE_USE + EXTENSION_G)
    assert chain.locate(EXTENSION_G) is not None
    assert chain.uncovered(f"张{PRIVATE_USE}{EXTENSION_G}{PRIVATE_USE}") == [PRIVATE_USE]


@pytest.mark.parametrize(
    "character",
    ["\t", "\n", "\u200b", "\u202e", "e\u0301"[1], "\u05d0", "\u0627", "\ufffe", "\ud800"],
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_what_one_glyph_a_character_cannot_draw_is_uncovered(
    fonts: FontChain, character: str
) -> None:
    assert fonts.uncovered(f"甲{character}乙") == [character]


def test_an_unknown_variation_is_reported_with_its_selector(fonts: FontChain) -> None:
    assert fonts.uncovered("葛\U000e01ef城") == ["葛\U000e01ef"]
    assert code_points(["葛\U000e01ef"]).endswith("(U+845B U+E01EF)")


def test_code_points_beyond_the_first_plane_are_named_whole() -> None:
    assert code_points(["𠮷", PRIVATE_USE]) == f"𠮷 (U+20BB7)、{PRIVATE_USE} (U+E863)"


def test_only_cid_keyed_fonts_keep_glyph_numbers_by_themselves(tmp_path: Path) -> None:
    chain = with_fallback(tmp_path, "一", cff=True)
    assert chain.faces[0].identity_limit > 60_000
    assert chain.faces[1].is_cff
    assert chain.faces[1].identity_limit == 0


def test_fingerprint_follows_the_fonts(tmp_path: Path, fonts: FontChain) -> None:
    chain = with_fallback(tmp_path, "一")
    assert chain.fingerprint != fonts.fingerprint
    assert FontChain(fonts.faces).fingerprint == fonts.fingerprint
