"""Font subsets as PDF objects: only the glyphs that were printed, each with what it copies as."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from typing import Any

import uharfbuzz

from app.jobs.documents.stamping.fonts import FontFace
from app.jobs.documents.stamping.pdf import PdfFile

_DEFAULT_WIDTH = 1000
#: Tables that matter for layout and naming only; outlines and metrics stay.
_DROPPED_TABLES = (
    *("GSUB", "GPOS", "GDEF", "BASE", "VORG", "vhea", "vmtx", "VVAR"),
    *("name", "DSIG", "STAT", "gasp", "cmap", "OS/2", "post", "FFTM", "kern"),
)
_BATCH = 100  # the most entries that the CMap format allows in one block


def embed_font(pdf: PdfFile, number: int, face: FontFace, used: Mapping[int, str]) -> None:
    """Write `face`, cut down to the glyphs in `used` (glyph -> text), as font object `number`."""
    glyphs = sorted(used)
    name = f"/{_subset_tag(glyphs)}+{face.source.name}"
    keep_numbers = face.is_cff and glyphs[-1] > face.identity_limit
    font_file, new_numbers = subset(face.face, glyphs, keep_numbers=keep_numbers)
    if face.is_cff:
        kind, key, extra = 0, "FontFile3", "/Subtype/CIDFontType0C"
        mapping = ""
    else:
        kind, key, extra = 2, "FontFile2", f"/Length1 {len(font_file)}"
        mapping = f"/CIDToGIDMap {_write_glyph_map(pdf, new_numbers)} 0 R"
    file_number = pdf.write_stream(zlib.compress(font_file, 6), f"/Filter/FlateDecode{extra}")
    descriptor = pdf.write_object(_descriptor(face, name, f"/{key} {file_number} 0 R"))
    descendant = pdf.write_object(
        f"<</Type/Font/Subtype/CIDFontType{kind}/BaseFont{name}"
        "/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
        f"/FontDescriptor {descriptor} 0 R/DW {_DEFAULT_WIDTH}/W[{_widths(face, glyphs)}]"
        f"{mapping}>>".encode()
    )
    to_unicode = pdf.write_stream(zlib.compress(_to_unicode(used), 6), "/Filter/FlateDecode")
    pdf.write_object(
        f"<</Type/Font/Subtype/Type0/BaseFont{name}/Encoding/Identity-H"
        f"/DescendantFonts[{descendant} 0 R]/ToUnicode {to_unicode} 0 R>>".encode(),
        number,
    )


def subset(face: Any, glyphs: list[int], *, keep_numbers: bool) -> tuple[bytes, dict[int, int]]:
    """Cut a HarfBuzz face down to `glyphs`.

    Returns the `CFF ` table (PostScript outlines) or the whole file (TrueType outlines), and the
    map of old to new glyph numbers. A CFF subset keeps the old numbers as CIDs by itself when
    the font has identity CIDs; otherwise `keep_numbers` pads it with empty glyphs.
    """
    is_cff = "CFF " in face.table_tags
    request = uharfbuzz.SubsetInput()
    request.glyph_set.update(glyphs)
    flags = uharfbuzz.SubsetFlags.NO_HINTING | uharfbuzz.SubsetFlags.NOTDEF_OUTLINE
    if is_cff and keep_numbers:
        flags |= uharfbuzz.SubsetFlags.RETAIN_GIDS | uharfbuzz.SubsetFlags.CFF_IDENTITY_CHARSET
    request.flags = flags
    request.drop_table_tag_set.update(
        int.from_bytes(tag.ljust(4).encode(), "big") for tag in _DROPPED_TABLES
    )
    plan = uharfbuzz.SubsetPlan(face, request)
    result = plan.execute()
    blob = result.reference_table("CFF ") if is_cff else result.blob
    return bytes(blob.data), dict(plan.old_to_new_glyph_mapping)


def _subset_tag(glyphs: list[int]) -> str:
    """Six letters that differ for different subsets, as the format asks."""
    digest = hashlib.sha256(",".join(map(str, glyphs)).encode()).digest()
    return "".join(chr(ord("A") + byte % 26) for byte in digest[:6])


def _write_glyph_map(pdf: PdfFile, new_numbers: Mapping[int, int]) -> int:
    """Write the table from the numbers used on the pages to the numbers in the subset."""
    table = bytearray(2 * (max(new_numbers) + 1))
    for old, new in new_numbers.items():
        table[2 * old : 2 * old + 2] = new.to_bytes(2, "big")
    return pdf.write_stream(zlib.compress(bytes(table), 6), "/Filter/FlateDecode")


def _descriptor(face: FontFace, name: str, font_file: str) -> bytes:
    ascent, descent = face.vertical_extent()
    box = " ".join(map(str, face.bounding_box()))
    return (
        f"<</Type/FontDescriptor/FontName{name}/Flags 4/FontBBox[{box}]/ItalicAngle 0"
        f"/Ascent {ascent}/Descent {descent}/CapHeight {ascent}/StemV 80{font_file}>>"
    ).encode()


def _widths(face: FontFace, glyphs: list[int]) -> str:
    advances = ((glyph, round(face.advance(glyph))) for glyph in glyphs)
    return "".join(f"{glyph}[{width}]" for glyph, width in advances if width != _DEFAULT_WIDTH)


def _to_unicode(used: Mapping[int, str]) -> bytes:
    """Build the CMap that copying and searching go by; UTF-16 pairs beyond the first plane."""
    lines = [
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
        "/CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def",
        "/CMapName/Adobe-Identity-UCS def /CMapType 2 def",
        "1 begincodespacerange <0000><FFFF> endcodespacerange",
    ]
    entries = [
        f"<{glyph:04X}><{text.encode('utf-16-be').hex().upper()}>"
        for glyph, text in sorted(used.items())
    ]
    for start in range(0, len(entries), _BATCH):
        batch = entries[start : start + _BATCH]
        lines += [f"{len(batch)} beginbfchar", *batch, "endbfchar"]
    lines.append("endcmap CMapName currentdict /CMap defineresource pop end end")
    return "\n".join(lines).encode()
