"""Commands run in this process, on databases of their own, one of them with the demo loaded."""

from __future__ import annotations

import base64
import datetime as dt
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.orm import sessionmaker

from app.adapters.files import FileStore
from app.adapters.queue import job_queue
from app.cli import run
from app.database import migrate
from app.database.session import KaowuSession, make_engine, make_session_factory
from app.database.unit_of_work import run_unit
from app.demo import load
from app.jobs.machine import Machine
from app.metadata.actor import system
from app.rules import permissions
from app.runtime import load_declarations
from tests.databases import Databases
from tests.factories import KEYRING  # noqa: F401 - installs the tests' keys

#: those of `tests.factories.KEYRING`: a command in this process installs what it is told
_KEYS = {
    "DATA_KEYS": "1:" + base64.b64encode(b"t" * 32).decode(),
    "DIGEST_KEY": base64.b64encode(b"d" * 32).decode(),
}
PASSWORD = "Kq7-vR2m-Zt9x-Wp4d"
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Kaowu:
    """`kaowu` on one database."""

    environ: dict[str, str]
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str | Path, **environ: str) -> Said:
        self.capture.readouterr()
        code = run([str(argument) for argument in arguments], self.environ | environ)
        found = self.capture.readouterr()
        return Said(code, found.out, found.err)

    @property
    def instance(self) -> Path:
        return Path(self.environ["INSTANCE"])


Shells = Callable[[str], Kaowu]


@pytest.fixture
def shell_on(instance: Path, capsys: pytest.CaptureFixture[str]) -> Shells:
    """`kaowu` on the database of that address."""

    def make(url: str) -> Kaowu:
        environ = {
            "KAOWU_MODE": "testing",
            "INSTANCE": str(instance),
            "DATABASE_URL": url,
            "FILES_URL": f"file://{instance}/files",
            "REDIS_URL": "unix:///nowhere/queue.sock",
            **_KEYS,
        }
        return Kaowu(environ, capsys)

    return make


@pytest.fixture
def empty_url(database_kind: str, databases: Databases) -> Iterator[str]:
    """A database without a table."""
    name = f"cli_empty_{os.getpid()}_{next(_numbers)}"
    url = databases.clone(database_kind, name, lambda _url: None, template="empty")
    yield url
    databases.drop(url)


@pytest.fixture
def kaowu(shell_on: Shells, fresh_database: str) -> Kaowu:
    """`kaowu` on a database with tables and no rows."""
    return shell_on(fresh_database)


def machine_on(factory: sessionmaker[KaowuSession], files: Path) -> Machine:
    """What jobs and the demo run on."""
    return Machine(
        factory=factory,
        queue=job_queue("unix:///nowhere/queue.sock"),
        files=FileStore(f"file://{files}"),
    )


@pytest.fixture(scope="session")
def demo_files(databases: Databases) -> Path:
    """Where the photos of the demo lie; shared by all processes."""
    return databases.directory / "demo-files"


@pytest.fixture
def demo_url(database_kind: str, databases: Databases, demo_files: Path) -> Iterator[str]:
    """An own copy of the demo, as `kaowu db upgrade` and `kaowu demo load` make it."""

    def create(url: str) -> None:
        load_declarations()
        engine = make_engine(url)
        migrate.upgrade(engine)
        factory = make_session_factory(engine)
        run_unit(factory, system("permissions sync"), permissions.sync)
        load(machine_on(factory, demo_files), PASSWORD)
        engine.dispose()

    name = f"cli_demo_{os.getpid()}_{next(_numbers)}"
    url = databases.clone(database_kind, name, create, template="demo")
    yield url
    databases.drop(url)


@pytest.fixture
def demo_factory(demo_url: str) -> Iterator[sessionmaker[KaowuSession]]:
    """Sessions on a copy of the demo."""
    engine = make_engine(demo_url)
    yield make_session_factory(engine)
    engine.dispose()


@pytest.fixture
def on_demo(shell_on: Shells, demo_url: str, demo_files: Path) -> Kaowu:
    """`kaowu` on a copy of the demo."""
    made = shell_on(demo_url)
    made.environ["FILES_URL"] = f"file://{demo_files}"
    return made


def lines(text: str) -> Sequence[str]:
    """Without empty ones."""
    return [line for line in text.splitlines() if line.strip()]


def today() -> dt.date:
    """By the clock of the examination."""
    from app.metadata.text import LOCAL_ZONE

    return dt.datetime.now(LOCAL_ZONE).date()
