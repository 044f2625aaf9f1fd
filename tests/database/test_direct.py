"""Rows that are written past the mapper pass the same guard, and leave the same log."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from app.database import direct
from app.database.direct import Change
from app.database.identifiers import new_id
from app.database.policy import (
    ColumnDenied,
    NoPermit,
    OutOfScope,
    RawStatement,
    ScopeMissing,
    become,
    elevated,
    rows_of,
)
from app.database.session import KaowuSession
from app.metadata.actor import system
from app.metadata.declarations import MANAGE, Declaration
from app.metadata.errors import PolicyDenied, StaleRow
from app.metadata.vocabulary import ADMINISTRATORS, Level, Verb
from app.models.account import AdminBinding, Passport, RateLimit
from app.models.audit import AuditEntry
from app.models.capacity import CapacityPool
from app.models.registration import Entry, Registration
from app.models.settings import ClassOption, SiteSettings
from app.rules import policy
from tests.factories import Tree, make_passport

SCOPE = ("exam_id", "province_id", "city_id", "site_id")
DIRECT = Declaration(
    name="test_direct",
    label="测试",
    verbs=dict.fromkeys((*ADMINISTRATORS, Level.CANDIDATE), MANAGE),
    writes=(AdminBinding, ClassOption, Entry, Registration, SiteSettings),
)


def option(tree: Tree, number: int = 0, **changes: Any) -> Change:
    values = tree.path(tree.sites[number]) | {"name": "一班", "position": 1} | changes
    return Change(ClassOption, Verb.ADD, new_id(), values, {}, title="一班")


def stored(session: KaowuSession, model: Any, number: int) -> dict[str, Any]:
    """All columns of a row, whoever's it is."""
    owner = session.info["kaowu"].actor
    become(session, system("look"))
    found = session.execute(select(model.__table__).where(model.__table__.c.id == number)).one()
    become(session, owner)
    return dict(found._mapping)


def settings(session: KaowuSession, tree: Tree, number: int = 0, **new: Any) -> Change:
    found = select(SiteSettings.id).where(SiteSettings.site_id == tree.sites[number].id)
    become(session, system("look"))
    row_id = session.scalars(found).one()
    old = stored(session, SiteSettings, row_id)
    return Change(SiteSettings, Verb.EDIT, row_id, new or {"max_subjects": 2}, old)


def write(session: KaowuSession, change: Change, actor: Any, verb: Verb = Verb.EDIT) -> None:
    become(session, actor)
    with policy.permit(session, DIRECT, verb):
        direct.write(session, [change])


def logged(session: KaowuSession, number: int) -> list[AuditEntry]:
    become(session, system("look"))
    found = select(AuditEntry).where(AuditEntry.object_id == number).order_by(AuditEntry.id)
    return list(session.scalars(found))


# ---------------------------------------------------------------- what is written


def test_rows_are_added_and_edited_and_the_log_tells_of_both(
    session: KaowuSession, tree: Tree
) -> None:
    added, edited = option(tree), settings(session, tree, max_subjects=2, open=True)
    become(session, tree.actor())
    with policy.permit(session, DIRECT, Verb.EDIT, reason="试"):
        direct.write(session, [added, edited])
    row = stored(session, ClassOption, added.id)
    assert (row["name"], row["site_id"], row["position"]) == ("一班", tree.site.id, 1)
    changed = stored(session, SiteSettings, edited.id)
    assert (changed["max_subjects"], changed["version"]) == (2, edited.old["version"] + 1)
    (entry,) = logged(session, added.id)
    assert (entry.action, entry.object_title, entry.reason) == (
        "settings.classoption.add",
        "一班",
        "试",
    )
    entry = logged(session, edited.id)[-1]
    assert entry.action == "settings.sitesettings.edit"
    assert entry.changes.keys() == {"max_subjects", "_declaration"}  # `open` stays what it was
    assert (entry.changes["max_subjects"]["old"], entry.changes["max_subjects"]["new"]) == (3, 2)


def test_the_log_is_that_of_the_mapper(session: KaowuSession, tree: Tree) -> None:
    """A superior's change, on behalf of the site: the same words, the same place."""
    change = settings(session, tree, max_subjects=2)
    write(session, change, tree.actor(Level.PROVINCE))
    row = session.get_one(SiteSettings, change.id)
    with policy.permit(session, DIRECT, Verb.EDIT):
        row.max_subjects = 1
    directly, by_mapper = logged(session, change.id)[-2:]
    same = ("action", "object_type", "object_title", "actor_level", "actor_name", "outcome")
    for name in (*same, *SCOPE, "on_behalf_of", "organisation_code", "passport_id", "sealed"):
        assert getattr(directly, name) == getattr(by_mapper, name), name
    assert by_mapper.changes["max_subjects"] == directly.changes["max_subjects"] | {
        "old": 2,
        "new": 1,
    }


