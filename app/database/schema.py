"""All tables: ours and the framework's `ab_*`, which keep their own metadata."""

from __future__ import annotations

from sqlalchemy import Engine, MetaData

from app.database.base import NAMING, Base


def framework_metadata() -> MetaData:
    """Metadata of Flask-AppBuilder's tables, with our naming convention.

    The convention must be set before the framework's models are imported, so this is the one
    place that imports them first.
    """
    from flask_appbuilder.models.sqla import Model  # noqa: PLC0415 - order matters, see above

    Model.metadata.naming_convention = NAMING
    import flask_appbuilder.security.sqla.models  # noqa: F401, PLC0415

    metadata: MetaData = Model.metadata
    return metadata


def all_metadata() -> list[MetaData]:
    """What migrations compare the database with."""
    import app.models  # noqa: F401, PLC0415 - maps every table; the layer above, at start only

    return [Base.metadata, framework_metadata()]


def create_all(engine: Engine) -> None:
    """Create every table at once: for tests and templates; production migrates."""
    from app.database.session import WRITES  # noqa: PLC0415 - avoids a cycle

    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        for metadata in all_metadata():
            metadata.create_all(connection)
