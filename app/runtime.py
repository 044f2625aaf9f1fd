"""What every process starts with: keys, engine, session factory, declarations.

Web, worker, upkeep and command line call `start` once.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.orm import sessionmaker

from app.database.keys import Keyring, install_keyring
from app.database.session import KaowuSession, make_engine, make_session_factory
from app.metadata import registry
from config import Settings

#: packages whose modules declare something when they are imported
DECLARING = ("app.models", "app.rules", "app.jobs.imports", "app.jobs.documents")


@dataclass(frozen=True, slots=True)
class Runtime:
    """The process's shared things; handed to application factories, jobs and commands."""

    settings: Settings
    engine: Engine
    factory: sessionmaker[KaowuSession]


def load_declarations() -> None:
    """Import every declaring module, then check all declarations. Raises DeclarationError."""
    for name in DECLARING:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)
    registry.check()


def install_keys(settings: Settings) -> None:
    """Make the encryption keys of the settings those of this process."""
    install_keyring(
        Keyring({key.identifier: key.secret for key in settings.data_keys}, settings.digest_key)
    )


def start(settings: Settings) -> Runtime:
    """Install keys, make the engine, load and check the declarations.

    In production, settings that are unfit for it raise SettingsError first.
    """
    if settings.is_production:
        settings.check_production()
    install_keys(settings)
    load_declarations()
    engine = make_engine(settings.database_url)
    return Runtime(settings, engine, make_session_factory(engine))
