"""The engine of grids: what was typed against what was seen and stored; all of it or nothing."""

from __future__ import annotations

import datetime as dt

import pytest

from app.database.policy import actor_of
from app.database.session import KaowuSession
from app.metadata.vocabulary import Level, Window
from app.rules import grid_filling, grids
from app.rules.capacity_grid import CAPACITY
from app.rules.fee_grid import FEES
from app.rules.former import NothingToCopy
from app.rules.grid_history import last_set, newest
from app.rules.grids import Choice, GridRefused
from app.rules.policy import NoVerb, WindowClosed
from tests import factories
from tests.factories import Tree
from tests.rules.grid_world import act, errors, examine, logged, raw, rows, save

DAY = dt.timedelta(days=1)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    made = factories.make_tree(session, sites=3)
    act(session, made, Level.PROVINCE)
    return made


def test_the_rows_are_the_sites_of_the_scope(session: KaowuSession, tree: Tree) -> None:
    assert list(rows(session, FEES)) == ["990701", "990702", "990703"]
    act(session, tree, Level.CITY)
    assert len(rows(session, FEES)) == 3
    act(session, tree, Level.SITE, 1)
    assert list(rows(session, FEES)) == ["990702"]


@pytest.mark.parametrize(
    ("choice", "codes"),
    [
        (Choice("9907"), ["990701", "990702", "990703"]),
        (Choice("990702"), ["990702"]),
        (Choice("99", "考点3"), ["990703"]),
        (Choice("", "99070"), ["990701", "990702", "990703"]),
        (Choice("", "%"), []),
        (Choice("77"), []),
    ],
)
def test_sites_are_chosen_by_organisation_and_words(
    session: KaowuSession, tree: Tree, choice: Choice, codes: list[str]
) -> None:
    table = grids.page(session, FEES, choice)
    assert [row.site.code for row in table.rows] == codes
    assert table.total == len(codes)


def test_pages_are_cut_and_a_page_beyond_the_end_is_the_last(
    session: KaowuSession, tree: Tree
) -> None:
    first = grids.page(session, FEES, number=1, size=2)
    last = grids.page(session, FEES, number=99, size=2)
    assert [len(first.rows), len(last.rows)] == [2, 1]
    assert first.total == last.total == 3


def test_only_what_differs_from_what_was_seen_is_typed(session: KaowuSession, tree: Tree) -> None:
    found = examine(session, FEES, tree, {0: {"14": "72", "24": "¥72.00", "26": "80"}})
    assert [change.after for change in found.changes] == [{"26": 8000}]
    assert found.cells == 1


def test_what_its_writer_left_alone_stays_as_others_made_it(
    session: KaowuSession, tree: Tree
) -> None:
    """The page showed 60 (somebody has made it 72 since): sending 60 back changes nothing."""
    found = examine(session, FEES, tree, {0: {"14": "60.00"}}, {0: {"14": "60.00"}})
    assert found.is_good
    assert not found.changes


def test_a_cell_that_two_people_changed_is_shown_with_both_values(
    session: KaowuSession, tree: Tree
) -> None:
    found = examine(session, FEES, tree, {0: {"14": "90"}}, {0: {"14": "60.00"}})
    (conflict,) = found.conflicts.values()
    assert (conflict.stored, conflict.typed) == (7200, 9000)
    with pytest.raises(GridRefused, match="已被他人改动"):
        save(session, FEES, tree, {0: {"14": "90"}}, {0: {"14": "60.00"}})
    assert rows(session, FEES)["990701"]["14"].value == 7200


def test_the_same_value_of_two_people_is_no_conflict(session: KaowuSession, tree: Tree) -> None:
    found = examine(session, FEES, tree, {0: {"14": "72"}}, {0: {"14": "60.00"}})
    assert found.is_good
    assert not found.changes


def test_every_error_stands_in_its_cell(session: KaowuSession, tree: Tree) -> None:
    cells = {0: {"14": "abc", "24": "-1", "26": "80", "35": "1", "PERSON": "10001"}}
    found = errors(session, FEES, tree, cells)
    assert set(found) == {"14", "24", "35", "PERSON"}
    assert "金额格式不正确" in found["14"]
    assert "没有这个项目" in found["35"]
    assert "10000 元" in found["PERSON"]


def test_a_row_outside_the_scope_is_an_error_of_the_row(session: KaowuSession, tree: Tree) -> None:
    found = grids.examine(session, FEES, {"110001": {"14": "1"}}, {})
    assert "不在您的管辖范围内" in str(found.errors["110001", ""])


