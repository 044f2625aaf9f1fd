"""Fonts: where they are found, which glyph draws which character, and what cannot be drawn.

Sizes here are in thousandths of the font size ("em/1000"), as PDF wants them.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import uharfbuzz

from app.jobs.documents.stamping.cff import identity_limit
from app.jobs.documents.stamping.errors import FontMissing

#: Where fontconfig looks by default, so that template layout and stamping use the same files.
FONT_DIRECTORIES = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path.home() / ".local/share/fonts",
    Path.home() / ".fonts",
)

_SELECTORS = "[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
_HAS_SELECTOR = re.compile(_SELECTORS)
_CLUSTER = re.compile(f".{_SELECTORS}?", re.DOTALL)
#: Marks, controls, surrogates, private use, unassigned: a one-line engine without shaping would
#: draw them wrongly or not at all. Private use means something else in every font.
_UNDRAWABLE = {"Mn", "Mc", "Me", "Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_RIGHT_TO_LEFT = {"R", "AL", "RLE", "RLO", "RLI"}


class FontSource(NamedTuple):
    """A font file that is looked for: its file name, PostScript name, and CSS family."""

    file: str
    name: str
    family: str


#: The main font in order of preference; all are the same design.
MAIN_FONTS = (
    FontSource("NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular", "Noto Sans CJK SC"),
    FontSource("NotoSansCJKsc-Regular.otf", "NotoSansCJKsc-Regular", "Noto Sans CJK SC"),
    FontSource("NotoSansSC-Regular.otf", "NotoSansSC-Regular", "Noto Sans SC"),
)
#: Used character by character, in this order, where the main font has no glyph. HanaMinB holds
#: all of extension B and most of C to F, BabelStone Han G and H, DejaVu the letters of passports.
FALLBACK_FONTS = (
    FontSource("HanaMinB.ttf", "HanaMinB", "HanaMinB"),
    FontSource("BabelStoneHan.ttf", "BabelStoneHan", "BabelStone Han"),
    FontSource("DejaVuSans.ttf", "DejaVuSans", "DejaVu Sans"),
)


class Glyph(NamedTuple):
    """What draws one cluster: index of the face in the chain, glyph number, advance in em/1000."""

    face: int
    number: int
    code: str
    advance: float


class FontFace:
    """One face of one font file, memory-mapped."""

    def __init__(self, path: Path, source: FontSource) -> None:
        self.source = source
        self.face = _open_face(path, source.name)
        self.font: Any = uharfbuzz.Font(self.face)
        self._per_mille = 1000 / self.face.upem

    @cached_property
    def is_cff(self) -> bool:
        """True for PostScript outlines, False for TrueType outlines."""
        return "CFF " in self.face.table_tags

    @cached_property
    def identity_limit(self) -> int:
        """The largest glyph number up to which a CFF subset keeps the numbers as its CIDs."""
        return identity_limit(self.table("CFF "))

    @cached_property
    def fingerprint(self) -> str:
        """The `head` table: it holds the revision and the checksum of the whole file."""
        return f"{self.source.name}:{hashlib.sha256(self.table('head')).hexdigest()}"

    def table(self, tag: str) -> bytes:
        """Return the bytes of one font table."""
        return bytes(self.face.reference_table(tag).data)

    def glyph_number(self, cluster: str) -> int:
        """Return the glyph of a character (with or without variation selector), 0 for none."""
        if len(cluster) == 1:
            return int(self.font.get_nominal_glyph(ord(cluster)) or 0)
        return int(self.font.get_variation_glyph(ord(cluster[0]), ord(cluster[1])) or 0)

    def advance(self, glyph: int) -> float:
        """Return a glyph's advance width in em/1000."""
        return float(self.font.get_glyph_h_advance(glyph) * self._per_mille)

    def vertical_extent(self) -> tuple[int, int]:
        """Return ascent and descent in em/1000."""
        extents = self.font.get_font_extents("ltr")
        return (
            round(extents.ascender * self._per_mille),
            round(extents.descender * self._per_mille),
        )

    def bounding_box(self) -> tuple[int, ...]:
        """Return xMin, yMin, xMax, yMax of all glyphs, in em/1000."""
        head = self.table("head")
        corners = (int.from_bytes(head[at : at + 2], "big", signed=True) for at in (36, 38, 40, 42))
        return tuple(round(corner * self._per_mille) for corner in corners)


