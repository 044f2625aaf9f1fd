"""The English catalogue is complete: every Chinese text of the code has a translation."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from babel.messages.pofile import read_po

from tools.lint.python_rules import Finding

CATALOGUE = Path("translations/en/LC_MESSAGES/messages.po")


def extract(root: Path) -> set[str]:
    """Message ids of the code and the templates, as the extractor finds them."""
    with tempfile.TemporaryDirectory() as folder:
        # A file: the extractor takes "-" for a file name, not for its standard output.
        path = Path(folder, "messages.pot")
        command = [
            *(sys.executable, "-m", "babel.messages.frontend", "-q", "extract"),
            *("-F", "babel.cfg", "-k", "N_", "-k", "lazy_gettext"),
            *("-o", str(path), "--no-location", "."),
        ]
        subprocess.run(command, cwd=root, capture_output=True, check=True)
        with path.open("rb") as file:
            template = read_po(file)
    return {_first(message.id) for message in template if message.id}


def _first(message_id: str | list[str] | tuple[str, ...]) -> str:
    return message_id if isinstance(message_id, str) else message_id[0]


def check(root: Path) -> Iterator[Finding]:
    """Texts without translation, and translations that lost a parameter."""
    path = root / CATALOGUE
    with path.open("rb") as file:
        catalogue = read_po(file)
    known = {
        _first(message.id): message for message in catalogue if message.id and not message.fuzzy
    }
    for text in sorted(extract(root)):
        message = known.get(text)
        translation = message.string if message else ""
        if not translation or (not isinstance(translation, str) and not all(translation)):
            yield Finding(path, 0, f"no English for {text!r}")
            continue
        for name in _parameters(text):
            if isinstance(translation, str) and name not in translation:
                yield Finding(path, 0, f"{name} is lost in the English of {text!r}")


def _parameters(text: str) -> list[str]:
    return re.findall(r"\{\w+\}|%\(\w+\)[sd]", text)
