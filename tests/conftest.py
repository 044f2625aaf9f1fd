"""The servers and fixtures that all tests share.

The controlling process starts PostgreSQL and Valkey once and tells the others where they are.
Tests that use ``database_kind`` (through ``database_url``, ``engine``, ``session`` or
``fresh_database``) run once on SQLite and once on PostgreSQL; those marked ``postgres`` on
PostgreSQL alone. ``--database sqlite`` leaves PostgreSQL out while one works on something else.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from flask import Flask
from jinja2 import FileSystemBytecodeCache

from tests import network, servers
from tests.databases import KINDS, Databases

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.database.session import KaowuSession

pytest_plugins = ["tests.browser"]

_numbers = itertools.count()
_running: list[servers.Postgres | servers.Valkey] = []
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "master")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--database``: which databases the tests run on."""
    parser.addoption("--database", default="both", choices=["both", *KINDS])


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers, in the controlling process alone; its workers inherit the addresses."""
    config.addinivalue_line(
        "markers", "allow_console_errors(part, …): the page may report errors with these texts"
    )
    if hasattr(config, "workerinput") or config.getoption("collectonly"):
        return
    started = time.monotonic()
    os.environ["TEST_RUN_DIRECTORY"] = str(servers._run_directory("run"))
    if "TEST_VALKEY_URL" not in os.environ:
        _running.append(servers.Valkey())
        os.environ["TEST_VALKEY_URL"] = _running[-1].url
    if "TEST_PG_URL" not in os.environ and config.getoption("database") != "sqlite":
        binaries = servers.find_postgresql()
        if binaries is None:
            raise pytest.UsageError(
                "no PostgreSQL found: set PG_BIN or TEST_PG_URL, or give --database sqlite"
            )
        _running.append(servers.Postgres(binaries))
        os.environ["TEST_PG_URL"] = _running[-1].url
    config.stash[_SECONDS] = time.monotonic() - started


_SECONDS = pytest.StashKey[float]()
#: a hash for 3 ms instead of 0.1 s: most tests log somebody in, and none of them is about that
_QUICK_HASH = "scrypt:1024:8:1"


def pytest_sessionstart() -> None:
    """Hash passwords quickly, also those that modules hash when they are collected.
    ``real_hashes`` gives the cost of production back."""
    patch = pytest.MonkeyPatch()
    patch.setattr("app.rules.password._METHOD", _QUICK_HASH)
    unknown = f"{_QUICK_HASH}${'0' * 16}${'0' * 128}"
    patch.setattr("app.rules.password._UNKNOWN_USER_HASH", unknown)


def pytest_report_header(config: pytest.Config) -> str:
    """Which servers the run uses."""
    seconds = config.stash.get(_SECONDS, 0.0)
    return (
        f"servers: {os.environ.get('TEST_PG_URL', 'no PostgreSQL')}, "
        f"{os.environ.get('TEST_VALKEY_URL', 'no Valkey')} (in {seconds:.1f} s)"
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started, and remove what was made on servers that stay."""
    if hasattr(config, "workerinput") or "TEST_RUN_DIRECTORY" not in os.environ:
        return
    own_server = any(isinstance(server, servers.Postgres) for server in _running)
    if "TEST_PG_URL" in os.environ and not own_server:
        Databases.of_this_run().drop_all()
    while _running:
        _running.pop().stop()
    shutil.rmtree(os.environ["TEST_RUN_DIRECTORY"], ignore_errors=True)


def _opens_a_page(metafunc: pytest.Metafunc) -> bool:
    """What a browser shows does not depend on the database: such tests run on the first alone."""
    return bool({"browser", "desktop_page", "phone_page"} & set(metafunc.fixturenames))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Once per database, except where the test says which itself, is for PostgreSQL alone, or is
    about something that no database changes (a page in a browser, ``one_database``)."""
    if "database_kind" not in metafunc.fixturenames:
        return
    for mark in metafunc.definition.iter_markers("parametrize"):
        if "database_kind" in str(mark.args[0]):
            return
    chosen = metafunc.config.getoption("database")
    kinds = [kind for kind in KINDS if chosen in ("both", kind)]
    if metafunc.definition.get_closest_marker("postgres"):
        kinds = [kind for kind in kinds if kind == "postgresql"]
    elif one := metafunc.definition.get_closest_marker("one_database"):
        kinds = [kind for kind in kinds if kind in one.args] or kinds[:1]
    elif _opens_a_page(metafunc):
        kinds = kinds[:1]
    metafunc.parametrize("database_kind", kinds, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """``-m browser`` finds every test that opens a page, whether or not it says so."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture(scope="session", autouse=True)
