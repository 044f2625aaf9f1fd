"""Uploads are read in a process of their own.

A workbook unpacks to many times its size, and its parser may meet anything: the child
(`reader_child`) has a bound of memory and of time, is stopped when the job is cancelled, and takes
its memory along when it ends. Its rows come back through a file without a name (`spool`): they are
taken up while the child still writes, and gone through again for the report.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import app
from app.jobs.imports import reader_child
from app.jobs.imports.container import UploadRefused, refuse
from app.jobs.imports.sheets import Sheet, given
from app.jobs.imports.spool import HEAD, ROW, head_in, page_in
from app.metadata.errors import N_, Message

logger = logging.getLogger("kaowu.imports")
#: seconds between two looks for more of the child's lines; bytes read at once
_POLL, _BLOCK = 0.01, 1 << 18
_UNREADABLE = N_("文件过大、已损坏或结构异常，不能读取。请使用下载的模板重新填写后上传。")
_MEMORY = N_(
    "文件（{size} MB）展开后过大，读取它要用的内存超过上限 {limit} MB。"
    "请删除数据以外的行、列、文字和工作表，或分成几个文件上传。"
)
_OUTPUT = N_(
    "文件（{size} MB）的内容过多，读出的数据超过上限 {limit} MB。"
    "请删除数据以外的列和过长的文字，或分成几个文件上传。"
)
_ROW = N_("有一行的内容超过上限 {limit} MB，不能读取。请删除过长的文字后重新上传。")
_TIME = N_("读取文件（{size} MB）所用的时间超过上限 {limit} 秒。请分成几个文件上传。")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the child may use: bytes of memory, bytes that it may write (None: no bound), seconds of
    processor, seconds in all."""

    memory: int
    output: int | None
    processor_seconds: int
    seconds: float


#: Of jobs, which take the largest files: fifty thousand rows of 25 columns come to an eighth of the
#: output. More is a file whose cells are one long text, which packs to a few kilobytes. The memory
#: is that of `IMPORT_MAX_MEMORY`, unless an installation says otherwise.
IMPORTS = Bounds(180 * 1024**2, 128 * 1024**2, 120, 300)
_MEGABYTE = 1024**2


