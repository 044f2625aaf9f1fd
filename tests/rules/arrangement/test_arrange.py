"""考场编排 (chapter 31): preconditions, hard constraints, clearing, the run that is kept."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from itertools import combinations

import pytest
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.vocabulary import Window
from app.models.arrangement import ArrangementRun, Room, Seat, Sitting
from app.models.organisation import Organisation
from app.models.registration import Entry, EntryState
from app.rules import operations
from app.rules.arrangement import arrange
from app.rules.operations import Chosen
from app.rules.policy import WindowClosed
from tests import factories
from tests.rules.arrangement.site_world import arranged_site, paid_site

GAP = dt.timedelta(minutes=15)


def test_scenario_50_r31_2_one_unpaid_entry_stops_it_and_is_named(session: KaowuSession) -> None:
    tree = paid_site(session)
    debtor = factories.make_registration(session, tree, subjects=["14"])
    become(session, tree.actor())
    with factories.permitted(session), pytest.raises(arrange.Unpaid, match=debtor.name):
        arrange.arrange(session, tree.site.id)


def test_scenario_50_r31_3_without_an_address_nothing_is_arranged(session: KaowuSession) -> None:
    tree = paid_site(session)
    with factories.seeding(session):
        session.get_one(Organisation, tree.site.id).address = None
    become(session, tree.actor())
    with factories.permitted(session), pytest.raises(arrange.AddressMissing):
        arrange.arrange(session, tree.site.id)


def test_r31_9_every_placement_obeys_the_hard_constraints(session: KaowuSession) -> None:
    tree = arranged_site(session)
    by_person: dict[int, list[tuple[dt.datetime, dt.datetime]]] = defaultdict(list)
    seats = session.scalars(select(Seat)).all()
    for seat in seats:
        sitting = session.get_one(Sitting, seat.sitting_id)
        entry = session.get_one(Entry, seat.entry_id)
        assert entry.state == EntryState.ARRANGED.value
        assert 1 <= seat.number <= sitting.capacity
        by_person[entry.registration_id].append(
            (
                dt.datetime.combine(sitting.day, sitting.start),
                dt.datetime.combine(sitting.day, sitting.end),
            )
        )
    for periods in by_person.values():
        for (start, end), (other_start, other_end) in combinations(sorted(periods), 2):
            assert other_start - end > GAP or start - other_end > GAP
    for sitting in session.scalars(select(Sitting).where(Sitting.site_id == tree.site.id)):
        assert sitting.arranged == sum(seat.sitting_id == sitting.id for seat in seats)
    assert len({(seat.sitting_id, seat.number) for seat in seats}) == len(seats)


def test_r31_9_a_run_is_kept_with_its_proof(session: KaowuSession) -> None:
    arranged_site(session)
    run = session.scalars(select(ArrangementRun)).one()
    assert (run.placed, run.unplaced, run.proven) == (8, [], True)


def test_r31_9_who_finds_no_seat_is_listed_with_the_reason(session: KaowuSession) -> None:
    tree = paid_site(session, candidates=30)  # 40 entries, 24 seats
    with factories.permitted(session):
        result = arrange.arrange(session, tree.site.id)
    assert result.placed == 24
    assert len(result.unplaced) == 16
    assert all(reason for _, _, reason in result.unplaced)


def test_r31_the_page_runs_and_clears_it(session: KaowuSession) -> None:
    tree = paid_site(session)
    report = operations.run(session, arrange.ARRANGE, Chosen(), {"mode": "balanced"})
    assert (report.done, report.skipped) == (8, 0)
    ids = tuple(session.scalars(select(Seat.id)))
    cleared = operations.run(session, arrange.CLEAR, Chosen(ids=ids), {})
    assert cleared.done == 8
    session.expire_all()
    assert session.scalars(select(Seat)).all() == []
    assert set(session.scalars(select(Sitting.arranged))) == {0}
    states = set(session.scalars(select(Entry.state).where(Entry.site_id == tree.site.id)))
    assert states == {EntryState.PAID.value}


def test_r31_8_outside_w5_only_looking(session: KaowuSession) -> None:
    tree = paid_site(session)
    later = tree.now + dt.timedelta(days=1)
    factories.set_window(session, tree.site, Window.ARRANGEMENT, later, later + GAP)
    become(session, tree.actor())
    with pytest.raises(WindowClosed):
        operations.run(session, arrange.ARRANGE, Chosen(), {"mode": "balanced"})


def test_r31_without_sittings_it_says_so(session: KaowuSession) -> None:
    tree = factories.make_tree(session)
    factories.make_registration(session, tree, state=EntryState.PAID)
    become(session, tree.actor())
    with factories.permitted(session), pytest.raises(arrange.NoSittings):
        arrange.arrange(session, tree.site.id)
    assert session.scalars(select(Room)).all() == []
