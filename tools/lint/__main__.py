"""`python -m tools.lint`: run all of the project's own rules; exit 1 when one is broken."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.lint import python_rules, text_rules, translations
from tools.lint.python_rules import Finding

ROOT = Path(__file__).resolve().parents[2]


def tracked() -> list[Path]:
    """Files that git knows; a file that is not added yet is nobody's business."""
    result = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = result.stdout.decode().split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


def findings() -> Iterator[Finding]:
    """Everything that is wrong."""
    for path in tracked():
        relative = path.relative_to(ROOT).as_posix()
        if relative.startswith("app/") and path.suffix == ".py":
            yield from python_rules.check(path, relative)
        if relative.startswith("app/templates/") and path.suffix == ".html":
            yield from text_rules.check_template(path)
        if "/vendor/" not in relative:
            yield from text_rules.check_text(path)
    yield from translations.check(ROOT)


def main() -> int:
    """Print the findings; the number decides the exit status."""
    found = list(findings())
    for finding in found[:200]:
        sys.stdout.write(f"{finding}\n")
    if found:
        sys.stdout.write(f"{len(found)} findings\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
