"""The child of `reader`: `python -m app.jobs.imports.reader_child` reads an upload from standard
input and writes its sheets to standard output (`spool`). It imports no more than that takes: it is
started for every upload.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import IO, Any

from app.jobs.imports.container import UploadRefused
from app.jobs.imports.sheets import Sheet, read_several
from app.jobs.imports.spool import line_of, pages_of


def _bound(memory: int, output: int | None, processor_seconds: int) -> None:
    """A file that would take more than this is none of ours."""
    for kind, limit in (
        (resource.RLIMIT_AS, memory),
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
    bounds, suffix, max_rows, max_bytes, *sheets = sys.argv[1:]
    out = sys.stdout.buffer
    _bound(*json.loads(bounds))
    try:
        found = read_several(sys.stdin.buffer.read(), suffix, sheets, int(max_rows), int(max_bytes))
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
    sys.exit(main())
