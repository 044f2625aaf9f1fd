"""WeasyPrint at work: HTML to a laid-out page, the page to places and a form.

This module is imported when the first template is compiled or previewed, not before.
"""

from __future__ import annotations

import threading
from typing import Any
from xml.etree.ElementTree import Element

import weasyprint
from PIL import ImageFile
from weasyprint.urls import URLFetcher

from app.jobs.documents.stamping.errors import TemplateError
from app.jobs.documents.stamping.fonts import FontChain
from app.jobs.documents.stamping.form import form_objects
from app.jobs.documents.stamping.layout import Layout, prepare_samples, read_layout
from app.jobs.documents.stamping.pdf import ObjectParts

# WeasyPrint switches this on for the whole process. Photos that people upload are checked with the
# same library, and one that breaks off must not pass.
ImageFile.LOAD_TRUNCATED_IMAGES = False

#: Pango keeps process-wide state; two layouts at once are not safe.
layout_lock = threading.Lock()


def lay_out(html: str, fonts: FontChain) -> tuple[Layout, tuple[ObjectParts, ...]]:
    """Lay a template out once; return the places of its fields and the objects of its form.

    Raises `TemplateError` and `FontMissing` as `template.compile_template`.
    """
    with layout_lock:
        document = parse_html(html, fonts)
        prepare_samples(document.etree_element)
        rendered = document.render()
        if len(rendered.pages) != 1:
            raise TemplateError(problem=f"模板须恰好占一页，现为 {len(rendered.pages)} 页")
        layout = read_layout(rendered.pages[0], fonts.families[0])
        return layout, form_objects(rendered.write_pdf(), fonts.families)


def parse_html(html: str, fonts: FontChain, fetcher: Any = None) -> Any:
    """Return a WeasyPrint document that uses the chain's fonts and, by default, fetches nothing.

    Kerning and ligatures are off, because stamping places one glyph per character.
    """
    fetcher = fetcher or URLFetcher(allowed_protocols={"data"})
    document = weasyprint.HTML(string=html, url_fetcher=fetcher)
    families = ",".join(f'"{family}"' for family in fonts.families)
    style = Element("style")
    style.text = (
        f"html{{font-family:{families};font-kerning:none;font-variant-ligatures:none;"
        "font-variant-numeric:normal}"
    )
    document.etree_element.find("head").insert(0, style)
    return document
