"""Uploads are read in a process of their own.

A workbook unpacks to many times its size, and its parser may meet anything: the child has a bound
of memory and of time, is stopped when the job is cancelled, and takes its memory along when it
ends. Its rows come back through a file without a name, as lines of JSON, which is gone through
again for the report: per sheet an object, then its rows as arrays.
`python -m app.jobs.imports.reader` is the child.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import IO, Any

import app
from app.jobs.imports.container import UploadRefused, refuse
from app.jobs.imports.marks import BadCell, Flaw
from app.jobs.imports.sheets import Sheet, given, read_several
from app.metadata.errors import N_, Message

logger = logging.getLogger("kaowu.imports")
_POLL = 0.02
#: how the line that begins a sheet begins
_HEAD = b"{"
_UNREADABLE = N_("文件过大、已损坏或结构异常，不能读取。请使用下载的模板重新填写后上传。")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the child may use: bytes of address space, bytes that it may write (None: no bound),
    seconds of processor, seconds in all."""

    memory: int
    output: int | None
    processor_seconds: int
    seconds: float


#: of jobs, which take the largest files
IMPORTS = Bounds(2 * 1024**3, None, 120, 300)


class SpooledRows:
    """Rows of a sheet in a file without a name; every iteration reads them from the beginning."""

    def __init__(self, spool: IO[bytes], begin: int) -> None:
        self._spool = spool
        self._begin = begin

    def __iter__(self) -> Iterator[list[Any]]:
        self._spool.seek(self._begin)
        load = json.JSONDecoder(object_hook=_cell).decode
        for line in self._spool:
            if line.startswith(_HEAD):
                break
            yield load(line.decode())


@contextmanager
def read_apart(
    content: bytes,
    suffix: str,
    sheet: str,
    max_rows: int,
    max_bytes: int,
    *,
    checkpoint: Callable[[], None],
    bounds: Bounds = IMPORTS,
) -> Iterator[Sheet]:
    """The declared sheet of an upload, read by a child; its rows are there inside the `with`.

    Raises UploadRefused, and whatever `checkpoint` raises to stop the job (the child is killed).
    """
    arguments = [suffix, str(max_rows), str(max_bytes)]
    with tempfile.TemporaryFile() as spool:
        with _source(content) as source:
            del content  # twenty megabytes that nobody needs here any more
            _run([*arguments, sheet], source, spool, checkpoint, bounds)
        (found,) = _found(spool, [sheet])
        yield given(found)


@contextmanager
def read_several_apart(
    content: bytes,
    suffix: str,
    sheets: Sequence[str],
    max_rows: int,
    max_bytes: int,
    *,
    checkpoint: Callable[[], None],
    bounds: Bounds = IMPORTS,
) -> Iterator[list[Sheet | UploadRefused]]:
    """Several sheets of an upload, read by one child, as by `read_apart`; in the place of a sheet
    that is not there its refusal."""
    arguments = [suffix, str(max_rows), str(max_bytes)]
    with tempfile.TemporaryFile() as spool:
        with _source(content) as source:
            del content
            _run([*arguments, *sheets], source, spool, checkpoint, bounds)
        yield _found(spool, sheets)


@contextmanager
def _source(content: bytes) -> Iterator[IO[bytes]]:
    """What the child reads."""
    with tempfile.TemporaryFile() as source:
        source.write(content)
        del content
        source.seek(0)
        yield source


def _found(spool: IO[bytes], sheets: Sequence[str]) -> list[Sheet | UploadRefused]:
    """What the child has written. Raises UploadRefused where it refused the whole file."""
    heads: list[tuple[bytes, int]] = []
    spool.seek(0)
    while line := spool.readline():
        if not line.endswith(b"\n"):
            raise refuse(_UNREADABLE)
        if line.startswith(_HEAD):
            heads.append((line, spool.tell()))
    found: list[Sheet | UploadRefused] = []
    for name, (line, begin) in zip(sheets, heads, strict=False):
        head = json.loads(line)
        if "refused" in head:
            found.append(UploadRefused(reason=Message(head["refused"], **head["parameters"])))
        else:
            hidden = (frozenset(head[key]) for key in ("hidden_rows", "hidden_columns"))
            found.append(Sheet(name, SpooledRows(spool, begin), *hidden))
    if len(heads) != len(sheets):
        raise found[0] if found and isinstance(found[0], UploadRefused) else refuse(_UNREADABLE)
    return found


