"""《考点容量设置》 (chapter 13)."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.database.policy import actor_of
from app.database.session import KaowuSession
from app.metadata.declarations import GridCell
from app.metadata.vocabulary import Level, Window
from app.models.capacity import CapacityPool
from app.rules import capacity_grid, grids
from app.rules.capacity import TOTAL
from app.rules.capacity_grid import CAPACITY
from app.rules.grid_history import last_set
from app.rules.offer import offer_of
from app.rules.policy import WindowClosed
from app.rules.site import load_site
from tests import factories
from tests.factories import Tree
from tests.rules.grid_world import act, effects, errors, examine, logged, rows, save


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    made = factories.make_tree(session, total=200, day_quota=60)
    act(session, made)
    return made


def limits(session: KaowuSession, tree: Tree, number: int = 0) -> dict[str, int]:
    statement = select(CapacityPool).where(CapacityPool.site_id == tree.sites[number].id)
    return {row.pool: row.capacity for row in session.scalars(statement)}


def test_r13_1_total_and_each_subject_are_set_together(session: KaowuSession, tree: Tree) -> None:
    assert list(rows(session, CAPACITY)["990701"]) == ["TOTAL", "S:14", "S:24", "S:26"]
    assert save(session, CAPACITY, tree, {0: {"TOTAL": "300", "S:24": "120"}}) == 2
    found = limits(session, tree)
    assert (found["TOTAL"], found["S:24"], found["S:14"]) == (300, 120, 500)


def test_r13_1_what_is_taken_and_left_stands_below(session: KaowuSession, tree: Tree) -> None:
    factories.make_registration(session, tree, subjects=("24",))
    act(session, tree)
    assert rows(session, CAPACITY)["990701"]["S:24"].note == "已报 1，剩余 499"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("99", "总科次数不能小于100"),
        ("0", "须为1至99999之间"),
        ("100000", "不能大于 99999"),
        ("-5", "不能小于 0"),
        ("12.5", "应为整数"),
        ("很多", "应为整数"),
        ("", "必填"),
    ],
)
def test_scenario_13_r13_3_r13_6_the_total_is_100_to_99999(
    session: KaowuSession, tree: Tree, text: str, message: str
) -> None:
    assert message in errors(session, CAPACITY, tree, {0: {"TOTAL": text}})["TOTAL"]


def test_r13_3_0_of_a_subject_is_not_offered(session: KaowuSession, tree: Tree) -> None:
    told = effects(session, CAPACITY, tree, {0: {"S:14": "0"}})
    assert told == "1 个科目的容量改为 0：考生不能再报考这些科目。"  # not: lowered
    assert save(session, CAPACITY, tree, {0: {"S:14": "0"}}) == 1
    assert limits(session, tree)["S:14"] == 0
    subjects = offer_of(session, load_site(session, tree.site.id)).subjects
    assert [code for code, one in subjects.items() if one.available] == ["24", "26"]


def test_r13_3a_99999_is_asked_for_and_shown_as_without_limit(
    session: KaowuSession, tree: Tree
) -> None:
    changes = examine(session, CAPACITY, tree, {0: {"S:14": "99999"}}).changes
    assert grids.questions(CAPACITY, changes) == ["尽量不要设置成不限，确定？"]
    assert (
        grids.questions(CAPACITY, examine(session, CAPACITY, tree, {0: {"S:14": "9"}}).changes)
        == []
    )
    save(session, CAPACITY, tree, {0: {"S:14": "99999"}})
    table = grids.page(session, CAPACITY)
    assert grids.shown(table.columns[1], table.rows[0].cells["S:14"].value) == "不限"
    assert table.rows[0].cells["S:14"].note == "已报 0"


def test_r13_3a_a_new_subject_has_no_capacity(session: KaowuSession, tree: Tree) -> None:
    factories.plant(
        session,
        factories.ground.SiteSubject(
            **tree.path(tree.site),
            subject_code="42",
            first_day=factories.EXAM_DAYS[0],
            last_day=factories.EXAM_DAYS[0],
        ),
    )
    act(session, tree)
    cells = rows(session, CAPACITY)["990701"]
    assert cells["S:42"].value is None
    told = capacity_grid.notices(session, tree.actor(), [cells])
    assert "1 个科目容量为 0 或未设置" in "\n".join(map(str, told))
    assert save(session, CAPACITY, tree, {0: {"S:42": "30"}}) == 1


def test_r13_1_a_site_without_subjects_is_led_to_them_first(
    session: KaowuSession, tree: Tree
) -> None:
    total = GridCell(value=None)
    told = capacity_grid.notices(session, tree.actor(), [{TOTAL: total}])
    assert "请先在《考点开考科目设置》中添加" in str(told[0])
    assert told[1] == "总科次数未设置，设置之前考生不能报名。"
    above = capacity_grid.notices(session, tree.actor(Level.PROVINCE), [{TOTAL: total}])
    assert [str(sentence) for sentence in above] == [
        "本页有 1 个考点未设置总科次数，设置之前考生不能报名。"
    ]


def test_r13_2_without_being_open_it_does_not_count(session: KaowuSession, tree: Tree) -> None:
    factories.set_settings(session, tree.site, open=False)
    act(session, tree)
    told = capacity_grid.notices(session, tree.actor(), [rows(session, CAPACITY)["990701"]])
    assert "考点未开考" in str(told[0])


def test_scenario_14_r13_5_not_below_what_is_registered(session: KaowuSession, tree: Tree) -> None:
    for _ in range(2):
        factories.make_registration(session, tree, subjects=("24",))
    act(session, tree)
    assert errors(session, CAPACITY, tree, {0: {"S:24": "1"}}) == {
        "S:24": "科目24已报2人，不能小于2。"
    }
    assert save(session, CAPACITY, tree, {0: {"S:24": "2"}}) == 1


def test_r13_5_every_cell_that_is_too_low_is_told(session: KaowuSession, tree: Tree) -> None:
    factories.make_registration(session, tree, subjects=("14", "24"))
    act(session, tree)
    cells = {0: {"S:14": "0", "S:24": "0", "TOTAL": "99"}}
    assert set(errors(session, CAPACITY, tree, cells)) == {"S:14", "S:24", "TOTAL"}


def test_r13_8_a_total_below_the_quotas_names_the_days(session: KaowuSession, tree: Tree) -> None:
    message = errors(session, CAPACITY, tree, {0: {"TOTAL": "100"}})["TOTAL"]
    assert "2026-09-19、2026-09-20、2026-09-21" in message
    assert "不能超过50" in message


def test_p4_the_province_acts_on_behalf_inside_its_own_w1(
    session: KaowuSession, tree: Tree
) -> None:
    """The site's own window is closed; the province's is open."""
    factories.set_window(session, tree.site, Window.SETUP, None)
    act(session, tree)
    with pytest.raises(WindowClosed):
        save(session, CAPACITY, tree, {0: {"S:14": "70"}})
    act(session, tree, Level.PROVINCE)
    assert save(session, CAPACITY, tree, {0: {"S:14": "70"}, 1: {"S:14": "71"}}) == 2
    found = {(entry.site_id, entry.on_behalf_of) for entry in logged(session, "CapacityPool")}
    assert found == {(tree.sites[0].id, "990701"), (tree.sites[1].id, "990702")}
    told = last_set(session, CAPACITY, tree.sites, CAPACITY.columns(session, actor_of(session)))
    assert told[tree.site.id]["S:14"].on_behalf_of == "990701"


def test_r13_10_outside_the_provinces_w1_it_cannot(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.province, Window.SETUP, None)
    act(session, tree, Level.PROVINCE)
    with pytest.raises(WindowClosed):
        save(session, CAPACITY, tree, {0: {"S:14": "70"}})


def test_r0_6b_capacities_are_copied_without_the_days(session: KaowuSession, tree: Tree) -> None:
    from app.rules import grid_filling

    factories.make_tree(session, number=57, state="history", total=900, day_quota=5)
    factories.make_tree(session, number=56, state="history", total=800)
    act(session, tree)
    found = grid_filling.copied(session, CAPACITY)
    assert found == {"990701": {"TOTAL": "900", "S:14": "500", "S:24": "500", "S:26": "500"}}


def test_lowered_limits_are_told(session: KaowuSession, tree: Tree) -> None:
    assert "1 项容量被调低" in effects(session, CAPACITY, tree, {0: {"S:14": "400"}})


def test_r13_7_subjects_may_exceed_the_total(session: KaowuSession, tree: Tree) -> None:
    """Both limits hold at registration; here neither bounds the other."""
    cells = {"TOTAL": "150", "S:14": "149", "S:24": "150", "S:26": "9000"}
    assert errors(session, CAPACITY, tree, {0: cells}) != {}  # quotas of 60 a day exceed 150
    assert errors(session, CAPACITY, tree, {0: cells | {"TOTAL": "180"}}) == {}
