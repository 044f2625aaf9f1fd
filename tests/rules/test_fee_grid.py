"""《考点费用设置》 (chapter 12)."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import select

from app.database.session import KaowuSession
from app.metadata.vocabulary import Level, Verb, Window
from app.models.registration import Entry, EntryState
from app.rules import fee_grid, fees, grids
from app.rules.fee_grid import FEES
from app.rules.fees import FeeUnset
from app.rules.policy import granted
from tests import factories
from tests.factories import Tree
from tests.rules.grid_world import act, effects, examine, logged, rows, save

DAY = dt.timedelta(days=1)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    made = factories.make_tree(session)
    act(session, made, Level.PROVINCE)
    return made


@pytest.mark.parametrize("level", [Level.CENTER, Level.CITY, Level.SITE])
def test_r12_1_others_than_the_province_only_look(level: Level, tree: Tree) -> None:
    assert granted(FEES, Verb.VIEW, tree.actor(level))
    assert not granted(FEES, Verb.EDIT, tree.actor(level))


def test_r12_2_what_is_unset_says_so_and_whom_to_ask(session: KaowuSession, tree: Tree) -> None:
    factories.add_site(session, tree, "990703", subjects=("14",), subject_fee=None)
    act(session, tree, Level.SITE, 2)
    table = grids.page(session, FEES)
    column = next(column for column in table.columns if column.name == "14")
    assert grids.shown(column, table.rows[0].cells["14"].value) == "未设置"
    (told,) = fee_grid.notices(session, tree.actor(Level.SITE, 2), [table.rows[0].cells])
    assert "请联系省级管理员" in told


def test_r12_4_columns_are_the_person_and_every_offered_subject(
    session: KaowuSession, tree: Tree
) -> None:
    factories.add_site(session, tree, "990703", subjects=("42",))
    act(session, tree, Level.PROVINCE)
    names = [column.name for column in FEES.columns(session, tree.actor(Level.PROVINCE))]
    assert names == ["PERSON", "14", "24", "26", "42"]
    assert set(rows(session, FEES)["990703"]) == {"PERSON", "42"}
    act(session, tree, Level.SITE)
    own = [column.name for column in FEES.columns(session, tree.actor())]
    assert own == ["PERSON", "14", "24", "26"]


def test_r12_5_0_is_a_fee_and_nothing_is_unset(session: KaowuSession, tree: Tree) -> None:
    save(session, FEES, tree, {0: {"14": "0", "24": "", "PERSON": "0.01"}})
    found = fees.fees_of(session, tree.site)
    assert found.person == 1
    assert found.require_subject("14") == 0
    with pytest.raises(FeeUnset):
        found.require_subject("24")
    assert [entry.action.rpartition(".")[2] for entry in logged(session, "Fee")].count("delete")


def test_r12_5_orders_keep_their_fees_and_the_preview_says_so(
    session: KaowuSession, tree: Tree
) -> None:
    factories.make_registration(session, tree, subjects=("14",))
    factories.make_registration(session, tree, subjects=("14", "24"))
    act(session, tree, Level.PROVINCE)
    told = effects(session, FEES, tree, {0: {"14": "0", "26": ""}})
    assert "尚未生成订单的 2 科次将按新费用支付" in told
    assert "1 项费用设为 0 元" in told
    assert "1 项费用改为未设置" in told


def test_r12_5_paid_orders_are_counted(session: KaowuSession, tree: Tree) -> None:
    factories.make_registration(session, tree, subjects=("14",), state=EntryState.PAID)
    act(session, tree, Level.PROVINCE)
    assert "待支付 0 个，已支付 1 个" in effects(session, FEES, tree, {0: {"24": "1"}})
    assert fee_grid.orders_keeping_fees(session, [tree.sites[1].id]) == (0, 0)


def test_r12_5_the_fee_of_the_person_alone_tells_who_will_pay_it(
    session: KaowuSession, tree: Tree
) -> None:
    factories.make_registration(session, tree, subjects=("14", "24"))
    factories.make_registration(session, tree, subjects=("14",))
    factories.make_registration(session, tree, subjects=("14",), state=EntryState.PAID)
    factories.make_registration(session, tree, tree.sites[1], subjects=("14",))
    act(session, tree, Level.PROVINCE)
    told = effects(session, FEES, tree, {0: {"PERSON": "11"}})
    assert "尚未生成订单的 2 名考生将按新的人次费支付" in told
    assert "科次" not in told
    assert "人次费" not in effects(session, FEES, tree, {0: {"14": "11"}})


@pytest.mark.parametrize("state", [EntryState.PAYING, EntryState.BATCH_LOCKED])
def test_r12_5_what_an_order_holds_does_not_pay_a_new_fee(
    session: KaowuSession, tree: Tree, state: EntryState
) -> None:
    """Nor is the fee of the person due again for a subject that was added after his order."""
    row = factories.make_registration(session, tree, subjects=("14", "24"), state=state)
    with factories.seeding(session):
        added = select(Entry).where(Entry.registration_id == row.id, Entry.subject_code == "24")
        session.scalars(added).one().state = EntryState.UNPAID.value
    act(session, tree, Level.PROVINCE)
    assert effects(session, FEES, tree, {0: {"PERSON": "11", "14": "11"}}) == ""


def test_r12_5_who_cannot_pay_an_unset_fee_is_not_told_to_pay_a_new_one(
    session: KaowuSession, tree: Tree
) -> None:
    factories.make_registration(session, tree, subjects=("14", "24"))
    factories.make_registration(session, tree, subjects=("14",))
    act(session, tree, Level.PROVINCE)
    told = effects(session, FEES, tree, {0: {"14": "", "24": "80", "PERSON": ""}}).splitlines()
    assert told == [
        "尚未生成订单的 1 科次将按新费用支付。",
        "尚未生成订单的 2 科次因科目费未设置，暂不能支付。",
        "尚未生成订单的 2 名考生因人次费未设置，暂不能支付。",
        "2 项费用改为未设置：在重新设置之前不能报考和支付。",
    ]


def test_r0_1_chapter_12_is_bound_by_no_window(session: KaowuSession, tree: Tree) -> None:
    for organisation in (tree.province, tree.site):
        factories.set_window(
            session, organisation, Window.SETUP, tree.now - 2 * DAY, tree.now - DAY
        )
    act(session, tree, Level.PROVINCE)
    assert grids.refusal(session, FEES) is None
    assert save(session, FEES, tree, {0: {"14": "1"}}) == 1


def test_p3_fees_are_the_provinces_own_business(session: KaowuSession, tree: Tree) -> None:
    save(session, FEES, tree, {0: {"14": "1"}})
    (entry,) = logged(session, "Fee")
    assert (entry.organisation_code, entry.on_behalf_of) == ("99", None)


def test_a_fee_that_nobody_can_mean_is_refused(session: KaowuSession, tree: Tree) -> None:
    found = examine(session, FEES, tree, {0: {"14": "999999999999"}})
    assert list(found.errors) == [("990701", "14")]
