"""What must be known of a JPEG file to embed it byte by byte."""

from __future__ import annotations

from dataclasses import dataclass

from app.jobs.documents.stamping.errors import PhotoUnusable

_START_OF_IMAGE = b"\xff\xd8"
_END_OF_IMAGE = b"\xff\xd9"
_APP1 = 0xE1
_START_OF_SCAN = 0xDA
#: Frame headers C0 to CF; C4, C8 and CC are other segments.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_COLOUR_SPACES = {1: "DeviceGray", 3: "DeviceRGB"}


@dataclass(frozen=True)
class JpegHeader:
    """Size in pixels, bits per sample, number of colour components, whether there is EXIF.

    `is_complete` is False when the file breaks off.
    """

    width: int
    height: int
    bits: int
    components: int
    has_metadata: bool
    is_complete: bool

    @property
    def colour_space(self) -> str | None:
        """PDF colour space; None for CMYK, whose polarity readers do not agree upon."""
        return _COLOUR_SPACES.get(self.components)

    @property
    def is_plain(self) -> bool:
        """True when the bytes may be embedded as they are.

        A picture with EXIF may be turned by a mark that PDF readers ignore, and may tell where
        it was taken.
        """
        known = self.bits == 8 and self.colour_space is not None
        return known and self.is_complete and not self.has_metadata


def read_header(jpeg: bytes) -> JpegHeader:
    """Read the segments up to the frame header. Raises `PhotoUnusable` for anything but JPEG."""
    if not jpeg.startswith(_START_OF_IMAGE):
        raise PhotoUnusable
    at, has_metadata = 2, False
    while at + 9 < len(jpeg) and jpeg[at] == 0xFF:
        marker = jpeg[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _FRAMES:
            return JpegHeader(
                width=int.from_bytes(jpeg[at + 7 : at + 9], "big"),
                height=int.from_bytes(jpeg[at + 5 : at + 7], "big"),
                bits=jpeg[at + 4],
                components=jpeg[at + 9],
                has_metadata=has_metadata,
                # Picture data never holds this pair; a thumbnail's stands before the frame.
                is_complete=jpeg.find(_END_OF_IMAGE, at) > 0,
            )
        if marker == _START_OF_SCAN:
            break
        has_metadata = has_metadata or marker == _APP1
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    raise PhotoUnusable
