"""A page whose cells the tests of the matrix change, and the steps that change them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import delete, select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata import registry
from app.metadata.actor import Actor, system
from app.metadata.declarations import MANAGE, Declaration
from app.metadata.vocabulary import Level, Verb
from app.models.account import RoleGrant, Setting
from app.rules import permissions
from app.rules.living_matrix import MATRIX_VERSION
from app.rules.permissions import (
    Cell,
)
from tests.factories import Tree

TASK = system("permissions sync")
SITE, PAGE = "site", "test_page"
LIST: Cell = (SITE, PAGE, Verb.LIST)
EDIT: Cell = (SITE, PAGE, Verb.EDIT)


@contextmanager
def declared(*verbs: Verb) -> Iterator[Declaration]:
    """A page that grants these verbs to sites, as long as the block lasts."""
    page = Declaration(
        name=PAGE,
        label="测试页面",
        verbs={Level.CENTER: MANAGE, Level.SITE: frozenset(verbs)},
        per_exam=False,
    )
    registry.register(page)
    try:
        yield page
    finally:
        del registry._declarations[PAGE]


def sync(session: KaowuSession, **options: Any) -> permissions.SyncReport:
    become(session, TASK)
    return permissions.sync(session, **options)


def by_hand(session: KaowuSession, cell: Cell, granted: bool) -> None:
    """Change one living cell as a superuser would."""
    role, name, verb = cell
    session.execute(
        delete(RoleGrant).where(
            RoleGrant.role == role, RoleGrant.declaration == name, RoleGrant.verb == verb.value
        )
    )
    if granted:
        session.add(RoleGrant(role=role, declaration=name, verb=verb.value))
    session.flush()


def living(session: KaowuSession) -> set[Cell]:
    rows = session.scalars(select(RoleGrant).where(RoleGrant.declaration == PAGE))
    return {(row.role, row.declaration, Verb(row.verb)) for row in rows if row.role == SITE}


def version(session: KaowuSession) -> str | None:
    session.expire_all()
    return session.scalar(select(Setting.value).where(Setting.name == MATRIX_VERSION))


def superuser(tree: Tree) -> Actor:
    return tree.actor(Level.CENTER, roles=frozenset({"center", "super"}), name="系统管理员")


def save(session: KaowuSession, cells: set[tuple[str, Verb]], **options: Any) -> int:
    token = options.pop("token", None) or permissions.token_of(session, SITE)
    return permissions.save(session, SITE, cells, token, **options)
