"""The vendored files are what the manifest says, and nothing is loaded from elsewhere."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [ROOT / "app" / "static" / "vendor", ROOT / "tests" / "theme" / "vendor"]
OWN = [
    path
    for folder in ("app/templates", "app/static/kw")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".html", ".css", ".js"}
]
# Names of XML vocabularies are not addresses that a browser opens.
VOCABULARY = re.compile(r"https?://www\.w3\.org/[\w/]+")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.parent.name)
def test_vendored_files_match_their_manifest(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {path.name for path in folder.iterdir()} - {"manifest.json", "licences"}
    assert files == set(manifest)
    for name, entry in manifest.items():
        content = (folder / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"], name
        assert len(content) == entry["bytes"], name
        assert all(entry[key] for key in ("package", "version", "licence")), name
        short = entry["package"].rpartition("/")[2]
        assert list((folder / "licences").glob(f"{short}-*")), name


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_own_files_name_no_outside_address(path: Path) -> None:
    text = VOCABULARY.sub("", path.read_text())
    assert not re.search(r"https?://", text)


def test_vendored_styles_load_nothing_from_outside_and_name_no_source_map() -> None:
    for path in FOLDERS[0].glob("*.css"):
        text = path.read_text()
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", text), path.name
        assert "sourceMappingURL" not in text, path.name
    for path in FOLDERS[0].glob("*.js"):
        assert "sourceMappingURL" not in path.read_text(), path.name
