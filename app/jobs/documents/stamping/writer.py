"""Stamping: one call per record, constant memory, the same bytes for the same input."""

from __future__ import annotations

import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from types import TracebackType
from typing import BinaryIO, Self

from app.jobs.documents.stamping.embed import embed_font
from app.jobs.documents.stamping.errors import PhotoNotPrepared, PhotoUnusable, TemplateError
from app.jobs.documents.stamping.jpeg import read_header
from app.jobs.documents.stamping.layout import ImageSlot
from app.jobs.documents.stamping.pdf import PageTree, PdfFile, text_string, write_form
from app.jobs.documents.stamping.sheet import Sheet, single
from app.jobs.documents.stamping.template import CompiledTemplate
from app.jobs.documents.stamping.text import FieldPrinter, Typesetter

Value = str | bytes | None

#: A candidate's entries follow one another, so a short memory finds the photo again.
_REMEMBERED_IMAGES = 64
#: Text streams are small; level 1 costs a third of level 6 and gives nearly the same size.
_LEVEL = 1


class _Stamp:
    """A template as it stands in one document: its form object and the printers of its fields."""

    def __init__(self, pdf: PdfFile, compiled: CompiledTemplate, typesetter: Typesetter) -> None:
        self.compiled = compiled
        self.form = write_form(pdf, compiled.objects)
        self.fields = [(slot.name, FieldPrinter(typesetter, slot)) for slot in compiled.texts]
        self.images = [
            (slot, FieldPrinter(typesetter, slot.caption) if slot.caption else None)
            for slot in compiled.images
        ]


