"""Alembic environment: both databases, revisions written on PostgreSQL (docs/operations.md)."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from app.database import types
from app.database.schema import metadata
from app.database.session import WRITES, make_engine

config = context.config
target = metadata()


def run() -> None:
    """Run the revisions on the connection handed in, or on the configured address."""
    handed = config.attributes.get("connection")
    if handed is not None:
        _migrate(handed)
        return
    engine = make_engine(config.get_main_option("sqlalchemy.url") or "")
    with engine.connect().execution_options(**{WRITES: True}) as connection:
        _migrate(connection)
        connection.commit()


def _render(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Our column types by their own names; as text they would be what they are made of."""
    if kind != "type":
        return False
    for name in ("Big", "Json"):
        if item is getattr(types, name):
            return f"types.{name}"
    if isinstance(item, types.Encrypted):
        return f"types.Encrypted({item.length})"
    return False


def _migrate(connection: object) -> None:
    is_sqlite = connection.dialect.name == "sqlite"  # type: ignore[attr-defined]
    context.configure(
        connection=connection,  # type: ignore[arg-type]
        target_metadata=target,
        compare_type=True,
        # SQLite shows defaults in its own words; the revisions are written on PostgreSQL
        compare_server_default=not is_sqlite,
        render_as_batch=True,
        user_module_prefix="types.",
        render_item=_render,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
