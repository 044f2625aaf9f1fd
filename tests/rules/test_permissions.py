"""The living matrix: three-way merge, saving with a token."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession, make_engine, make_session_factory
from app.database.unit_of_work import reading, unit_of_work
from app.metadata.vocabulary import ADMINISTRATORS, Level, Verb
from app.models.account import Role, RoleGrant
from app.models.audit import AuditEntry
from app.rules import permissions
from app.rules.actors import load_administrator
from app.rules.permissions import (
    MATRIX,
    Cell,
    IllegalCell,
    MatrixChanged,
    SuperKeepsMatrix,
)
from app.rules.policy import NoVerb, granted
from tests.factories import bind_administrator, make_tree
from tests.rules.permission_world import (
    EDIT,
    LIST,
    PAGE,
    SITE,
    TASK,
    by_hand,
    declared,
    living,
    save,
    superuser,
    sync,
    version,
)

# ---------------------------------------------------------------- the merge


def test_the_first_sync_makes_roles_and_all_defaults(session: KaowuSession) -> None:
    report = sync(session)
    assert set(report.added) == permissions.defaults()
    assert (report.removed, report.kept) == ([], [])
    roles = {row.name: row for row in session.scalars(select(Role))}
    levels = {level.value for level in ADMINISTRATORS}
    assert set(roles) == {*levels, "super", "entrusted_city"}
    assert all(role.built_in for role in roles.values())
    assert version(session) is not None


def test_a_second_sync_does_nothing(session: KaowuSession) -> None:
    sync(session)
    before = version(session)
    report = sync(session)
    assert report.is_empty
    assert report.kept == []
    assert version(session) == before


def test_what_the_code_adds_is_added(session: KaowuSession) -> None:
    sync(session)
    before = version(session)
    with declared(Verb.LIST):
        report = sync(session)
        assert LIST in report.added
        assert living(session) == {LIST}
        assert version(session) != before


def test_what_the_code_takes_away_is_removed(session: KaowuSession) -> None:
    with declared(Verb.LIST, Verb.EDIT):
        sync(session)
    with declared(Verb.LIST):
        report = sync(session)
        assert report.removed == [EDIT]
        assert living(session) == {LIST}


def test_a_page_that_the_code_drops_loses_its_cells(session: KaowuSession) -> None:
    with declared(Verb.LIST):
        sync(session)
    report = sync(session)
    assert LIST in report.removed
    assert living(session) == set()


def test_what_was_taken_away_by_hand_stays_away_and_is_reported(session: KaowuSession) -> None:
    with declared(Verb.LIST):
        sync(session)
        by_hand(session, LIST, granted=False)
        report = sync(session)
        assert report.kept == [LIST]
        assert living(session) == set()


def test_what_was_granted_by_hand_stays_and_is_reported(session: KaowuSession) -> None:
    with declared(Verb.LIST):
        sync(session)
        by_hand(session, EDIT, granted=True)
        report = sync(session)
        assert report.kept == [EDIT]
        assert living(session) == {LIST, EDIT}


def test_code_and_hand_may_come_to_the_same(session: KaowuSession) -> None:
    with declared(Verb.LIST):
        sync(session)
        by_hand(session, EDIT, granted=True)
    with declared(Verb.LIST, Verb.EDIT):
        report = sync(session)
        assert report.is_empty
        assert report.kept == []
        assert living(session) == {LIST, EDIT}


def test_a_further_role_is_nobodys_default(session: KaowuSession) -> None:
    with declared(Verb.LIST):
        sync(session)
        by_hand(session, ("viewer", PAGE, Verb.LIST), granted=True)
        report = sync(session)
        assert report.is_empty
        assert report.kept == []


def test_a_dry_run_changes_nothing(session: KaowuSession) -> None:
    with declared(Verb.LIST):
        report = sync(session, dry_run=True)
        assert LIST in report.added
        assert session.scalars(select(RoleGrant)).all() == []
        assert session.scalars(select(Role)).all() == []
        assert version(session) is None


def test_a_sync_is_in_the_log(session: KaowuSession) -> None:
    report = sync(session)
    entry = session.scalars(
        select(AuditEntry).where(AuditEntry.action == "account.role_grant.sync")
    ).one()
    assert entry.changes["added"]["new"] == len(report.added)
    assert entry.actor_name == "permissions sync"


CELLS = [(SITE, PAGE, verb) for verb in (Verb.LIST, Verb.SHOW, Verb.EDIT)]
PART = st.frozensets(st.sampled_from(CELLS)).map(set)


@given(code=PART, base=PART, live=PART)
def test_the_merge_is_three_way(code: set[Cell], base: set[Cell], live: set[Cell]) -> None:
    """The code wins where it changed and people did not; else the living cell stays as it is."""
    report = permissions.merge(code, base, live)
    merged = (live | set(report.added)) - set(report.removed)
    for cell in CELLS:
        by_hand = (cell in live) != (cell in base)
        assert (cell in merged) == ((cell in live) if by_hand else (cell in code))
        assert (cell in report.kept) == (by_hand and (cell in code) == (cell in base))
    assert permissions.merge(code, code, merged).is_empty


# ---------------------------------------------------------------- saving


def test_a_save_makes_the_cells_exactly_so(session: KaowuSession) -> None:
    with declared(Verb.LIST) as page:
        sync(session)
        become(session, superuser(make_tree(session)))
        before, old = permissions.grants_of(session, SITE), version(session)
        wanted = (before - {(PAGE, Verb.LIST)}) | {(PAGE, Verb.EDIT)}
        assert permissions.difference(session, SITE, wanted) == (
            [(PAGE, Verb.EDIT)],
            [(PAGE, Verb.LIST)],
        )
        assert save(session, wanted) == 2
        assert permissions.grants_of(session, SITE) == wanted
        assert version(session) != old
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "account.role_grant.edit")
        ).all()
        told = {entry.object_title: entry.changes for entry in entries}
        assert len(entries) == 2
        assert set(told) == {f"考点管理员 {page.label}"}


def test_each_cell_has_an_entry_with_old_and_new(session: KaowuSession) -> None:
    with declared(Verb.LIST):
        sync(session)
        become(session, superuser(make_tree(session)))
        save(session, permissions.grants_of(session, SITE) - {(PAGE, Verb.LIST)})
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "account.role_grant.edit")
        ).one()
        assert entry.changes == {"list": {"label": "查询", "old": True, "new": False}}
        assert entry.actor_name == "系统管理员"


def test_an_unchanged_save_leaves_version_and_log_alone(session: KaowuSession) -> None:
    sync(session)
    become(session, superuser(make_tree(session)))
    before = version(session)
    assert save(session, permissions.grants_of(session, SITE)) == 0
    assert version(session) == before


def test_a_stale_token_is_refused(session: KaowuSession) -> None:
    with declared(Verb.LIST):
        sync(session)
        become(session, superuser(make_tree(session)))
        token = permissions.token_of(session, SITE)
        by_hand(session, EDIT, granted=True)
        with pytest.raises(MatrixChanged):
            save(session, set(), token=token)
        assert living(session) == {LIST, EDIT}


def test_a_verb_that_no_level_has_is_refused(session: KaowuSession) -> None:
    sync(session)
    become(session, superuser(make_tree(session)))
    for cell in (("capacity", Verb.DOWNLOAD), ("no_such_page", Verb.LIST)):
        with pytest.raises(IllegalCell):
            permissions.difference(session, SITE, {cell})


def test_the_matrix_itself_stays_with_the_centre(session: KaowuSession) -> None:
    sync(session)
    become(session, superuser(make_tree(session)))
    with pytest.raises(IllegalCell):
        permissions.difference(session, SITE, {(MATRIX.name, Verb.EDIT)})
    cells = permissions.grants_of(session, "center") | {(MATRIX.name, Verb.VIEW)}
    assert permissions.difference(session, "center", cells)[0] == [(MATRIX.name, Verb.VIEW)]


def test_superusers_cannot_lock_themselves_out(session: KaowuSession) -> None:
    sync(session)
    become(session, superuser(make_tree(session)))
    token = permissions.token_of(session, "super")
    for verb in (Verb.VIEW, Verb.EDIT):
        wanted = permissions.grants_of(session, "super") - {(MATRIX.name, verb)}
        with pytest.raises(SuperKeepsMatrix):
            permissions.save(session, "super", wanted, token)


@pytest.mark.parametrize("level", ADMINISTRATORS)
def test_nobody_but_superusers_saves(session: KaowuSession, level: Level) -> None:
    sync(session)
    become(session, make_tree(session).actor(level))
    with pytest.raises(NoVerb):
        save(session, set())
    with pytest.raises(NoVerb):
        permissions.create_role(session, "viewer", "查询员", "site")
    with pytest.raises(NoVerb):
        permissions.delete_role(session, "viewer")


def test_a_save_takes_effect_with_the_next_request(session: KaowuSession) -> None:
    with declared(Verb.LIST) as page:
        sync(session)
        tree = make_tree(session)
        owner, _ = bind_administrator(session, tree)
        become(session, superuser(tree))
        actor = load_administrator(session, owner.id, tree.exam)
        assert granted(page, Verb.LIST, actor)
        save(session, permissions.grants_of(session, SITE) - {(PAGE, Verb.LIST)})
        actor = load_administrator(session, owner.id, tree.exam)
        assert not granted(page, Verb.LIST, actor)


def test_of_two_savers_at_once_one_is_refused(fresh_database: str) -> None:
    """Both have read the same token; whoever comes second must not undo what the first did."""
    engine = make_engine(fresh_database)
    factory = make_session_factory(engine)
    with unit_of_work(factory, TASK) as session:
        permissions.sync(session)
        tree = make_tree(session)
    actor = superuser(tree)
    with reading(factory, actor) as session:
        token = permissions.token_of(session, SITE)
        before = permissions.grants_of(session, SITE)
    cells = sorted(before)[:2]
    barrier = threading.Barrier(2)
    outcomes: list[Any] = []

    def work(cell: tuple[str, Verb]) -> None:
        barrier.wait()
        try:
            with unit_of_work(factory, actor) as unit:
                outcomes.append(permissions.save(unit, SITE, before - {cell}, token))
        except MatrixChanged as error:
            outcomes.append(error)

    threads = [threading.Thread(target=work, args=(cell,)) for cell in cells]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["MatrixChanged", "int"]
    with reading(factory, actor) as session:
        assert len(permissions.grants_of(session, SITE)) == len(before) - 1
    engine.dispose()
