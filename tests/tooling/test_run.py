"""`run.py` from start to stop, with stand-ins for the parts that are not its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import run
from app.adapters import embedded
from config import Settings
from config_values import embedded_redis_url
from tests.tooling.processes import alive, eventually, read_until

ROOT = Path(__file__).parents[2]
Start = Callable[..., "subprocess.Popen[bytes]"]

# The command line and the web server are other people's: these say what they were asked.
_KAOWU = """#!/bin/sh
echo "kaowu $*"
case "$1 $2" in
"$FAIL") echo "it went wrong"; exit 3 ;;
"demo accounts") echo "centre 990000 / secret" ;;
esac
"""
_WEB = """
import http.server, os, sys
class Ready(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Ready.asked += 1
        self.send_response(503 if Ready.asked < 3 else 200)
        self.end_headers()
    def log_message(self, *_): pass
print("web pid", os.getpid(), flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""
_DRIVER = """
import sys
import run
from app.adapters.processes import Child
folder = sys.argv[1]
run.script = lambda name: f"{folder}/{name}"
run.children = lambda settings: [
    Child("web", [sys.executable, f"{folder}/web.py", str(settings.port)]),
    Child("worker1", [sys.executable, "-uc", "import os, signal; print('worker pid', os.getpid()); signal.pause()"]),
]
sys.exit(run.main())
"""  # noqa: E501


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `run.py` with stand-ins in a folder; it ends with the test."""
    (tmp_path / "kaowu").write_text(_KAOWU)
    (tmp_path / "kaowu").chmod(0o755)
    (tmp_path / "web.py").write_text(_WEB)
    started: list[subprocess.Popen[bytes]] = []

    def start_one(port: int, **environment: str) -> subprocess.Popen[bytes]:
        inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        process = subprocess.Popen(
            [sys.executable, "-c", _DRIVER, str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={
                **inherited,
                "INSTANCE": str(tmp_path / "instance"),
                "PORT": str(port),
                "PYTHONPATH": str(ROOT),
                "FAIL": "",
                **environment,
            },
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def _until(process: subprocess.Popen[bytes], text: str) -> str:
    assert process.stdout is not None
    return read_until(process.stdout, text)


def _children_of(process: subprocess.Popen[bytes], said: str) -> list[int]:
    """Web server and worker. Nothing waits for the worker: it may come after what was `said`."""
    if "worker pid" not in said:
        said += _until(process, "worker pid")
    pids = [int(pid) for pid in re.findall(r"pid (\d+)", said)]
    assert len(pids) == 2
    return pids


def test_everything_starts_in_order_and_the_addresses_come_last(
    start: Start, tmp_path: Path
) -> None:
    port = _free_port()
    process = start(port)
    said = _until(process, "centre 990000 / secret")
    places = [
        said.index(part)
        for part in (
            "database | kaowu db upgrade",
            "demo     | kaowu demo load --once",
            "web pid",
            "is ready",
            f"http://127.0.0.1:{port}/\n",
            f"http://127.0.0.1:{port}/passport/login",
            f"http://127.0.0.1:{port}/admin/",
            "centre 990000 / secret",
        )
    ]
    assert places == sorted(places)
    pids = _children_of(process, said)
    assert embedded.answers(embedded_redis_url(tmp_path / "instance"))
    assert (tmp_path / "instance").stat().st_mode & 0o077 == 0

    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "stopping" in rest.decode()
    assert not any(alive(pid) for pid in pids)
    assert not embedded.answers(embedded_redis_url(tmp_path / "instance"))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_a_killed_run_leaves_nobody(start: Start, tmp_path: Path) -> None:
    process = start(_free_port())
    pids = _children_of(process, _until(process, "is ready"))
    process.kill()
    process.wait()
    for pid in pids:
        eventually(lambda pid=pid: not alive(pid), "the end of a child")  # type: ignore[misc]
    url = embedded_redis_url(tmp_path / "instance")
    eventually(lambda: not embedded.answers(url), "the end of the queue server")


def test_a_second_run_shares_the_queue_and_keeps_it(start: Start, tmp_path: Path) -> None:
    first = start(_free_port())
    _until(first, "is ready")
    second = start(_free_port())
    assert "shares the queue server" in _until(second, "is ready")
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=30)
    url = embedded_redis_url(tmp_path / "instance")
    eventually(lambda: embedded.answers(url), "the second one's own queue server")
    assert second.poll() is None


def test_a_port_in_use_is_told_before_anything_starts(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        process = start(port)
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"Port {port} is in use by another program" in said.decode()
    assert f"make run PORT={port + 1}" in said.decode()
    assert not (tmp_path / "instance" / "valkey").exists()


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(run.CannotStart, match=r"Cannot listen on 192\.0\.2\.1 port"):
        run.check_port("192.0.2.1", _free_port())


def test_a_migration_that_fails_stops_the_start(start: Start) -> None:
    process = start(_free_port(), FAIL="db upgrade")
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "database | it went wrong" in said.decode()
    assert said.decode().endswith("`kaowu db upgrade` failed.\n")


def test_mistakes_in_the_settings_are_told(start: Start) -> None:
    process = start(0)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "PORT must be a whole number from 1 to 65535" in said.decode()


def test_production_is_refused(start: Start) -> None:
    process = start(_free_port(), KAOWU_MODE="production")
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "run.py is for development" in said.decode()


def test_the_table_names_every_part(tmp_path: Path) -> None:
    environ = {"INSTANCE": str(tmp_path), "WORKERS": "2", "HOST": "::", "PORT": "5001"}
    settings = Settings.from_environment(environ)
    table = {child.name: list(child.command) for child in run.children(settings)}
    assert list(table) == ["web", "worker1", "worker2", "upkeep"]
    assert table["web"][-1] == "app.wsgi:application"
    assert table["worker1"][1:] == ["-m", "app.jobs.worker"]
    assert table["upkeep"][1:] == ["-m", "app.jobs.upkeep"]
    assert run.address(settings) == "http://[::1]:5001"
    assert run.queue(settings).serves_others


def test_granian_serves_the_application(tmp_path: Path) -> None:
    """The real web command, with a one-line application in place of Kaowu's. Static files are the
    application's too: the server would send them without a header against guessing."""
    (tmp_path / "tiny.py").write_text(
        "def application(environ, start):\n"
        "    start('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [environ['PATH_INFO'].encode()]\n"
    )
    port = _free_port()
    environ = {"INSTANCE": str(tmp_path / "i"), "PORT": str(port)}
    web = run.children(Settings.from_environment(environ))[0]
    process = subprocess.Popen(
        [*web.command[:-1], "tiny:application"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        eventually(lambda: run.answers(f"http://127.0.0.1:{port}/readyz"), "an answer")
        assert run.answers(f"http://127.0.0.1:{port}/static/portal/portal.css")
    finally:
        process.terminate()
        process.communicate(timeout=30)
