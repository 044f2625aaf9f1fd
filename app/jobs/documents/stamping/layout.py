"""Reading a laid-out page: where each placeholder stands. WeasyPrint works here, once per template.

`Page._page_box` is private to WeasyPrint, which is therefore pinned; the tests compare every
placeholder with WeasyPrint's own rendering, so an upgrade that moves something is noticed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree.ElementTree import Element

from app.jobs.documents.stamping.errors import TemplateError

#: One CSS pixel in PDF points.
PIXEL = 0.75
REGULAR_WEIGHT = 400

Alignment = Literal["left", "center", "right"]
#: Where the sample line stands when a text takes several: it is the first, or in their middle.
Anchor = Literal["first", "middle"]
_ALIGNMENTS: dict[str, Alignment] = {"center": "center", "right": "right", "end": "right"}


@dataclass(frozen=True)
class TextSlot:
    """Where a text goes. Points, origin at the lower left corner of the template's page.

    `height` is 0 for a slot of one line; else as many lines are set as it holds. `pitch` is from
    one baseline to the next, `rise` from the top of a line to its baseline, both at full `size`.
    """

    name: str
    x: float
    baseline: float
    width: float
    size: float
    alignment: Alignment
    height: float
    anchor: Anchor
    pitch: float
    rise: float
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class ImageSlot:
    """Where a photo goes (points, lower left origin), and the text that is printed without one."""

    name: str
    x: float
    y: float
    width: float
    height: float
    caption: TextSlot | None
    caption_text: str


@dataclass(frozen=True)
class Layout:
    """Size of the page in points, and its placeholders in document order."""

    width: float
    height: float
    texts: tuple[TextSlot, ...]
    images: tuple[ImageSlot, ...]


def prepare_samples(root: Any) -> None:
    """Wrap the sample text of every placeholder so that it takes its room but is not drawn."""
    for element in list(root.iter()):
        if placeholder_name(element) is None:
            continue
        if len(element):
            raise TemplateError(problem="占位元素内只能有文字，不能再有其他元素")
        sample = Element("span", {"data-sample": "", "style": "visibility:hidden"})
        sample.text, element.text = element.text, ""
        if not (sample.text or "").strip() and element.get("data-f") is not None:
            sample.text = "\u6837"  # a line of the right height is needed
        element.append(sample)


def placeholder_name(element: Any) -> str | None:
    """Return the name in `data-f` or `data-img`, None for an ordinary element."""
    get = getattr(element, "get", None)
    if get is None or not isinstance(element.tag, str):
        return None
    name: str | None = get("data-f") or get("data-img")
    return name


def read_layout(page: Any, family: str) -> Layout:
    """Collect the placeholders of one WeasyPrint page whose fields must use `family`."""
    page_box = page._page_box
    width, height = page_box.margin_width() * PIXEL, page_box.margin_height() * PIXEL
    texts: list[TextSlot] = []
    images: list[ImageSlot] = []
    for name, box in _outermost_boxes(page_box).items():
        _check_width(box, name)
        if box.element.get("data-f") is not None:
            texts.append(_text_slot(box, name, height, family))
        else:
            images.append(_image_slot(box, name, height, family))
    return Layout(width, height, tuple(texts), tuple(images))


def _outermost_boxes(page_box: Any) -> dict[str, Any]:
    """Map each placeholder to its own box; boxes inside it that it generated are left out."""
    found: dict[str, Any] = {}
    for box in _boxes(page_box):
        name = placeholder_name(getattr(box, "element", None))
        if name is None:
            continue
        if name not in found:
            found[name] = box
        elif found[name].element is not box.element:
            raise TemplateError(problem=f"占位名“{name}”重复")
    return found


def _boxes(box: Any) -> Iterator[Any]:
    for one in box.descendants(placeholders=True):
        yield getattr(one, "_box", one)


def _check_width(box: Any, name: str) -> None:
    """Refuse a width that comes from the sample text: the real text would be shrunk to it."""
    style, kind = box.style, type(box).__name__
    shrinks = (
        style["position"] == "absolute" or style["float"] != "none" or kind == "InlineBlockBox"
    )
    stretched = style["left"] != "auto" and style["right"] != "auto"
    if kind == "InlineBox" or (shrinks and style["width"] == "auto" and not stretched):
        raise TemplateError(problem=f"占位元素“{name}”须为块级元素，并给出宽度")


def _text_slot(box: Any, name: str, page_height: float, family: str) -> TextSlot:
    lines = [one for one in _boxes(box) if type(one).__name__ == "LineBox"]
    samples = [one for one in _boxes(box) if hasattr(one, "text")]
    if len(lines) != 1 or not samples:
        raise TemplateError(problem=f"占位元素“{name}”的示例文字须恰好占一行")
    line, sample = lines[0], samples[0]
    style = sample.style
    _check_style(style, name, family)
    return TextSlot(
        name=name,
        x=box.content_box_x() * PIXEL,
        baseline=page_height - (sample.position_y + sample.baseline) * PIXEL,
        width=box.width * PIXEL,
        size=style["font_size"] * PIXEL,
        alignment=_ALIGNMENTS.get(box.style["text_align_all"], "left"),
        height=0.0 if box.style["height"] == "auto" else box.height * PIXEL,
        anchor="middle" if box.element.get("data-anchor") == "middle" else "first",
        pitch=line.height * PIXEL,
        rise=(sample.position_y + sample.baseline - line.position_y) * PIXEL,
        colour=_colour(style),
    )


def _image_slot(box: Any, name: str, page_height: float, family: str) -> ImageSlot:
    text = (box.element.find("span").text or "").strip()
    y = page_height - (box.content_box_y() + box.height) * PIXEL
    return ImageSlot(
        name=name,
        x=box.content_box_x() * PIXEL,
        y=y,
        width=box.width * PIXEL,
        height=box.height * PIXEL,
        caption=_text_slot(box, name, page_height, family) if text else None,
        caption_text=text,
    )


def _check_style(style: Any, name: str, family: str) -> None:
    """Refuse what stamping would silently print in another way than the preview."""
    if style["font_weight"] != REGULAR_WEIGHT or style["font_style"] != "normal":
        raise TemplateError(problem=f"占位元素“{name}”只能用常规字重，不能加粗或倾斜")
    if style["font_family"][0] != family:
        raise TemplateError(problem=f"占位元素“{name}”只能用字体“{family}”")
    if style["letter_spacing"] not in ("normal", 0) or style["text_transform"] != "none":
        raise TemplateError(problem=f"占位元素“{name}”不能用字间距和大小写变换")


def _colour(style: Any) -> tuple[float, float, float]:
    red, green, blue = style["color"].to("srgb").coordinates
    if not all(math.isfinite(part) for part in (red, green, blue)):
        return (0.0, 0.0, 0.0)
    return (round(red, 3), round(green, 3), round(blue, 3))
