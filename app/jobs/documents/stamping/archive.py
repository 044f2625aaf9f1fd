"""Archives: PDF files and photos stored one after another, without compressing or buffering."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, BinaryIO, Self

from app.jobs.documents.stamping.errors import ArchiveNameInvalid

#: A fixed time: the same content gives the same bytes. It is the earliest that the format knows.
_TIME = (1980, 1, 1, 0, 0, 0)
_PERMISSIONS = 0o644 << 16
#: File systems allow 255; a few are left for what unpackers append.
_MAXIMUM_BYTES = 240
_FORBIDDEN = re.compile(
    r'[\x00-\x1f\x7f/\\:*?"<>|\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]'
)
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


class StoredZip:
    """Write a zip archive to a stream, entry by entry, with nothing but the directory in memory.

    JPEG and PDF do not get smaller, so nothing is compressed. Names are UTF-8. One entry may hold
    up to 2 GiB. The stream need not be seekable, but old unpackers prefer it to be.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED)
        self._names: set[str] = set()

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

    @contextmanager
    def entry(self, *parts: str) -> Iterator[IO[bytes]]:
        """Yield a stream for the entry `parts` (folders, then the file name).

        Each part is made safe by `safe_name`. Raises `ArchiveNameInvalid` when a part is empty or
        the name was used before; upper and lower case count as the same, as on Windows.
        """
        name = "/".join(safe_name(part) for part in parts)
        if not parts or name.casefold() in self._names:
            raise ArchiveNameInvalid(name=name)
        self._names.add(name.casefold())
        information = zipfile.ZipInfo(name, _TIME)
        information.create_system = 3  # else it would depend on the host
        information.external_attr = _PERMISSIONS
        with self._zip.open(information, "w") as stream:
            yield stream

    def add(self, data: bytes, *parts: str) -> None:
        """Store bytes as the entry `parts`."""
        with self.entry(*parts) as stream:
            stream.write(data)

    def close(self) -> None:
        """Write the directory. The stream stays open."""
        self._zip.close()


def safe_name(name: str) -> str:
    """Return a name that is one file in one folder on every system.

    Separators, control and direction characters and what Windows forbids become `_`; leading and
    trailing blanks and dots go. Raises `ArchiveNameInvalid` when nothing is left.
    """
    safe = _FORBIDDEN.sub("_", name).strip(" .")
    if not safe:
        raise ArchiveNameInvalid(name=name)
    if _DEVICE.fullmatch(safe):
        safe = f"_{safe}"
    if len(safe.encode()) <= _MAXIMUM_BYTES:
        return safe
    stem, dot, extension = safe.rpartition(".")
    tail = dot + extension if stem and len(extension) <= 8 else ""
    kept = safe.encode()[: _MAXIMUM_BYTES - len(tail.encode())].decode(errors="ignore")
    return kept.rstrip(" .") + tail
