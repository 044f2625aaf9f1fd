"""The language of the shell: Chinese in the code, another one where LANGUAGE asks for it.

Other locale variables are not looked at: servers in China run with LANG=en_US or C, and their
operators read Chinese all the same.
"""

from __future__ import annotations

import gettext
import os
from pathlib import Path

from app.metadata.agreement import agreed

CATALOGUES = Path(__file__).resolve().parents[2] / "translations"


def _catalogue() -> gettext.NullTranslations:
    wanted = [name for name in os.environ.get("LANGUAGE", "").split(":") if name]
    return gettext.translation("messages", CATALOGUES, languages=wanted or ["zh_CN"], fallback=True)


_translations = _catalogue()


class _Sentence(str):
    """A text whose words agree with the numbers that are filled in."""

    def format(self, *args: object, **values: object) -> str:
        return str.format(agreed(self, values), *args, **values)


def _(message: str) -> str:
    """The message in the language of the shell; Chinese where no catalogue has it."""
    return _Sentence(_translations.gettext(message))
