"""Looking for people by the number of their document (domain §3.6, §8; N6, N7)."""

from __future__ import annotations

import pytest

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.id_numbers import upgrade_number
from app.metadata.query import ListQuery
from app.models.registration import Registration
from app.models.roster import StudentRecord
from app.models.roster_moves import RosterMove
from app.rules import listing
from app.rules.listing import BadQuery
from tests import factories
from tests.factories import Tree
from tests.rules.roster.roster_world import add_move, add_record, set_policy

OLD = "990101491231002"
NUMBER = upgrade_number(OLD)
RESOURCES = [model.__admin__ for model in (StudentRecord, RosterMove, Registration)]


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    tree = factories.make_tree(session)
    set_policy(session, tree, tree.site)
    return tree


def found(session: KaowuSession, number: str) -> list[int]:
    """How many rows each list finds."""
    return [
        listing.page(session, resource, ListQuery(resource.name, {"id_number": number})).total
        for resource in RESOURCES
    ]


def test_n6_n7_every_spelling_of_a_number_finds_its_person(
    session: KaowuSession, tree: Tree
) -> None:
    add_record(session, tree, id_number=NUMBER)
    add_move(session, tree.site.code, tree.sites[1].code, id_number=NUMBER)
    factories.make_registration(session, tree, id_number=NUMBER)
    factories.make_registration(session, tree)
    become(session, tree.actor())
    spaced = f" {NUMBER[:6]}　{NUMBER[6:]}\u200b"
    wide = "".join(chr(ord(sign) + 0xFEE0) for sign in NUMBER.lower())
    for text in (NUMBER, NUMBER.lower(), spaced, wide, OLD, f"{OLD[:6]} {OLD[6:]}"):
        assert found(session, text) == [1, 1, 1], text
    assert found(session, NUMBER[:-1]) == [0, 0, 0]


def test_n7_15_digits_may_be_another_document(session: KaowuSession, tree: Tree) -> None:
    add_record(session, tree, id_number=OLD, id_type="3")
    become(session, tree.actor())
    assert found(session, OLD)[0] == 1


def test_a_number_that_a_worksheet_has_spoilt_is_refused(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    with pytest.raises(BadQuery) as refused:
        found(session, "9.90101E+17")
    assert "文本格式" in str(refused.value.errors["id_number"][0])
