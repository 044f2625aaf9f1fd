"""Photos: the print derivative, and which bytes may be embedded."""

from __future__ import annotations

import importlib
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.jobs.documents.stamping import photos
from app.jobs.documents.stamping.errors import PhotoUnusable
from app.jobs.documents.stamping.jpeg import read_header
from app.jobs.documents.stamping.photos import print_derivative
from tests.jobs.documents.samples import PHOTO

ORIENTATION, DESCRIPTION = 0x0112, 0x010E


def encoded(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def decoded(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def half_red(size: tuple[int, int]) -> Image.Image:
    """Upper half red, lower half blue."""
    picture = Image.new("RGB", size, "blue")
    picture.paste("red", (0, 0, size[0], size[1] // 2))
    return picture


def is_red(picture: Image.Image, place: tuple[int, int]) -> bool:
    red, _, blue = picture.convert("RGB").getpixel(place)  # type: ignore[misc]
    return bool(red > 200 > 60 > blue)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("size", [(144, 192), (480, 640), (1500, 2000), (264, 400)])
def test_r3_11_derivative_is_rgb_of_the_print_size(mode: str, size: tuple[int, int]) -> None:
    header = read_header(print_derivative(encoded(Image.new(mode, size))))
    assert (header.width, header.height, header.components) == (240, 320, 3)
    assert header.is_plain


def test_a_turned_photo_is_stored_upright_and_without_metadata() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the camera lay on its side
    exif[DESCRIPTION] = "secret place"
    lying = half_red((480, 640)).transpose(Image.Transpose.ROTATE_90)
    original = encoded(lying, exif=exif, comment=b"secret comment", quality=95)
    derivative = print_derivative(original)
    assert b"secret" in original
    assert b"secret" not in derivative
    assert b"Exif" not in derivative
    assert is_red(decoded(derivative), (120, 40))
    assert not is_red(decoded(derivative), (120, 280))


def test_a_tall_photo_loses_its_lower_edge_only() -> None:
    tall = Image.new("RGB", (264, 400), "blue")
    tall.paste("red", (0, 0, 264, 20))
    assert is_red(decoded(print_derivative(encoded(tall, quality=95))), (120, 5))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"GIF89a" + bytes(50),
        PHOTO[: len(PHOTO) // 2],
        PHOTO[2:],
        encoded(half_red((30, 40)), "PNG"),
    ],
    ids=["empty", "start only", "gif", "truncated", "beheaded", "png"],
)
def test_anything_but_a_whole_jpeg_is_a_typed_refusal(data: bytes) -> None:
    with pytest.raises(PhotoUnusable, match="JPG"):
        print_derivative(data)


def test_a_photo_that_breaks_off_is_refused_after_a_template_was_compiled() -> None:
    importlib.import_module("app.jobs.documents.stamping.compiler")
    with pytest.raises(OSError, match="truncated"):
        decoded(PHOTO[:-200]).load()
    with pytest.raises(PhotoUnusable):
        print_derivative(PHOTO[:-200])


def test_a_picture_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "MAXIMUM_PIXELS", 480 * 640 - 1)
    with pytest.raises(PhotoUnusable):
        print_derivative(encoded(half_red((480, 640))))


@given(st.binary(max_size=200), st.booleans())
def test_reading_a_header_ends_and_raises_nothing_else(data: bytes, as_jpeg: bool) -> None:
    try:
        header = read_header(b"\xff\xd8\xff" + data if as_jpeg else data)
    except PhotoUnusable:
        return
    assert header.width >= 0


@given(st.data())
def test_a_damaged_photo_is_refused_or_made_plain(data: st.DataObject) -> None:
    damaged = bytearray(PHOTO)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(PHOTO) - 1))] = data.draw(st.integers(0, 255))
    try:
        derivative = print_derivative(bytes(damaged))
    except PhotoUnusable:
        return
    assert read_header(derivative).is_plain


def test_metadata_cmyk_and_twelve_bits_are_not_plain() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 1
    assert not read_header(encoded(half_red((30, 40)), exif=exif)).is_plain
    assert not read_header(encoded(Image.new("CMYK", (30, 40)))).is_plain
    at = PHOTO.index(b"\xff\xc0") + 4
    assert not read_header(PHOTO[:at] + b"\x0c" + PHOTO[at + 1 :]).is_plain
