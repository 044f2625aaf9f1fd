"""The portal as a running server with a roomy site, and what a browser does on its pages."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from tests.conftest import create_schema
from tests.databases import Databases
from tests.factories import add_site
from tests.portal.passport_world import Portal, open_portal
from tests.portal.registration_world import Candidate
from tests.serving import serve

OUTPUT = Path(__file__).resolve().parents[1] / "output" / "portal"


@contextmanager
def open_pages(databases: Databases, folder: Path, name: str) -> Iterator[Portal]:
    """On SQLite alone: what a browser sees does not depend on the database. The third site has
    five subjects, days to choose, and takes two subjects of each."""
    url = databases.clone("sqlite", f"pages_{name}", create_schema)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with open_portal(url, folder) as made, serve(made.app) as made.address:
        with made.writing() as session:
            add_site(
                session,
                made.tree,
                "990703",
                subjects=("14", "24", "26", "35", "42"),
                day_quota=40,
                max_subjects=2,
            )
        yield made
    databases.drop(url)


def portrait(kind: str, size: tuple[int, int] = (900, 1000)) -> bytes:
    """A drawn person before a light wall."""
    picture = Image.new("RGB", size, "#f4f6fa")
    pen = ImageDraw.Draw(picture)
    width, height = size
    pen.ellipse((width * 0.33, height * 0.2, width * 0.67, height * 0.58), fill="#d9a883")
    pen.rectangle((width * 0.2, height * 0.65, width * 0.8, height), fill="#2b4a7a")
    target = io.BytesIO()
    picture.save(target, kind)
    return target.getvalue()


def enter(page: Page, portal: Portal, candidate: Candidate) -> None:
    """Let the browser go on where the candidate's requests have stopped."""
    page.context.add_cookies(
        [{"name": "kaowu_portal", "value": candidate.cookie, "url": portal.address}]
    )


def choose_photo(page: Page, name: str, data: bytes) -> None:
    mime = "image/png" if name.endswith("png") else "image/jpeg"
    page.set_input_files("#photo", {"name": name, "mimeType": mime, "buffer": data})
    expect(page.locator(".cropper-crop-box")).to_be_visible()


def grainy_portrait() -> bytes:
    """20-200 KB need some grain."""
    with Image.open(io.BytesIO(portrait("PNG", (480, 640)))) as picture:
        grain = Image.effect_noise(picture.size, 24).convert("RGB")
        target = io.BytesIO()
        Image.blend(picture.convert("RGB"), grain, 0.12).save(target, "JPEG", quality=92)
    return target.getvalue()
