"""准考证号 (chapter 32, §3.12, R32.1-R32.4)."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.vocabulary import Window
from app.models.arrangement import AdmissionTicket, Seat
from app.rules.arrangement import arrange, numbers
from app.rules.clock import fixed
from tests import factories
from tests.factories import Tree
from tests.rules.arrangement.site_world import arranged_site


def test_scenario_54_every_number_has_its_sixteen_digits(session: KaowuSession) -> None:
    tree = arranged_site(session)
    with factories.permitted(session):
        made = numbers.generate(session, tree.site.id, clock=fixed(tree.now))
    assert made
    for change in made:
        assert change.old is None
        assert re.fullmatch(rf"\d\d58{tree.site.code}\d{{6}}", change.new or "")
    assert len({change.new for change in made}) == len(made)


def tickets(session: KaowuSession) -> dict[int, str]:
    rows = session.scalars(select(AdmissionTicket).where(AdmissionTicket.voided_at.is_(None)))
    return {row.entry_id: row.number for row in rows}


def test_r32_generating_twice_changes_nothing_once_printing_is_open(session: KaowuSession) -> None:
    tree = arranged_site(session)
    with factories.permitted(session):
        numbers.generate(session, tree.site.id, clock=fixed(tree.now))
        before = tickets(session)
        assert numbers.generate(session, tree.site.id, clock=fixed(tree.now)) == []
    assert tickets(session) == before


def test_r31_10_r32_4_a_cleared_seat_voids_its_number_for_ever(session: KaowuSession) -> None:
    tree = arranged_site(session)
    with factories.permitted(session):
        numbers.generate(session, tree.site.id, clock=fixed(tree.now))
        before = tickets(session)
        seat = session.scalars(select(Seat).order_by(Seat.id)).first()
        assert seat is not None
        entry_id = seat.entry_id
        arrange.clear(session, [seat], clock=fixed(tree.now))
        assert entry_id not in tickets(session)
        with pytest.raises(numbers.NotAllArranged, match="1 科次"):
            numbers.generate(session, tree.site.id, clock=fixed(tree.now))
        arrange.arrange(session, tree.site.id)
        (new,) = numbers.generate(session, tree.site.id, clock=fixed(tree.now))
    after = tickets(session)
    assert (new.candidate, new.old) == (str(entry_id), None)
    assert new.new not in before.values()
    assert {key: after[key] for key in before if key != entry_id} == {
        key: number for key, number in before.items() if key != entry_id
    }


def test_r32_4_before_printing_all_numbers_are_made_anew(session: KaowuSession) -> None:
    tree = arranged_site(session)
    factories.set_window(session, tree.site, Window.TICKET, None)
    become(session, tree.actor())
    with factories.permitted(session):
        first = numbers.generate(session, tree.site.id, clock=fixed(tree.now))
        assert numbers.generate(session, tree.site.id, clock=fixed(tree.now)) == []
        seat = session.scalars(select(Seat).order_by(Seat.id)).first()
        assert seat is not None
        arrange.clear(session, [seat], clock=fixed(tree.now))
        arrange.arrange(session, tree.site.id)
        second = numbers.generate(session, tree.site.id, clock=fixed(tree.now))
    # nothing was printed: the serials are those of a first run, without a gap
    assert {change.new for change in second} <= {change.new for change in first}
    assert len(tickets(session)) == len(first)


def test_r32_2_nothing_arranged_is_refused(session: KaowuSession) -> None:
    tree: Tree = factories.make_tree(session)
    become(session, tree.actor())
    with factories.permitted(session), pytest.raises(numbers.NothingArranged):
        numbers.generate(session, tree.site.id)
