"""Rules on templates, scripts and every text: markup, addresses, machine paths, registries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tools.lint.python_rules import Finding

_TEMPLATE_RULES = (
    (re.compile(r'data-toggle=|class="panel\b|glyphicon|btn-default|pull-right'), "Bootstrap 3"),
    (
        re.compile(r"\son(click|load|error|submit|change)\s*="),
        "inline handler: the policy forbids it",
    ),
    (re.compile(r"https?://(?!www\.w3\.org)"), "address of another host in a template"),
    (re.compile(r"<script(?![^>]*(?:nonce|src=|application/json))"), "script without a nonce"),
    (
        re.compile(r"\{\{[^}]*\|\s*safe\b"),
        "|safe: values are escaped, rich text goes through |rich",
    ),
)
#: written in pieces, so that this file does not find itself
_REGISTRIES = re.compile("|".join(("pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npm")))
_MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:work|farm|root)/")
_BINARY = {".png", ".jpg", ".woff2", ".ico", ".gz", ".otf", ".ttf"}


def check_template(path: Path) -> Iterator[Finding]:
    """Findings in one template."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        for pattern, message in _TEMPLATE_RULES:
            if pattern.search(line):
                yield Finding(path, number, message)


def check_text(path: Path) -> Iterator[Finding]:
    """Findings in any tracked text file."""
    if path.suffix in _BINARY:
        return
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return
    for number, line in enumerate(lines, start=1):
        if _REGISTRIES.search(line):
            yield Finding(path, number, "host of a package registry")
        if _MACHINE_PATHS.search(line):
            yield Finding(path, number, "path of one machine")
