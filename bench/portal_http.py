"""Choosing subjects over HTTP, logged in, on PostgreSQL, against an empty route of the portal.

    python -m bench.portal_http [--quick]

One granian worker with 16 threads serves the portal; a route that does nothing is added to it.
Each claim is a POST of the subjects page by another logged-in candidate of one hot site: it takes
two seats and gives the two of his former choice back, with entries, counters, audit and rate
limit, in one committed transaction. Both are asked over 16 kept connections, in turns; the figure
is the median of the rounds' ratios. `fsync` is on. Client, server and database share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Flask, session
from flask_wtf.csrf import generate_csrf
from sqlalchemy import func, make_url, select, text
from sqlalchemy.orm import sessionmaker

from app.database.schema import create_all
from app.database.session import KaowuSession, make_engine
from app.database.unit_of_work import reading, unit_of_work
from app.metadata.actor import system
from app.models.registration import HOLDING, Entry
from app.portal import context, create_portal_app
from app.rules import capacity
from app.runtime import install_keys, start
from bench.seat_claim import durable, percentile
from config import Settings
from tests import factories, servers

BAR = 0.1
CONNECTIONS = 16
CHOICES = (("14", "24"), ("26", "35"))
EMPTY = "/bench/empty"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


# ---------------------------------------------------------------- the server


def _application() -> Flask:
    settings = Settings.from_environment(os.environ)
    runtime = start(settings)
    app = create_portal_app(settings, runtime.factory)
    app.add_url_rule(EMPTY, "bench_empty", lambda: "")
    return app


_made: Flask | None = None


def application(environ: dict[str, Any], start_response: Any) -> Any:
    """Entry point of the server; made on the first request."""
    global _made  # noqa: PLW0603 - one application per process
    if _made is None:
        _made = _application()
    return _made(environ, start_response)


@contextmanager
def serving(environment: dict[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The server, until the end of the block."""
    command = [
        str(Path(sys.executable).parent / "granian"),
        *("--interface", "wsgi", "--workers", "1", "--blocking-threads", "16"),
        *("--host", "127.0.0.1", "--port", str(port), "--no-ws", "--log-level", "error"),
        "bench.portal_http:application",
    ]
    process = subprocess.Popen(command, env=os.environ | environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def processor_seconds(process: subprocess.Popen[bytes]) -> float:
    """User and system time of the server and its worker so far."""
    ticks = 0
    for number in (process.pid, *_children(process.pid)):
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _children(number: int) -> list[int]:
    text = Path(f"/proc/{number}/task/{number}/children").read_text()
    return [int(word) for word in text.split()]


# ---------------------------------------------------------------- the candidates


def register(factory: sessionmaker[KaowuSession], tree: factories.Tree, count: int) -> list[int]:
    """Passports of candidates who have come as far as their first choice of subjects."""
    found = []
    for _ in range(0, count, 50):
        with unit_of_work(factory, system("bench")) as writing:
            for _ in range(50):
                passport = factories.make_passport(writing)
                factories.make_registration(writing, tree, passport=passport, subjects=CHOICES[1])
                found.append(passport.id)
    with unit_of_work(factory, system("bench")) as writing:
        writing.execute(text("ANALYZE"))  # as autovacuum does, a minute later
    return found


def requests_of(app: Flask, passports: list[int]) -> list[tuple[bytes, bytes]]:
    """Per candidate, the bytes of both choices, with the cookie and the token of a log-in."""
    found = []
    for passport_id in passports:
        with app.test_request_context(base_url="http://127.0.0.1"):
            context.sign_in(passport_id, 1)
            token = generate_csrf()
            signer: Any = app.session_interface
            cookie = signer.get_signing_serializer(app).dumps(dict(session))
        first, second = (_post(cookie, token, choice) for choice in CHOICES)
        found.append((first, second))
    return found


def _post(cookie: str, token: str, choice: tuple[str, ...]) -> bytes:
    body = urlencode([("csrf_token", token), *(("subject", code) for code in choice)])
    return _request(
        "POST", "/registration/subjects", FORM | {"Cookie": f"kaowu_portal={cookie}"}, body
    )


def _request(method: str, path: str, headers: dict[str, str], body: str = "") -> bytes:
    lines = {"Host": "127.0.0.1", "Content-Length": str(len(body))} | headers
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n{body}".encode()


# ---------------------------------------------------------------- the load


@dataclass
class Figures:
    """What one contender did in all rounds; waits in seconds."""

    rates: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    failures: int = 0

    def show(self, name: str) -> str:
        return (
            f"  {name:<18}{statistics.median(self.rates):>8.0f}/s   "
            f"p50 {1000 * percentile(self.waits, 0.5):6.1f} ms   "
            f"p99 {1000 * percentile(self.waits, 0.99):6.1f} ms   "
            f"server CPU {1000 * statistics.median(self.cpu):5.2f} ms   errors {self.failures}"
        )


async def _client(
    port: int, following: Callable[[], bytes], expected: bytes, until: float, figures: Figures
) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    done = 0
    while time.perf_counter() < until:
        begun = time.perf_counter()
        writer.write(following())
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length or 0))
        figures.waits.append(time.perf_counter() - begun)
        figures.failures += not head.startswith(expected)
        done += 1
    writer.close()
    await writer.wait_closed()
    return done


