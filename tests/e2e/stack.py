"""The whole product on a database of a test: web in a thread, worker in a process."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.runtime import Runtime, start
from app.wsgi import create_application
from config import Settings
from tests.serving import serve

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Stack:
    """Where the product answers, and its runtime for a look behind."""

    address: str
    runtime: Runtime


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(url: str, valkey_url: str, instance: Path) -> Iterator[Stack]:
    """Web and worker until the block ends."""
    port = _free_port()
    environment = {
        "KAOWU_MODE": "testing",
        "INSTANCE": str(instance),
        "DATABASE_URL": url,
        "REDIS_URL": valkey_url,
        "PORT": str(port),
        "RATE_LOGIN_ADDRESS": "1000/60",
        # the keys of tests.factories, with which the rows were written
        "DATA_KEYS": "1:" + base64.b64encode(b"t" * 32).decode(),
        "DIGEST_KEY": base64.b64encode(b"d" * 32).decode(),
    }
    runtime = start(Settings.from_environment(environment))
    worker = subprocess.Popen(
        [sys.executable, "-m", "app.jobs.worker"], cwd=ROOT, env=os.environ | environment
    )
    try:
        with serve(create_application(runtime), port) as address:
            yield Stack(address, runtime)
    finally:
        worker.terminate()
        worker.wait(20)
        runtime.engine.dispose()
