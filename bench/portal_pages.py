"""What one request of the portal costs: processor time, statements, bytes.

    python -m bench.portal_pages [--quick]

Every page of a candidate who has come as far as his subjects, and the POST that chooses them,
are called in this process, without a server between: the figure is the processor time of the
application alone, which a busy machine changes less than it changes waits. On PostgreSQL, with
`fsync`. The pages have bars; the choice of subjects is measured against an empty route by
`bench.portal_http`, and stands here with its statements.
"""

from __future__ import annotations

import argparse
import gzip
import io
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import event, make_url

from app.database.schema import create_all
from app.database.session import make_engine
from app.portal import create_portal_app
from app.runtime import install_keys, start
from bench import portal_http
from bench.seat_claim import durable
from config import Settings
from tests import factories, servers

BAR_MILLISECONDS, BAR_STATEMENTS, BAR_BYTES = 8.0, 6, 30_000
#: statements of the choice of subjects (tests/portal/test_registration_access.py)
BAR_CHOICE = 4
CHOICE = "POST subjects"
PAGES = (
    *("/", "/registration/", "/registration/person", "/registration/photo"),
    *("/registration/subjects", "/registration/seats", "/registration/payment/"),
    *("/registration/ticket/", "/passport/me"),
)
PEOPLE = 50


@dataclass(frozen=True)
class Cost:
    """One kind of request: milliseconds of processor time, statements, bytes gzipped."""

    name: str
    milliseconds: float
    statements: int
    size: int
    right: bool

    @property
    def reached(self) -> bool:
        if self.name == CHOICE:
            return self.right and self.statements <= BAR_CHOICE
        quick = self.milliseconds < BAR_MILLISECONDS and self.statements <= BAR_STATEMENTS
        return self.right and quick and self.size < BAR_BYTES

    def show(self) -> str:
        verdict = "" if self.reached else "  NOT REACHED" if self.right else "  WRONG ANSWER"
        return (
            f"  {self.name:<26}{self.milliseconds:6.1f} ms CPU {self.statements:4d} statements"
            f" {self.size:6d} bytes gzipped{verdict}"
        )


def call(app: Flask, raw: bytes) -> tuple[str, bytes]:
    """Hand a request, as `portal_http` writes them, to the application: status and body."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    method, path, _ = first.split(" ")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": headers["Host"],
        "HTTP_COOKIE": headers.get("Cookie", ""),
        "CONTENT_LENGTH": headers["Content-Length"],
        "CONTENT_TYPE": headers.get("Content-Type", ""),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
    }
    answered: list[str] = []

    def begin(status: str, _headers: Any, _error: Any = None, /) -> Callable[[bytes], object]:
        answered.append(status)
        return len

    parts: Any = app(environ, begin)
    found = b"".join(parts)
    parts.close()
    return answered[0], found


def measure(
    app: Flask, name: str, following: Callable[[], bytes], statements: list[str], rounds: int
) -> Cost:
    """The median over `rounds` requests, after some that fill the caches."""
    for _ in range(10):
        call(app, following())
    statements.clear()
    status, body = call(app, following())
    count = len(statements)
    spent = []
    for _ in range(rounds):
        raw, begun = following(), time.process_time()
        call(app, raw)
        spent.append(time.process_time() - begun)
    right = status.startswith("302" if name == CHOICE else "200")
    median = 1000 * statistics.median(spent)
    return Cost(name, median, count, len(gzip.compress(body)), right)


def costs(url: str, folder: Path, rounds: int) -> Iterator[Cost]:
    """Fill the database, then measure one kind of request after the other."""
    settings = Settings.from_environment(
        {
            "KAOWU_MODE": "testing",
            "INSTANCE": str(folder),
            "DATABASE_URL": url,
            "RATE_WRITE": "999999/60",
            "LOG_LEVEL": "ERROR",
        }
    )
    install_keys(settings)
    engine = make_engine(url)
    create_all(engine)
    engine.dispose()
    options = {"subjects": ("14", "24", "26", "35"), "total": 9_998, "capacity": 9_998}
    factory, tree = factories.populate(url, sites=1, max_subjects=3, **options)
    passports = portal_http.register(factory, tree, PEOPLE)
    factory.kw["bind"].dispose()
    runtime = start(settings)
    app = create_portal_app(settings, runtime.factory)
    pairs = portal_http.requests_of(app, passports)
    posts = itertools.cycle([pair[turn] for turn in (0, 1) for pair in pairs])
    cookies = itertools.cycle([_cookie(first) for first, _ in pairs])
    statements: list[str] = []
    engine = runtime.factory.kw["bind"]
    event.listen(engine, "before_cursor_execute", lambda *found: statements.append(found[2]))
    yield measure(app, CHOICE, lambda: next(posts), statements, rounds)
    for page in PAGES:

        def following(path: str = page) -> bytes:
            return portal_http._request("GET", path, {"Cookie": next(cookies)})

        yield measure(app, page, following, statements, rounds)
    engine.dispose()


def _cookie(request: bytes) -> str:
    return request.partition(b"Cookie: ")[2].partition(b"\r\n")[0].decode()


def main() -> int:
    """Parse the command line; return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="20 requests of each kind")
    rounds = 20 if parser.parse_args().quick else 200
    binaries = servers.find_postgresql()
    if binaries is None:
        print("PostgreSQL: not found, left out (set PG_BIN)")
        return 0
    print(
        f"medians of {rounds} requests; bars of a page: {BAR_MILLISECONDS:g} ms, "
        f"{BAR_STATEMENTS} statements, {BAR_BYTES} bytes; load {os.getloadavg()[0]:.1f} "
        f"on {os.cpu_count()} cores"
    )
    server = servers.Postgres(binaries)
    try:
        durable(server)
        url = make_url(server.url).set(database="bench").render_as_string(hide_password=False)
        with tempfile.TemporaryDirectory() as folder:
            found = []
            for cost in costs(url, Path(folder), rounds):
                print(cost.show(), flush=True)
                found.append(cost.reached)
    finally:
        server.stop()
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
