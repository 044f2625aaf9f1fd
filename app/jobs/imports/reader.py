"""Uploads are read in a process of their own.

A workbook unpacks to many times its size, and its parser may meet anything: the child has a bound
of memory and of time, is stopped when the job is cancelled, and takes its memory along when it
ends. Its rows come back through a file without a name, as lines of JSON, which is gone through
again for the report. `python -m app.jobs.imports.reader` is the child.
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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import app
from app.jobs.imports.container import UploadRefused, refuse
from app.jobs.imports.marks import BadCell, Flaw
from app.jobs.imports.sheets import Sheet, read_rows
from app.metadata.errors import N_, Message

logger = logging.getLogger("kaowu.imports")
#: bounds of the child: bytes of address space, seconds of processor, seconds in all
MEMORY = 2 * 1024 * 1024 * 1024
PROCESSOR_SECONDS = 120
SECONDS = 300
_POLL = 0.02
_UNREADABLE = N_("文件过大、已损坏或结构异常，不能读取。请使用下载的模板重新填写后上传。")


class SpooledRows:
    """Rows in a file without a name; every iteration reads them from the beginning."""

    def __init__(self, spool: IO[bytes], begin: int) -> None:
        self._spool = spool
        self._begin = begin

    def __iter__(self) -> Iterator[list[Any]]:
        self._spool.seek(self._begin)
        load = json.JSONDecoder(object_hook=_cell).decode
        for line in self._spool:
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
) -> Iterator[Sheet]:
    """The declared sheet of an upload, read by a child; its rows are there inside the `with`.

    Raises UploadRefused, and whatever `checkpoint` raises to stop the job (the child is killed).
    """
    with tempfile.TemporaryFile() as spool:
        with tempfile.TemporaryFile() as source:
            source.write(content)
            del content  # twenty megabytes that nobody needs here any more
            source.seek(0)
            _run([suffix, sheet, str(max_rows), str(max_bytes)], source, spool, checkpoint)
        spool.seek(0)
        line = spool.readline()
        if not line.endswith(b"\n"):
            raise refuse(_UNREADABLE)
        head = json.loads(line)
        if "refused" in head:
            raise UploadRefused(reason=Message(head["refused"], **head["parameters"]))
        hidden = (frozenset(head[name]) for name in ("hidden_rows", "hidden_columns"))
        yield Sheet(sheet, SpooledRows(spool, spool.tell()), *hidden)


def _run(
    arguments: list[str], source: IO[bytes], spool: IO[bytes], checkpoint: Callable[[], None]
) -> None:
    """Let the child read; raises UploadRefused when it dies or takes too long."""
    place = Path(app.__file__).parents[1]
    child = subprocess.Popen(  # noqa: S603 - ourselves, with arguments that are no options
        [sys.executable, "-m", "app.jobs.imports.reader", *arguments],
        stdin=source,
        stdout=spool,
        cwd=place,
        env={"PATH": os.defpath, "PYTHONPATH": str(place), "PYTHONUTF8": "1"},
    )
    deadline = time.monotonic() + SECONDS
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                code = child.wait(_POLL)
                break
            checkpoint()
            if time.monotonic() > deadline:
                logger.warning("the reader of an upload was stopped after %d s", SECONDS)
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


def _bound() -> None:
    """A file that would take more than this is none of ours."""
    for kind, limit in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, PROCESSOR_SECONDS)):
        _soft, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (limit if hard < 0 else min(limit, hard), hard))


def main() -> int:
    """Read standard input, write head and rows to standard output."""
    suffix, sheet, max_rows, max_bytes = sys.argv[1:5]
    out = sys.stdout.buffer
    _bound()
    try:
        found = read_rows(sys.stdin.buffer.read(), suffix, sheet, int(max_rows), int(max_bytes))
    except UploadRefused as error:
        reason = error.parameters["reason"]
        _write(out, {"refused": reason.template, "parameters": dict(reason.parameters)})
        return 0
    head = {
        "hidden_rows": sorted(found.hidden_rows),
        "hidden_columns": sorted(found.hidden_columns),
    }
    _write(out, head)
    for row in found.rows:
        _write(out, row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
