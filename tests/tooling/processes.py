"""Help for tests about processes: wait for a condition, ask whether a process lives."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO


def eventually(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Return as soon as the condition holds; fail with ``what`` when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds:.0f} s")
        select.select([], [], [], 0.01)


def alive(pid: int) -> bool:
    """Whether the process exists and is not merely waiting to be reaped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def read_until(stream: IO[bytes], text: str, seconds: float = 30) -> str:
    """Everything that the stream says up to the end of the line that contains ``text``.

    Reads byte by byte, so that what follows is left for the next call.
    """
    deadline = time.monotonic() + seconds
    said = b""
    while not (said.endswith(b"\n") and text.encode() in said):
        ready, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
        piece = os.read(stream.fileno(), 1) if ready else b""
        if not piece:
            raise AssertionError(f"{text!r} was not said; said was:\n{said.decode()}")
        said += piece
    return said.decode()