def test_rows_in_the_session_are_read_anew(session: KaowuSession, tree: Tree) -> None:
    change = settings(session, tree, max_subjects=2)
    become(session, tree.actor())
    row = session.get_one(SiteSettings, change.id)
    assert row.max_subjects == 3
    write(session, change, tree.actor())
    assert row.max_subjects == 2


def test_what_was_pending_is_written_first(session: KaowuSession, tree: Tree) -> None:
    change = settings(session, tree, max_subjects=2)
    become(session, tree.actor())
    row = session.get_one(SiteSettings, change.id)
    with policy.permit(session, DIRECT, Verb.EDIT):
        row.review_required = True  # and counts the version on
        with pytest.raises(StaleRow):
            direct.write(session, [change])
    session.rollback()


def test_a_row_that_changed_meanwhile_is_refused(session: KaowuSession, tree: Tree) -> None:
    change = settings(session, tree, max_subjects=2)
    write(session, change, tree.actor())
    with pytest.raises(StaleRow):
        write(session, change, tree.actor())
    session.rollback()


def test_whose_the_row_is_must_be_true(session: KaowuSession, tree: Tree) -> None:
    """Scope is checked as the caller tells it, so the row must have it."""
    foreign = settings(session, tree, 1)
    own = {name: settings(session, tree).old[name] for name in SCOPE}
    with pytest.raises(StaleRow):
        write(session, replace(foreign, old={**foreign.old, **own}), tree.actor())
    assert stored(session, SiteSettings, foreign.id)["max_subjects"] == 3


def test_what_changes_nothing_is_neither_written_nor_logged(
    session: KaowuSession, tree: Tree
) -> None:
    same = settings(session, tree, max_subjects=3)
    before = len(logged(session, same.id))
    write(session, same, tree.actor())
    assert stored(session, SiteSettings, same.id)["version"] == same.old["version"]
    assert len(logged(session, same.id)) == before