class _Reading:
    """A child at work, and what it has written so far."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        spool: IO[bytes],
        checkpoint: Callable[[], None],
        bounds: Bounds,
        size: int = 0,
    ) -> None:
        self._child = child
        self._spool = spool
        self._checkpoint = checkpoint
        self._bounds = bounds
        self._size = size
        self._deadline = time.monotonic() + bounds.seconds
        self._ended = False

    def lines(self, at: int) -> Iterator[tuple[bytes, int]]:
        """The lines from this place on, each with the place behind it; waits for those that are
        still to be written. Raises UploadRefused when the child dies or takes too long, and what
        `checkpoint` raises."""
        begun: list[bytes] = []  # pieces of a line whose end is still to come, joined once
        behind = at
        while True:
            ended = self._ended  # looked at before: what was written until then is read now
            self._look()  # at every block: a file may have thousands before there is a wait
            # without a position: the child writes at that of the file
            block = os.pread(self._spool.fileno(), _BLOCK, behind)
            if not block:
                if ended:
                    break
                self._wait()
                continue
            behind += len(block)
            first, *others = block.split(b"\n")
            begun.append(first)
            for piece in others:
                line = b"".join(begun)
                begun = [piece]
                at += len(line) + 1
                yield line, at
        if any(begun):
            raise refuse(_UNREADABLE)

    def _look(self) -> None:
        """Is the job to stop, has the child taken too much or too long? Once it has ended, rows
        are gone through again whenever that is."""
        self._checkpoint()
        if not self._ended and self._memory() > self._bounds.memory:
            self._child.kill()
            logger.warning("the reader of an upload was stopped for its memory")
            raise self._refusal(_MEMORY, self._bounds.memory // _MEGABYTE)
        if not self._ended and time.monotonic() > self._deadline:
            seconds = self._bounds.seconds
            logger.warning("the reader of an upload was stopped after %d s", seconds)
            raise self._refusal(_TIME, seconds)

    def _memory(self) -> int:
        """Bytes that the child takes now; 0 where the system does not tell."""
        try:
            told = Path(f"/proc/{self._child.pid}/statm").read_bytes()
            return int(told.split()[1]) * resource.getpagesize()
        except (OSError, IndexError):
            return 0

    def _wait(self) -> None:
        """Wait a little for the child."""
        try:
            code = self._child.wait(_POLL)
        except subprocess.TimeoutExpired:
            return
        if code != 0:
            logger.warning("the reader of an upload ended with %d", code)
            raise self._why(code)
        self._ended = True

    def _why(self, code: int) -> UploadRefused:
        """What is to be said of a child that ended so."""
        bounds = self._bounds
        if code in (reader_child.MEMORY, -signal.SIGABRT):
            return self._refusal(_MEMORY, bounds.memory // _MEGABYTE)
        if code == reader_child.OUTPUT and bounds.output is not None:
            return self._refusal(_OUTPUT, bounds.output // _MEGABYTE)
        if code == reader_child.ROW:
            return self._refusal(_ROW, ROW // _MEGABYTE)
        if code == -signal.SIGXCPU:
            return self._refusal(_TIME, bounds.processor_seconds)
        return refuse(_UNREADABLE)

    def _refusal(self, reason: str, limit: float) -> UploadRefused:
        size = f"{self._size / _MEGABYTE:.1f}"
        return refuse(reason, size=size, limit=round(limit))


class _Rows:
    """Rows of a sheet; every iteration reads them from the beginning."""

    def __init__(self, reading: _Reading, begin: int) -> None:
        self._reading = reading
        self._begin = begin

    def __iter__(self) -> Iterator[list[Any]]:
        for line, _at in self._reading.lines(self._begin):
            if line.startswith(HEAD):
                break
            yield from page_in(line)


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
    """The declared sheet of an upload, read by a child; its rows are there inside the `with`. The
    first are there at once, and the child may still be reading the others.

    Raises UploadRefused, here or while rows are gone through, and whatever `checkpoint` raises to
    stop the job (the child is killed).
    """
    arguments = [suffix, str(max_rows), str(max_bytes), sheet]
    with _started(arguments, content, checkpoint, bounds) as reading:
        del content  # twenty megabytes that nobody needs here any more
        lines = reading.lines(0)
        line, begin = next(lines, (b"", 0))
        next(lines, None)  # a child that dies at once is told here
        yield given(_sheet(reading, sheet, line, begin))


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
    """Several sheets of an upload, read by one child to their end, else as by `read_apart`; in the
    place of a sheet that is not there its refusal."""
    arguments = [suffix, str(max_rows), str(max_bytes), *sheets]
    with _started(arguments, content, checkpoint, bounds) as reading:
        del content
        heads = [(line, at) for line, at in reading.lines(0) if line.startswith(HEAD)]
        found = [
            _sheet(reading, name, line, begin)
            for name, (line, begin) in zip(sheets, heads, strict=False)
        ]
        if len(heads) != len(sheets):
            raise found[0] if found and isinstance(found[0], UploadRefused) else refuse(_UNREADABLE)
        yield found


def _sheet(reading: _Reading, name: str, line: bytes, begin: int) -> Sheet | UploadRefused:
    """The sheet, or its refusal, of which this line is the head. Raises UploadRefused."""
    if not line.startswith(HEAD):
        raise refuse(_UNREADABLE)
    head = head_in(line)
    if "refused" in head:
        return UploadRefused(reason=Message(head["refused"], **head["parameters"]))
    hidden = (frozenset(head[key]) for key in ("hidden_rows", "hidden_columns"))
    return Sheet(name, _Rows(reading, begin), *hidden)


@contextmanager
def _started(
    arguments: Sequence[str],
    content: bytes,
    checkpoint: Callable[[], None],
    bounds: Bounds,
) -> Iterator[_Reading]:
    """A child that reads this upload; it is gone behind the `with`."""
    place = Path(app.__file__).parents[1]
    limits = json.dumps((bounds.memory, bounds.output, bounds.processor_seconds))
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as spool:
        source.write(content)
        size = len(content)
        del content
        source.seek(0)
        child = subprocess.Popen(  # noqa: S603 - ourselves, with arguments that are no options
            [sys.executable, "-m", "app.jobs.imports.reader_child", limits, *arguments],
            stdin=source,
            stdout=spool,
            cwd=place,
            env={"PATH": os.defpath, "PYTHONPATH": str(place), "PYTHONUTF8": "1"},
        )
        try:
            yield _Reading(child, spool, checkpoint, bounds, size)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
