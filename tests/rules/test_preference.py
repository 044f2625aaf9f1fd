"""《意向考试相关设置》 (chapter 14)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.database.session import KaowuSession
from app.metadata.declarations import GridCell, GridChange
from app.metadata.vocabulary import Level, Window
from app.models.capacity import CapacityPool
from app.models.organisation import Organisation
from app.models.registration import EntryState
from app.models.settings import SiteSettings
from app.rules import crud, general_settings, grid_filling, grids, operations, preference
from app.rules.capacity import PreferenceQuotaTooLarge, refusals
from app.rules.capacity_grid import CAPACITY
from app.rules.effects import Unconfirmed
from app.rules.grid_history import last_set
from app.rules.policy import WindowClosed
from app.rules.preference import PREFERENCE, SWITCH
from tests import factories
from tests.factories import EXAM_DAYS, Tree
from tests.rules.grid_world import act, effects, errors, logged, rows, save

DAYS = [f"D:{day.isoformat()}" for day in EXAM_DAYS]


def quotas(*values: object) -> dict[str, str]:
    return {name: str(value) for name, value in zip(DAYS, values, strict=True)}


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    """Two sites of 101 entries; the first is allowed preferences, without quotas yet."""
    made = factories.make_tree(session, total=101)
    factories.set_settings(session, made.site, preference_allowed=True)
    act(session, made)
    return made


def test_switch_and_quotas_tell_who_set_them(session: KaowuSession, tree: Tree) -> None:
    """Capacities and days are pools of one table: each grid tells of its own alone."""
    save(session, CAPACITY, tree, {0: {"S:14": "70"}})
    save(session, PREFERENCE, tree, {0: quotas(10, 20, 30)})
    act(session, tree, Level.PROVINCE)
    save(session, PREFERENCE, tree, {0: {SWITCH: "0"}})
    told = {
        grid.name: last_set(session, grid, tree.sites, grid.columns(session, tree.actor()))
        for grid in (CAPACITY, PREFERENCE)
    }
    assert "S:14" in told["capacity"][tree.site.id]
    assert not set(DAYS) & set(told["capacity"][tree.site.id])
    mine = told["preference"][tree.site.id]
    assert set(mine) == {SWITCH, *DAYS}
    assert (mine[SWITCH].organisation_code, mine[DAYS[0]].organisation_code) == ("99", "990701")


def test_r14_1_the_switch_and_one_column_per_exam_day(session: KaowuSession, tree: Tree) -> None:
    columns = PREFERENCE.columns(session, tree.actor())
    assert [column.name for column in columns] == [SWITCH, *DAYS]
    assert [column.cell.label for column in columns[1:]] == [d.isoformat() for d in EXAM_DAYS]
    cells = rows(session, PREFERENCE)["990701"]
    assert cells[SWITCH].value is True
    assert cells[DAYS[0]].value is None


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ((51, 49, 1), {DAYS[0]}),
        ((0, 50, 1), {DAYS[0]}),
        ((50, 50, 1), set()),
        ((50, 50, 2), set(DAYS)),
        (("", 50, 1), {DAYS[0]}),
    ],
)
def test_scenario_15_r14_2_r14_3_r14_4(
    session: KaowuSession, tree: Tree, values: tuple[object, ...], refused: set[str]
) -> None:
    cells = {0: quotas(*values)}
    assert set(errors(session, PREFERENCE, tree, cells)) == refused
    if not refused:
        assert save(session, PREFERENCE, tree, cells) == 3


def test_r14_2_once_one_day_is_set_every_day_is_required(session: KaowuSession, tree: Tree) -> None:
    found = errors(session, PREFERENCE, tree, {0: {DAYS[1]: "10"}})
    assert found == {DAYS[0]: "必填", DAYS[2]: "必填"}


def test_r14_8_without_limit_a_day_has_at_most_49999(session: KaowuSession, tree: Tree) -> None:
    factories.set_capacity(session, tree.site, "TOTAL", 99_999)
    act(session, tree)
    found = errors(session, PREFERENCE, tree, {0: quotas(50_000, 1, 1)})
    assert set(found) == {DAYS[0]}
    assert save(session, PREFERENCE, tree, {0: quotas(49_999, 49_999, 1)}) == 3


def test_r14_without_a_total_it_says_what_to_do_first(session: KaowuSession, tree: Tree) -> None:
    site = factories.ground._organisation
    with factories.seeding(session):
        made = site(session, tree.exam, Level.SITE, "990709", "新考点", tree.city, tree.now)
        settings = factories.ground.SiteSettings(**tree.path(made), preference_allowed=True)
        session.add(settings)
    tree.sites.append(made)
    act(session, tree, Level.SITE, 2)
    found = errors(session, PREFERENCE, tree, {2: quotas(1, 1, 1)})
    assert found[DAYS[0]] == "考点未设置总科次数，请先在《考点容量设置》中设置"


def test_r14_1_only_the_province_sets_the_switch(session: KaowuSession, tree: Tree) -> None:
    found = errors(session, PREFERENCE, tree, {0: {SWITCH: "否"}})
    assert "省级及以上" in found[SWITCH]
    act(session, tree, Level.PROVINCE)
    assert save(session, PREFERENCE, tree, {0: {SWITCH: "否"}, 1: {SWITCH: "是"}}) == 2
    assert rows(session, PREFERENCE)["990702"][SWITCH].value is True


def test_r14_where_the_switch_is_off_the_site_only_reads_and_is_told(
    session: KaowuSession, tree: Tree
) -> None:
    act(session, tree, Level.SITE, 1)
    cells = rows(session, PREFERENCE)["990702"]
    assert "请联系省级管理员" in cells[DAYS[0]].locked
    assert preference.notices(session, tree.actor(number=1), [cells]) == [preference.NOT_ALLOWED]
    found = errors(session, PREFERENCE, tree, {1: quotas(1, 1, 1)})
    assert found == dict.fromkeys(DAYS, preference.NOT_ALLOWED)


def test_r14_the_province_sets_switch_and_quotas_in_one_go(
    session: KaowuSession, tree: Tree
) -> None:
    act(session, tree, Level.PROVINCE)
    assert set(errors(session, PREFERENCE, tree, {1: quotas(1, 1, 1)})) == set(DAYS)
    assert save(session, PREFERENCE, tree, {1: {SWITCH: "是"} | quotas(1, 1, 1)}) == 4
    behalf = {entry.on_behalf_of for entry in logged(session, "CapacityPool")}
    assert behalf == {"990702"}
    (switched,) = logged(session, "SiteSettings")
    assert switched.on_behalf_of is None  # the switch is the province's own


def test_p4_a_closed_w1_of_the_site_closes_its_quotas(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.site, Window.SETUP, None)
    act(session, tree)
    with pytest.raises(WindowClosed):
        save(session, PREFERENCE, tree, {0: quotas(1, 1, 1)})


def test_r14_7_r13_5_a_quota_is_not_below_what_is_chosen(session: KaowuSession, tree: Tree) -> None:
    save(session, PREFERENCE, tree, {0: quotas(5, 5, 5)})
    for _ in range(2):
        factories.make_registration(session, tree, preference_day=EXAM_DAYS[0])
    act(session, tree)
    found = errors(session, PREFERENCE, tree, {0: {DAYS[0]: "1"}})
    assert found == {DAYS[0]: "意向日期2026-09-19已报2人，不能小于2。"}


def test_r14_switching_off_says_how_many_have_chosen(session: KaowuSession, tree: Tree) -> None:
    save(session, PREFERENCE, tree, {0: quotas(5, 5, 5)})
    factories.make_registration(session, tree, subjects=("14", "24"), preference_day=EXAM_DAYS[0])
    act(session, tree, Level.PROVINCE)
    told = effects(session, PREFERENCE, tree, {0: {SWITCH: "否"}, 1: {SWITCH: "是"}})
    assert "1 个考点将不再允许选择意向日期" in told
    assert "已选择意向考试日期的 2 科次保留原来的日期" in told
    assert "1 个考点允许后还没有意向名额" in told


def test_r14_7_only_switching_off_is_told_of_and_only_where_it_was_on(
    session: KaowuSession, tree: Tree
) -> None:
    act(session, tree, Level.PROVINCE)
    save(session, PREFERENCE, tree, {n: {SWITCH: "是"} | quotas(5, 5, 5) for n in (0, 1)})
    save(session, PREFERENCE, tree, {1: {SWITCH: "否"}})
    for site in tree.sites:
        factories.make_registration(session, tree, site, preference_day=EXAM_DAYS[0])
    act(session, tree, Level.PROVINCE)
    assert effects(session, PREFERENCE, tree, {0: quotas(6, 6, 6)}) == ""
    settings = preference.settings_of(session, tree.sites).values()
    chosen = operations.Chosen(ids=tuple(row.id for row in settings))
    with pytest.raises(Unconfirmed) as refused:
        operations.run(session, general_settings.PREFERENCE, chosen, {"allowed": "0"}, confirmed="")
    (sentence,) = refused.value.effects
    assert "1 科次保留原来的日期" in str(sentence)


def test_r14_7_every_way_of_switching_off_tells_the_same_count(
    session: KaowuSession, tree: Tree
) -> None:
    """Form, operation and grid: entries that hold a seat, neither people nor what has expired."""
    save(session, PREFERENCE, tree, {0: quotas(5, 5, 5)})
    factories.set_settings(session, tree.site, online_enabled=False)
    factories.make_registration(session, tree, subjects=("14", "24"), preference_day=EXAM_DAYS[0])
    factories.make_registration(
        session, tree, state=EntryState.EXPIRED, life="expired", preference_day=EXAM_DAYS[0]
    )
    act(session, tree, Level.PROVINCE)
    told = "已选择意向考试日期的 2 科次保留原来的日期，不能再选择或改选。"
    assert told in effects(session, PREFERENCE, tree, {0: {SWITCH: "否"}})
    row = preference.settings_of(session, [tree.site])[tree.site.id]
    general = SiteSettings.__admin__
    with pytest.raises(Unconfirmed) as by_form:
        crud.update(session, general, row.id, {"preference_allowed": "0"}, confirmed="")
    session.expire_all()
    chosen = operations.Chosen(ids=(row.id,))
    with pytest.raises(Unconfirmed) as by_operation:
        operations.run(session, general_settings.PREFERENCE, chosen, {"allowed": "0"}, confirmed="")
    for refused in (by_form, by_operation):
        assert [str(sentence) for sentence in refused.value.effects] == [told]


def test_rows_of_settings_are_locked_in_the_order_of_their_ids(
    session: KaowuSession, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grid and the operation lock the same rows; two orders would be a deadlock."""
    with factories.seeding(session):
        first = preference.settings_of(session, [tree.site])[tree.site.id]
        values = {name: getattr(first, name) for name in tree.path(tree.site)}
        session.delete(first)
        session.flush()
        session.add(SiteSettings(**values, preference_allowed=True))
    monkeypatch.setattr(grids, "CHUNK", 1)
    act(session, tree, Level.PROVINCE)
    locked: list[list[int]] = []

    def read(session: KaowuSession, sites: Any, lock: bool = False) -> Any:
        found = reading(session, sites, lock=lock)
        if lock:
            locked.append([row.id for row in found.values()])
        return found

    reading = preference.settings_of
    monkeypatch.setattr(preference, "settings_of", read)
    assert save(session, PREFERENCE, tree, {0: {SWITCH: "否"}, 1: {SWITCH: "是"}}) == 2
    assert [len(rows) for rows in locked] == [2]
    assert locked[0] == sorted(locked[0])


