"""The administration with its real declarations and a living matrix, for the hand-made pages."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page
from sqlalchemy import select

from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import Level
from app.models.account import AdminBinding, Passport
from app.models.audit import AuditEntry
from app.rules import permissions
from tests.axe import violations
from tests.conftest import create_schema
from tests.contract.world import World, make_world
from tests.databases import Databases
from tests.factories import bind_administrator, seeding
from tests.serving import serve

_numbers = itertools.count()
#: `World.people` knows the superuser by this key: the second person of the centre
SUPER = (Level.CENTER, 1)


def make_super(world: World, name: str = "系统管理员") -> Passport:
    """A second administrator of the centre who is a superuser."""
    with unit_of_work(world.runtime.factory, system("seed")) as session:
        owner, _ = bind_administrator(session, world.tree, Level.CENTER, name=name)
        with seeding(session):
            row = session.scalars(
                select(AdminBinding).where(AdminBinding.passport_id == owner.id)
            ).one()
            row.is_super = True
    return owner


def log_of(world: World, action: str) -> list[AuditEntry]:
    """The audit entries whose action begins so, oldest first."""
    with world.looking() as session:
        rows = session.scalars(
            select(AuditEntry).where(AuditEntry.action.startswith(action)).order_by(AuditEntry.id)
        ).all()
        session.expunge_all()
    return list(rows)


def look(page: Page, world: World, address: str, person: tuple[Level, int], path: str) -> Page:
    """Open a page of the administration as that person; it must satisfy axe."""
    agent = page.evaluate("navigator.userAgent")
    value = world.cookie(world.people[person], agent)
    cookie: Any = {"name": "kaowu_admin", "value": value, "domain": "127.0.0.1", "path": "/admin"}
    page.context.add_cookies([cookie])
    page.goto(f"{address}/admin/58{path}")
    assert violations(page) == []
    return page


def walk_phone(
    page: Page, world: World, address: str, person: tuple[Level, int], path: str
) -> None:
    """Open a page on a phone: nothing but its tables may be wider than the screen."""
    look(page, world, address, person, path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.fixture(autouse=True)
def _product_alone(product_alone: None) -> None:
    """Pages are those of the product."""


@pytest.fixture(scope="module")
def office(
    database_kind: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A world of the module's own: two sites, two sessions, a superuser, the default matrix."""
    url = databases.clone(database_kind, f"office_{os.getpid()}_{next(_numbers)}", create_schema)
    world = make_world(url, tmp_path_factory.mktemp("instance"))
    world.people[SUPER] = make_super(world)
    with unit_of_work(world.runtime.factory, system("permissions sync")) as session:
        permissions.sync(session)
    yield world
    world.runtime.engine.dispose()
    databases.drop(url)


@pytest.fixture(scope="module")
def office_address(office: World) -> Iterator[str]:
    """The running administration, for a browser."""
    with serve(office.server) as address:
        yield address
