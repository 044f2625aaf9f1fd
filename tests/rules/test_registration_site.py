"""Which sites take registrations, and when."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.vocabulary import Window
from app.models.exam import ExamProvince
from app.rules.clock import fixed
from app.rules.offer import offer_of
from app.rules.site import (
    OnlineOff,
    OutsideOnlineTime,
    ProvinceNotTakingPart,
    SiteClosed,
    load_site,
    sites_to_choose,
)
from tests import factories
from tests.factories import Tree, enter

DAY = dt.timedelta(days=1)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


# ---------------------------------------------------------------- the site


def test_r15_2_and_r10_4_a_closed_site_takes_nobody(session: KaowuSession, tree: Tree) -> None:
    factories.set_settings(session, tree.site, open=False)
    with pytest.raises(SiteClosed):
        enter(session, tree)
    become(session, tree.candidate(factories.make_passport(session)))
    choices = sites_to_choose(session, tree.exam.id, tree.province.id, fixed(tree.now))
    assert [choice.site.code for choice in choices] == ["990702"]


def test_r15_4_scenario_18_online_off_is_not_offered(session: KaowuSession, tree: Tree) -> None:
    factories.set_settings(session, tree.site, online_enabled=False)
    with pytest.raises(OnlineOff):
        enter(session, tree)
    choices = sites_to_choose(session, tree.exam.id, tree.province.id, fixed(tree.now))
    assert [choice.site.code for choice in choices] == ["990702"]


def test_r1_1a_a_site_of_a_province_that_takes_no_part_lets_nobody_in(
    session: KaowuSession, tree: Tree
) -> None:
    with factories.seeding(session):
        session.delete(session.scalars(select(ExamProvince)).one())
    with pytest.raises(ProvinceNotTakingPart):
        enter(session, tree)
    become(session, tree.candidate(factories.make_passport(session)))
    assert not load_site(session, tree.site.id).takes_part
    assert sites_to_choose(session, tree.exam.id, tree.province.id, fixed(tree.now)) == []


@pytest.mark.parametrize("days", [-21, 21])
def test_r15_3_outside_the_sites_own_time(session: KaowuSession, tree: Tree, days: int) -> None:
    with pytest.raises(OutsideOnlineTime):
        enter(session, tree, clock=fixed(tree.now + days * DAY))


def test_r15_a_shortened_w4_cuts_the_sites_time(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.site, Window.ONLINE, tree.now - 9 * DAY, tree.now - DAY)
    with pytest.raises(OutsideOnlineTime):
        enter(session, tree)
    online = load_site(session, tree.site.id).online
    assert (online.start, online.end) == (tree.now - 9 * DAY, tree.now - DAY)
    factories.set_window(session, tree.site, Window.ONLINE, None, None)
    assert load_site(session, tree.site.id).online.start is None


def test_r15_an_end_before_the_start_of_w4_leaves_no_time(
    session: KaowuSession, tree: Tree
) -> None:
    factories.set_window(
        session, tree.site, Window.ONLINE, tree.now + 21 * DAY, tree.now + 22 * DAY
    )
    become(session, tree.actor())
    assert load_site(session, tree.site.id).online.start is None


def test_the_choice_of_sites_shows_what_is_left(session: KaowuSession, tree: Tree) -> None:
    factories.set_capacity(session, tree.sites[0], "TOTAL", 1)
    factories.set_capacity(session, tree.sites[1], "TOTAL", 99_999)
    factories.make_registration(session, tree)
    factories.add_site(session, tree, "990703", total=0)
    become(session, tree.candidate(factories.make_passport(session)))
    choices = sites_to_choose(session, tree.exam.id, tree.province.id, fixed(tree.now))
    assert [(choice.site.code, choice.left, choice.full) for choice in choices] == [
        ("990701", 0, True),
        ("990702", None, False),
    ]


def test_an_offer_names_fees_days_and_seats(session: KaowuSession, tree: Tree) -> None:
    site = factories.add_site(
        session, tree, "990703", subjects=("24", "14"), capacity=7, day_quota=3, subject_fee=None
    )
    become(session, tree.actor(number=2))
    offer = offer_of(session, load_site(session, site.id))
    assert [(code, item.left, item.available) for code, item in offer.subjects.items()] == [
        ("14", 7, False),
        ("24", 7, False),
    ]
    assert offer.person_fee == 1000
    assert [day.left for day in offer.days] == [3, 3, 3]
    factories.set_settings(session, site, preference_allowed=False)
    assert offer_of(session, load_site(session, site.id)).days == ()
