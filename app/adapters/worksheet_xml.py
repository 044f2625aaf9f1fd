"""The XML of plain worksheets: text and numbers, one heading row, nothing else.

A workbook is a zip of XML. What the product's lists need of it is little, and writing that little
as text, row by row, takes a fraction of the time of a general library (`python -m bench.exports`).
Texts stand in their cells ("inline strings"), so that no table of them has to be kept. Source:
ECMA-376 part 1, §18.3 (SpreadsheetML worksheets), §18.8 (styles).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count, islice, product
from string import ascii_uppercase
from xml.sax.saxutils import escape, quoteattr

#: a cell holds so many characters
MAX_TEXT = 32_767
#: characters that XML 1.0 refuses; a workbook with one of them does not open
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
#: a line break within a cell is one line feed
_BREAK = re.compile("\r\n?")
#: what does not stand for itself: markup, and the notation of spreadsheet programs for characters
#: by number
_SPECIAL = re.compile("[&<>]|_x[0-9A-Fa-f]{4}_")
_NUMBERED = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
#: number of a style in `STYLES`
HEADING_STYLE, TEXT_STYLE = 1, 2

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

#: general; heading: bold on grey with a line below; text, so that no program reads a number in it
STYLES = (
    f'{_DECLARATION}<styleSheet xmlns="{_MAIN}">'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="3"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill>'
    '<fill><patternFill patternType="solid"><fgColor rgb="FFF5F7FA"/></patternFill></fill></fills>'
    '<borders count="2"><border><left/><right/><top/><bottom/><diagonal/></border>'
    '<border><left/><right/><top/><bottom style="medium"><color auto="1"/></bottom><diagonal/>'
    "</border></borders>"
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="2" borderId="1" xfId="0" applyFont="1" applyFill="1"'
    ' applyBorder="1"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    "</cellXfs>"
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)
#: after the last row
WORKSHEET_END = "</sheetData></worksheet>"


def harmless(text: str) -> str:
    """Without what no workbook can hold, and cut to the length of a cell."""
    if "\r" in text:
        text = _BREAK.sub("\n", text)
    text = _FORBIDDEN.sub("", text)[:MAX_TEXT]
    if len(text) > MAX_TEXT // 2:  # spreadsheet programs count a character like 𠮷 twice
        text = text.encode("utf-16-le")[: 2 * MAX_TEXT].decode("utf-16-le", "ignore")
    return text


def content(text: str) -> str:
    """A text, already harmless, as the content of an element."""
    if not _SPECIAL.search(text):
        return text
    return escape(_NUMBERED.sub("_x005F_", text))


def column_names(number: int) -> list[str]:
    """A, B, … Z, AA, …: the first so many."""
    every = (
        "".join(signs) for length in count(1) for signs in product(ascii_uppercase, repeat=length)
    )
    return list(islice(every, number))


def worksheet_start(widths: Sequence[int]) -> str:
    """Up to the first row: the heading stays in sight, columns have these widths (characters)."""
    columns = "".join(
        f'<col min="{n}" max="{n}" width="{width}" customWidth="1"/>'
        for n, width in enumerate(widths, 1)
    )
    return (
        f'{_DECLARATION}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
        '</sheetView></sheetViews><sheetFormatPr defaultRowHeight="15"/>'
        f"{f'<cols>{columns}</cols>' if columns else ''}<sheetData>"
    )


def text_cell(place: str, text: str, style: int = TEXT_STYLE) -> str:
    """One cell; `place` is "A1", `text` harmless."""
    return (
        f'<c r="{place}" s="{style}" t="inlineStr"><is><t xml:space="preserve">{content(text)}'
        "</t></is></c>"
    )


def number_cell(place: str, value: object) -> str:
    """One cell with a number that `str` writes as XML wants it."""
    return f'<c r="{place}"><v>{value}</v></c>'


def workbook_parts(names: Sequence[str]) -> dict[str, str]:
    """All parts of the package but the worksheets `xl/worksheets/sheet1.xml`, …: {path: XML}."""
    sheets = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="rId{n}"/>'
        for n, name in enumerate(names, 1)
    )
    targets = [
        (f"{_RELATIONS}/worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(names) + 1)
    ]
    targets.append((f"{_RELATIONS}/styles", "styles.xml"))
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>'
        for n in range(1, len(names) + 1)
    )
    return {
        "[Content_Types].xml": f'{_DECLARATION}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>{types}</Types>',
        "_rels/.rels": _relations([(f"{_RELATIONS}/officeDocument", "xl/workbook.xml")]),
        "xl/workbook.xml": f'{_DECLARATION}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}">'
        f"<bookViews><workbookView/></bookViews><sheets>{sheets}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _relations(targets),
        "xl/styles.xml": STYLES,
    }


def _relations(targets: Sequence[tuple[str, str]]) -> str:
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets, 1)
    )
    return f'{_DECLARATION}<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'