def test_r0_6b_days_are_copied_in_their_order(session: KaowuSession, tree: Tree) -> None:
    factories.make_tree(session, number=57, state="history", day_quota=7)
    act(session, tree, Level.PROVINCE)
    found = grid_filling.copied(session, PREFERENCE)
    assert found["990702"] == {SWITCH: "1"} | quotas(7, 7, 7)


def test_a_province_with_days_of_its_own_has_these_columns(
    session: KaowuSession, tree: Tree
) -> None:
    day = factories.ground.ExamDay(
        exam_id=tree.exam.id, province_id=tree.province.id, day=EXAM_DAYS[1]
    )
    factories.plant(session, day)
    act(session, tree)
    assert list(rows(session, PREFERENCE)["990701"]) == [SWITCH, DAYS[1]]
    act(session, tree, Level.CENTER)
    names = [column.name for column in PREFERENCE.columns(session, tree.actor(Level.CENTER))]
    assert names == [SWITCH, *DAYS]


# ---------------------------------------------------------------- arithmetic

_LIMIT = st.integers(min_value=1, max_value=300)


@given(total=st.integers(100, 400), values=st.lists(_LIMIT, min_size=1, max_size=4))
def test_r14_3_r14_4_quotas_are_refused_exactly_beyond_half_and_sum(
    total: int, values: list[int]
) -> None:
    limits = {f"D:2026-09-{10 + n}": value for n, value in enumerate(values)}
    found = refusals({"TOTAL": (total, 0)}, limits)
    too_high = {name for name, value in limits.items() if value > total // 2}
    if too_high:
        assert set(found) == too_high
    else:
        assert bool(found) == (sum(values) > total)
    assert all(isinstance(error, PreferenceQuotaTooLarge) for error in found.values())


@given(total=st.integers(100, 400), values=st.lists(_LIMIT, min_size=1, max_size=4))
def test_r13_8_lowering_the_total_is_refused_at_the_total(total: int, values: list[int]) -> None:
    present = {f"D:2026-09-{10 + n}": (value, 0) for n, value in enumerate(values)}
    found = refusals(present | {"TOTAL": (99_999, 0)}, {"TOTAL": total})
    fits = max(values) <= total // 2 and sum(values) <= total
    assert set(found) == (set() if fits else {"TOTAL"})


@given(
    stored=st.one_of(st.none(), _LIMIT),
    typed=st.dictionaries(st.sampled_from(DAYS), _LIMIT),
    allowed=st.booleans(),
)
def test_r14_2_no_saved_row_lacks_a_day(
    stored: int | None, typed: dict[str, int], allowed: bool
) -> None:
    """Whatever is typed: where nothing is refused, all days have a quota or none is written."""
    cells = {SWITCH: GridCell(allowed)} | {name: GridCell(stored) for name in DAYS}
    after = {name: value for name, value in typed.items() if value != stored}
    change = GridChange(Organisation(id=1), dict.fromkeys(after), after, cells)
    pools = {"TOTAL": CapacityPool(pool="TOTAL", capacity=99_999, used=0)}
    if not preference._errors(change, pools) and after:
        assert allowed
        assert all(change.value(name) is not None for name in DAYS)
