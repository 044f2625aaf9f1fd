"""A row is written inside a permit and within the actor's scope, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from app.database.policy import NoPermit, OutOfScope, ScopeMissing, become
from app.database.session import KaowuSession
from app.metadata.actor import system
from app.metadata.declarations import MANAGE, Declaration
from app.metadata.errors import PolicyDenied
from app.metadata.vocabulary import ADMINISTRATORS, Level, Verb
from app.models.account import AdminBinding
from app.models.audit import AuditEntry
from app.models.capacity import CapacityPool
from app.models.registration import Registration
from app.models.settings import ClassOption, SiteSettings
from app.rules import audit, policy
from tests.factories import (
    Tree,
    bind_administrator,
    make_passport,
    make_registration,
    make_tree,
)

EVERYTHING = Declaration(
    name="test_everything",
    label="测试",
    verbs=dict.fromkeys((*ADMINISTRATORS, Level.CANDIDATE), MANAGE),
    writes=(AdminBinding, CapacityPool, ClassOption, Registration, SiteSettings),
)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    """Two sites of one session."""
    return make_tree(session, sites=2)


def _option(tree: Tree, number: int = 0, **changes: Any) -> ClassOption:
    path = tree.path(tree.sites[number]) | changes
    return ClassOption(**path, name="一班", position=1)


def _settings(session: KaowuSession, tree: Tree, number: int = 0) -> SiteSettings:
    found = session.scalars(
        select(SiteSettings).where(SiteSettings.site_id == tree.sites[number].id)
    ).one()
    return found


def test_a_row_is_added_inside_a_permit_and_logged(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    with policy.permit(session, EVERYTHING, Verb.ADD):
        row = _option(tree)
        session.add(row)
    entries = session.scalars(select(AuditEntry).where(AuditEntry.object_id == row.id)).all()
    assert [entry.action for entry in entries] == ["settings.classoption.add"]


@pytest.mark.parametrize("verb", ["add", "edit", "delete"])
def test_without_a_permit_nothing_is_written(session: KaowuSession, tree: Tree, verb: str) -> None:
    become(session, tree.actor())
    if verb == "add":
        session.add(_option(tree))
    elif verb == "edit":
        _settings(session, tree).max_subjects = 2
    else:
        session.delete(_settings(session, tree))
    with pytest.raises(NoPermit):
        session.flush()
    session.rollback()


def test_a_permit_covers_its_own_models_alone(session: KaowuSession, tree: Tree) -> None:
    narrow = Declaration(
        name="test_narrow", label="测试", verbs={Level.SITE: MANAGE}, writes=(CapacityPool,)
    )
    become(session, tree.actor())
    with pytest.raises(NoPermit), policy.permit(session, narrow, Verb.ADD):
        session.add(_option(tree))
    session.rollback()


def test_a_permit_of_a_resource_covers_its_verb_alone(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    resource: Any = SiteSettings.__admin__
    row = _settings(session, tree)
    with pytest.raises(NoPermit), policy.permit(session, resource, Verb.EDIT):
        session.delete(row)
    session.rollback()


def test_the_permit_ends_with_its_block(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    row = _settings(session, tree)
    with policy.permit(session, EVERYTHING, Verb.EDIT):
        row.max_subjects = 2
    row.max_subjects = 1
    with pytest.raises(NoPermit):
        session.flush()
    session.rollback()


def test_a_permit_serves_the_person_it_was_given_to(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.CENTER))
    with pytest.raises(NoPermit), policy.permit(session, EVERYTHING, Verb.ADD):  # noqa: PT012
        become(session, tree.actor())
        session.add(_option(tree))
    session.rollback()


# ---------------------------------------------------------------- scope of what is written


def test_a_row_of_another_site_is_refused(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    with pytest.raises(OutOfScope), policy.permit(session, EVERYTHING, Verb.ADD):
        session.add(_option(tree, 1))
    session.rollback()


def test_a_row_of_the_own_site_under_another_province_is_refused(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor())
    with pytest.raises(OutOfScope), policy.permit(session, EVERYTHING, Verb.ADD):
        session.add(_option(tree, province_id=tree.sites[1].id))
    session.rollback()


@pytest.mark.parametrize("column", ["site_id", "exam_id"])
def test_an_empty_scope_column_is_refused(session: KaowuSession, tree: Tree, column: str) -> None:
    empty: dict[str, Any] = {column: None}
    for actor in (tree.actor(), system("test")):
        become(session, actor)
        with pytest.raises(ScopeMissing), policy.permit(session, EVERYTHING, Verb.ADD):
            session.add(_option(tree, **empty))
        session.rollback()


def test_an_empty_owner_is_refused(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    with pytest.raises(ScopeMissing), policy.permit(session, EVERYTHING, Verb.ADD):
        session.add(Registration(**tree.path(tree.site), name="无主"))
    session.rollback()


def test_an_own_row_is_not_given_away(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    row = _settings(session, tree)
    with pytest.raises(OutOfScope), policy.permit(session, EVERYTHING, Verb.EDIT):
        row.site_id = tree.sites[1].id
    session.rollback()


@pytest.mark.parametrize("expired", [False, True])
def test_a_foreign_row_is_not_stolen(session: KaowuSession, tree: Tree, expired: bool) -> None:
    become(session, tree.actor(Level.CENTER))
    row = _settings(session, tree, 1)
    if expired:
        session.expire(row)
    session.info["kaowu"].actor = tree.actor()  # past `become`, which forgets the row
    with pytest.raises(OutOfScope), policy.permit(session, EVERYTHING, Verb.EDIT):  # noqa: PT012
        row.site_id = tree.site.id
        row.max_subjects = 2
    session.rollback()


def test_a_row_does_not_move_to_another_session(session: KaowuSession, tree: Tree) -> None:
    other = make_tree(session, number=59, state="preparing", sites=1)
    become(session, tree.actor(Level.CENTER))
    row = _settings(session, tree)
    with pytest.raises(OutOfScope), policy.permit(session, EVERYTHING, Verb.EDIT):
        row.exam_id = other.exam.id
    session.rollback()


def test_codes_across_sessions_are_compared_too(session: KaowuSession, tree: Tree) -> None:
    _, actor = bind_administrator(session, tree, Level.SITE, 0)
    bind_administrator(session, tree, Level.SITE, 1)
    become(session, actor)
    row = session.scalars(select(AdminBinding)).one()
    with pytest.raises(OutOfScope), policy.permit(session, EVERYTHING, Verb.EDIT):
        row.site_code = tree.sites[1].code
    session.rollback()


def test_a_candidate_writes_his_own_rows_alone(session: KaowuSession, tree: Tree) -> None:
    mine, theirs = make_passport(session), make_passport(session)
    own = make_registration(session, tree, passport=mine)
    become(session, tree.candidate(mine))
    row = session.get(Registration, own.id)
    assert row is not None
    with policy.permit(session, EVERYTHING, Verb.EDIT):
        row.remark = "改"
    with pytest.raises(OutOfScope), policy.permit(session, EVERYTHING, Verb.EDIT):
        row.passport_id = theirs.id
    session.rollback()


def test_nobody_writes_nothing(session: KaowuSession, tree: Tree) -> None:
    become(session, None)
    session.add(_option(tree))
    with pytest.raises(PolicyDenied):
        session.flush()
    session.rollback()


# ---------------------------------------------------------------- flushes


def test_a_switch_of_actor_flushes_under_the_former_one(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    session.add(_option(tree))
    with pytest.raises(NoPermit):
        become(session, system("test"))
    session.rollback()
    become(session, system("test"))
    assert session.scalar(select(func.count(ClassOption.id))) == 0


def test_an_autoflush_refuses_with_the_same_error(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    session.add(_option(tree, 1))
    with pytest.raises(NoPermit):
        session.scalars(select(ClassOption)).all()
    session.rollback()


def test_a_refusal_in_a_savepoint_undoes_that_alone(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    with policy.permit(session, EVERYTHING, Verb.ADD):
        session.add(_option(tree))
        session.flush()
        with pytest.raises(OutOfScope), session.begin_nested():
            session.add(_option(tree, 1))
        session.flush()
    assert session.scalar(select(func.count(ClassOption.id))) == 1


def test_a_refused_row_is_refused_again(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    session.add(_option(tree))
    for _ in range(2):
        with pytest.raises(NoPermit):
            session.flush()
    session.rollback()
    assert session.scalar(select(func.count(ClassOption.id))) == 0


def test_an_entry_of_the_log_is_final(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    with policy.permit(session, EVERYTHING, Verb.ADD):
        session.add(_option(tree))
    entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    entry.reason = "anders"
    with pytest.raises(audit.AuditIsFinal):
        session.flush()
    session.rollback()
