"""报名前设置 (chapters 10, 11, 15): what a site and its province may set, and what is refused."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.declarations import Resource
from app.metadata.errors import Duplicate, InvalidInput
from app.metadata.registry import find
from app.metadata.vocabulary import Level, Verb, Window
from app.models.registration import EntryState
from app.models.settings import ProvinceSubject, SiteSettings, SiteSubject
from app.rules import capacity, crud, general_settings, online_time, settings
from app.rules.capacity_grid import CAPACITY
from app.rules.policy import WindowClosed, permit
from tests import factories
from tests.factories import EXAM_DAYS, Tree

GENERAL: Resource = find("site_settings", Resource)  # type: ignore[assignment]
SUBJECT: Resource = find("site_subject", Resource)  # type: ignore[assignment]
OFFERED: Resource = find("province_subject", Resource)  # type: ignore[assignment]
ONLINE: Resource = find("online_time", Resource)  # type: ignore[assignment]
DAY = dt.timedelta(days=1)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


def row_of(session: KaowuSession, tree: Tree) -> SiteSettings:
    statement = select(SiteSettings).where(SiteSettings.site_id == tree.site.id)
    return session.scalars(statement).one()


def test_r10_1_a_site_changes_its_settings_inside_w1(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    row = row_of(session, tree)
    changed = crud.update(session, GENERAL, row.id, {"max_subjects": "2", "class_required": "1"})
    assert (changed.max_subjects, changed.class_required) == (2, True)


def test_scenario_8_outside_w1_nothing_is_saved(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.site, Window.SETUP, tree.now + DAY, tree.now + 2 * DAY)
    become(session, tree.actor())
    with pytest.raises(WindowClosed, match="报名前设置时间"):
        crud.update(session, GENERAL, row_of(session, tree).id, {"max_subjects": "2"})


@pytest.mark.parametrize("number", ["0", "4", "x"])
def test_r10_4_one_to_three_subjects(session: KaowuSession, tree: Tree, number: str) -> None:
    become(session, tree.actor())
    with pytest.raises(InvalidInput):
        crud.update(session, GENERAL, row_of(session, tree).id, {"max_subjects": number})


def test_r10_4_preference_is_the_provinces_switch(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    with pytest.raises(InvalidInput):
        crud.update(session, GENERAL, row_of(session, tree).id, {"preference_allowed": "1"})
    become(session, tree.actor(Level.PROVINCE))
    row = crud.update(session, GENERAL, row_of(session, tree).id, {"preference_allowed": "1"})
    assert row.preference_allowed


def test_r10_4a_a_site_with_candidates_cannot_close_itself(
    session: KaowuSession, tree: Tree
) -> None:
    factories.make_registration(session, tree)
    become(session, tree.actor())
    with pytest.raises(general_settings.SiteInUse, match="1 名考生"):
        crud.update(session, GENERAL, row_of(session, tree).id, {"open": "0"})


# ---------------------------------------------------------------- subjects


def test_scenario_12_r11_3_the_sites_days_lie_inside_the_provinces(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor())
    first, last = min(EXAM_DAYS), max(EXAM_DAYS)
    values = {"subject_code": "35", "first_day": str(first - DAY), "last_day": str(last)}
    with pytest.raises(settings.BeyondProvince, match=str(first)):
        crud.create(session, SUBJECT, values)
    session.rollback()


def test_r11_2_only_the_provinces_subjects(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    days = {"first_day": str(min(EXAM_DAYS)), "last_day": str(max(EXAM_DAYS))}
    with pytest.raises((InvalidInput, settings.NotOfferedByProvince), match="科目"):
        crud.create(session, SUBJECT, {"subject_code": "99"} | days)
    row = crud.create(session, SUBJECT, {"subject_code": "35"} | days)
    assert row.site_id == tree.site.id
    with pytest.raises(Duplicate):
        crud.create(session, SUBJECT, {"subject_code": "35"} | days)


def site_subject(session: KaowuSession, tree: Tree, code: str) -> SiteSubject:
    return session.scalars(
        select(SiteSubject).where(
            SiteSubject.site_id == tree.site.id, SiteSubject.subject_code == code
        )
    ).one()


def test_scenario_11_r11_5_a_subject_with_capacity_stays_until_it_is_zero(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor())
    row = site_subject(session, tree, "24")
    with pytest.raises(settings.CapacitySet, match="请先把容量改为 0"):
        crud.remove(session, SUBJECT, row.id)
    with permit(session, CAPACITY, Verb.EDIT):
        capacity.set_limits(session, tree.site, {"S:24": 0})
    crud.remove(session, SUBJECT, row.id)
    assert session.get(SiteSubject, row.id) is None


def test_scenario_11_r11_6_a_subject_with_entries_is_never_deleted(
    session: KaowuSession, tree: Tree
) -> None:
    factories.make_registration(session, tree, subjects=["24"])
    become(session, tree.actor())
    with pytest.raises(settings.SubjectInUse, match="1 科次"):
        crud.remove(session, SUBJECT, site_subject(session, tree, "24").id)


def test_r11_6_entries_of_other_subjects_other_sites_and_gone_ones_do_not_hold_it(
    session: KaowuSession, tree: Tree
) -> None:
    own = tree.sites[1]
    factories.make_registration(session, tree, own, subjects=["14"])
    factories.make_registration(session, tree, subjects=["24"])
    gone: dict[str, Any] = {"life": "expired", "state": EntryState.EXPIRED}
    factories.make_registration(session, tree, own, subjects=["24"], **gone)
    factories.set_capacity(session, own, "S:24", 0)
    become(session, tree.actor(Level.PROVINCE))  # who sees both sites
    row = session.scalars(
        select(SiteSubject).where(SiteSubject.site_id == own.id, SiteSubject.subject_code == "24")
    ).one()
    crud.remove(session, SUBJECT, row.id)
    assert session.get(SiteSubject, row.id) is None


def test_r11_a_province_offers_a_subject_once_with_days_in_order(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    known = session.scalars(select(ProvinceSubject)).first()
    assert known is not None
    days = {"first_day": "2026-09-20", "last_day": "2026-09-19"}
    with pytest.raises(InvalidInput, match="结束日期"):
        crud.update(session, OFFERED, known.id, days)


# ---------------------------------------------------------------- online time


def test_scenario_17_r15_3_online_time_lies_inside_w4(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    row = row_of(session, tree)
    late = (tree.now + 31 * DAY).strftime("%Y-%m-%d %H:%M")
    with pytest.raises(online_time.OutsideBounds, match="最早、最晚"):
        crud.update(session, ONLINE, row.id, {"online_end": late})


def test_r15_3_both_edges_are_required_and_in_order(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    row = row_of(session, tree)
    with pytest.raises(InvalidInput, match="必填"):
        crud.update(session, ONLINE, row.id, {"online_end": "", "online_enabled": "1"})
    session.expire_all()
    early = (tree.now - 25 * DAY).strftime("%Y-%m-%d %H:%M")
    with pytest.raises(InvalidInput, match="晚于开始"):
        crud.update(session, ONLINE, row.id, {"online_end": early})


def test_r15_4_it_can_be_switched_off_without_times(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    row = crud.update(session, ONLINE, row_of(session, tree).id, {"online_enabled": "0"})
    assert not online_time.online_interval(row).is_open(tree.now)