def test_added_rows_set_the_same_columns(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    other = option(tree, name="二班")
    less = replace(other, new={k: v for k, v in other.new.items() if k != "position"})
    with (
        policy.permit(session, DIRECT, Verb.ADD),
        pytest.raises(TypeError, match="different columns"),
    ):
        direct.write(session, [option(tree), less])


def test_a_constraint_refuses_all(session: KaowuSession, tree: Tree) -> None:
    change = settings(session, tree, max_subjects=4)
    before = len(logged(session, change.id))
    with pytest.raises(IntegrityError, match="max_subjects"), session.begin_nested():
        write(session, change, tree.actor())
    assert len(logged(session, change.id)) == before


# ---------------------------------------------------------------- who may not

Case = Callable[[KaowuSession, Tree], Change]
REFUSED: dict[str, tuple[Case, Level, type[PolicyDenied]]] = {
    "another site": (lambda s, t: option(t, 1), Level.SITE, OutOfScope),
    "under another province": (
        lambda s, t: option(t, province_id=t.sites[1].id),
        Level.SITE,
        OutOfScope,
    ),
    "no site": (lambda s, t: option(t, site_id=None), Level.CENTER, ScopeMissing),
    "no session": (lambda s, t: option(t, exam_id=None), Level.CENTER, ScopeMissing),
    "stolen": (
        lambda s, t: settings(s, t, 1, site_id=t.site.id),
        Level.SITE,
        OutOfScope,
    ),
    "given away": (
        lambda s, t: settings(s, t, site_id=t.sites[1].id),
        Level.SITE,
        OutOfScope,
    ),
    "not covered": (
        lambda s, t: Change(CapacityPool, Verb.EDIT, 1, {"capacity": 9}, t.path(t.site)),
        Level.SITE,
        NoPermit,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_guard_is_that_of_the_mapper(session: KaowuSession, tree: Tree, name: str) -> None:
    case, level, refusal = REFUSED[name]
    change = case(session, tree)
    with pytest.raises(refusal):
        write(session, change, tree.actor(level))
    session.rollback()


def test_without_a_permit_or_with_another_ones_nothing_is_written(
    session: KaowuSession, tree: Tree
) -> None:
    change = option(tree)
    become(session, tree.actor())
    with pytest.raises(NoPermit):
        direct.write(session, [change])
    with pytest.raises(NoPermit), policy.permit(session, DIRECT, Verb.ADD):  # noqa: PT012
        become(session, tree.actor(Level.CENTER))
        direct.write(session, [change])
    assert logged(session, change.id) == []


def test_a_resource_lets_columns_be_set_from_their_level_on(
    session: KaowuSession, tree: Tree
) -> None:
    resource: Any = SiteSettings.__admin__
    change = settings(session, tree, preference_allowed=True)
    become(session, tree.actor())
    with pytest.raises(ColumnDenied), policy.permit(session, resource, Verb.EDIT):
        direct.write(session, [change])
    become(session, tree.actor(Level.PROVINCE))
    with policy.permit(session, resource, Verb.EDIT):
        direct.write(session, [change])
    assert stored(session, SiteSettings, change.id)["preference_allowed"] is True


def test_a_candidate_writes_his_own_rows_alone(session: KaowuSession, tree: Tree) -> None:
    become(session, system("look"))
    site = Registration.site_id == tree.site.id
    row_id = session.scalars(select(Registration.id).where(site).limit(1)).one()
    change = Change(
        Registration, Verb.EDIT, row_id, {"remark": "改"}, stored(session, Registration, row_id)
    )
    owner = session.get_one(Passport, change.old["passport_id"])
    stranger = make_passport(session)
    write(session, change, tree.candidate(owner))
    assert stored(session, Registration, row_id)["remark"] == "改"
    with pytest.raises(OutOfScope):
        write(session, change, tree.candidate(stranger))
    session.rollback()


def test_only_rows_of_a_session_go_past_the_mapper(session: KaowuSession, tree: Tree) -> None:
    for change in (
        Change(AdminBinding, Verb.ADD, new_id(), {}, {}),
        Change(ClassOption, Verb.DELETE, 1, {}, tree.path(tree.site)),
    ):
        with pytest.raises(TypeError, match="mapper"):
            write(session, change, tree.actor())
        session.rollback()


def test_nothing_is_written_that_nobody_logs(
    session: KaowuSession, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "_loggers", [])
    with pytest.raises(NoPermit):
        write(session, option(tree), tree.actor())
    session.rollback()


# ---------------------------------------------------------------- reading plain values


@pytest.mark.parametrize(
    "statement",
    [
        text("SELECT id FROM registration"),
        select(text("id FROM registration")),
        select(Registration.__table__.c.id),
        select(func.count()).select_from(Registration.__table__),
        select(Registration).from_statement(text("SELECT * FROM registration")),
    ],
    ids=["text", "text column", "table", "counted table", "from_statement"],
)
def test_a_statement_that_no_scope_can_be_put_on_is_not_read(
    session: KaowuSession, tree: Tree, statement: Any
) -> None:
    become(session, tree.actor())
    with pytest.raises(RawStatement):
        rows_of(session, statement, {})


def test_nothing_pending_is_written_while_something_is_elevated(
    session: KaowuSession, tree: Tree
) -> None:
    """A row of another site would pass, for the scope is lifted."""
    become(session, tree.actor())
    with pytest.raises(OutOfScope), policy.permit(session, DIRECT, Verb.ADD):  # noqa: PT012
        session.add(
            ClassOption(**tree.path(tree.sites[1]), name="一班", position=1),
        )
        with elevated(session, "test", ClassOption):
            assert rows_of(session, select(ClassOption.id), {}) == []
    session.rollback()


# ---------------------------------------------------------------- counters that go along


def counted(told: list[int], model: Any = RateLimit) -> direct.Count:
    key = {"bucket": "test", "window_start": dt.datetime(2026, 9, 1, tzinfo=dt.UTC)}
    return direct.Count(model, key, told.append)


def test_a_counter_goes_along_with_the_rows_or_else_by_itself(
    session: KaowuSession, tree: Tree
) -> None:
    told: list[int] = []
    direct.count_along(session, counted(told))
    write(session, option(tree), tree.actor(), Verb.ADD)
    direct.settle(session)  # on PostgreSQL nothing is left to it
    direct.count_along(session, counted(told))
    direct.settle(session)
    assert told == [1, 2]
    assert session.scalars(select(RateLimit.count)).all() == [2]


def test_a_savepoint_that_is_undone_takes_no_count_with_it(
    session: KaowuSession, tree: Tree
) -> None:
    told: list[int] = []
    direct.count_along(session, counted(told))
    inside = session.begin_nested()
    write(session, option(tree), tree.actor(), Verb.ADD)
    inside.rollback()
    direct.settle(session)
    assert told == [1]
    assert session.scalars(select(RateLimit.count)).all() == [1]


def test_managed_rows_are_not_counted_past_the_guard(session: KaowuSession, tree: Tree) -> None:
    for ending in (
        lambda: write(session, option(tree), tree.actor(), Verb.ADD),
        lambda: None,
    ):
        direct.count_along(session, counted([], CapacityPool))
        with pytest.raises(NoPermit):  # noqa: PT012 - on SQLite by the second
            ending()
            direct.settle(session)
        session.rollback()
