"""All tables at once. (The framework's own `ab_*` tables are not used: docs/decisions/0002.)"""

from __future__ import annotations

import importlib

from sqlalchemy import Engine, MetaData

from app.database.base import Base
from app.database.session import WRITES


def metadata() -> MetaData:
    """What migrations compare the database with; maps every table first."""
    # the layer above, by name and for its side effect only: no arrow runs upwards
    importlib.import_module("app.models")
    return Base.metadata


def create_all(engine: Engine) -> None:
    """Create every table: for tests and templates; production migrates."""
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        metadata().create_all(connection)
