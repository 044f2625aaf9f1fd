"""The fixed part of a template: one laid-out PDF page turned into a form XObject.

Its objects are kept as byte strings with holes for object numbers, so that a form can be written
into any number of documents, at any place, without parsing anything again.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pikepdf
import uharfbuzz

from app.jobs.documents.stamping.cff import identity_limit
from app.jobs.documents.stamping.embed import subset
from app.jobs.documents.stamping.errors import FontMissing
from app.jobs.documents.stamping.pdf import ObjectParts


def form_objects(document: bytes, families: Iterable[str]) -> tuple[ObjectParts, ...]:
    """Turn page one of a PDF into a form XObject; return it (index 0) and all that it refers to.

    Raises `FontMissing` when the page was drawn with a font outside `families`: the layout engine
    replaces a missing font silently, and its substitute may print boxes.
    """
    with pikepdf.open(io.BytesIO(document)) as source:
        page = source.pages[0]
        fonts = [font for _, font in sorted(page.obj.Resources.get("/Font", {}).items())]
        allowed = set(families)
        for font in fonts:
            descendant = font.DescendantFonts[0]
            family = str(descendant.FontDescriptor.get("/FontFamily", ""))
            if family not in allowed:
                raise FontMissing(font=next(iter(families), family))
            _shrink(source, descendant)
        return _Serializer().run(source.make_indirect(page.as_form_xobject()))


def _shrink(source: Any, descendant: Any) -> None:
    """Cut an embedded font to its outlines: the layout engine leaves 70 kB of empty glyphs."""
    descriptor = descendant.FontDescriptor
    if "/FontFile3" not in descriptor or descriptor.FontFile3.get("/Subtype") != "/OpenType":
        return
    face = uharfbuzz.Face(uharfbuzz.Blob(descriptor.FontFile3.read_bytes()))
    glyphs = _listed_glyphs(descendant.W)
    limit = identity_limit(bytes(face.reference_table("CFF ").data))
    table, _ = subset(face, glyphs, keep_numbers=max(glyphs, default=0) > limit)
    descriptor.FontFile3 = source.make_stream(
        zlib.compress(table, 6),
        {"/Subtype": pikepdf.Name.CIDFontType0C, "/Filter": pikepdf.Name.FlateDecode},
    )


def _listed_glyphs(widths: Iterable[Any]) -> list[int]:
    """Return the glyphs of a width table, which reads "first [width …]" or "first last width"."""
    glyphs: list[int] = []
    bounds: list[int] = []
    for entry in widths:
        if not isinstance(entry, int | Decimal):
            glyphs += range(bounds[0], bounds[0] + len(entry))
            bounds = []
        elif len(bounds) == 2:
            glyphs += range(bounds[0], bounds[1] + 1)
            bounds = []
        else:
            bounds.append(int(entry))
    return glyphs


class _Serializer:
    """Walk the objects reachable from one object, in an order that depends on content alone."""

    def __init__(self) -> None:
        self._indexes: dict[tuple[int, int], int] = {}
        self._queue: list[Any] = []

    def run(self, first: Any) -> tuple[ObjectParts, ...]:
        self._index(first)
        done: list[ObjectParts] = []
        while len(done) < len(self._queue):
            done.append(self._whole(self._queue[len(done)]))
        return tuple(done)

    def _index(self, indirect: Any) -> int:
        index = self._indexes.setdefault(indirect.objgen, len(self._queue))
        if index == len(self._queue):
            self._queue.append(indirect)
        return index

    def _whole(self, item: Any) -> ObjectParts:
        if not isinstance(item, pikepdf.Stream):
            return _joined(self._value(item, top=True))
        data = item.read_raw_bytes()
        entries: dict[str, Any] = {key: value for key, value in item.items() if key != "/Length"}
        entries["/Length"] = len(data)
        return _joined([*self._mapping(entries), b"stream\n", data, b"\nendstream"])

    def _value(self, item: Any, *, top: bool = False) -> list[bytes | int]:
        if getattr(item, "is_indirect", False) and not top:
            return [self._index(item)]
        if isinstance(item, pikepdf.Dictionary):
            return self._mapping(dict(item.items()))
        if isinstance(item, pikepdf.Array):
            parts: list[bytes | int] = [b"["]
            for one in item:
                parts += [*self._value(one), b" "]
            return [*parts, b"]"]
        return [_scalar(item)]

    def _mapping(self, entries: dict[str, Any]) -> list[bytes | int]:
        parts: list[bytes | int] = [b"<<"]
        for key, value in sorted(entries.items()):
            parts += [pikepdf.Name(key).unparse(), b" ", *self._value(value), b"\n"]
        return [*parts, b">>"]


def _scalar(item: Any) -> bytes:
    if item is None:
        return b"null"
    if isinstance(item, bool):
        return b"true" if item else b"false"
    if isinstance(item, int | Decimal):
        return str(item).encode("ascii")
    unparsed: bytes = item.unparse()
    return unparsed


def _joined(parts: list[bytes | int]) -> ObjectParts:
    """Merge neighbouring byte strings."""
    merged: list[bytes | int] = []
    for part in parts:
        if merged and isinstance(part, bytes) and isinstance(merged[-1], bytes):
            merged[-1] += part
        else:
            merged.append(part)
    return tuple(merged)