def _this_machine_alone() -> Iterator[None]:
    """No test leaves the machine."""
    with pytest.MonkeyPatch.context() as patch:
        network.refuse_outside(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def _compiled_templates() -> Iterator[None]:
    """Templates are compiled once in a run. Most tests make an application of their own, and each
    would compile what it shows again: a quarter of the time of a test of the portal."""
    folder = Path(os.environ["TEST_RUN_DIRECTORY"]) / "templates"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Flask.jinja_options, "bytecode_cache", FileSystemBytecodeCache(str(folder)))
        yield


@pytest.fixture(scope="session", autouse=True)
def _compiled_statements() -> Iterator[None]:
    """Statements are compiled once in a process. Each engine would compile them for itself, and
    most tests have an engine of their own: a quarter of the time of a test with requests.

    All engines of one kind share the dialect, which is part of what compiled statements are kept
    under, of the first one that could connect.
    """
    import sqlalchemy as sa

    shared: dict[str, tuple[sa.Dialect, sa.util.LRUCache[object, object]]] = {}

    def create(url: str, **options: object) -> sa.Engine:
        made = sa.create_engine(url, **options)
        name = made.dialect.name
        if name not in shared:
            with suppress(sa.exc.DBAPIError), made.connect():  # the dialect asks for the version
                shared[name] = (made.dialect, sa.util.LRUCache(2000))
            made.dispose()  # a connection made before `make_engine` listens is not set up
        if name in shared:
            made.dialect, compiled = shared[name]
            made.update_execution_options(compiled_cache=compiled)
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.database.session.create_engine", create)
        yield


@pytest.fixture
def product_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Menu, matrix and descriptions hold what the product declares, and nothing that the contract
    tests have declared in the same process ("test_…")."""
    from app.metadata import registry
    from app.runtime import load_declarations

    load_declarations()
    own = {
        name: item for name, item in registry._declarations.items() if not name.startswith("test_")
    }
    monkeypatch.setattr(registry, "_declarations", own)


@pytest.fixture
def real_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed as in production."""
    method = "scrypt:32768:8:1"
    monkeypatch.setattr("app.rules.password._METHOD", method)
    unknown = f"{method}${'0' * 16}${'0' * 128}"
    monkeypatch.setattr("app.rules.password._UNKNOWN_USER_HASH", unknown)


@pytest.fixture(scope="session")
def databases() -> Databases:
    """Template databases and clones of them."""
    return Databases.of_this_run()


def create_schema(url: str) -> None:
    """Make all tables of the models in an empty database."""
    from app.database.schema import create_all
    from app.database.session import make_engine

    engine = make_engine(url)
    try:
        create_all(engine)
    finally:
        engine.dispose()


@pytest.fixture(scope="session")
def database_url(database_kind: str, databases: Databases) -> Iterator[str]:
    """A database with the whole schema and no rows, of this process alone.

    Tests must leave it as it was: ``session`` rolls back; whoever commits takes
    ``fresh_database``.
    """
    url = databases.clone(database_kind, f"kaowu_{_WORKER}", create_schema)
    yield url
    databases.drop(url)


@pytest.fixture(scope="session")
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on ``database_url``."""
    from app.database.session import make_engine

    made = make_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[KaowuSession]:
    """A session that may write and belongs to nobody yet (``become`` gives it an actor).

    The test runs inside one transaction that is rolled back: ``commit()`` ends a savepoint only.
    On SQLite it holds the one writer's place: code that opens a writing connection of its own
    would wait for ever. Test such code on ``fresh_database``.
    """
    from app.database.session import WRITES, KaowuSession

    with engine.connect().execution_options(**{WRITES: True}) as connection:
        outer = connection.begin()
        made = KaowuSession(
            bind=connection, join_transaction_mode="create_savepoint", expire_on_commit=False
        )
        yield made
        made.close()
        outer.rollback()


@pytest.fixture
def fresh_database(database_kind: str, databases: Databases) -> Iterator[str]:
    """The URL of an own clone for tests that commit or run several connections; then dropped."""
    name = f"fresh_{_WORKER}_{next(_numbers)}"
    url = databases.clone(database_kind, name, create_schema)
    yield url
    databases.drop(url)


@pytest.fixture
def valkey_url() -> str:
    """The queue server, in the database of this process, which is empty."""
    number = 0 if _WORKER == "master" else int(_WORKER.removeprefix("gw")) + 1
    url = f"{os.environ['TEST_VALKEY_URL']}?db={number}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """An instance folder of the test's own."""
    folder = tmp_path / "instance"
    folder.mkdir()
    return folder
