"""A writer of .xls workbooks, as small as one can be: what spreadsheet programs of the nineties
wrote, for tests of what is still accepted."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

_SECTOR = 512
_END, _FREE, _TABLE = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD


@dataclass(frozen=True)
class Failed:
    """A cell with an error: #N/A is 42. `computed` writes it as the value of a formula."""

    code: int = 42
    computed: bool = False


@dataclass(frozen=True)
class Formula:
    """A formula with the value that was stored with it: a number, or None for blank. `options` 2:
    to be computed on opening."""

    value: float | None
    options: int = 0


@dataclass
class Page:
    """One sheet: rows of cells from A1 on; `extra` are further (kind, data) records."""

    name: str
    rows: Sequence[Sequence[Any]]
    kind: int = 0
    hidden: Iterable[int] = ()
    extra: Sequence[tuple[int, bytes]] = field(default_factory=list)


def record(kind: int, data: bytes = b"") -> bytes:
    """One record of a stream."""
    return struct.pack("<HH", kind, len(data)) + data


def _text(text: str, length: str) -> bytes:
    encoded = text.encode("utf-16-le")
    return struct.pack(f"<{length}B", len(encoded) // 2, 1) + encoded


def _begin(kind: int) -> bytes:
    return record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0x0DBB, 0x07CC, 0, 6))


def cell(row: int, column: int, value: Any) -> bytes:
    """The record of one cell."""
    place = struct.pack("<HHH", row, column, 0)
    if isinstance(value, Failed) and value.computed:
        result = bytes([2, 0, value.code, 0, 0, 0, 0xFF, 0xFF])
        return record(0x0006, place + result + struct.pack("<HIH", 0, 0, 0))
    if isinstance(value, Formula):
        blank = bytes([3, 0, 0, 0, 0, 0, 0xFF, 0xFF])
        result = blank if value.value is None else struct.pack("<d", value.value)
        return record(0x0006, place + result + struct.pack("<HIH", value.options, 0, 0))
    if isinstance(value, Failed):
        return record(0x0205, place + bytes([value.code, 1]))
    if isinstance(value, bool):
        return record(0x0205, place + bytes([value, 0]))
    if isinstance(value, (int, float)):
        return record(0x0203, place + struct.pack("<d", value))
    return record(0x0204, place + _text(str(value), "H"))


def _sheet(page: Page) -> bytes:
    parts = [_begin(0x0010)]
    for row in page.hidden:
        parts.append(record(0x0208, struct.pack("<HHHHHHI", row, 0, 9, 255, 0, 0, 0x20)))
    for number, cells in enumerate(page.rows):
        parts += [cell(number, at, value) for at, value in enumerate(cells) if value is not None]
    parts += [record(kind, data) for kind, data in page.extra]
    return b"".join([*parts, record(0x000A)])


def stream_of(pages: Sequence[Page], extra: bytes = b"") -> bytes:
    """The stream of a workbook; `extra` records stand among the global ones."""
    bodies = [_sheet(page) for page in pages]
    head = _begin(0x0005) + record(0x0042, struct.pack("<H", 1200)) + extra
    sizes = [len(record(0x0085, b"\0" * 6 + _text(page.name, "B"))) for page in pages]
    begin = len(head) + sum(sizes) + len(record(0x000A))
    for page, body in zip(pages, bodies, strict=True):
        head += record(0x0085, struct.pack("<IBB", begin, 0, page.kind) + _text(page.name, "B"))
        begin += len(body)
    return head + record(0x000A) + b"".join(bodies)


def _entry(name: str, kind: int, start: int, size: int, child: int = _FREE) -> bytes:
    encoded = name.encode("utf-16-le")
    links = struct.pack("<III", _FREE, _FREE, child)
    return (
        encoded.ljust(64, b"\0")
        + struct.pack("<HBB", len(encoded) + 2, kind, 1)
        + links
        + b"\0" * 36
        + struct.pack("<III", start, size, 0)
    )


def compound(stream: bytes, name: str = "Workbook") -> bytes:
    """The compound document with this one stream, in sectors one after the other."""
    stream = stream.ljust(4096, b"\0")
    count = -(-len(stream) // _SECTOR)
    tables = -(-(count + 1) // 127)
    while tables * 128 < count + 1 + tables:
        tables += 1
    first = tables + 1  # sectors: allocation tables, directory, stream
    chain = [_TABLE] * tables + [_END] + [first + n + 1 for n in range(count - 1)] + [_END]
    chain += [_FREE] * (tables * 128 - len(chain))
    places = [*range(tables), *[_FREE] * (109 - tables)]
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16
    header += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, tables, tables, 0, 4096, _END, 0, _END, 0)
    header += struct.pack("<109I", *places)
    directory = _entry("Root Entry", 5, _END, 0, child=1) + _entry(name, 2, first, len(stream))
    return (
        header
        + struct.pack(f"<{len(chain)}I", *chain)
        + directory.ljust(_SECTOR, b"\0")
        + stream.ljust(count * _SECTOR, b"\0")
    )


def legacy_workbook(pages: Sequence[Page], extra: bytes = b"") -> bytes:
    """An .xls file."""
    return compound(stream_of(pages, extra))