def _run(
    arguments: list[str],
    source: IO[bytes],
    spool: IO[bytes],
    checkpoint: Callable[[], None],
    bounds: Bounds,
) -> None:
    """Let the child read; raises UploadRefused when it dies or takes too long."""
    place = Path(app.__file__).parents[1]
    child = subprocess.Popen(  # noqa: S603 - ourselves, with arguments that are no options
        [sys.executable, "-m", "app.jobs.imports.reader", json.dumps(astuple(bounds)), *arguments],
        stdin=source,
        stdout=spool,
        cwd=place,
        env={"PATH": os.defpath, "PYTHONPATH": str(place), "PYTHONUTF8": "1"},
    )
    deadline = time.monotonic() + bounds.seconds
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                code = child.wait(_POLL)
                break
            checkpoint()
            if time.monotonic() > deadline:
                logger.warning("the reader of an upload was stopped after %d s", bounds.seconds)
                raise refuse(_UNREADABLE)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    if code != 0:
        logger.warning("the reader of an upload ended with %d", code)
        raise refuse(_UNREADABLE)


# ---------------------------------------------------------------- the child


def _plain(cell: Any) -> dict[str, str]:
    """What JSON does not know, as one key and text."""
    if isinstance(cell, BadCell):
        return {cell.flaw.value: cell.shown}
    if isinstance(cell, dt.datetime):
        return {"moment": cell.isoformat()}
    if isinstance(cell, dt.date):
        return {"day": cell.isoformat()}
    if isinstance(cell, dt.time):
        return {"time": cell.isoformat()}
    raise TypeError(type(cell).__name__)


_MADE: Mapping[str, Callable[[str], Any]] = {
    "moment": dt.datetime.fromisoformat,
    "day": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
}


def _cell(pair: dict[str, str]) -> Any:
    ((kind, text),) = pair.items()
    make = _MADE.get(kind)
    return make(text) if make else BadCell(Flaw(kind), text)


def _write(stream: IO[bytes], value: Any) -> None:
    stream.write(_ENCODER.encode(value).encode("utf-8", "replace"))
    stream.write(b"\n")


_ENCODER = json.JSONEncoder(ensure_ascii=False, default=_plain, separators=(",", ":"))


def _bound(bounds: Bounds) -> None:
    """A file that would take more than this is none of ours."""
    for kind, limit in (
        (resource.RLIMIT_AS, bounds.memory),
        (resource.RLIMIT_CPU, bounds.processor_seconds),
        (resource.RLIMIT_FSIZE, bounds.output),
    ):
        if limit is not None:
            _soft, hard = resource.getrlimit(kind)
            resource.setrlimit(kind, (limit if hard < 0 else min(limit, hard), hard))


def _refusal(error: UploadRefused) -> dict[str, Any]:
    reason = error.parameters["reason"]
    return {"refused": reason.template, "parameters": dict(reason.parameters)}


def main() -> int:
    """Read standard input, write heads and rows to standard output."""
    bounds, suffix, max_rows, max_bytes, *sheets = sys.argv[1:]
    out = sys.stdout.buffer
    _bound(Bounds(*json.loads(bounds)))
    try:
        found = read_several(sys.stdin.buffer.read(), suffix, sheets, int(max_rows), int(max_bytes))
    except UploadRefused as error:
        _write(out, _refusal(error))
        return 0
    for sheet in found:
        if isinstance(sheet, UploadRefused):
            _write(out, _refusal(sheet))
            continue
        head = {
            "hidden_rows": sorted(sheet.hidden_rows),
            "hidden_columns": sorted(sheet.hidden_columns),
        }
        _write(out, head)
        for row in sheet.rows:
            _write(out, row)
    out.flush()  # an output beyond its bound fails here, not while the interpreter ends
    return 0


if __name__ == "__main__":
    sys.exit(main())
