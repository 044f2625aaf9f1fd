"""What the database refuses is logged without the values: they are personal (PIPL; domain §8.1)."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.database.session import make_engine


def test_an_error_of_the_database_does_not_repeat_the_values(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/any.sqlite3")
    with engine.connect() as connection, pytest.raises(SQLAlchemyError) as caught:
        connection.execute(
            text("SELECT * FROM nothing WHERE id = :id"), {"id": "990101200001010014"}
        )
    engine.dispose()
    assert "990101200001010014" not in str(caught.value)
