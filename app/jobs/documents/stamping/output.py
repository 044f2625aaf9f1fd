"""Where a document goes: an open stream, or a file that appears only when it is complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

Target = Path | BinaryIO

_BUFFER = 1 << 20


@contextmanager
def open_target(target: Target) -> Iterator[BinaryIO]:
    """Yield a stream to write to.

    A path is written under the name `<name>.part` beside it, flushed to disk and renamed at the
    end; after any error, cancellation included, neither file is there. A stream is the caller's.
    """
    if not isinstance(target, Path):
        yield target
        return
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb", buffering=_BUFFER) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
