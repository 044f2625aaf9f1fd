"""Generated tickets, photos and fonts for the tests of the stamping engine (province 99 only)."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, time
from pathlib import Path
from typing import Any

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image, ImageChops

from app.jobs.documents.stamping.photos import print_derivative
from app.jobs.documents.stamping.tickets import Ticket

NAMES = ("赵娜", "李𠮷", "刘𬭎", "王㛃", "陈䶮", "周一帆")
SUBJECTS = ("(14) 计算机基础及WPS Office应用", "(24) C语言程序设计", "(66) Python语言程序设计")


def photo(shade: int = 0) -> bytes:
    """Return a print derivative; different shades give different bytes."""
    gradient = Image.linear_gradient("L").resize((480, 640))
    plain = Image.new("L", gradient.size, shade % 256)
    stream = io.BytesIO()
    Image.merge("RGB", (gradient, plain, gradient.rotate(180))).save(stream, "JPEG")
    return print_derivative(stream.getvalue())


PHOTO = photo()
BASE = Ticket(
    number="1458990701010001",
    name="赵娜",
    sex="女",
    id_type="居民身份证",
    id_number="990101200007215563",
    subject=SUBJECTS[0],
    site_code="990701",
    site_name="测试市第七考点",
    site_address="测试省测试市学院路 1 号实训楼",
    exam_title="2026年9月全国计算机等级考试（NCRE）",
    room_number="01",
    room_address="实训楼 301",
    sitting=1,
    day=date(2026, 9, 20),
    starts=time(8),
    ends=time(10),
    photo=PHOTO,
    registration_key="1",
)


def make_tickets(count: int, **changes: Any) -> list[Ticket]:
    """Return tickets of different candidates, in the order of their numbers."""
    return [
        replace(
            BASE,
            **{
                "number": f"{SUBJECTS[index % 3][1:3]}5899070101{index + 1:04d}",
                "name": NAMES[index % len(NAMES)],
                "subject": SUBJECTS[index % 3],
                "sitting": index // 60 + 1,
                "registration_key": str(index),
                **changes,
            },
        )
        for index in range(count)
    ]


def tool(*command: str | Path) -> str:
    """Run a program of poppler or qpdf and return what it prints."""
    arguments = [str(part) for part in command]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


def text_of(document: Path, *options: str) -> str:
    return tool("pdftotext", *options, document, "-")


def words_of(document: Path) -> list[str]:
    return text_of(document, "-layout").split()


def boxes_of(document: Path) -> list[tuple[str, float, float, float, float]]:
    """Return words with xMin, yMin, xMax, yMax in points from the upper left of page one."""
    found = re.findall(
        r'<word xMin="([\d.-]+)" yMin="([\d.-]+)" xMax="([\d.-]+)" yMax="([\d.-]+)">(.*?)</word>',
        text_of(document, "-bbox", "-l", "1"),
    )
    return [(word, *(float(edge) for edge in edges)) for *edges, word in found]


def picture_of(document: Path, resolution: int = 100) -> Image.Image:
    """Draw page one in grey."""
    command = ["pdftoppm", "-r", str(resolution), "-l", "1", "-gray", str(document)]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    return Image.open(io.BytesIO(data))


def visible_difference(first: Path, second: Path) -> float:
    """Return the share of pixels that differ by more than a quarter of the scale."""
    histogram = ImageChops.difference(picture_of(first), picture_of(second)).histogram()
    return sum(histogram[65:]) / sum(histogram)


def make_font(path: Path, name: str, characters: Sequence[str], *, cff: bool = False) -> None:
    """Build a font in which every given character is a black square on the full width."""
    glyphs = [".notdef", *(f"square{index}" for index in range(len(characters)))]
    builder = FontBuilder(1000, isTTF=not cff)
    builder.setupGlyphOrder(glyphs)
    builder.setupCharacterMap({ord(one): glyphs[index + 1] for index, one in enumerate(characters)})
    pen: Any = T2CharStringPen(1000, None) if cff else TTGlyphPen(None)
    pen.moveTo((50, 0))
    for corner in ((50, 800), (950, 800), (950, 0)):
        pen.lineTo(corner)
    pen.closePath()
    if cff:
        strings = dict.fromkeys(glyphs, pen.getCharString())
        builder.setupCFF(name, {"FullName": name}, strings, {})
    else:
        builder.setupGlyf(dict.fromkeys(glyphs, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 50)))
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": name, "styleName": "Regular", "psName": name})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
