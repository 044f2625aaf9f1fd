"""A backup brings everything back; a damaged one, or one over live data, is refused."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests import servers
from tests.databases import Databases

ROOT = Path(__file__).parents[2]


def _fill(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE candidate (id BIGINT PRIMARY KEY, name TEXT)")
        connection.exec_driver_sql("INSERT INTO candidate VALUES (9007199254740993, '张三丰')")
    engine.dispose()


def _nothing(_url: str) -> None:
    """An empty database is a template too."""


def _rows(url: str) -> list[tuple[int, str]]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.exec_driver_sql("SELECT * FROM candidate")]
    engine.dispose()
    return rows


def _script(name: str, target: Path, url: str, files: Path) -> tuple[int, str]:
    binaries = servers.find_postgresql()
    assert binaries is not None
    done = subprocess.run(
        ["sh", str(ROOT / "deploy" / name), str(target)],
        env={
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "DATABASE_URL": url,
            "FILES_URL": f"file://{files}",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


class Installation:
    """A database and files before, and the empty places to restore to."""

    def __init__(self, kind: str, databases: Databases, worker: str, folder: Path) -> None:
        self.url = databases.clone(kind, f"live_{worker}", _fill, f"backup_{worker}")
        self.target = databases.clone(kind, f"target_{worker}", _nothing, f"empty_{worker}")
        self.files, self.target_files = folder / "files", folder / "restored"
        self.backups = folder / "backups"
        (self.files / "2026").mkdir(parents=True)
        (self.files / "2026" / "照片.jpg").write_bytes(b"\xff\xd8photo")

    def back_up(self) -> Path:
        """The folder of a new backup."""
        status, said = _script("backup.sh", self.backups, self.url, self.files)
        assert status == 0, said
        return Path(said.strip().splitlines()[-1])

    def restore(self, backup: Path) -> tuple[int, str]:
        """Restore it to the empty places."""
        return _script("restore.sh", backup, self.target, self.target_files)


@pytest.fixture
def installation(
    database_kind: str, databases: Databases, worker: str, tmp_path: Path
) -> Iterator[Installation]:
    """An installation with one candidate and one photo."""
    made = Installation(database_kind, databases, worker, tmp_path)
    yield made
    databases.drop(made.url)
    databases.drop(made.target)


def test_a_backup_brings_rows_and_files_back(installation: Installation) -> None:
    backup = installation.back_up()
    assert backup.stat().st_mode & 0o077 == 0, "only its owner reads personal data"
    status, said = installation.restore(backup)
    assert (status, said.splitlines()[-1]) == (0, "restored; next: kaowu db upgrade")
    assert _rows(installation.target) == [(9007199254740993, "张三丰")]
    assert (installation.target_files / "2026" / "照片.jpg").read_bytes() == b"\xff\xd8photo"


def test_live_data_are_never_overwritten(installation: Installation) -> None:
    backup = installation.back_up()
    assert installation.restore(backup)[0] == 0
    status, said = installation.restore(backup)
    assert status == 1
    assert "is not empty: move it away first" in said
    installation.target_files = installation.target_files.with_name("elsewhere")
    status, said = installation.restore(backup)
    assert status == 1
    assert "move it away first" in said or "create an empty one first" in said
    assert not installation.target_files.exists()


def test_a_damaged_backup_is_refused(installation: Installation) -> None:
    backup = installation.back_up()
    (backup / "files.tar").write_bytes(b"damaged")
    status, said = installation.restore(backup)
    assert status != 0
    assert "files.tar: FAILED" in said
    assert not installation.target_files.exists()


def test_a_backup_that_fails_leaves_nothing_that_looks_like_one(
    installation: Installation,
) -> None:
    missing = installation.url + "_missing"
    status, _ = _script("backup.sh", installation.backups, missing, installation.files)
    assert status != 0
    assert list(installation.backups.iterdir()) == []
