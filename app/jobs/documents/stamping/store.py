"""Compiled templates kept in memory and, where a folder is given, in files.

A worker starts a new process for every job. With the file it neither lays the template out again
nor imports the layout engine, which together take longer than stamping a thousand tickets.
"""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.jobs.documents.stamping.fonts import FontChain
from app.jobs.documents.stamping.layout import ImageSlot, TextSlot
from app.jobs.documents.stamping.output import open_target
from app.jobs.documents.stamping.pdf import ObjectParts
from app.jobs.documents.stamping.template import (
    CompiledTemplate,
    compile_template,
    template_digest,
)


class TemplateStore:
    """Give out compiled templates. `folder` may be set at any time; it must exist.

    The files are made by this program alone and hold no personal data; a file that cannot be read
    is made anew.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._known: dict[str, CompiledTemplate] = {}
        self._lock = threading.Lock()

    def get(self, html: str, fonts: FontChain) -> CompiledTemplate:
        """Return the template compiled for these fonts. Errors as `compile_template`."""
        digest = template_digest(html, fonts)
        with self._lock:  # else two first requests would both lay the template out
            known = self._known.get(digest)
            if known is None or known.fonts is not fonts:
                known = self._known[digest] = self._load(digest, html, fonts)
            return known

    def _load(self, digest: str, html: str, fonts: FontChain) -> CompiledTemplate:
        if self.folder is None:
            return compile_template(html, fonts)
        file = self.folder / f"{digest}.json"
        try:
            return from_json(file.read_bytes(), fonts)
        except (OSError, ValueError, KeyError, TypeError):
            compiled = compile_template(html, fonts)
        with open_target(file) as stream:
            stream.write(to_json(compiled))
        return compiled


def to_json(compiled: CompiledTemplate) -> bytes:
    """Return a template as JSON, without its fonts."""
    objects = [
        [part if isinstance(part, int) else base64.b64encode(part).decode() for part in parts]
        for parts in compiled.objects
    ]
    return json.dumps(
        {
            "digest": compiled.digest,
            "size": [compiled.width, compiled.height],
            "texts": [asdict(slot) for slot in compiled.texts],
            "images": [asdict(slot) for slot in compiled.images],
            "objects": objects,
        },
        ensure_ascii=False,
    ).encode()


def from_json(data: bytes, fonts: FontChain) -> CompiledTemplate:
    """Return the template that `to_json` wrote, for the same fonts."""
    stored = json.loads(data)
    width, height = stored["size"]
    return CompiledTemplate(
        digest=stored["digest"],
        width=width,
        height=height,
        texts=tuple(_text_slot(entry) for entry in stored["texts"]),
        images=tuple(_image_slot(entry) for entry in stored["images"]),
        objects=tuple(_parts(parts) for parts in stored["objects"]),
        fonts=fonts,
    )


def _text_slot(entry: dict[str, Any]) -> TextSlot:
    red, green, blue = entry["colour"]
    return TextSlot(**{**entry, "colour": (red, green, blue)})


def _image_slot(entry: dict[str, Any]) -> ImageSlot:
    caption = _text_slot(entry["caption"]) if entry["caption"] else None
    return ImageSlot(**{**entry, "caption": caption})


def _parts(parts: list[str | int]) -> ObjectParts:
    return tuple(part if isinstance(part, int) else base64.b64decode(part) for part in parts)
