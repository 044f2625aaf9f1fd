"""`make run`: a complete Kaowu on this machine, in one supervised tree of processes.

Prepares ``instance/`` (secrets, private queue server, database, demo data), then keeps the web
server, the job workers and the upkeep process running until Ctrl-C. Production runs the units in
``deploy/`` instead.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path

from app.adapters import embedded
from app.adapters.processes import Child, StopRequested, Supervisor
from config import Settings, SettingsError, embedded_socket

ROOT = Path(__file__).resolve().parent
_PATIENCE_SECONDS = 60  # after which somebody who waits is told where to look
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 -- asked for by HOST


class CannotStart(RuntimeError):
    """Kaowu cannot be started here; the text says why and what to do."""


def check_port(host: str, port: int) -> None:
    """Raise ``CannotStart`` when the port cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CannotStart(
                    f"Port {port} is in use by another program. Stop that one, or choose another "
                    f"port:\n    make run PORT={port + 1}"
                ) from None
            raise CannotStart(f"Cannot listen on {host} port {port}: {error.strerror}") from None


def script(name: str) -> str:
    """A command of the environment that this Python belongs to, whatever PATH says."""
    return str(Path(sys.executable).parent / name)


def queue(settings: Settings) -> Child:
    """The private queue server of ``instance/``; the others need it until their end."""
    directory, socket_path = settings.instance / "valkey", embedded_socket(settings.instance)
    return Child("queue", embedded.command(directory, socket_path), serves_others=True)


def children(settings: Settings) -> list[Child]:
    """Web server, job workers and upkeep, in the order in which they start."""
    web = [
        script("granian"),
        *("--interface", "wsgi", "--workers", "1", "--no-ws"),
        *("--blocking-threads", str(settings.web_threads)),
        *("--host", settings.host, "--port", str(settings.port)),
        "app.wsgi:application",
    ]
    names = [f"worker{number}" for number in range(1, settings.workers + 1)]
    return [
        Child("web", web),
        *(Child(name, [sys.executable, "-m", "app.jobs.worker"]) for name in names),
        Child("upkeep", [sys.executable, "-m", "app.jobs.upkeep"]),
    ]


def address(settings: Settings) -> str:
    """Where a browser on this machine finds the web server, without a slash at the end."""
    return f"http://{_EVERYWHERE.get(settings.host, settings.host)}:{settings.port}"


def answers(url: str) -> bool:
    """Whether the URL answers with success; a web server that starts refuses or says 503."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 -- our own address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def prepare(supervisor: Supervisor, settings: Settings) -> list[str]:
    """Queue, database and demo data; returns the lines that name the demo log-ins."""
    if settings.redis_is_embedded:
        supervisor.keep(queue(settings))
        ready = supervisor.wait_for(lambda: embedded.answers(settings.redis_url), 0.05, 15)
        if not ready:
            raise CannotStart(f"The queue server did not start; see {settings.instance}/valkey.")
    accounts: list[str] = []
    for name, arguments, lines in (
        ("database", ["db", "upgrade"], None),
        ("demo", ["demo", "load", "--once"], None),
        ("demo", ["demo", "accounts"], accounts),
    ):
        if supervisor.complete(Child(name, [script("kaowu"), *arguments]), lines):
            said = "".join(f"\n    {line}" for line in lines or ())
            raise CannotStart(f"`kaowu {' '.join(arguments)}` failed.{said}")
    return accounts


def welcome(settings: Settings, accounts: list[str]) -> str:
    """What is printed last: where to go and whom to be."""
    at = address(settings)
    lines = [
        "",
        "考务已就绪，按 Ctrl-C 停止。 Kaowu is ready; Ctrl-C stops it.",
        "",
        f"  前台 candidates      {at}/",
        f"  通行证 passport      {at}/passport/login",
        f"  后台 administrators  {at}/admin/",
        "",
        *(f"  {line}".rstrip() for line in accounts),
        "",
    ]
    return "\n".join(lines)


def serve(settings: Settings) -> None:
    """Run everything until somebody asks to stop; raises ``CannotStart``."""
    check_port(settings.host, settings.port)
    settings.instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Supervisor(_write, ROOT) as supervisor:
        try:
            accounts = prepare(supervisor, settings)
            for child in children(settings):
                supervisor.keep(child)
            url = f"{address(settings)}/readyz"
            while not supervisor.wait_for(lambda: answers(url), 0.25, _PATIENCE_SECONDS):
                _write(f"{url} does not answer yet; the lines above may say why.\n")
            _write(welcome(settings, accounts))
            supervisor.run()
        except StopRequested:
            _write("\nstopping\n")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> int:
    """The exit code: 0 after Ctrl-C, 1 when Kaowu cannot be started here."""
    try:
        settings = Settings.from_environment(os.environ)
        if settings.is_production:
            raise CannotStart("run.py is for development. Production: docs/operations.md.")
        serve(settings)
    except (CannotStart, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
