"""The fixtures that stand on the real schema."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.database.session import make_engine


def _tables(engine: Engine) -> set[str]:
    return set(sa.inspect(engine).get_table_names())


def test_a_fresh_database_has_the_schema(fresh_database: str, engine: Engine) -> None:
    own = make_engine(fresh_database)
    names = _tables(own)
    own.dispose()
    assert "ab_user" in names, "the framework's tables are there"
    assert names == _tables(engine)
    assert fresh_database != engine.url.render_as_string(hide_password=False)


@pytest.mark.parametrize("turn", [1, 2])
def test_a_session_may_write_and_leaves_nothing(
    session: Session, engine: Engine, turn: int
) -> None:
    connection = session.connection()
    assert connection.scalar(sa.text("SELECT count(*) FROM ab_role")) == 0, f"turn {turn}"
    with session.begin_nested():
        connection.exec_driver_sql("INSERT INTO ab_role (id, name) VALUES (1, 'kept')")
    session.commit()
    assert session.connection().scalar(sa.text("SELECT name FROM ab_role")) == "kept"
    session.rollback()
    assert session.connection().scalar(sa.text("SELECT name FROM ab_role")) == "kept", (
        "a commit within the test lasts within the test"
    )
