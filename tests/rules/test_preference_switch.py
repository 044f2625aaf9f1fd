"""Intentions switched off and on again (R10.4, R13.8): what happens to the quotas meanwhile."""

from __future__ import annotations

import datetime as dt

import pytest

from app.database.session import KaowuSession
from app.metadata.vocabulary import Level, Window
from app.models.default_settings import DefaultSettings
from app.models.settings import SiteSettings
from app.rules import crud, default_settings, general_settings, grid_filling, grids, operations
from app.rules.capacity_grid import CAPACITY
from app.rules.clock import fixed
from app.rules.grids import GridRefused
from app.rules.operations import Chosen
from app.rules.policy import WindowClosed
from app.rules.preference import PREFERENCE, SWITCH, settings_of
from app.rules.preference_switch import QuotasOutgrown
from app.runtime import load_declarations
from tests import factories
from tests.factories import EXAM_DAYS, Tree
from tests.rules.grid_world import act, errors, save

load_declarations()
DAY = dt.timedelta(days=1)
DAYS = [f"D:{day.isoformat()}" for day in EXAM_DAYS]


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    """Quotas of 60 on three days of 200 entries; the province has switched intentions off."""
    made = factories.make_tree(session, total=200, day_quota=60)
    act(session, made, Level.PROVINCE)
    save(session, PREFERENCE, made, {number: {SWITCH: "否"} for number in (0, 1)})
    act(session, made)
    return made


def lower_total(session: KaowuSession, tree: Tree) -> SiteSettings:
    """The first site takes only 110 entries; the province acts next."""
    assert save(session, CAPACITY, tree, {0: {"TOTAL": "110"}}) == 1
    act(session, tree, Level.PROVINCE)
    return settings_of(session, [tree.site])[tree.site.id]


def test_r13_8_quotas_that_are_switched_off_do_not_hold_the_total(
    session: KaowuSession, tree: Tree
) -> None:
    lower_total(session, tree)
    save(session, PREFERENCE, tree, {1: {SWITCH: "是"}})
    act(session, tree, number=1)
    with pytest.raises(GridRefused, match="每天的意向名额不能超过55"):
        save(session, CAPACITY, tree, {1: {"TOTAL": "110"}})


def test_r13_8_each_site_is_bound_by_its_own_switch(session: KaowuSession, tree: Tree) -> None:
    act(session, tree, Level.PROVINCE)
    save(session, PREFERENCE, tree, {1: {SWITCH: "是"}})
    assert save(session, CAPACITY, tree, {0: {"TOTAL": "110"}, 1: {"TOTAL": "190"}}) == 2


def test_r13_8_the_grid_switches_on_with_quotas_that_fit(session: KaowuSession, tree: Tree) -> None:
    lower_total(session, tree)
    found = errors(session, PREFERENCE, tree, {0: {SWITCH: "是"}})
    assert set(found) == set(DAYS)
    assert "不能超过55" in found[DAYS[0]]
    fitting = dict.fromkeys(DAYS, "30")
    assert save(session, PREFERENCE, tree, {0: {SWITCH: "是"} | fitting}) == 4


def test_r14_no_window_binds_the_switch_of_the_province(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.province, Window.SETUP, tree.now - 2 * DAY, tree.now - DAY)
    act(session, tree, Level.PROVINCE)
    assert grids.refusal(session, PREFERENCE) is None
    assert isinstance(grids.closed(session, PREFERENCE), WindowClosed)
    assert save(session, PREFERENCE, tree, {0: {SWITCH: "是"}}) == 1
    with pytest.raises(GridRefused, match="当前不在报名前设置时间内"):
        save(session, PREFERENCE, tree, {0: {SWITCH: "否", DAYS[0]: "1"}})
    assert grid_filling.filled_down(
        grids.page(session, PREFERENCE), tree.actor(Level.PROVINCE), {SWITCH: "1", DAYS[0]: "1"}
    ) == {site.code: {SWITCH: "1"} for site in tree.sites}
    before = tree.now - 3 * DAY / 2  # inside the window
    assert grids.closed(session, PREFERENCE, fixed(before)) is None
    assert not grids.page(session, PREFERENCE, clock=fixed(before)).rows[0].cells[DAYS[0]].locked
    with pytest.raises(WindowClosed):  # the other grid has no such column
        save(session, CAPACITY, tree, {0: {"TOTAL": "300"}})


def test_r13_8_no_way_of_switching_on_brings_back_quotas_that_do_not_fit(
    session: KaowuSession, tree: Tree
) -> None:
    row = lower_total(session, tree)
    what_to_do = "请在《意向考试相关设置》中同时打开开关并修改名额：2026-09-19"
    with pytest.raises(QuotasOutgrown, match=what_to_do):
        crud.update(session, SiteSettings.__admin__, row.id, {"preference_allowed": "1"})
    session.expire_all()
    with factories.seeding(session):
        place = {"exam_id": tree.exam.id, "province_id": tree.province.id}
        defaults = DefaultSettings(
            **place, organisation_id=tree.province.id, open=True, preference_allowed=True
        )
        session.add(defaults)
    act(session, tree, Level.PROVINCE)
    rows = settings_of(session, tree.sites)
    chosen = Chosen(ids=tuple(settings.id for settings in rows.values()))
    for operation, values in (
        (general_settings.PREFERENCE, {"allowed": "1"}),
        (default_settings.APPLY_DEFAULTS, {}),
    ):
        report = operations.run(session, operation, chosen, values)
        (refused,) = [outcome for outcome in report.outcomes if what_to_do in outcome.reason]
        assert not refused.done
    assert not rows[tree.site.id].preference_allowed
    assert rows[tree.sites[1].id].preference_allowed
