"""The child of `reader`: `python -m app.jobs.imports.reader_child` reads an upload from standard
input and writes its sheets to standard output (`spool`). It imports no more than that takes: it is
started for every upload.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import sys
from typing import IO, Any

from app.jobs.imports.container import UploadRefused
from app.jobs.imports.sheets import Sheet, read_several
from app.jobs.imports.spool import RowTooLong, line_of, pages_of

#: How it ends beside 0, so that `reader` can say why. A parser that gets no more memory aborts.
MEMORY, OUTPUT, ROW = 3, 4, 5
#: standard input again, from its beginning
_UPLOAD = "/dev/fd/0"


def _bound(memory: int, output: int | None, processor_seconds: int) -> None:
    """A file that would take more than this is none of ours. What counts as memory is what is
    asked for to be written to, and a parser asks for more than it uses: `reader` looks at what is
    used, and stops it before."""
    for kind, limit in (
        (resource.RLIMIT_DATA, memory + memory // 4),
        (resource.RLIMIT_CPU, processor_seconds),
        (resource.RLIMIT_FSIZE, output),
    ):
        if limit is not None:
            _soft, hard = resource.getrlimit(kind)
            resource.setrlimit(kind, (limit if hard < 0 else min(limit, hard), hard))


def _refusal(error: UploadRefused) -> dict[str, Any]:
    reason = error.parameters["reason"]
    return {"refused": reason.template, "parameters": dict(reason.parameters)}


def _write(out: IO[bytes], sheet: Sheet) -> None:
    head = {
        "hidden_rows": sorted(sheet.hidden_rows),
        "hidden_columns": sorted(sheet.hidden_columns),
    }
    out.write(line_of(head))
    out.writelines(pages_of(sheet.rows))


def main() -> int:
    """Read standard input, write heads and pages to standard output."""
    try:
        return _read(*sys.argv[1:])
    except MemoryError:
        return MEMORY
    except RowTooLong:
        return ROW
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        return OUTPUT


def _read(bounds: str, suffix: str, max_rows: str, max_bytes: str, *sheets: str) -> int:
    out = sys.stdout.buffer
    _bound(*json.loads(bounds))
    try:
        content = sys.stdin.buffer.read()
        found = read_several(content, suffix, sheets, int(max_rows), int(max_bytes), path=_UPLOAD)
        del content
    except UploadRefused as error:
        out.write(line_of(_refusal(error)))
        return 0
    for sheet in found:
        if isinstance(sheet, UploadRefused):
            out.write(line_of(_refusal(sheet)))
        else:
            _write(out, sheet)
    out.flush()  # an output beyond its bound fails here, not while the interpreter ends
    return 0


if __name__ == "__main__":
    code = main()
    if code:
        os._exit(code)  # what is left in the buffer of the output does not fit either
    sys.exit()
