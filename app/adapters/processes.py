"""Processes of one machine: they die with their parent, and a supervisor keeps them running.

The supervisor starts, restarts, shows lines and stops. One thread does it all, so that children
may be started at any moment (the kernel's parent-death signal watches the thread) and no line is
torn. It is a context manager, which takes over SIGINT, SIGTERM and SIGHUP, and stops every child
at its end, whatever the reason.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, cast

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LONGEST_LINE = 64 * 1024

# Runs as `python -c _DIE_WITH_PARENT <parent> <signal> <command…>`. It is a program of its own
# because prctl must be called in the child, and a preexec_fn, which would do that between fork
# and exec, is not safe beside threads.
_DIE_WITH_PARENT = """
import ctypes, os, sys
parent, number, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
ctypes.CDLL(None).prctl(1, number, 0, 0, 0)  # 1 = PR_SET_PDEATHSIG
if os.getppid() != parent:  # it died before the request was made
    sys.exit(1)
try:
    os.execvp(command[0], command)
except OSError as error:
    sys.exit(f"{command[0]} cannot be started: {error.strerror}")
"""


def die_with_parent(command: list[str], signal_number: int = signal.SIGTERM) -> list[str]:
    """``command`` such that Linux sends it the signal when this process dies, even by SIGKILL.

    Must be started from the main thread: the kernel watches the thread, not the process.
    Elsewhere than on Linux the command is returned as it is.
    """
    if sys.platform != "linux":
        return command
    numbers = [str(os.getpid()), str(int(signal_number))]
    return [sys.executable, "-ISc", _DIE_WITH_PARENT, *numbers, *command]


class StopRequested(Exception):
    """Ctrl-C was pressed, or somebody asked the process to end."""


@dataclass(frozen=True)
class Child:
    """One process to keep running. ``serves_others``: it stops only after those that need it."""

    name: str
    command: Sequence[str]
    serves_others: bool = False


@dataclass(frozen=True)
class Patience:
    """Seconds: the first pause before a restart, doubling to the longest; how long a child must
    have run for the pause to begin anew; and how long it may take to stop."""

    first_pause: float = 0.5
    longest_pause: float = 30.0
    proven_after: float = 60.0
    stop: float = 15.0

    def pause(self, previous: float, ran: float) -> float:
        """The pause before the next start, after the previous pause (0: none) and a run."""
        if ran >= self.proven_after or not previous:
            return self.first_pause
        return min(previous * 2, self.longest_pause)


@dataclass
class _Run:
    """A child's present process, or the moment of its next start."""

    child: Child
    keep: bool
    collect: list[str] | None = None
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = 0.0
    next_start: float = 0.0
    partial: bytes = b""
    code: int | None = None
    pipe: int = field(default=-1)


