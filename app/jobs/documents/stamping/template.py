"""Templates: HTML and CSS in, a form and the places of its fields out.

WeasyPrint and pikepdf are imported on first use: a process that only stamps with a template
compiled before, or prints no PDF at all, never pays for them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version

from app.jobs.documents.stamping.fonts import FontChain
from app.jobs.documents.stamping.layout import ImageSlot, TextSlot
from app.jobs.documents.stamping.pdf import ObjectParts

#: Raise it when the same HTML would compile to something else.
ENGINE_VERSION = 1


@dataclass(frozen=True)
class CompiledTemplate:
    """A template ready for stamping; immutable, shared by threads and documents.

    `width` and `height` are points; `objects` is the form (see `form.ObjectParts`).
    """

    digest: str
    width: float
    height: float
    texts: tuple[TextSlot, ...]
    images: tuple[ImageSlot, ...]
    objects: tuple[ObjectParts, ...]
    fonts: FontChain

    @property
    def names(self) -> frozenset[str]:
        """Names of all fields and images."""
        texts = {slot.name for slot in self.texts}
        return frozenset(texts | {slot.name for slot in self.images})


def template_digest(html: str, fonts: FontChain) -> str:
    """Return the cache key of a template: it changes with the HTML, the fonts and the engines."""
    parts = (str(ENGINE_VERSION), version("weasyprint"), fonts.fingerprint, html)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def compile_template(html: str, fonts: FontChain) -> CompiledTemplate:
    """Lay the template out once. It must fit on one page, whose size `@page` gives.

    Raises `TemplateError` when it breaks a rule of docs/documents.md, `FontMissing` when the
    layout engine does not find the fonts of the chain.
    """
    # WeasyPrint costs half a second and 60 MB: only who compiles pays for it.
    from app.jobs.documents.stamping.compiler import lay_out  # noqa: PLC0415

    layout, objects = lay_out(html, fonts)
    return CompiledTemplate(
        digest=template_digest(html, fonts),
        width=layout.width,
        height=layout.height,
        texts=layout.texts,
        images=layout.images,
        objects=objects,
        fonts=fonts,
    )
