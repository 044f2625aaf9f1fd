"""Models and revisions are the same, up and down, on both databases; data survive.

Whoever changes a model and writes no revision fails here; docs/cli.md says how to write one.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from app.database import migrate
from app.database.schema import metadata
from app.database.session import WRITES, make_engine
from tests.databases import Databases

BOOKKEEPING = "alembic_version"


@pytest.fixture
def empty_url(database_kind: str, databases: Databases) -> Iterator[str]:
    """A database without a table."""
    url = databases.clone(database_kind, "migrations", lambda _url: None, template="empty")
    yield url
    databases.drop(url)


@pytest.fixture
def empty(empty_url: str) -> Iterator[Engine]:
    made = make_engine(empty_url)
    yield made
    made.dispose()


def _tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names()) - {BOOKKEEPING}


def test_upgrade_makes_what_the_models_declare(empty: Engine) -> None:
    migrate.upgrade(empty)
    assert migrate.current(empty) == migrate.head()
    assert _tables(empty) == set(metadata().tables)
    assert migrate.differences(empty) == []


def test_schema_of_the_revisions_equals_the_schema_of_the_models(
    empty: Engine, engine: Engine
) -> None:
    """Also what autogenerate does not compare: CHECKs, conditions of indexes, nullability."""
    migrate.upgrade(empty)
    assert _schema(empty) == _schema(engine)


def test_down_to_nothing_and_up_again(empty: Engine) -> None:
    migrate.upgrade(empty)
    migrate.downgrade(empty, "base")
    assert migrate.current(empty) is None
    assert _tables(empty) == set()
    migrate.upgrade(empty)
    assert migrate.differences(empty) == []


def test_each_revision_can_be_taken_back(empty: Engine) -> None:
    """One step down and up again from every revision, not only all at once."""
    script = ScriptDirectory.from_config(migrate.configuration())
    for revision in reversed(list(script.walk_revisions())):
        migrate.upgrade(empty, revision.revision)
        before = _tables(empty)
        migrate.downgrade(empty, "-1")
        migrate.upgrade(empty, revision.revision)
        assert _tables(empty) == before


def test_data_survive_an_upgrade_that_has_nothing_to_do(empty: Engine) -> None:
    migrate.upgrade(empty)
    _remember(empty)
    migrate.upgrade(empty)
    assert _remembered(empty) == "kept"


_BREAKS = """
from alembic import op
import sqlalchemy as sa

revision, down_revision, branch_labels, depends_on = "9999", {head!r}, None, None


def upgrade():
    op.create_table("half_made", sa.Column("id", sa.Integer(), primary_key=True))
    op.execute("UPDATE setting SET name = 'lost'")
    raise RuntimeError("broke in the middle")


def downgrade():
    op.drop_table("half_made")
"""


def test_a_revision_that_breaks_in_the_middle_leaves_everything_as_it_was(
    empty: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.upgrade(empty)
    _remember(empty)
    head = migrate.head()
    shutil.copytree(migrate.DIRECTORY, tmp_path / "migrations")
    monkeypatch.setattr(migrate, "DIRECTORY", tmp_path / "migrations")
    (tmp_path / "migrations" / "versions" / "9999_breaks.py").write_text(_BREAKS.format(head=head))
    with pytest.raises(RuntimeError, match="in the middle"):
        migrate.upgrade(empty)
    assert migrate.current(empty) == head
    assert migrate.differences(empty) == []
    assert _remembered(empty) == "kept"


def test_there_is_one_head_and_numbers_follow_one_another() -> None:
    script = ScriptDirectory.from_config(migrate.configuration())
    revisions = [revision.revision for revision in script.walk_revisions()][::-1]
    assert script.get_heads() == [revisions[-1]]
    assert revisions == [f"{number:04d}" for number in range(1, len(revisions) + 1)]


def test_a_database_without_tables_is_told_apart(empty: Engine) -> None:
    assert migrate.current(empty) is None
    assert migrate.differences(empty) != []


def _remember(engine: Engine) -> None:
    with _writing(engine) as connection:
        statement = "INSERT INTO setting (id, name, value) VALUES (7, 'kept', '1')"
        connection.execute(text(statement))
        connection.commit()


def _remembered(engine: Engine) -> str:
    with engine.connect() as connection:
        statement = text("SELECT name FROM setting WHERE id = 7")
        return str(connection.execute(statement).scalar_one())


def _writing(engine: Engine) -> Connection:
    return engine.connect().execution_options(**{WRITES: True})


# ---------------------------------------------------------------- comparing two schemas


def _schema(engine: Engine) -> dict[str, Any]:
    """Everything about the tables, in a form that does not depend on how they were made."""
    found = inspect(engine)
    return {
        table: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in found.get_columns(table)
            },
            "primary": found.get_pk_constraint(table)["constrained_columns"],
            "foreign": sorted(
                (key["constrained_columns"], key["referred_table"], key["referred_columns"])
                for key in found.get_foreign_keys(table)
            ),
            "unique": sorted(
                (key["name"] or "", key["column_names"])
                for key in found.get_unique_constraints(table)
            ),
            "checks": sorted(
                (check["name"] or "", _plain(check["sqltext"]))
                for check in found.get_check_constraints(table)
            ),
            "indexes": sorted(
                (index["name"] or "", index["unique"], index["column_names"], _condition(index))
                for index in found.get_indexes(table)
                if not index.get("duplicates_constraint")
            ),
        }
        for table in sorted(_tables(engine))
    }


def _condition(index: Any) -> str:
    options = index.get("dialect_options", {})
    found = options.get("postgresql_where", options.get("sqlite_where", ""))
    return _plain(str(found))


def _plain(sql: str) -> str:
    return re.sub(r"\s+", " ", sql).strip()
