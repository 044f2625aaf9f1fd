"""准考证号 (chapter 32, §3.12, R32.1-R32.4)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.vocabulary import Window
from app.models.arrangement import AdmissionTicket, Seat, Sitting
from app.rules.arrangement import arrange, numbers
from app.rules.arrangement.numbers import Issued, Seated
from app.rules.clock import fixed
from tests import factories
from tests.factories import Tree
from tests.rules.arrangement.site_world import arranged_site

_PLACES = st.dictionaries(
    st.integers(1, 200), st.tuples(st.sampled_from(["01", "02"]), st.integers(1, 4)), max_size=40
)


def seated(places: dict[int, tuple[str, int]]) -> list[Seated]:
    return [
        Seated(entry, "14", room, (sitting, entry)) for entry, (room, sitting) in places.items()
    ]


@given(_PLACES)
def test_3_12_the_first_run_counts_through_the_sittings_of_each_room(
    places: dict[int, tuple[str, int]],
) -> None:
    serials = numbers.plan_serials(seated(places), {}, {})
    for room in ("01", "02"):
        inside = sorted(
            (sitting, entry) for entry, (where, sitting) in places.items() if where == room
        )
        assert [serials[entry] for _, entry in inside] == list(range(1, len(inside) + 1))


@given(_PLACES, _PLACES)
def test_r32_4_later_runs_keep_unchanged_seats_and_never_reuse_a_serial(
    before: dict[int, tuple[str, int]], after: dict[int, tuple[str, int]]
) -> None:
    first = numbers.plan_serials(seated(before), {}, {})
    issued = {entry: Issued(entry, before[entry][0], serial) for entry, serial in first.items()}
    used: dict[str, set[int]] = {}
    for item in issued.values():
        used.setdefault(item.room, set()).add(item.serial)
    second = numbers.plan_serials(seated(after), issued, used)
    for entry, (room, _) in after.items():
        if entry in issued and issued[entry].room == room:
            assert second[entry] == issued[entry].serial
        else:
            assert second[entry] not in used.get(room, set())
    pairs = [(after[entry][0], serial) for entry, serial in second.items()]
    assert len(pairs) == len(set(pairs))


def test_3_12_a_room_has_9999_serials() -> None:
    with pytest.raises(numbers.SerialsExhausted, match="01"):
        numbers.plan_serials([Seated(1, "14", "01", ())], {}, {"01": {9999}})


def test_scenario_54_every_number_has_its_sixteen_digits(session: KaowuSession) -> None:
    tree = arranged_site(session)
    with factories.permitted(session):
        made = numbers.generate(session, tree.site.id, clock=fixed(tree.now))
    assert made
    for number in made:
        assert re.fullmatch(rf"\d\d58{tree.site.code}\d{{6}}", number)
    assert len(set(made)) == len(made)


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
    assert new not in before.values()
    assert {key: after[key] for key in before if key != entry_id} == {
        key: number for key, number in before.items() if key != entry_id
    }


def test_r32_4_before_printing_all_numbers_are_made_anew(session: KaowuSession) -> None:
    tree = arranged_site(session)
    factories.set_window(session, tree.site, Window.TICKET, None)
    become(session, tree.actor())
    with factories.permitted(session):
        first = numbers.generate(session, tree.site.id, clock=fixed(tree.now))
        second = numbers.generate(session, tree.site.id, clock=fixed(tree.now))
    assert sorted(first) == sorted(second)
    assert session.scalar(select(Sitting.arranged)) is not None


def test_r32_2_nothing_arranged_is_refused(session: KaowuSession) -> None:
    tree: Tree = factories.make_tree(session)
    become(session, tree.actor())
    with factories.permitted(session), pytest.raises(numbers.NothingArranged):
        numbers.generate(session, tree.site.id)