class Supervisor:
    """Keeps children running. ``write`` receives whole lines, each with the child's name."""

    def __init__(
        self, write: Callable[[str], Any], directory: Path, patience: Patience | None = None
    ) -> None:
        self._write = write
        self._directory = directory
        self._patience = patience or Patience()
        self._runs: list[_Run] = []
        self._selector = selectors.DefaultSelector()
        self._requests = 0
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Supervisor:
        self._wake, notify = socket.socketpair()
        self._notify = notify
        self._wake.setblocking(False)
        notify.setblocking(False)
        self._selector.register(self._wake, selectors.EVENT_READ)
        # A signal interrupts nothing: it writes a byte, by which the next look at it is at once.
        self._previous_fd = signal.set_wakeup_fd(notify.fileno(), warn_on_full_buffer=False)
        for number in _STOP_SIGNALS:
            self._previous[number] = signal.signal(number, self._request)
        self._previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._stop_all()
        finally:
            for number, handler in self._previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._previous_fd)
            self._selector.close()
            self._wake.close()
            self._notify.close()

    def keep(self, child: Child) -> None:
        """Start a child and restart it whenever it ends."""
        run = _Run(child, keep=True)
        self._runs.append(run)
        self._start(run)

    def complete(self, child: Child, collect: list[str] | None = None) -> int:
        """Run a child to its end and return its code; its lines go to ``collect`` if given.

        Raises ``StopRequested``.
        """
        run = _Run(child, keep=False, collect=collect)
        self._runs.append(run)
        self._start(run)
        while run.code is None:
            self._turn(None)
        self._runs.remove(run)
        return run.code

    def wait_for(self, condition: Callable[[], bool], every: float, seconds: float) -> bool:
        """Keep all running until the condition, asked ``every`` so often, holds: True, or the
        time is over: False. Raises ``StopRequested``."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() >= deadline:
                return False
            self._turn(time.monotonic() + every)
        return True

    def run(self) -> None:
        """Keep all running until ``StopRequested``, which is raised."""
        while True:
            self._turn(None)

    # --- one turn ---------------------------------------------------------------------------------

    def _turn(self, until: float | None) -> None:
        """Wait for lines, deaths and requests until the given moment; deal with them."""
        waiting = [run.next_start for run in self._runs if run.next_start]
        if until is not None:
            waiting.append(until)
        self._read(max(0.0, min(waiting) - time.monotonic()) if waiting else None)
        if self._requests:
            raise StopRequested
        self._reap()
        now = time.monotonic()
        for run in self._runs:
            if run.next_start and run.next_start <= now:
                self._start(run)

    def _request(self, _number: int, _frame: FrameType | None) -> None:
        self._requests += 1

    def _start(self, run: _Run) -> None:
        run.next_start, run.code = 0.0, None
        run.started = time.monotonic()
        try:
            process = subprocess.Popen(  # noqa: S603 -- the table is written in run.py
                die_with_parent(list(run.child.command)),
                cwd=self._directory,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops in order
            )
        except OSError as error:
            self._line(run, f"cannot be started: {error}")
            self._ended(run, 127)
            return
        run.process, run.pipe = process, cast(IO[bytes], process.stdout).fileno()
        os.set_blocking(run.pipe, False)
        self._selector.register(run.pipe, selectors.EVENT_READ, run)

    def _reap(self) -> None:
        for run in self._runs:
            if run.process is None or run.process.poll() is None:
                continue
            process, code = run.process, run.process.returncode
            self._drain(run)
            self._forget(run)
            _kill_group(process.pid)  # what it started must not hold its port
            self._ended(run, code)

    def _ended(self, run: _Run, code: int) -> None:
        run.code = code
        if not run.keep:
            return
        run.pause = self._patience.pause(run.pause, time.monotonic() - run.started)
        run.next_start = time.monotonic() + run.pause
        self._line(run, f"ended with code {code}; starts again in {run.pause:g} s")

    # --- lines ------------------------------------------------------------------------------------

    def _read(self, seconds: float | None) -> None:
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                _swallow(self._wake)
            else:
                self._drain(key.data)

    def _drain(self, run: _Run) -> None:
        """Show what the child has written; at the end of its pipe, let go of that."""
        while run.pipe >= 0:
            try:
                piece = os.read(run.pipe, _LONGEST_LINE)
            except BlockingIOError:
                return
            if not piece:
                self._selector.unregister(run.pipe)
                run.pipe = -1
                break
            *lines, run.partial = (run.partial + piece).split(b"\n")
            if len(run.partial) >= _LONGEST_LINE:
                lines, run.partial = [*lines, run.partial], b""
            for line in lines:
                self._line(run, line.decode(errors="replace"))

    def _forget(self, run: _Run) -> None:
        """Close the pipe, also where a process that the child left behind holds its other end."""
        if run.pipe >= 0:
            self._selector.unregister(run.pipe)
            run.pipe = -1
        if run.process is not None and run.process.stdout is not None:
            run.process.stdout.close()
        run.process = None
        if run.partial:
            self._line(run, run.partial.decode(errors="replace"))
            run.partial = b""

    def _line(self, run: _Run, text: str) -> None:
        if run.collect is None:
            self._write(f"{run.child.name:<9}| {text.rstrip()}\n")
        else:
            run.collect.append(text.rstrip())

    # --- the end ----------------------------------------------------------------------------------

    def _stop_all(self) -> None:
        """Those that need others first. Another request while one waits ends the patience."""
        self._requests = 0
        for serves_others in (False, True):
            group = [run for run in self._runs if run.child.serves_others is serves_others]
            self._stop([run for run in group if run.process is not None])

    def _stop(self, runs: list[_Run]) -> None:
        for run in runs:
            if run.process is not None:
                run.process.terminate()
        deadline = time.monotonic() + self._patience.stop
        while any(run.process is not None and run.process.poll() is None for run in runs):
            remaining = deadline - time.monotonic()
            if remaining <= 0 or self._requests:
                break
            self._read(remaining)
        for run in runs:
            if run.process is not None:
                if run.process.poll() is None:
                    self._line(run, "did not stop in time and is killed")
                _kill_session(run.process.pid)
                run.process.wait()
                self._drain(run)
                self._forget(run)


def _swallow(wake: socket.socket) -> None:
    """Take the bytes that signals have written."""
    try:
        while wake.recv(4096):
            pass
    except BlockingIOError:
        return


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # nobody is left in it


def _kill_session(leader: int) -> None:
    """Kill all that descends from the leader, also what has a group of its own (a running job)."""
    _kill_group(leader)
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader:  # state, parent, group, session
                os.kill(int(entry.parent.name), signal.SIGKILL)
        except OSError:
            continue  # it has just ended
