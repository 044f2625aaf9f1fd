"""What every connection of `make_engine` is set up with."""

from __future__ import annotations

from pathlib import Path

from app.database.session import make_engine


def test_sqlite_keeps_references_on_every_connection(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/own.db")
    with engine.connect() as one, engine.connect() as other:
        for connection in (one, other):
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    engine.dispose()