class PdfWriter:
    """Write a PDF of any number of pages to a stream that need not be seekable.

    `compiled` is the template; `sheet` says how many go on a page (default: the template is the
    page). Where a character has no glyph, `substitute` is printed, or else `UncoveredText` is
    raised. After an error the stream holds no usable document; the caller discards it.
    """

    def __init__(
        self,
        stream: BinaryIO,
        compiled: CompiledTemplate,
        *,
        title: str,
        sheet: Sheet | None = None,
        substitute: str | None = None,
    ) -> None:
        self._title = title
        self._default = compiled
        self._sheet = sheet or single((compiled.width, compiled.height))
        self._pdf = PdfFile(stream)
        self._typesetter = Typesetter(compiled.fonts, substitute)
        self._stamps: dict[str, _Stamp] = {}
        self._images: OrderedDict[bytes, int] = OrderedDict()
        self._fonts = self._pdf.reserve()
        self._tree = PageTree(self._pdf)
        self._content: list[str] = []
        self._filled = 0
        self._used: dict[str, int] = {}
        self._digest = hashlib.blake2b(title.encode(), digest_size=16)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()

    @property
    def pages(self) -> int:
        """Number of pages finished so far."""
        return self._tree.count

    def add(
        self,
        values: Mapping[str, Value],
        compiled: CompiledTemplate | None = None,
        *,
        label: str = "",
    ) -> None:
        """Stamp one record into the next cell.

        `values` maps every field name to a text and every image name to the bytes of a print
        derivative, or None for nothing (an image then shows its caption). `compiled` is another
        template of the same fonts; `label` names the record in errors. Raises `TemplateError`,
        `UncoveredText`, `PhotoNotPrepared`.
        """
        stamp = self._stamp(compiled or self._default, values)
        x, y = self._sheet.cells[self._filled]
        self._use("T", stamp.form)
        self._content.append(f"q 1 0 0 1 {x:.2f} {y:.2f} cm /T{stamp.form} Do BT")
        pictures = []
        for name, printer in stamp.fields:
            text = values[name]
            if text:
                self._content.append(printer.operators(_as_text(name, text)))
        for slot, caption in stamp.images:
            data = values[slot.name]
            if data:
                pictures.append(self._picture(slot, data, label))
            elif caption:
                self._content.append(caption.operators(slot.caption_text))
        self._content += ["ET", *pictures, "Q"]
        self._filled += 1
        if self._filled == len(self._sheet.cells):
            self._finish_page()

    def close(self) -> None:
        """Write the last page, the fonts, and the end of the document. The stream stays open."""
        if self._filled or not self._tree.count:
            self._finish_page()
        self._write_fonts()
        pdf, root = self._pdf, self._tree.finish()
        catalog = pdf.write_object(
            f"<</Type/Catalog/Pages {root} 0 R/Lang(zh-CN)"
            "/ViewerPreferences<</DisplayDocTitle true>>>>".encode()
        )
        information = pdf.write_object(
            f"<</Title{text_string(self._title)}/Producer(Kaowu)>>".encode()
        )
        pdf.finish(catalog, information, self._digest.digest())

    def _stamp(self, compiled: CompiledTemplate, values: Mapping[str, Value]) -> _Stamp:
        stamp = self._stamps.get(compiled.digest)
        if stamp is None:
            if compiled.fonts is not self._default.fonts:
                raise TemplateError(problem="同一文件的模板须使用同一组字体")
            stamp = self._stamps[compiled.digest] = _Stamp(self._pdf, compiled, self._typesetter)
        if not compiled.names <= values.keys():
            missing = "、".join(sorted(compiled.names - values.keys()))
            raise TemplateError(problem=f"数据中没有字段：{missing}")
        return stamp

    def _use(self, prefix: str, number: int) -> None:
        """Note that the current page draws object `number` under the name prefix + number."""
        self._used[f"/{prefix}{number}"] = number

    def _picture(self, slot: ImageSlot, data: Value, label: str) -> str:
        """Return the operators that draw a photo inside its slot, as large as fits, centred."""
        number, width, height = self._image(data, label or slot.name)
        scale = min(slot.width / width, slot.height / height)
        width, height = width * scale, height * scale
        x = slot.x + (slot.width - width) / 2
        y = slot.y + (slot.height - height) / 2
        self._use("I", number)
        return f"q {width:.2f} 0 0 {height:.2f} {x:.2f} {y:.2f} cm /I{number} Do Q"

    def _image(self, data: Value, owner: str) -> tuple[int, float, float]:
        """Write a photo, or find it again; return object number, width and height in pixels."""
        try:
            if not isinstance(data, bytes):
                raise PhotoUnusable
            header = read_header(data)
        except PhotoUnusable as error:
            raise PhotoNotPrepared(owner=owner) from error
        if not header.is_plain:
            raise PhotoNotPrepared(owner=owner)
        key = hashlib.blake2b(data, digest_size=16).digest()
        number = self._images.pop(key, 0)
        if not number:
            number = self._pdf.write_stream(
                data,
                f"/Type/XObject/Subtype/Image/Width {header.width}/Height {header.height}"
                f"/ColorSpace/{header.colour_space}/BitsPerComponent 8/Filter/DCTDecode",
            )
            self._digest.update(key)
        self._images[key] = number
        if len(self._images) > _REMEMBERED_IMAGES:
            self._images.popitem(last=False)
        return number, float(header.width), float(header.height)

    def _finish_page(self) -> None:
        content = "\n".join(self._content).encode("ascii")
        self._digest.update(content)
        pdf = self._pdf
        body = pdf.write_stream(zlib.compress(content, _LEVEL), "/Filter/FlateDecode")
        objects = "".join(f"{name} {number} 0 R" for name, number in self._used.items())
        size = f"{self._sheet.width:.2f} {self._sheet.height:.2f}"
        self._tree.add(
            f"/MediaBox[0 0 {size}]/Contents {body} 0 R"
            f"/Resources<</Font {self._fonts} 0 R/XObject<<{objects}>>>>"
        )
        self._content, self._used, self._filled = [], {}, 0

    def _write_fonts(self) -> None:
        """Subset the fonts last: only now is it known which glyphs were printed."""
        entries = ""
        for index, used in enumerate(self._typesetter.used):
            if used:
                number = self._pdf.reserve()
                embed_font(self._pdf, number, self._typesetter.fonts.faces[index], used)
                entries += f"/F{index} {number} 0 R"
        self._pdf.write_object(f"<<{entries}>>".encode(), self._fonts)


def _as_text(name: str, value: str | bytes) -> str:
    if isinstance(value, bytes):
        raise TemplateError(problem=f"字段“{name}”的数据应为文字")
    return value
