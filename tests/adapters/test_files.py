"""The file store: random keys, whole files only, names that no system stumbles over."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.files import NAME_LENGTH, FileMissing, FileStore, UnsafeKey, safe_name


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    return FileStore(
        f"file://{tmp_path}/store" if request.param == "file" else f"memory://{tmp_path}"
    )


def test_what_is_put_is_read_again(store: FileStore) -> None:
    content = bytes(range(256)) * 20_000
    made = store.put(io.BytesIO(content), folder="upload", suffix=".zip")
    assert (made.size, made.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert store.get(made.key) == content
    with store.open(made.key) as stream:
        assert stream.read(3) == b"\0\1\2"
    assert store.put(b"a", folder="upload").key != store.put(b"a", folder="upload").key


def test_what_is_deleted_is_missing(store: FileStore) -> None:
    key = store.put(b"a", folder="photo", suffix=".jpg").key
    assert store.exists(key)
    store.delete(key)
    store.delete(key)
    assert not store.exists(key)
    with pytest.raises(FileMissing):
        store.get(key)


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 0:
                raise ConnectionError
            return super().read(4)

    store = FileStore(f"file://{tmp_path}")
    with pytest.raises(ConnectionError):
        store.put(Broken(b"12345678"), folder="upload")
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] in ([], [".part"])


@pytest.mark.parametrize(
    "key",
    ["", "../victim", "photo/../../victim", "photo/aa/" + "a" * 31, "photo/aa/x.jpg", "/victim"],
)
def test_only_keys_of_our_own_making(store: FileStore, tmp_path: Path, key: str) -> None:
    """The victim stands beside the store's folder: nothing else could come to harm here."""
    victim = tmp_path / "victim"
    victim.write_text("safe")
    for use in (store.get, store.delete, store.exists, store.local_path):
        with pytest.raises(UnsafeKey):
            use(key)
    assert victim.read_text() == "safe"


@pytest.mark.parametrize(("folder", "suffix"), [("../x", ""), ("a/b", ""), ("photo", "/../x")])
def test_only_plain_folders_and_suffixes(store: FileStore, folder: str, suffix: str) -> None:
    with pytest.raises(UnsafeKey):
        store.put(b"", folder=folder, suffix=suffix)


def test_local_files_have_a_place_for_the_web_server(tmp_path: Path) -> None:
    store = FileStore(f"file://{tmp_path}")
    key = store.put(b"abc", folder="document", suffix=".pdf").key
    path = store.local_path(key)
    assert path is not None
    assert path.read_bytes() == b"abc"
    memory = FileStore("memory://x")
    assert memory.local_path(memory.put(b"", folder="document").key) is None


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("准考证(2026).pdf", "准考证(2026).pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.xlsx", "a.xlsx"),
        ('a"b<c>d|e?.txt', "a_b_c_d_e_.txt"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("..", "file"),
        ("", "file"),
        ("con.txt", "file"),
    ],
)
def test_names_for_downloads(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(max_size=400))
def test_every_name_becomes_usable(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe) <= NAME_LENGTH
    assert not set(safe) & set('/\\:*?"<>|\0\n\r')
    assert safe_name(safe) == safe


def test_a_long_name_keeps_its_ending() -> None:
    assert safe_name("长" * 300 + ".xlsx").endswith("长.xlsx")
