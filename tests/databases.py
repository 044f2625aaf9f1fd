"""Template databases, made once per run, and the clones that tests work on.

A clone costs a file copy: 1 ms on SQLite, 0.05-0.3 s on PostgreSQL. All test processes share the
templates; a lock lets the first one that needs a template make it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

KINDS = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Databases:
    """The databases of one test run: files below ``directory``, and those of one server.

    ``server_url`` is the maintenance database of PostgreSQL, or '' in a run without it.
    """

    directory: Path
    server_url: str

    @classmethod
    def of_this_run(cls) -> Databases:
        """As the controlling process exported it in ``pytest_configure``."""
        directory = Path(os.environ["TEST_RUN_DIRECTORY"])
        return cls(directory, os.environ.get("TEST_PG_URL", ""))

    def clone(
        self, kind: str, name: str, create: Callable[[str], None], template: str = "kaowu"
    ) -> str:
        """The URL of a new database ``name``, equal to the template.

        The first call makes the template: ``create(url)`` fills an empty database and must leave
        no connection to it.
        """
        with self._locked(f"{kind}-{template}"):
            made = self.directory / f"{kind}-{template}.made"
            if not made.exists():
                url = self._empty(kind, f"template_{template}")
                create(url)
                self._settle(kind, url)
                made.touch()
            if kind == "sqlite":
                path = self._path(name)
                shutil.copyfile(self._path(f"template_{template}"), path)
                return f"sqlite:///{path}"
            return self._empty(kind, name, f"template_{template}")

    def drop(self, url: str) -> None:
        """Remove a clone, whoever is still connected to it."""
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            for suffix in ("", "-wal", "-shm"):
                Path(f"{address.database}{suffix}").unlink(missing_ok=True)
        else:
            self._execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
                    sql.Identifier(str(address.database))
                )
            )

    def drop_all(self) -> None:
        """Remove every database that this run made on the server."""
        with self._server() as connection:
            found = connection.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{self._prefix}%"]
            ).fetchall()
        for (name,) in found:
            self.drop(self._url(name))

    @property
    def _prefix(self) -> str:
        """In front of the name of each database, so that two runs may share a server."""
        return self.directory.name.replace("-", "_").lower() + "_"

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.sqlite3"

    def _url(self, name: str) -> str:
        url = make_url(self.server_url).set(database=name)
        return url.render_as_string(hide_password=False)

    def _empty(self, kind: str, name: str, template: str = "") -> str:
        if kind == "sqlite":
            self._path(name).unlink(missing_ok=True)
            return f"sqlite:///{self._path(name)}"
        url = self._url(self._prefix + name)
        self.drop(url)
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
            sql.Identifier(self._prefix + name),
            sql.Identifier(self._prefix + template if template else "template0"),
        )
        self._execute(statement)
        return url

    def _settle(self, kind: str, url: str) -> None:
        """Bring everything into the one file that is copied."""
        if kind == "sqlite":
            with closing(sqlite3.connect(str(make_url(url).database))) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _execute(self, statement: sql.Composed) -> None:
        with self._server() as connection:
            connection.execute(statement)

    @contextmanager
    def _server(self) -> Iterator[psycopg.Connection]:
        url = make_url(self.server_url).set(drivername="postgresql")
        with psycopg.connect(
            url.render_as_string(hide_password=False), autocommit=True
        ) as connection:
            yield connection

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with (self.directory / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
