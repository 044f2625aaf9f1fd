"""Roles beside those of the levels: copied, refused, deleted, granted to people."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.errors import Duplicate, InvalidInput, NotFound
from app.metadata.vocabulary import Verb
from app.models.account import AdminBinding, Role, RoleGrant
from app.models.audit import AuditEntry
from app.rules import permissions
from app.rules.actors import load_administrator
from app.rules.permissions import (
    MATRIX,
    RoleInUse,
)
from app.rules.policy import granted
from tests.factories import bind_administrator, make_tree, plant, seeding
from tests.rules.permission_world import (
    PAGE,
    SITE,
    TASK,
    declared,
    superuser,
    sync,
    version,
)

# ---------------------------------------------------------------- roles


def test_a_role_may_copy_the_cells_of_another(session: KaowuSession) -> None:
    sync(session)
    become(session, superuser(make_tree(session)))
    before = version(session)
    row = permissions.create_role(session, "viewer", " 查询员 ", "site", "site")
    assert (row.label, row.built_in) == ("查询员", False)
    assert permissions.grants_of(session, "viewer") == permissions.grants_of(session, SITE)
    assert version(session) != before


def test_a_copy_leaves_out_what_the_level_may_not_have(session: KaowuSession) -> None:
    sync(session)
    become(session, superuser(make_tree(session)))
    permissions.create_role(session, "helper", "助理", "site", "super")
    names = {name for name, _ in permissions.grants_of(session, "helper")}
    assert MATRIX.name not in names
    assert names


def test_wrong_roles_are_refused(session: KaowuSession) -> None:
    sync(session)
    become(session, superuser(make_tree(session)))
    with pytest.raises(InvalidInput) as caught:
        permissions.create_role(session, "X", "", "candidate")
    assert set(caught.value.errors) == {"name", "label", "level"}
    with pytest.raises(Duplicate):
        permissions.create_role(session, "site", "重名", "site")
    with pytest.raises(NotFound):
        permissions.create_role(session, "viewer", "查询员", "site", "no_such_role")


def test_a_role_in_use_is_not_deleted(session: KaowuSession) -> None:
    sync(session)
    tree = make_tree(session)
    owner, _ = bind_administrator(session, tree)
    become(session, superuser(tree))
    permissions.create_role(session, "viewer", "查询员", "site", "site")
    with seeding(session):
        row = session.scalars(
            select(AdminBinding).where(AdminBinding.passport_id == owner.id)
        ).one()
        row.extra_roles = ["viewer"]
    for name in ("viewer", "site", "super"):
        with pytest.raises(RoleInUse):
            permissions.delete_role(session, name)
    with pytest.raises(NotFound):
        permissions.delete_role(session, "no_such_role")


def test_a_deleted_role_leaves_no_cells_behind(session: KaowuSession) -> None:
    sync(session)
    become(session, superuser(make_tree(session)))
    permissions.create_role(session, "viewer", "查询员", "site", "site")
    permissions.delete_role(session, "viewer")
    assert permissions.grants_of(session, "viewer") == set()
    actions = list(
        session.scalars(
            select(AuditEntry.action)
            .where(AuditEntry.action.startswith("account.role."))
            .order_by(AuditEntry.id)
        )
    )
    assert actions == ["account.role.add", "account.role.delete"]


def test_extra_roles_add_to_those_of_the_level(session: KaowuSession) -> None:
    with declared(Verb.LIST) as page:
        sync(session)
        tree = make_tree(session)
        owner, _ = bind_administrator(session, tree)
        plant(session, Role(name="editor", label="编辑", level="site", built_in=False))
        with seeding(session):
            session.add(RoleGrant(role="editor", declaration=PAGE, verb=Verb.EDIT.value))
            row = session.scalars(
                select(AdminBinding).where(AdminBinding.passport_id == owner.id)
            ).one()
            row.extra_roles = ["editor"]
        become(session, TASK)
        permissions.bump_version(session)
        actor = load_administrator(session, owner.id, tree.exam)
        assert granted(page, Verb.LIST, actor)
        assert granted(page, Verb.EDIT, actor)
