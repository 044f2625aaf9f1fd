"""The same template drawn by WeasyPrint with real data: for looking at, and for comparing with.

It is about a hundred times slower than stamping. A template that looks different here and in the
stamped document is a defect of the engine; the tests and the bench compare the two.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element

from weasyprint.urls import URLFetcher, URLFetcherResponse

from app.jobs.documents.stamping.compiler import layout_lock, parse_html
from app.jobs.documents.stamping.fonts import FontChain
from app.jobs.documents.stamping.layout import placeholder_name
from app.jobs.documents.stamping.sheet import Sheet
from app.jobs.documents.stamping.writer import Value

_IMAGE_SCHEME = "photo:"
_IMAGE_STYLE = "display:block;width:100%;height:100%;object-fit:contain"


def preview(
    stream: BinaryIO,
    html: str,
    fonts: FontChain,
    records: Sequence[Mapping[str, Value]],
    sheet: Sheet,
    *,
    font_config: Any = None,
) -> None:
    """Draw `records` with the template `html`, as many on a page as `sheet` has cells.

    A shared `font_config` (WeasyPrint's FontConfiguration) saves time in a row of calls.
    """
    photos: list[bytes] = []
    with layout_lock:
        document = parse_html(html, fonts, _PhotoFetcher(photos))
        body = document.etree_element.find("body")
        content = list(body)
        for element in content:
            body.remove(element)
        _set_page_size(document.etree_element, sheet)
        per_page = len(sheet.cells)
        for start in range(0, len(records), per_page):
            body.append(_page(content, records[start : start + per_page], sheet, photos))
        document.write_pdf(stream, font_config=font_config)


def preview_bytes(
    html: str, fonts: FontChain, records: Sequence[Mapping[str, Value]], sheet: Sheet
) -> bytes:
    """Return the preview as bytes."""
    stream = io.BytesIO()
    preview(stream, html, fonts, records, sheet)
    return stream.getvalue()


def _element(tag: str, style: str) -> Any:
    return Element(tag, {"style": style})


def _set_page_size(root: Any, sheet: Sheet) -> None:
    style = _element("style", "")
    style.text = (
        f"@page{{size:{sheet.width}pt {sheet.height}pt;margin:0}}"
        "body>section{break-after:page}body>section:last-child{break-after:auto}"
    )
    root.find("head").append(style)


def _page(
    content: Sequence[Any],
    records: Sequence[Mapping[str, Value]],
    sheet: Sheet,
    photos: list[bytes],
) -> Any:
    page = _element("section", f"position:relative;width:{sheet.width}pt;height:{sheet.height}pt")
    for (x, y), values in zip(sheet.cells, records, strict=False):
        # A cell ends where the next one begins; the last one reaches to the foot of the sheet.
        style = f"position:absolute;left:{x}pt;bottom:{y}pt;" + _cell_size(sheet)
        cell = _element("div", style)
        cell.extend(copy.deepcopy(element) for element in content)
        _fill(cell, values, photos)
        page.append(cell)
    return page


def _cell_size(sheet: Sheet) -> str:
    columns = sorted({x for x, _ in sheet.cells})
    rows = sorted({y for _, y in sheet.cells})
    width = columns[1] - columns[0] if len(columns) > 1 else sheet.width - 2 * columns[0]
    height = rows[1] - rows[0] if len(rows) > 1 else sheet.height - 2 * rows[0]
    return f"width:{width}pt;height:{height}pt"


def _fill(cell: Any, values: Mapping[str, Value], photos: list[bytes]) -> None:
    for element in list(cell.iter()):
        name = placeholder_name(element)
        if name is None:
            continue
        value = values[name]
        if isinstance(value, bytes):
            element.text = ""
            image = _element("img", _IMAGE_STYLE)
            image.set("src", f"{_IMAGE_SCHEME}{len(photos)}")
            photos.append(value)
            element.append(image)
        elif element.get("data-f") is not None:
            element.text = value or ""


class _PhotoFetcher(URLFetcher):  # type: ignore[misc] # WeasyPrint has no type hints
    """Serve the photos of one preview from memory, and nothing else from anywhere."""

    def __init__(self, photos: list[bytes]) -> None:
        super().__init__(allowed_protocols={"data"})
        self._photos = photos

    def fetch(self, url: str, headers: Any = None) -> Any:
        if url.startswith(_IMAGE_SCHEME):
            data = self._photos[int(url.removeprefix(_IMAGE_SCHEME))]
            return URLFetcherResponse(url, data, {"Content-Type": "image/jpeg"})
        return super().fetch(url, headers)
