"""Admission tickets (R10.4, R26.6, R36, R37, W6): what stands on them, who may have them, when."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.actor import system
from app.metadata.errors import PolicyDenied
from app.metadata.vocabulary import Level, Window
from app.models.arrangement import AdmissionTicket
from app.models.registration import EntryState, Registration, Review
from app.rules.clock import fixed
from app.rules.registration.eligibility import live_registration
from app.rules.site import load_site
from app.rules.tickets import (
    NotApproved,
    NotNumbered,
    NotPaid,
    NotYetPrintable,
    SelfPrintingOff,
    TicketRow,
    count_download,
    require_printable,
    rows_of,
)
from tests import factories
from tests.factories import Tree, set_settings, set_window
from tests.rules.ticket_world import number_entries

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


def paid(session: KaowuSession, tree: Tree, **values: Any) -> Registration:
    return factories.make_registration(session, tree, state=EntryState.PAID, **values)


def ticket_of(
    session: KaowuSession, tree: Tree, row: Registration, at: dt.datetime | None = None
) -> list[TicketRow]:
    """As the candidate's page asks."""
    become(session, tree.owner_of(row))
    own = live_registration(session, entries=True)
    assert own is not None
    site = load_site(session, own.site_id or 0)
    return require_printable(session, own, site, fixed(at or tree.now))


def test_r36_the_candidate_reads_room_and_sitting_of_his_own_ticket(
    session: KaowuSession, tree: Tree
) -> None:
    row = paid(session, tree, subjects=("14", "24"))
    numbers = number_entries(session, tree, row)
    first, second = ticket_of(session, tree, row)
    assert [first.number, second.number] == numbers
    assert (first.room_number, first.room_address, first.sitting, first.seat) == (
        "07",
        "实训楼 301",
        1,
        1,
    )
    assert (second.starts, second.ends) == (dt.time(10, 30), dt.time(12, 30))
    assert first.subject.startswith("(14)")
    assert (first.site_name, first.site_address) == (tree.site.name, "测试路1号")
    assert first.photo_key is not None


def test_r7_4_nobody_reads_the_ticket_of_somebody_else(session: KaowuSession, tree: Tree) -> None:
    row, other = paid(session, tree), paid(session, tree)
    for each in (row, other):
        number_entries(session, tree, each)
    become(session, tree.owner_of(other))
    assert rows_of(session, tree.site.id, registration_id=row.id) == []
    assert [found.registration_id for found in rows_of(session, tree.site.id)] == [other.id]
    become(session, tree.actor(Level.SITE, 1))
    assert rows_of(session, tree.site.id) == []
    become(session, tree.actor(Level.SITE, 0))
    assert len(rows_of(session, tree.site.id)) == 2


def test_subjects_of_another_session_do_not_double_a_ticket(
    session: KaowuSession, tree: Tree
) -> None:
    factories.make_tree(session, number=57, state="history")
    row = paid(session, tree)
    number_entries(session, tree, row)
    become(session, system("print"))
    assert len(rows_of(session, tree.site.id)) == 1


def test_w6_the_first_second_opens_and_before_it_the_date_is_told(
    session: KaowuSession, tree: Tree
) -> None:
    row = paid(session, tree)
    number_entries(session, tree, row)
    opens = dt.datetime(2030, 9, 12, 0, 0, tzinfo=dt.UTC)
    set_window(session, tree.site, Window.TICKET, opens)
    with pytest.raises(NotYetPrintable) as refusal:
        ticket_of(session, tree, row, opens - dt.timedelta(seconds=1))
    assert "2030-09-12 08:00" in refusal.value.message()
    assert len(ticket_of(session, tree, row, opens)) == 1


def test_w6_unset_says_so(session: KaowuSession, tree: Tree) -> None:
    row = paid(session, tree)
    set_window(session, tree.site, Window.TICKET, None)
    with pytest.raises(NotYetPrintable, match="未设置"):
        ticket_of(session, tree, row)


def test_r10_4_self_printing_off_refuses_even_after_w6(session: KaowuSession, tree: Tree) -> None:
    row = paid(session, tree)
    number_entries(session, tree, row)
    set_settings(session, tree.site, self_printing=False)
    with pytest.raises(SelfPrintingOff):
        ticket_of(session, tree, row)


def test_r26_6_a_rejected_candidate_gets_no_ticket(session: KaowuSession, tree: Tree) -> None:
    set_settings(session, tree.site, review_required=True)
    row = paid(session, tree, review=Review.REJECTED.value)
    number_entries(session, tree, row)
    with pytest.raises(NotApproved):
        ticket_of(session, tree, row)


def test_unpaid_and_half_numbered_candidates_wait(session: KaowuSession, tree: Tree) -> None:
    with pytest.raises(NotPaid):
        ticket_of(session, tree, factories.make_registration(session, tree))
    with pytest.raises(NotNumbered):
        ticket_of(session, tree, paid(session, tree))


def test_n15_a_void_number_is_not_printed(session: KaowuSession, tree: Tree) -> None:
    row = paid(session, tree, subjects=("14", "24"))
    numbers = number_entries(session, tree, row)
    with factories.seeding(session):
        void = session.scalars(
            select(AdmissionTicket).where(AdmissionTicket.number == numbers[0])
        ).one()
        void.voided_at = tree.now
    with pytest.raises(NotNumbered):
        ticket_of(session, tree, row)


def test_r37_downloads_are_counted_and_the_first_moment_is_kept(
    session: KaowuSession, tree: Tree
) -> None:
    row = paid(session, tree)
    number_entries(session, tree, row)
    ids = [found.ticket_id for found in ticket_of(session, tree, row)]
    for later in (0, 1):
        count_download(session, ids, fixed(tree.now + later * HOUR))
    found = session.get_one(AdmissionTicket, ids[0])
    assert (found.downloads, found.first_downloaded_at) == (2, tree.now)


def test_r37_a_download_of_somebody_else_is_not_counted(session: KaowuSession, tree: Tree) -> None:
    row, other = paid(session, tree), paid(session, tree)
    number_entries(session, tree, row)
    ids = [found.ticket_id for found in ticket_of(session, tree, row)]
    become(session, tree.owner_of(other))
    count_download(session, ids, fixed(tree.now))
    become(session, tree.actor(Level.SITE))
    with pytest.raises(PolicyDenied):
        count_download(session, ids, fixed(tree.now))
    become(session, tree.owner_of(row))
    assert session.get_one(AdmissionTicket, ids[0]).downloads == 0
