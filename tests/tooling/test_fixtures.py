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
    assert names
    assert names == _tables(engine)
    assert fresh_database != engine.url.render_as_string(hide_password=False)


@pytest.mark.parametrize("turn", [1, 2])
def test_a_session_may_write_and_leaves_nothing(
    session: Session, engine: Engine, turn: int
) -> None:
    with session.begin_nested():
        session.connection().exec_driver_sql("CREATE TABLE scratch (turn INTEGER)")
    session.connection().execute(sa.text("INSERT INTO scratch VALUES (:turn)"), {"turn": turn})
    session.commit()
    session.connection().exec_driver_sql("DELETE FROM scratch")
    session.rollback()
    kept = session.connection().scalar(sa.text("SELECT turn FROM scratch"))
    assert kept == turn, "a commit lasts within the test"
