"""Archives: names are safe, bytes are the same, nothing is compressed or buffered."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.jobs.documents.stamping.archive import StoredZip, safe_name
from app.jobs.documents.stamping.errors import ArchiveNameInvalid


class OneWay(io.RawIOBase):
    """A stream like a socket: it can be written to, not moved in."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)


def archive(*entries: tuple[bytes, tuple[str, ...]]) -> bytes:
    stream = io.BytesIO()
    with StoredZip(stream) as target:
        for data, parts in entries:
            target.add(data, *parts)
    return stream.getvalue()


def test_entries_come_back_with_chinese_names_and_uncompressed() -> None:
    data = archive((b"a" * 1000, ("990701", "李𠮷.jpg")), (b"", ("空.txt",)))
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        assert source.namelist() == ["990701/李𠮷.jpg", "空.txt"]
        assert source.read("990701/李𠮷.jpg") == b"a" * 1000
        assert source.testzip() is None
        assert {entry.compress_type for entry in source.infolist()} == {zipfile.ZIP_STORED}
        assert source.getinfo("空.txt").flag_bits & 0x800  # the mark of UTF-8


def test_same_entries_give_the_same_bytes() -> None:
    assert archive((b"x", ("a.pdf",))) == archive((b"x", ("a.pdf",)))


def test_an_entry_is_streamed_to_a_stream_that_cannot_seek() -> None:
    stream = OneWay()
    with StoredZip(stream) as target, target.entry("一.bin") as entry:  # type: ignore[arg-type]
        for _ in range(100):
            entry.write(b"0123456789")
        assert len(stream.data) > 1000
    with zipfile.ZipFile(io.BytesIO(bytes(stream.data))) as source:
        assert source.read("一.bin") == b"0123456789" * 100


@pytest.mark.parametrize("names", [("a.pdf", "a.pdf"), ("A.pdf", "a.PDF"), ("a/b", "a\\b")])
def test_a_name_is_used_once_whatever_the_case(names: tuple[str, str]) -> None:
    with StoredZip(io.BytesIO()) as target:
        target.add(b"1", names[0])
        with pytest.raises(ArchiveNameInvalid, match="为空或重复"):
            target.add(b"2", names[1])


@pytest.mark.parametrize("name", ["", ".", "..", " . ", "..."])
def test_a_name_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ArchiveNameInvalid):
        safe_name(name)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("/绝对", "_绝对"),
        ("C:\\x.pdf", "C__x.pdf"),
        ("甲\n乙\u202e.jpg", "甲_乙_.jpg"),
        ("CON", "_CON"),
        ("lpt1.txt", "_lpt1.txt"),
        ("contract.pdf", "contract.pdf"),
        ("考" * 200 + ".pdf", "考" * 78 + ".pdf"),
    ],
)
def test_unsafe_names_are_made_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(min_size=1))
def test_every_name_is_one_short_name_in_one_folder(name: str) -> None:
    try:
        safe = safe_name(name)
    except ArchiveNameInvalid:
        assert not name.strip(" .")
        return
    assert not set(safe) & set('/\\:*?"<>|\x00\n')
    assert safe not in {".", ".."}
    assert 0 < len(safe.encode()) <= 240
    assert safe_name(safe) == safe
