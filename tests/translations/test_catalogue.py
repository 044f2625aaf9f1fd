"""The catalogues: complete, with every parameter, in the language that they are of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from tests.translations.conftest import CATALOGUES, HAN
from tools.lint import translations

ROOT = CATALOGUES.parent
PARAMETER = re.compile(r"\{[\w.:]+\}|%\(\w+\)[sd]")
#: an import accepts these two words, whatever the language of the reader
WORDS_OF_CELLS = ("是", "否")


def _read(language: str) -> Catalog:
    with (CATALOGUES / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file)


ENGLISH = {str(m.id): str(m.string) for m in _read("en") if m.id}
CHINESE = {str(m.id): str(m.string) for m in _read("zh_Hans_CN") if m.id}


def test_every_text_of_the_code_has_an_english_one() -> None:
    assert [str(finding) for finding in translations.check(ROOT)] == []


def test_the_extractor_finds_the_texts(tmp_path: Path) -> None:
    """Else the test above would hold for an empty list."""
    (tmp_path / "babel.cfg").write_text("[python: **.py]\n", "utf-8")
    (tmp_path / "rule.py").write_text('A = N_("甲")\nB = gettext("乙")\nC = "丙"\n', "utf-8")
    assert translations.extract(tmp_path) == {"甲", "乙"}
    assert len(translations.extract(ROOT)) > 1000


def test_english_has_the_parameters_of_the_chinese_and_no_others() -> None:
    differing = {
        text: english
        for text, english in ENGLISH.items()
        if set(PARAMETER.findall(text)) != set(PARAMETER.findall(english))
    }
    assert differing == {}


def test_english_holds_no_chinese() -> None:
    found = {}
    for text, english in ENGLISH.items():
        left = english
        for word in WORDS_OF_CELLS:
            left = left.replace(f"“{word}”", "")
        if HAN.search(left):
            found[text] = english
    assert found == {}


def test_english_can_be_filled_in() -> None:
    """A stray brace would break the page that shows the sentence."""
    for english in ENGLISH.values():
        names = re.findall(r"\{(\w+)", english)
        assert english.format(**dict.fromkeys(names, 1.0)) is not None
        if "%(" in english:
            words = re.findall(r"%\((\w+)\)", english)
            assert english % dict.fromkeys(words, 1) is not None


@pytest.mark.parametrize("text", sorted(CHINESE))
def test_texts_of_the_framework_are_chinese(text: str) -> None:
    assert CHINESE[text]
    assert not re.search(r"[A-Za-z]{3}", CHINESE[text])
