"""The catalogues of translations without a request: workers write files in the language of the
person who asked for them."""

from __future__ import annotations

import gettext
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

_DOMAIN = "messages"
_DIRECTORY = Path(__file__).resolve().parents[2] / "translations"


@lru_cache(maxsize=16)
def translator(language: str) -> Callable[[str], str]:
    """Chinese msgid -> text of the language ("en"); unchanged where there is no catalogue or no
    translation."""
    try:
        catalogue = gettext.translation(_DOMAIN, str(_DIRECTORY), [language])
    except OSError:
        return str
    # the msgid "" is the head of the catalogue
    return lambda text: catalogue.gettext(text) if text else text


@lru_cache(maxsize=64)
def in_every_language(text: str) -> frozenset[str]:
    """The msgid and its translations: what stands in files that come back."""
    found = {path.parent.parent.name for path in _DIRECTORY.glob(f"*/LC_MESSAGES/{_DOMAIN}.mo")}
    return frozenset({text, *(translator(language)(text) for language in found)})


__all__ = ["in_every_language", "translator"]
