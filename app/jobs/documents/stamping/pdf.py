"""The bare PDF file format: objects go straight to the stream, only their offsets are kept."""

from __future__ import annotations

from array import array
from typing import BinaryIO

#: One PDF object: byte strings, and between them the indexes of the objects referred to.
ObjectParts = tuple[bytes | int, ...]

_XREF_CHUNK = 4096
_PAGES_PER_NODE = 64
_UNWRITTEN = 0


class PdfFile:
    """Write objects one after another to a stream that need not be seekable.

    Memory: eight bytes per object. Object numbers are handed out by `reserve`, so an object may
    be referred to before it is written. All byte strings are complete PDF syntax.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._position = 0
        self._offsets = array("Q", [0])
        # The second line holds bytes above 127, so that transfer programs treat it as binary.
        self._write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")

    def reserve(self) -> int:
        """Return a new object number; it must be written before `finish`."""
        self._offsets.append(_UNWRITTEN)
        return len(self._offsets) - 1

    def write_object(self, body: bytes, number: int | None = None) -> int:
        """Write one object and return its number."""
        number = self.reserve() if number is None else number
        self._offsets[number] = self._position
        self._write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
        return number

    def write_stream(self, data: bytes, entries: str = "", number: int | None = None) -> int:
        """Write one stream object with the given dictionary entries and return its number."""
        head = b"<<%b/Length %d>>stream\n" % (entries.encode("ascii"), len(data))
        return self.write_object(head + data + b"\nendstream", number)

    def finish(self, catalog: int, information: int, identifier: bytes) -> None:
        """Write cross-reference table and trailer. `identifier` is 16 bytes."""
        unwritten = [at for at, offset in enumerate(self._offsets) if at and offset == _UNWRITTEN]
        if unwritten:
            raise AssertionError(f"reserved PDF objects were never written: {unwritten[:5]}")
        start = self._position
        self._write(b"xref\n0 %d\n0000000000 65535 f \n" % len(self._offsets))
        for first in range(1, len(self._offsets), _XREF_CHUNK):
            chunk = self._offsets[first : first + _XREF_CHUNK]
            self._write(b"".join(b"%010d 00000 n \n" % offset for offset in chunk))
        name = identifier.hex().encode()
        self._write(
            b"trailer\n<</Size %d/Root %d 0 R/Info %d 0 R/ID[<%b><%b>]>>\nstartxref\n%d\n%%%%EOF\n"
            % (len(self._offsets), catalog, information, name, name, start)
        )

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._position += len(data)


class PageTree:
    """The pages of a document: a tree of two levels, of which only the upper stays in memory."""

    def __init__(self, pdf: PdfFile) -> None:
        self.count = 0
        self._pdf = pdf
        self._root = pdf.reserve()
        self._node = 0
        self._kids: list[int] = []
        self._nodes: list[int] = []

    def add(self, entries: str) -> None:
        """Write one page with the given dictionary entries."""
        if not self._kids:
            self._node = self._pdf.reserve()
        body = f"<</Type/Page/Parent {self._node} 0 R{entries}>>"
        self._kids.append(self._pdf.write_object(body.encode("ascii")))
        self.count += 1
        if len(self._kids) == _PAGES_PER_NODE:
            self._finish_node()

    def finish(self) -> int:
        """Write what is left of the tree and return the number of its root."""
        if self._kids:
            self._finish_node()
        self._write(self._root, self._nodes, self.count, "")
        return self._root

    def _finish_node(self) -> None:
        self._write(self._node, self._kids, len(self._kids), f"/Parent {self._root} 0 R")
        self._nodes.append(self._node)
        self._kids = []

    def _write(self, number: int, kids: list[int], count: int, parent: str) -> None:
        listed = " ".join(f"{kid} 0 R" for kid in kids)
        body = f"<</Type/Pages{parent}/Count {count}/Kids[{listed}]>>"
        self._pdf.write_object(body.encode("ascii"), number)


def write_form(pdf: PdfFile, objects: tuple[ObjectParts, ...]) -> int:
    """Write the objects of a form and return the object number of the form itself."""
    numbers = [pdf.reserve() for _ in objects]
    for number, parts in zip(numbers, objects, strict=True):
        body = b"".join(
            part if isinstance(part, bytes) else b"%d 0 R" % numbers[part] for part in parts
        )
        pdf.write_object(body, number)
    return numbers[0]


def text_string(text: str) -> str:
    """Return a text as a PDF string that every reader understands (UTF-16 with mark)."""
    return f"<FEFF{text.encode('utf-16-be').hex().upper()}>"