async def _series(
    port: int, following: Callable[[], bytes], expected: bytes, seconds: float, figures: Figures
) -> int:
    until = time.perf_counter() + seconds
    clients = (_client(port, following, expected, until, figures) for _ in range(CONNECTIONS))
    return sum(await asyncio.gather(*clients))


@dataclass
class Contender:
    """What is sent, and how an answer must begin."""

    following: Callable[[], bytes]
    expected: bytes
    figures: Figures = field(default_factory=Figures)

    def run(self, port: int, seconds: float, server: subprocess.Popen[bytes]) -> None:
        begun, used = time.perf_counter(), processor_seconds(server)
        done = asyncio.run(_series(port, self.following, self.expected, seconds, self.figures))
        self.figures.rates.append(done / (time.perf_counter() - begun))
        self.figures.cpu.append((processor_seconds(server) - used) / max(1, done))


def contenders(pairs: list[tuple[bytes, bytes]]) -> tuple[Contender, Contender]:
    """The empty route, and claims: everybody in turn, each time the other choice."""
    empty = _request("GET", EMPTY, {})
    sent = itertools.chain.from_iterable(
        [pair[turn % 2] for pair in pairs] for turn in itertools.count()
    )
    return (
        Contender(lambda: empty, b"HTTP/1.1 200"),
        Contender(lambda: next(sent), b"HTTP/1.1 302"),
    )


# ---------------------------------------------------------------- the run


def measure(url: str, folder: Path, rounds: int, seconds: float, people: int) -> bool:
    """Fill the database, serve, ask in turns, count again; whether the bar is reached."""
    port = servers._free_port()
    environment = {
        "KAOWU_MODE": "testing",
        "INSTANCE": str(folder),
        "DATABASE_URL": url,
        "RATE_WRITE": "999999/60",
        "LOG_LEVEL": "ERROR",
        "PORT": str(port),
    }
    settings = Settings.from_environment(environment)
    install_keys(settings)
    engine = make_engine(url)
    create_all(engine)
    engine.dispose()
    options = {"subjects": ("14", "24", "26", "35"), "total": 99_998, "capacity": 99_998}
    factory, tree = factories.populate(url, sites=1, max_subjects=3, **options)
    passports = register(factory, tree, people)
    pairs = requests_of(create_portal_app(settings, factory), passports)
    empty, claim = contenders(pairs)
    with serving(environment, port) as server:
        _wait_for(port)
        for contender in (empty, claim):  # warm up; not counted
            contender.run(port, min(1.0, seconds), server)
            contender.figures = Figures()
        for _ in range(rounds):
            for contender in (empty, claim):
                contender.run(port, seconds, server)
    right = _is_right(factory, len(passports))
    factory.kw["bind"].dispose()
    return _report(empty.figures, claim.figures, right)


def _wait_for(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            asyncio.run(_series(port, lambda: _request("GET", EMPTY, {}), b"HTTP", 0.01, Figures()))
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server does not answer")


def _is_right(factory: sessionmaker[KaowuSession], people: int) -> bool:
    """Two seats per candidate, and counters that equal the entries."""
    with reading(factory, system("bench")) as looking:
        held = select(func.count(Entry.id)).where(Entry.state.in_([s.value for s in HOLDING]))
        return looking.scalar(held) == 2 * people and capacity.recount(looking) == []


def _report(empty: Figures, claim: Figures, right: bool) -> bool:
    ratio = statistics.median(
        mine / floor for mine, floor in zip(claim.rates, empty.rates, strict=True)
    )
    print(empty.show("empty route"))
    print(claim.show("choose subjects"))
    print(f"  ratio {ratio:.3f} (bar {BAR}), counters and entries {'right' if right else 'WRONG'}")
    return ratio >= BAR and right and not claim.failures and not empty.failures


def main() -> int:
    """Parse the command line; return 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="2 rounds of one second")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a series")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 2, 1.0
    binaries = servers.find_postgresql()
    if binaries is None:
        print("PostgreSQL: not found, left out (set PG_BIN)")
        return 0
    people = 200 if options.quick else 1000
    print(
        f"{options.rounds} rounds of {options.seconds:g} s, {CONNECTIONS} connections, {people} "
        f"candidates, granian {version('granian')} 1×16, Flask {version('flask')}"
    )
    server = servers.Postgres(binaries)
    try:
        durable(server)
        url = make_url(server.url).set(database="bench").render_as_string(hide_password=False)
        with tempfile.TemporaryDirectory() as folder:
            right = measure(url, Path(folder), options.rounds, options.seconds, people)
    finally:
        server.stop()
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
