"""Setting one field: choosing glyphs, shrinking or breaking a text that is too long."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

from app.jobs.documents.stamping.errors import UncoveredText
from app.jobs.documents.stamping.fonts import FontChain, Glyph, clusters, code_points
from app.jobs.documents.stamping.layout import TextSlot
from app.jobs.documents.stamping.pdf import text_string

#: Below this size (points) a text is printed, but counts as too long to be read with ease.
LEGIBLE_SIZE = 5.0

#: A character as it copies, and what draws it.
SetGlyph = tuple[str, Glyph]

_SHARE = {"left": 0.0, "center": 0.5, "right": 1.0}
_SHRINK_STEP = 0.96
_SLIGHTLY_SMALLER = 0.88
_CACHED_TEXTS = 512
#: What stays together: a run of Latin or Cyrillic letters and digits, a bracket with what it
#: encloses, punctuation with what it follows.
_UNIT = re.compile(
    "[（《「『【“‘]*(?:[!-~\u00c0-\u024f\u0370-\u04ff\u1e00-\u1eff]+|.)[·，。、；：？！）》」』】”’％]*",
    re.DOTALL,
)


class Typesetter:
    """Turns texts into PDF operators for one document, and remembers the glyphs that were used.

    `used[face]` maps glyph number -> the text that it copies as. Where a character has no glyph,
    `substitute` is printed; without one `UncoveredText` is raised.
    """

    def __init__(self, fonts: FontChain, substitute: str | None = None) -> None:
        self.fonts = fonts
        self.used: list[dict[int, str]] = [{} for _ in fonts.faces]
        self._substitute = fonts.locate(substitute) if substitute else None
        self._substitute_text = substitute or ""

    def width(self, text: str) -> float:
        """Return the width of a text in em/1000."""
        return advance(self.glyphs(text))

    def glyphs(self, text: str) -> list[SetGlyph]:
        """Return each character (with its variation selector) and what draws it."""
        located = [(cluster, self.fonts.locate(cluster)) for cluster in clusters(text)]
        if None not in (glyph for _, glyph in located):
            return cast("list[SetGlyph]", located)
        if self._substitute is None:
            missing = code_points(self.fonts.uncovered(text))
            raise UncoveredText(text=text, characters=missing)
        return [
            (cluster, glyph) if glyph else (self._substitute_text, self._substitute)
            for cluster, glyph in located
        ]

    def show(self, glyphs: Sequence[SetGlyph], size: float) -> str:
        """Return the operators that show glyphs at the current position."""
        parts: list[str] = []
        codes: list[str] = []
        face = -1
        for cluster, glyph in glyphs:
            copied = self.used[glyph.face].setdefault(glyph.number, cluster)
            if glyph.face != face or copied != cluster:
                parts += _shown(codes)
                codes = []
            if glyph.face != face:
                face = glyph.face
                parts.append(f"/F{face} {size:g} Tf")
            if copied == cluster:
                codes.append(glyph.code)
            else:
                # One glyph draws two characters: say on the spot which one is meant.
                actual = f"/Span<</ActualText{text_string(cluster)}>>BDC"
                parts += [actual, *_shown([glyph.code]), "EMC"]
        return " ".join(parts + _shown(codes))


def advance(glyphs: Iterable[SetGlyph]) -> float:
    """Return the width of glyphs in em/1000."""
    return sum([glyph.advance for _, glyph in glyphs])


def _shown(codes: list[str]) -> list[str]:
    return [f"<{''.join(codes)}> Tj"] if codes else []


class FieldPrinter:
    """One field of one template in one document; texts that repeat are set once."""

    def __init__(self, typesetter: Typesetter, slot: TextSlot) -> None:
        self._typesetter = typesetter
        self._slot = slot
        self._colour = _colour(slot.colour)
        self._cache: dict[str, str] = {}

    def operators(self, text: str) -> str:
        """Return the operators that print a text in its place, relative to the template."""
        found = self._cache.get(text)
        if found is None:
            if len(self._cache) >= _CACHED_TEXTS:
                self._cache.clear()
            found = self._cache[text] = self._set(text)
        return found

    def _set(self, text: str) -> str:
        slot, typesetter = self._slot, self._typesetter
        glyphs = typesetter.glyphs(text)
        width = advance(glyphs)
        if width * slot.size <= slot.width * 1000:
            return f"{self._colour}\n{self._line(glyphs, width, slot.size, slot.baseline)}"
        size, lines = fit(text, slot, typesetter.width)
        parts = [self._colour]
        for line, baseline in zip(lines, _baselines(slot, size, len(lines)), strict=True):
            glyphs = typesetter.glyphs(line)
            parts.append(self._line(glyphs, advance(glyphs), size, baseline))
        return "\n".join(parts)

    def _line(self, glyphs: list[SetGlyph], width: float, size: float, baseline: float) -> str:
        slot = self._slot
        x = slot.x + (slot.width - width * size / 1000) * _SHARE[slot.alignment]
        return f"1 0 0 1 {x:.2f} {baseline:.2f} Tm {self._typesetter.show(glyphs, size)}"


def _baselines(slot: TextSlot, size: float, lines: int) -> list[float]:
    """Return the height of each baseline above the foot of the template, in points.

    One line stays on the baseline of the sample, level with its label. Several lines begin where
    the sample begins, or stand around its middle.
    """
    if lines == 1:
        return [slot.baseline]
    scale = size / slot.size
    top = slot.baseline + slot.rise
    if slot.anchor == "middle":
        top += (lines * scale - 1) * slot.pitch / 2
    return [top - (slot.rise + line * slot.pitch) * scale for line in range(lines)]


def fit(text: str, slot: TextSlot, width: Callable[[str], float]) -> tuple[float, list[str]]:
    """Return font size (points) and lines with which a text fits into its slot.

    `width` gives the width of a text in em/1000. A text that is a little too long is shrunk to
    one line. A longer one gets the largest size at which the lines fit into the height of the
    slot; without a height it is shrunk as far as needed. Nothing is ever cut off.
    """
    natural = width(text) * slot.size / 1000
    if natural <= slot.width:
        return slot.size, [text]
    one_line = math.floor(slot.size * slot.width / natural * 100) / 100
    if one_line < slot.size * _SLIGHTLY_SMALLER:
        for size in _smaller_sizes(slot.size, one_line / _SLIGHTLY_SMALLER):
            lines = break_lines(text, slot.width * 1000 / size, width)
            if len(lines) * slot.pitch * size / slot.size <= slot.height:
                return size, lines
    return one_line, [text]


def _smaller_sizes(size: float, least: float) -> Iterator[float]:
    while size > least:
        yield size
        size = math.floor(size * _SHRINK_STEP * 100) / 100


def break_lines(text: str, available: float, width: Callable[[str], float]) -> list[str]:
    """Break a text greedily into lines of at most `available` (em/1000).

    Latin words and numbers stay whole and no line begins with closing punctuation, unless one
    such unit alone is wider than a line.
    """
    lines: list[str] = []
    current, used = "", 0.0
    for unit in _units(text, available, width):
        unit_width = width(unit)
        if current and used + unit_width > available:
            lines.append(current.rstrip())
            current, used = "", 0.0
            if unit.isspace():
                continue
        current += unit
        used += unit_width
    return [*lines, current.rstrip()] if current.strip() else lines


def _units(text: str, available: float, width: Callable[[str], float]) -> Sequence[str]:
    units: list[str] = []
    for unit in _UNIT.findall(text):
        units += [unit] if width(unit) <= available else list(clusters(unit))
    return units


def _colour(colour: tuple[float, float, float]) -> str:
    red, green, blue = colour
    return f"{red:g} g" if red == green == blue else f"{red:g} {green:g} {blue:g} rg"
