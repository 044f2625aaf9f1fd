"""学籍变动记录: both sides of a move read it, and the losing one is told (R20.5)."""

from __future__ import annotations

from typing import Any

import pytest

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.query import ListQuery
from app.metadata.vocabulary import Level
from app.models.roster import StudentRecord
from app.models.roster_moves import RosterMove
from app.rules import listing, operations
from app.rules.operations import Chosen
from app.rules.policy import OnlyInCurrentExam
from app.rules.roster import moves
from tests import factories
from tests.factories import Tree
from tests.rules.roster.roster_world import add_move, set_policy

RESOURCE = StudentRecord.__admin__


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    """Both sites use the roster."""
    tree = factories.make_tree(session)
    for site in tree.sites:
        set_policy(session, tree, site)
    return tree


# ---------------------------------------------------------------- moves


def test_r20_5_both_sites_and_provinces_see_the_move_and_nobody_else(
    session: KaowuSession, tree: Tree
) -> None:
    row = add_move(session, "990701", "980101")
    resource = RosterMove.__admin__
    seen = {
        tree.actor(): True,
        tree.actor(number=1): False,
        tree.actor(Level.CITY): True,
        tree.actor(Level.PROVINCE): True,
        tree.actor(Level.CENTER): True,
        tree.actor(organisation_code="980101", site_code="980101"): True,
        tree.actor(Level.PROVINCE, organisation_code="98", province_code="98"): True,
        tree.actor(Level.PROVINCE, organisation_code="97", province_code="97"): False,
    }
    for actor, expected in seen.items():
        become(session, actor)
        found = listing.page(session, resource, ListQuery(resource.name)).rows
        assert [one.id for one in found] == ([row.id] if expected else [])


def test_r20_5_each_side_reads_the_name_that_it_knows(session: KaowuSession, tree: Tree) -> None:
    """On its page, in exports and over REST, and finds by it; nobody finds by the other's."""
    add_move(session, "990701", "980101", from_name="王二", to_name="王尔")
    add_move(session, "990701", "990702", from_name="王二", to_name="王尔")
    resource = RosterMove.__admin__
    name = next(column for column in resource.computed if column.name == "name")
    far: dict[str, Any] = {"organisation_code": "98", "province_code": "98"}
    seen = {
        tree.actor(): {"王二"},
        tree.actor(number=1): {"王尔"},
        tree.actor(organisation_code="980101", site_code="980101"): {"王尔"},
        tree.actor(Level.PROVINCE): {"王二", "王二 → 王尔"},
        tree.actor(Level.PROVINCE, **far): {"王尔"},
        tree.actor(Level.CENTER): {"王二 → 王尔"},
    }
    for actor, expected in seen.items():
        become(session, actor)
        rows = listing.page(session, resource, ListQuery(resource.name)).rows
        assert {name.getter(row) for row in rows} == expected
        for text in ("王二", "王尔"):
            found = listing.page(session, resource, ListQuery(resource.name, {"name": text})).rows
            read = [row for row in rows if text in str(name.getter(row))]
            assert [row.id for row in found] == [row.id for row in read]


def test_r20_5_a_move_is_found_by_the_beginning_of_a_name(
    session: KaowuSession, tree: Tree
) -> None:
    """As records and registrations are."""
    row = add_move(session, "990701", "980101", from_name="王二", to_name="赵二")
    add_move(session, "990701", "980101", from_name="李王", to_name="王五")
    become(session, tree.actor())
    resource = RosterMove.__admin__
    assert listing.searches_of(resource)[0].name == "name"
    for text, expected in ((" 王", [row.id]), ("赵", []), ("%", [])):
        query = ListQuery(resource.name, {"name": text})
        assert [one.id for one in listing.page(session, resource, query).rows] == expected
    assert listing.without_condition(
        resource, ListQuery(resource.name, {"name": " "}), tree.actor()
    )


def test_r20_5_the_losing_site_is_told_until_it_has_read_of_it(
    session: KaowuSession, tree: Tree
) -> None:
    row = add_move(session, "990701", "980101")
    come = add_move(session, "980101", "990701")
    become(session, tree.actor())
    assert moves.unread(session) == 1
    report = operations.run(session, moves.ACKNOWLEDGE, Chosen((row.id, come.id)), {})
    assert (report.done, report.skipped) == (1, 1)
    assert moves.unread(session) == 0
    row, come = (session.get_one(RosterMove, one.id) for one in (row, come))
    assert row.acknowledged_at is not None
    assert come.acknowledged_at is None
    again = operations.run(session, moves.ACKNOWLEDGE, Chosen((row.id,)), {})
    assert again.outcomes[0].reason == "已标为已阅"


def test_r0_4_a_move_is_marked_as_read_in_the_current_session_only(session: KaowuSession) -> None:
    past = factories.make_tree(session, number=57, state="history")
    set_policy(session, past, past.site)
    row = add_move(session, "990701", "980101")
    become(session, past.actor())
    with pytest.raises(OnlyInCurrentExam):
        operations.run(session, moves.ACKNOWLEDGE, Chosen((row.id,)), {})
    assert session.get_one(RosterMove, row.id).acknowledged_at is None
