"""Drawn passport photos: simple avatars, each another one, marked as samples."""

from __future__ import annotations

import io
import random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

WIDTH, HEIGHT = 240, 320
Colour = tuple[int, int, int]
_BACKGROUNDS: tuple[Colour, ...] = ((236, 240, 245), (205, 224, 244), (90, 150, 215))
_SKINS: tuple[Colour, ...] = ((247, 219, 190), (236, 200, 165), (222, 180, 142), (250, 226, 205))
_HAIRS: tuple[Colour, ...] = ((28, 24, 24), (52, 38, 30), (74, 50, 34), (40, 40, 48))
_SHIRTS: tuple[Colour, ...] = (
    *((40, 60, 110), (150, 40, 50), (40, 100, 70), (90, 90, 100)),
    *((200, 170, 60), (110, 60, 130), (230, 230, 235), (30, 120, 140)),
)
_DARK: Colour = (40, 34, 34)
#: strength of the grain that gives a drawing the weight of a photo
_GRAIN = 26


def draw(rng: random.Random, number: int, *, female: bool) -> bytes:
    """A JPEG of 240 by 320 pixels, 20 to 40 kB, as R3.11 asks for."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), rng.choice(_BACKGROUNDS))
    canvas = ImageDraw.Draw(picture)
    skin, hair = rng.choice(_SKINS), rng.choice(_HAIRS)
    centre, top = WIDTH // 2 + rng.randint(-4, 4), rng.randint(46, 58)
    wide, high = rng.randint(50, 60), rng.randint(70, 80)
    _body(canvas, rng, centre, top + 2 * high, skin)
    _hair(canvas, (centre, top, wide, high), hair, rng.randint(20, 70) if female else None)
    if female:
        _body(canvas, rng, centre, top + 2 * high, skin, only_neck=True)
    canvas.ellipse((centre - wide, top + 10, centre + wide, top + 2 * high), fill=skin)
    _fringe(canvas, rng, (centre, top, wide, high), hair)
    _face(canvas, rng, (centre, top, wide, high))
    canvas.text((8, HEIGHT - 18), f"DEMO {number:04d}", fill=(250, 250, 250))
    return _developed(picture.filter(ImageFilter.SMOOTH), rng)


def _body(
    canvas: ImageDraw.ImageDraw,
    rng: random.Random,
    centre: int,
    chin: int,
    skin: Colour,
    *,
    only_neck: bool = False,
) -> None:
    if not only_neck:
        shirt = rng.choice(_SHIRTS)
        canvas.ellipse((centre - 112, chin + 8, centre + 112, HEIGHT + 130), fill=shirt)
    canvas.rectangle((centre - 24, chin - 30, centre + 24, chin + 22), fill=skin)
    canvas.ellipse((centre - 24, chin + 6, centre + 24, chin + 38), fill=skin)


def _hair(
    canvas: ImageDraw.ImageDraw, head: tuple[int, int, int, int], hair: Colour, long: int | None
) -> None:
    """Behind the face: short, or `long` pixels below the chin."""
    centre, top, wide, high = head
    side, bottom = (9, top + high + 24) if long is None else (16, top + 2 * high + long)
    canvas.ellipse((centre - wide - side, top - 18, centre + wide + side, bottom), fill=hair)


def _fringe(
    canvas: ImageDraw.ImageDraw,
    rng: random.Random,
    head: tuple[int, int, int, int],
    hair: Colour,
) -> None:
    """A parting on one side, or a straight fringe."""
    centre, top, wide, high = head
    parting = rng.choice((-1, 0, 1)) * rng.randint(14, 26)
    depth = top + high // 2 + rng.randint(4, 12)
    if not parting:
        canvas.chord((centre - wide, top - 6, centre + wide, depth + 10), 180, 360, fill=hair)
        return
    for side in (-1, 1):
        outer, inner = centre + side * (wide + 2), centre + parting - side * 4
        left, right = sorted((outer, inner))
        canvas.ellipse((left, top - 4, right, depth), fill=hair)


def _face(canvas: ImageDraw.ImageDraw, rng: random.Random, head: tuple[int, int, int, int]) -> None:
    centre, top, wide, high = head
    eyes, apart = top + high, wide // 2
    for side in (-1, 1):
        x = centre + side * apart
        canvas.ellipse((x - 6, eyes - 4, x + 6, eyes + 5), fill=_DARK)
        canvas.line((x - 11, eyes - 14, x + 11, eyes - 15 + rng.randint(-2, 2)), _DARK, 3)
    canvas.line((centre, eyes + 8, centre - 4, eyes + 26, centre + 4, eyes + 27), (150, 110, 90), 2)
    smile = rng.randint(4, 14)
    mouth = (centre - 16, eyes + 36, centre + 16, eyes + 36 + smile)
    canvas.arc(mouth, 10, 170, fill=(160, 60, 60), width=3)
    if rng.random() < 0.35:
        for side in (-1, 1):
            x = centre + side * apart
            canvas.ellipse((x - 17, eyes - 14, x + 17, eyes + 16), outline=(30, 30, 30), width=2)
        canvas.line((centre - apart + 17, eyes, centre + apart - 17, eyes), (30, 30, 30), 2)


def _developed(picture: Image.Image, rng: random.Random) -> bytes:
    grain = Image.frombytes("L", (WIDTH, HEIGHT), rng.randbytes(WIDTH * HEIGHT))
    grain = grain.point(lambda level: 128 + (level - 128) * _GRAIN // 128)
    noisy = ImageChops.add(picture, Image.merge("RGB", (grain,) * 3), offset=-128)
    target = io.BytesIO()
    noisy.save(target, "JPEG", quality=88)
    return target.getvalue()