def test_on_any_error_nothing_is_saved(session: KaowuSession, tree: Tree) -> None:
    with pytest.raises(GridRefused, match="没有保存任何内容") as caught:
        save(session, FEES, tree, {0: {"14": "90"}, 1: {"14": "x"}})
    assert list(caught.value.examined.errors) == [("990702", "14")]
    assert rows(session, FEES)["990701"]["14"].value == 7200
    assert not logged(session, "Fee")


def test_one_entry_of_the_log_per_changed_cell(session: KaowuSession, tree: Tree) -> None:
    assert save(session, FEES, tree, {0: {"14": "90", "24": "91"}, 2: {"14": "90"}}) == 3
    found = [
        (entry.site_id, entry.changes["amount"]["old"], entry.changes["amount"]["new"])
        for entry in logged(session, "Fee")
    ]
    sites = tree.sites
    assert sorted(found) == sorted(
        [(sites[0].id, 7200, 9000), (sites[0].id, 7200, 9100), (sites[2].id, 7200, 9000)]
    )
    told = last_set(session, FEES, tree.sites, FEES.columns(session, actor_of(session)))
    by_province = {"14", "24"}
    cells = told[sites[0].id]
    assert {name for name in cells if cells[name].organisation_code == "99"} == by_province


def test_a_fee_that_is_unset_again_tells_who_did_it(session: KaowuSession, tree: Tree) -> None:
    """The row of the fee is gone; its key stands in the entry. The other cells keep theirs."""
    save(session, FEES, tree, {0: {"14": "90", "24": "91"}})
    save(session, FEES, tree, {0: {"14": ""}})
    sites = tree.sites[:1]
    told = last_set(session, FEES, sites, FEES.columns(session, actor_of(session)))[sites[0].id]
    assert told["14"].action == "settings.fee.delete"
    assert told["24"].changes["amount"]["new"] == 9100
    assert newest(told) is told["14"]
    act(session, tree, Level.SITE, 1)
    assert not last_set(session, FEES, sites, FEES.columns(session, actor_of(session)))


def test_a_level_without_the_verb_saves_nothing(session: KaowuSession, tree: Tree) -> None:
    act(session, tree, Level.SITE)
    assert isinstance(grids.refusal(session, FEES), NoVerb)
    with pytest.raises(NoVerb):
        save(session, FEES, tree, {0: {"14": "1"}})


def test_r0_2_outside_the_own_w1_the_province_saves_nothing(
    session: KaowuSession, tree: Tree
) -> None:
    factories.set_window(session, tree.province, Window.SETUP, tree.now - 2 * DAY, tree.now - DAY)
    act(session, tree, Level.PROVINCE)
    with pytest.raises(WindowClosed, match="请联系上级管理员"):
        save(session, CAPACITY, tree, {0: {"S:14": "501"}})


def test_a_column_is_filled_for_all_sites_or_where_nothing_is_set(
    session: KaowuSession, tree: Tree
) -> None:
    factories.add_site(session, tree, "990704", subjects=("14",), subject_fee=None)
    act(session, tree, Level.PROVINCE)
    table, actor = grids.page(session, FEES), tree.actor(Level.PROVINCE)
    texts = {"14": "80", "24": "81"}
    everywhere = grid_filling.filled_down(table, actor, texts)
    assert everywhere["990704"] == {"14": "80"}  # a subject that it does not offer has no cell
    assert everywhere["990701"] == texts
    unset = grid_filling.filled_down(table, actor, texts, only_unset=True)
    assert unset == {"990704": {"14": "80"}}


def test_nothing_is_filled_where_the_level_may_not_write(session: KaowuSession, tree: Tree) -> None:
    table = grids.page(session, FEES)
    assert grid_filling.filled_down(table, tree.actor(Level.CITY), {"14": "80"}) == {}


def test_r0_6b_the_last_session_is_copied_by_organisation_code(
    session: KaowuSession, tree: Tree
) -> None:
    factories.make_tree(session, number=57, state="history", sites=2, subject_fee=6000)
    factories.make_tree(session, number=56, state="history", sites=2, subject_fee=5000)
    act(session, tree, Level.PROVINCE)
    found = grid_filling.copied(session, FEES)
    assert found["990702"] == {"PERSON": "10.00", "14": "60.00", "24": "60.00", "26": "60.00"}
    assert "990703" not in found
    assert grids.examine(session, FEES, found, {}).cells == 6  # the person's fee is the same


def test_r0_6b_without_an_earlier_session_there_is_nothing_to_copy(
    session: KaowuSession, tree: Tree
) -> None:
    with pytest.raises(NothingToCopy, match="考点费用设置"):
        grid_filling.copied(session, FEES)


def test_unknown_columns_are_refused(session: KaowuSession, tree: Tree) -> None:
    found = grids.examine(session, FEES, raw(tree, {0: {"zz": "1", "amount": ""}}), {})
    assert list(found.errors) == [("990701", "zz")]
