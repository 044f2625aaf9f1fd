"""Both applications in English, over one populated database each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest
from babel.messages.pofile import read_po
from sqlalchemy import Engine, MetaData, select

from app.database.base import Base
from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import Level
from app.models.codes.people import ETHNIC_GROUPS, PROVINCES
from app.rules import permissions
from tests.catalogues import CATALOGUES, compile_catalogues
from tests.conftest import create_schema
from tests.contract.world import Browser, World, make_world
from tests.databases import Databases
from tests.views.conftest import SUPER, make_super

#: Chinese characters and punctuation, and what follows on the line
HAN = re.compile("[\u3001-\u3011\u3400-\u9fff\uff01-\uff0a\uff0c-\uff1f][^<>\"'\n]*")
#: what stays Chinese in English: the name of the other language, the logo, peoples and provinces
PROPER_NAMES = {"中文", 'aria-hidden="true">考<'}
PROPER_NAMES |= {row.label for table in (ETHNIC_GROUPS, PROVINCES) for row in table}


@pytest.fixture(autouse=True)
def _product_alone(product_alone: None) -> None:
    """Pages are those of the product."""


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    compile_catalogues()


def _translated() -> set[str]:
    with (CATALOGUES / "en" / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return {str(message.id) for message in read_po(file)}


def texts_in(engine: Engine, metadata: MetaData) -> set[str]:
    """Every text with Chinese characters that the database holds: data, unless the catalogue
    has it. Names are data all the same: the centre is called 考试中心."""
    names: set[str] = set()
    others: set[str] = set()
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)).mappings():
                for column, value in row.items():
                    if isinstance(value, str) and HAN.search(value):
                        (names if column == "name" else others).add(value)
    return names | (others - _translated())


def chinese_in(page: str, data: Iterable[str]) -> list[str]:
    """Chinese pieces of a page that are neither data nor proper names."""
    for value in sorted(
        filter(HAN.search, {*data, *PROPER_NAMES} - {"其他"}), key=len, reverse=True
    ):
        page = page.replace(value, "")
    return [piece for piece in HAN.findall(page) if "*" not in piece]  # masked names


@dataclass
class Office:
    """The administration with a browser per person, and the Chinese texts of its data."""

    world: World
    data: set[str]

    def english(self, level: Level = Level.SITE, number: int = 0) -> Browser:
        browser = self.world.browser(level, number)
        assert browser.get("/lang/en").status_code == 302
        return browser


@pytest.fixture(scope="session")
def office(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Read by all tests of the folder, changed by none. One database is enough for words."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "master")
    url = databases.clone("sqlite", f"english_{worker}", create_schema)
    world = make_world(url, tmp_path_factory.mktemp("english"))
    world.people[SUPER] = make_super(world, "狄七一")
    with unit_of_work(world.runtime.factory, system("permissions sync")) as session:
        permissions.sync(session)
    yield Office(world, texts_in(world.runtime.engine, Base.metadata))
    world.runtime.engine.dispose()
    databases.drop(url)