class FontChain:
    """The main face and its fallbacks. Immutable in use, shared by threads."""

    def __init__(self, faces: Sequence[FontFace]) -> None:
        self.faces = tuple(faces)
        self._located: dict[str, Glyph | None] = {}

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the faces and their order; part of every template's cache key."""
        joined = "\n".join(face.fingerprint for face in self.faces)
        return hashlib.sha256(joined.encode()).hexdigest()

    @property
    def families(self) -> list[str]:
        """CSS families, the main one first."""
        return [face.source.family for face in self.faces]

    def locate(self, cluster: str) -> Glyph | None:
        """Return what draws the cluster, or None when no face may draw it."""
        try:
            return self._located[cluster]
        except KeyError:
            found = self._located[cluster] = self._search(cluster)
            return found

    def uncovered(self, text: str) -> list[str]:
        """Return the distinct characters of `text` that cannot be printed, in order of appearance.

        Private use characters, combining marks, right-to-left scripts and control characters
        count as uncovered even where some font has a glyph: it would be the wrong picture.
        """
        return [one for one in dict.fromkeys(clusters(text)) if self.locate(one) is None]

    def _search(self, cluster: str) -> Glyph | None:
        base = cluster[0]
        # Extensions newer than Python's tables count as unassigned; planes 2 and 3 are Han only.
        is_han = 0x20000 <= ord(base) <= 0x3FFFD
        if unicodedata.category(base) in _UNDRAWABLE and not is_han:
            return None
        if unicodedata.bidirectional(base) in _RIGHT_TO_LEFT:
            return None
        for index, face in enumerate(self.faces):
            number = face.glyph_number(cluster)
            if number:
                return Glyph(index, number, f"{number:04X}", face.advance(number))
        return None


def clusters(text: str) -> Iterable[str]:
    """Split a text into characters, each with the variation selector that follows it."""
    return _CLUSTER.findall(text) if _HAS_SELECTOR.search(text) else text


def code_points(characters: Iterable[str]) -> str:
    """Name characters for a report: "𠮷 (U+20BB7)、 (U+E863)"."""
    return "、".join(
        f"{cluster} ({' '.join(f'U+{ord(one):04X}' for one in cluster)})" for cluster in characters
    )


@cache
def find_fonts(directories: tuple[Path, ...] = FONT_DIRECTORIES) -> FontChain:
    """Open the main font and those fallbacks that are installed.

    Raises `FontMissing` when there is no main font: nothing is printed rather than empty boxes.
    """
    found = {path.name: path for path in _font_files(directories)}
    mains = [source for source in MAIN_FONTS if source.file in found]
    if not mains:
        raise FontMissing(font=MAIN_FONTS[0].family)
    chosen = [mains[0], *(source for source in FALLBACK_FONTS if source.file in found)]
    return FontChain([FontFace(found[source.file], source) for source in chosen])


def _font_files(directories: Sequence[Path]) -> Iterator[Path]:
    """Yield font files; of two of one name the one in the earlier directory comes last (wins)."""
    for directory in reversed(directories):
        if directory.is_dir():
            yield from sorted(directory.rglob("*.[ot]t[cf]"))


def _open_face(path: Path, name: str) -> Any:
    """Open the face of a file or collection by PostScript name; FontMissing when not inside."""
    blob = uharfbuzz.Blob.from_file_path(str(path))
    count = uharfbuzz.Face(blob, 0).count if path.suffix == ".ttc" else 1
    for index in range(count):
        face = uharfbuzz.Face(blob, index)
        if face.get_name(uharfbuzz.OTNameIdPredefined.POSTSCRIPT_NAME) == name:
            return face
    raise FontMissing(font=name)
