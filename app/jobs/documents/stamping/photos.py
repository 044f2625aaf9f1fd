"""The photo as it is printed, made once at upload so that printing copies bytes."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from app.jobs.documents.stamping.errors import PhotoUnusable
from app.jobs.documents.stamping.jpeg import read_header

#: Pixels of the print derivative; 3:4 like the passport photo that was asked for.
PRINT_SIZE = (240, 320)
#: Four times what may be uploaded (2000 by 3000, R3.11), less than what would fill the memory.
MAXIMUM_PIXELS = 24_000_000
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_QUALITY = 88
#: A photo that is too tall loses its lower edge, never the top of the head.
_CROP = (0.5, 0.0)


def print_derivative(jpeg: bytes) -> bytes:
    """Return a JPEG of 240 by 320 pixels: upright, RGB, without any metadata, about 10 kB.

    The picture is cropped to 3:4, from both sides or from below. Raises `PhotoUnusable` when the
    bytes are not a complete JPEG file.
    """
    # Decoders fill what is missing with grey, some without a word.
    if not read_header(jpeg).is_complete:
        raise PhotoUnusable
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as source:
            if source.width * source.height > MAXIMUM_PIXELS:
                raise PhotoUnusable
            # Decode at a fraction of the size where that is enough: a big photo costs a tenth.
            source.draft(None, (2 * PRINT_SIZE[0], 2 * PRINT_SIZE[1]))
            upright = ImageOps.exif_transpose(source)
            picture = ImageOps.fit(
                upright.convert("RGB"), PRINT_SIZE, Image.Resampling.LANCZOS, centering=_CROP
            )
    except (OSError, ValueError, SyntaxError, *_BOMBS) as error:
        raise PhotoUnusable from error
    target = io.BytesIO()
    # A new image: `picture.info` would carry profile and comments along.
    clean = Image.new("RGB", PRINT_SIZE)
    clean.paste(picture)
    clean.save(target, "JPEG", quality=_QUALITY, optimize=True)
    return target.getvalue()
