"""The summary of 《考场编排管理》 (R31.1), and who has no seat, with the reason (R31.9, R31.11)."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.query import ListQuery
from app.metadata.vocabulary import Level
from app.models.arrangement import Seat, Sitting
from app.models.registration import Entry, EntryState
from app.rules import listing
from app.rules.arrangement import arrange
from app.rules.arrangement.waiting import NOT_PAID, NOT_TRIED, WAITING, reason_of
from app.rules.statistics import engine
from app.rules.statistics.arrangement import ARRANGEMENT_STATISTICS, COUNTS
from tests import factories
from tests.factories import EXAM_DAYS, Tree
from tests.rules.arrangement.site_world import arranged_site, paid_site


def table(session: KaowuSession, organisation: str = "") -> dict[str, list[int]]:
    """{subject: its counts}, and the last row as “总计”."""
    found = engine.compute(session, ARRANGEMENT_STATISTICS, organisation=organisation)
    rows = {code: cells[1:] for code, cells in found.rows}
    return rows | ({"总计": found.total[1:]} if found.total else {})


def reasons(session: KaowuSession) -> dict[tuple[int, str], str]:
    page = listing.page(session, WAITING, ListQuery(WAITING.name), size=200)
    return {(row.registration_id, row.subject_code): reason_of(row) for row in page.rows}


def test_r31_1_columns_and_last_row_are_those_of_the_manual(session: KaowuSession) -> None:
    tree = paid_site(session)
    found = engine.compute(session, ARRANGEMENT_STATISTICS)
    assert (found.row_label, [label for _, label in engine.leaves(found.groups)]) == (
        "科目代码",
        [
            "科目名称",
            "总科次",
            "已支付",
            "未支付",
            "已编排",
            "未编排",
            "总意向科目",
            "已编排符合意向科目",
            "已编排不符合意向科目",
        ],
    )
    assert [(code, cells[0]) for code, cells in found.rows] == [
        ("14", "计算机基础及WPS Office应用"),
        ("24", "C语言程序设计"),
    ]
    assert table(session)["总计"] == [8, 8, 0, 0, 8, 0, 0, 0]
    become(session, tree.actor(number=1))  # P2: the other site has nothing
    assert table(session) == {}


def test_r31_1_what_is_paid_arranged_and_wished_is_counted(session: KaowuSession) -> None:
    tree = arranged_site(session)
    factories.make_registration(session, tree, subjects=["14"])  # not paid
    become(session, tree.actor())
    seats = session.scalars(select(Seat).join(Entry).where(Entry.subject_code == "24")).all()
    days = {seat.entry_id: session.get_one(Sitting, seat.sitting_id).day for seat in seats}
    met, missed, *_ = days
    with factories.seeding(session):
        session.get_one(Entry, met).preference_day = days[met]
        other = next(day for day in EXAM_DAYS if day != days[missed])
        session.get_one(Entry, missed).preference_day = other
    become(session, tree.actor())
    assert table(session) == {
        "14": [3, 2, 1, 2, 1, 0, 0, 0],
        "24": [6, 6, 0, 6, 0, 2, 1, 1],
        "总计": [9, 8, 1, 8, 1, 2, 1, 1],
    }
    assert len(COUNTS) == 8
    become(session, tree.actor(Level.PROVINCE))
    assert table(session)["总计"] == [9, 8, 1, 8, 1, 2, 1, 1]
    assert table(session, tree.sites[1].code) == {}


def test_r31_9_r31_11_who_has_no_seat_is_listed_with_the_reason(session: KaowuSession) -> None:
    tree = paid_site(session, candidates=40)  # more than there are seats
    debtor = factories.make_registration(session, tree, subjects=["24"])
    become(session, tree.actor())
    found = reasons(session)
    assert found[debtor.id, "24"] == NOT_PAID
    assert set(found.values()) == {NOT_PAID, NOT_TRIED}
    with factories.seeding(session):
        session.execute(
            update(Entry)
            .where(Entry.registration_id == debtor.id)
            .values(state=EntryState.PAID.value)
        )
    become(session, tree.actor())
    with factories.permitted(session):
        result = arrange.arrange(session, tree.site.id)
    session.info.pop("kaowu_unplaced")  # another request
    found = reasons(session)
    assert len(found) == len(result.unplaced)
    assert result.unplaced
    assert set(found.values()) <= {reason for _, _, reason in result.unplaced}


@pytest.mark.parametrize("level", [Level.CITY, Level.CENTER])
def test_p2_superiors_see_those_below(session: KaowuSession, level: Level) -> None:
    tree: Tree = paid_site(session)
    become(session, tree.actor(level))
    assert len(reasons(session)) == 8
    become(session, tree.actor(number=1))
    assert reasons(session) == {}
