"""学籍报考设置 (chapter 19): who sets it, defaults, 可报考考点, many sites, effects."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.actor import Actor
from app.metadata.errors import InvalidInput, NotFound
from app.metadata.query import ListQuery
from app.metadata.vocabulary import Level, Verb
from app.models.audit import AuditEntry
from app.models.organisation import Organisation
from app.models.registration import EntryState
from app.models.roster import RosterAllowedSite, RosterPolicy
from app.rules import crud, exam_copying, listing, operations, organisation  # noqa: F401
from app.rules.effects import Unconfirmed
from app.rules.operations import Chosen
from app.rules.policy import HistoricExam, NoVerb, permit
from app.rules.roster import policy, policy_effects
from app.rules.roster.policy import SET_POLICIES
from tests import factories
from tests.factories import Tree, make_registration
from tests.rules.roster.roster_world import add_record, set_policy

RESOURCE = RosterPolicy.__admin__


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    """Three sites with the defaults of R19.4c."""
    tree = factories.make_tree(session, sites=3)
    for site in tree.sites:
        set_policy(session, tree, site, enabled=False)
    return tree


def row_of(session: KaowuSession, site: Organisation) -> RosterPolicy:
    return session.scalars(select(RosterPolicy).where(RosterPolicy.site_id == site.id)).one()


def allowed(session: KaowuSession, site: Organisation) -> list[str]:
    session.expire_all()
    return row_of(session, site).allowed_sites


def save(session: KaowuSession, tree: Tree, number: int = 0, **values: Any) -> RosterPolicy:
    become(session, tree.actor(Level.PROVINCE))
    row = row_of(session, tree.sites[number])
    return crud.update(session, RESOURCE, row.id, values, version=row.version)


# ---------------------------------------------------------------- who sets it


def test_r19_1_the_province_sets_flags_and_sites(session: KaowuSession, tree: Tree) -> None:
    save(
        session,
        tree,
        roster_enabled=True,
        own_province_only=True,
        own_site_only=False,
        allowed_sites=["990701", "990703"],
    )
    row = row_of(session, tree.site)
    assert (row.roster_enabled, row.own_province_only, row.own_site_only) == (True, True, False)
    assert allowed(session, tree.site) == ["990701", "990703"]


@pytest.mark.parametrize("level", [Level.SITE, Level.CITY, Level.CENTER])
def test_5_the_others_look(session: KaowuSession, tree: Tree, level: Level) -> None:
    become(session, tree.actor(level))
    rows = listing.page(session, RESOURCE, ListQuery(RESOURCE.name)).rows
    assert len(rows) == (1 if level is Level.SITE else 3)
    with pytest.raises((NoVerb, InvalidInput)):
        crud.update(session, RESOURCE, rows[0].id, {"roster_enabled": True})
    with pytest.raises(NoVerb):  # whatever the bounds of its fields
        crud.update(session, RESOURCE, rows[0].id, {"allowed_sites": []})
    with pytest.raises(NoVerb):
        run(session, tree.actor(level), [rows[0].id], roster_enabled="1")


def test_r0_4_nobody_sets_it_in_a_history_session(session: KaowuSession) -> None:
    tree = factories.make_tree(session, number=57, state="history")
    set_policy(session, tree, tree.site)
    with pytest.raises(HistoricExam):
        save(session, tree, roster_enabled=False)


def test_p1_another_provinces_site_is_not_found(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    row = row_of(session, tree.site)
    stranger = tree.actor(Level.PROVINCE, province_id=1, organisation_id=1, province_code="98")
    become(session, stranger)
    with pytest.raises(NotFound):
        crud.update(session, RESOURCE, row.id, {"roster_enabled": True})


def test_r19_1_who_has_set_it_stands_in_the_log_of_the_site(
    session: KaowuSession, tree: Tree
) -> None:
    row = save(session, tree, allowed_sites=["990702"])
    entry = session.scalars(
        select(AuditEntry).where(
            AuditEntry.object_type == "RosterPolicy",
            AuditEntry.object_id == row.id,
            AuditEntry.actor_level == "province",
        )
    ).one()
    assert entry.actor_name == "测试省管理员"
    assert entry.site_id == tree.site.id
    assert entry.changes["allowed_sites"] == {
        "label": "可报考考点",
        "old": ["990701"],
        "new": ["990702"],
    }


# ---------------------------------------------------------------- 可报考考点


def test_r19_1_empty_is_unlimited_and_the_list_counts_as_a_change(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    before = row_of(session, tree.site).version
    save(session, tree, allowed_sites=[])
    assert allowed(session, tree.site) == []
    assert row_of(session, tree.site).version == before + 1
    save(session, tree, own_province_only=True)
    assert allowed(session, tree.site) == [], "what the form does not send stays"


def test_r19_1_a_site_of_another_province_is_refused(session: KaowuSession, tree: Tree) -> None:
    other = factories.add_province(session, tree, "98")
    factories.add_site(session, other, "980701")
    become(session, tree.actor(Level.PROVINCE))
    row = row_of(session, tree.site)
    with (
        permit(session, RESOURCE, Verb.EDIT),
        pytest.raises(InvalidInput) as refused,
    ):
        policy.set_allowed(session, row, ["990702", "980701", "9907"])
    assert refused.value.errors["allowed_sites"] == [
        "可报考考点：考点不在本省：980701、9907"  # nor is a city a site
    ]
    with pytest.raises(InvalidInput):
        save(session, tree, allowed_sites=["980701"])
    assert allowed(session, tree.site) == ["990701"]


def test_r19_6_a_list_without_the_own_site_can_be_set(session: KaowuSession, tree: Tree) -> None:
    save(session, tree, allowed_sites=["990702"])
    assert allowed(session, tree.site) == ["990702"]


# ---------------------------------------------------------------- defaults


def test_r19_4c_a_new_site_begins_with_the_defaults(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.CITY))
    site = crud.create(
        session,
        Organisation.__admin__,
        {"code": "990709", "name": "新考点"},
        preset={"parent_id": tree.city.id},
    )
    row = row_of(session, site)
    assert (row.roster_enabled, row.own_province_only, row.own_site_only) == (False,) * 3
    assert allowed(session, site) == ["990709"]


def test_r19_4c_the_own_site_is_stored_as_a_row(session: KaowuSession, tree: Tree) -> None:
    rows = policy.default_policy(tree.path(tree.site))
    assert [type(row) for row in rows] == [RosterPolicy, RosterAllowedSite]
    assert rows[1].allowed_site_id == tree.site.id  # type: ignore[union-attr]


def test_r0_6b_a_new_session_takes_policies_and_lists_over(
    session: KaowuSession, tree: Tree
) -> None:
    here, there = tree.sites[:2]
    set_policy(session, tree, here, own_site_only=True, allowed=[there])
    set_policy(session, tree, there, allowed=())
    later = factories.make_tree(session, number=59, state="preparing", sites=3)
    ids = {old.id: new.id for old, new in zip(tree.sites, later.sites, strict=True)}
    ids |= {tree.province.id: later.province.id, tree.city.id: later.city.id}
    with factories.seeding(session):
        exam_copying.copy_roster_policies(session, tree.exam.id, later.exam.id, ids)
    become(session, later.actor(Level.PROVINCE))
    assert row_of(session, later.sites[0]).own_site_only
    assert allowed(session, later.sites[0]) == ["990702"]
    assert allowed(session, later.sites[1]) == []


# ---------------------------------------------------------------- many sites at once


def run(session: KaowuSession, actor: Actor, ids: list[int], **values: Any) -> operations.Report:
    become(session, actor)
    confirmed = values.pop("confirmed", "*")
    return operations.run(session, SET_POLICIES, Chosen(tuple(ids)), values, confirmed=confirmed)


def all_ids(session: KaowuSession, tree: Tree) -> list[int]:
    become(session, tree.actor(Level.PROVINCE))
    return [row_of(session, site).id for site in tree.sites]


def test_r19_1_many_sites_at_once_and_blanks_change_nothing(
    session: KaowuSession, tree: Tree
) -> None:
    set_policy(session, tree, tree.sites[2], enabled=True, own_site_only=True, allowed=())
    ids = all_ids(session, tree)
    report = run(session, tree.actor(Level.PROVINCE), ids, roster_enabled="1")
    assert report.done == 3
    session.expire_all()
    rows = [row_of(session, site) for site in tree.sites]
    assert all(row.roster_enabled for row in rows)
    assert [row.own_site_only for row in rows] == [False, False, True]
    assert [row.allowed_sites for row in rows] == [["990701"], ["990702"], []]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"allowed": "any"}, [[], []]),
        ({"allowed": "own"}, [["990701"], ["990702"]]),
        (
            {"allowed": "listed", "allowed_sites": ["990703"]},
            [["990703"], ["990703"]],
        ),
    ],
)
def test_r19_1_the_list_of_many_sites(
    session: KaowuSession, tree: Tree, values: dict[str, Any], expected: list[list[str]]
) -> None:
    set_policy(session, tree, tree.site, allowed=(tree.sites[1],))
    ids = all_ids(session, tree)[:2]
    run(session, tree.actor(Level.PROVINCE), ids, **values)
    assert [allowed(session, site) for site in tree.sites[:2]] == expected


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"allowed": "listed"}, "allowed_sites"),
        ({"allowed_sites": ["990702"]}, "allowed"),
        ({}, "roster_enabled"),
    ],
)
def test_r19_1_a_list_is_not_set_by_accident_and_nothing_is_no_change(
    session: KaowuSession, tree: Tree, values: dict[str, Any], name: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        run(session, tree.actor(Level.PROVINCE), all_ids(session, tree), confirmed="", **values)
    assert list(refused.value.errors) == [name]


# ---------------------------------------------------------------- effects


def test_r19_effects_are_told_before_they_are_saved(session: KaowuSession, tree: Tree) -> None:
    student = add_record(session, tree)
    make_registration(session, tree, id_number=student.id_number)
    make_registration(session, tree)
    become(session, tree.actor(Level.PROVINCE))
    row = row_of(session, tree.site)
    values = {"roster_enabled": True, "own_site_only": True}
    with pytest.raises(Unconfirmed) as asked:
        crud.update(session, RESOURCE, row.id, values, confirmed="")
    assert [str(sentence) for sentence in asked.value.effects] == [
        "涉及学籍库中的 1 条学籍信息。",
        "涉及已报名的 2 名考生，其中 1 名按新设置不能报考该考点；已有报名不受影响。",
    ]
    session.expire_all()
    with pytest.raises(Unconfirmed) as asked_all:
        run(
            session,
            tree.actor(Level.PROVINCE),
            [row.id],
            roster_enabled="1",
            own_site_only="1",
            confirmed="",
        )
    assert asked_all.value.effects == asked.value.effects
    session.expire_all()
    become(session, tree.actor(Level.PROVINCE))
    crud.update(session, RESOURCE, row.id, values, confirmed=asked.value.token)
    assert row_of(session, tree.site).own_site_only


@pytest.mark.parametrize("is_listed", [True, False])
def test_r19_saving_without_a_change_asks_nothing(
    session: KaowuSession, tree: Tree, is_listed: bool
) -> None:
    set_policy(session, tree, tree.site, allowed=tree.sites[:2] if is_listed else ())
    make_registration(session, tree, id_number=add_record(session, tree).id_number)
    become(session, tree.actor(Level.PROVINCE))
    row = row_of(session, tree.site)
    form = {
        "roster_enabled": "1",
        "own_province_only": "0",
        "own_site_only": "0",
        "allowed_sites": row.allowed_sites,
    }
    before = row.version
    assert crud.update(session, RESOURCE, row.id, form, confirmed="").version == before
    with pytest.raises(Unconfirmed):
        crud.update(session, RESOURCE, row.id, form | {"allowed_sites": ["990703"]}, confirmed="")


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ({"allowed": policy.OWN}, 0),
        ({"allowed": policy.LISTED, "allowed_sites": ["990702"]}, 1),
        ({"allowed": policy.ANY}, 0),
        ({"own_site_only": "1"}, 1),
        ({"own_site_only": "1", "allowed": policy.LISTED, "allowed_sites": ["990702"]}, 2),
        ({"roster_enabled": "0", "allowed": policy.LISTED, "allowed_sites": ["990702"]}, 0),
    ],
)
def test_r19_effects_of_many_sites_know_the_new_list(
    session: KaowuSession, tree: Tree, values: dict[str, Any], refused: int
) -> None:
    """One candidate is a student of the site, one has the number of another student and not his
    name: he counts as 社会考生 (R19.3a). The list that will be written counts, not the old one."""
    set_policy(session, tree, tree.site, allowed=() if values.get("allowed") else None)
    student, other = add_record(session, tree), add_record(session, tree, name="陈丽")
    for number in (student.id_number, other.id_number):
        make_registration(session, tree, id_number=number)
    become(session, tree.actor(Level.PROVINCE))
    row = row_of(session, tree.site)
    with pytest.raises(Unconfirmed) as asked:
        run(session, tree.actor(Level.PROVINCE), [row.id], confirmed="", **values)
    assert f"其中 {refused} 名按新设置不能报考" in str(asked.value.effects[1])
    session.expire_all()
    assert row_of(session, tree.site).allowed_sites == (
        [] if values.get("allowed") else [tree.site.code]
    )


def test_r19_effects_of_the_own_site_alone_know_which_site_that_is(
    session: KaowuSession, tree: Tree
) -> None:
    """A student of the first site who is registered at the second is turned away by it."""
    set_policy(session, tree, tree.site, allowed=(tree.sites[1],))
    student = add_record(session, tree)
    make_registration(session, tree, tree.sites[1], id_number=student.id_number)
    gone: dict[str, Any] = {"life": "expired", "state": EntryState.EXPIRED}
    make_registration(session, tree, **gone)
    ids = all_ids(session, tree)[:2]
    with pytest.raises(Unconfirmed) as asked:
        run(session, tree.actor(Level.PROVINCE), ids, confirmed="", allowed=policy.OWN)
    assert "已报名的 1 名考生，其中 1 名按新设置" in str(asked.value.effects[1])


def test_r19_effects_load_no_registration(session: KaowuSession, tree: Tree) -> None:
    """They are counted by the database: a province has a million."""
    set_policy(session, tree, tree.sites[1], allowed=())
    for number in range(3):
        student = add_record(session, tree, tree.sites[number % 2])
        make_registration(session, tree, id_number=student.id_number)
    become(session, tree.actor(Level.PROVINCE))
    rows = [row_of(session, site) for site in tree.sites]
    groups = policy_effects._registered(session, [row.site_id or 0 for row in rows])
    assert sorted((group.home_id, group.people) for group in groups) == sorted(
        [(tree.sites[0].id, 2), (tree.sites[1].id, 1)]
    )


def test_r19_a_site_without_records_and_candidates_asks_nothing(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    row = row_of(session, tree.site)
    crud.update(session, RESOURCE, row.id, {"roster_enabled": True}, confirmed="")
    assert row_of(session, tree.site).roster_enabled
