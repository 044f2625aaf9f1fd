"""From a passport to an administrator (chapters 3 and 5): level, enabling, sessions, display."""

from __future__ import annotations

import datetime as dt

import pytest

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.actor import system
from app.metadata.vocabulary import ADMINISTRATORS, Level
from app.models.exam import Exam
from app.models.organisation import Organisation
from app.rules import actors, crud
from app.rules.account.bindings import bind_administrator
from app.rules.home import welcome
from app.rules.windows import Interval
from tests import factories
from tests.factories import Tree
from tests.rules.test_organisation import RESOURCE

LEVELS = dict(
    zip(ADMINISTRATORS, ("考试中心管理员", "省管理员", "地市管理员", "考点管理员"), strict=True)
)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


def disable(session: KaowuSession, organisation: Organisation) -> None:
    with factories.seeding(session):
        session.get_one(Organisation, organisation.id).enabled = False


def other_session(session: KaowuSession, state: str, number: int) -> Tree:
    """A second session with the same codes."""
    return factories.make_tree(session, number=number, state=state)


@pytest.mark.parametrize("level", ADMINISTRATORS)
def test_r3_1_the_level_is_that_of_the_bound_organisation(
    session: KaowuSession, tree: Tree, level: Level
) -> None:
    owner, _ = factories.bind_administrator(session, tree, level)
    become(session, system("log-in"))
    found = actors.load_administrator(session, owner.id, tree.exam)
    assert (found.level, found.organisation_id) == (level, tree.organisation(level).id)
    assert found.level.role_label == LEVELS[level]


def test_r3_2_a_passport_without_binding_is_a_candidate_s(
    session: KaowuSession, tree: Tree
) -> None:
    owner = factories.make_passport(session)
    become(session, system("log-in"))
    with pytest.raises(actors.NotBound, match="请联系上级管理员添加"):
        actors.load_administrator(session, owner.id, tree.exam)
    row = factories.enter(session, tree, passport=owner, photo=False)
    assert row.passport_id == owner.id


def test_r3_3_r5_3_a_superior_makes_an_existing_passport_an_administrator(
    session: KaowuSession, tree: Tree
) -> None:
    owner = factories.make_passport(session)
    become(session, tree.actor(Level.CITY))
    bind_administrator(session, owner.id, tree.site.code, "张老师")
    become(session, system("log-in"))
    found = actors.load_administrator(session, owner.id, tree.exam)
    assert (found.level, found.organisation_code, found.name) == ("site", tree.site.code, "张老师")


def test_r3_5_r7_2_a_disabled_organisation_does_not_log_in(
    session: KaowuSession, tree: Tree
) -> None:
    owner, _ = factories.bind_administrator(session, tree)
    disable(session, tree.site)
    become(session, system("log-in"))
    with pytest.raises(actors.OrganisationDisabled, match="未启用"):
        actors.load_administrator(session, owner.id, tree.exam)


def test_r3_5_it_is_the_current_session_that_must_enable_it(
    session: KaowuSession, tree: Tree
) -> None:
    """Enabled there or not, every session may be looked at, as long as he is let in today."""
    owner, _ = factories.bind_administrator(session, tree)
    others = [other_session(session, "history", 57), other_session(session, "preparing", 59)]
    for other in others:
        disable(session, other.site)
    become(session, system("log-in"))
    for other in others:
        found = actors.load_administrator(session, owner.id, other.exam)
        assert found.organisation_id == other.site.id
    disable(session, tree.site)
    become(session, system("log-in"))
    for other in others:
        with pytest.raises(actors.OrganisationDisabled):
            actors.load_administrator(session, owner.id, other.exam)


def test_r3_5_without_a_row_in_the_session_there_is_nothing_to_see(
    session: KaowuSession, tree: Tree
) -> None:
    late = factories.add_site(session, tree, "990788")
    owner, _ = factories.bind_administrator(session, tree, Level.SITE, tree.sites.index(late))
    history = other_session(session, "history", 57)
    become(session, system("log-in"))
    with pytest.raises(actors.NoOrganisation):
        actors.load_administrator(session, owner.id, history.exam)


def test_r8_4_c16_one_binding_serves_every_session(session: KaowuSession, tree: Tree) -> None:
    owner, _ = factories.bind_administrator(session, tree)
    history = other_session(session, "history", 57)
    become(session, system("log-in"))
    places = [
        actors.load_administrator(session, owner.id, exam).organisation_id
        for exam in (tree.exam, history.exam)
    ]
    assert places == [tree.site.id, history.site.id]


def test_r0_4a_a_session_in_preparation_is_edited_by_the_province(session: KaowuSession) -> None:
    tree = factories.make_tree(session, state="preparing")
    become(session, tree.actor(Level.PROVINCE))
    row = crud.update(session, RESOURCE, tree.site.id, {"address": "新校区路1号"})
    assert row.address == "新校区路1号"
    assert session.get_one(Exam, tree.exam.id).state == "preparing"


def test_r0_8_everything_is_shown_with_its_code(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    assert tree.site.display == "(990701)地市七考点1"
    assert tree.province.display == "(99)测试省"
    assert tree.exam.display == "(58) 2026全国计算机等级考试"
    start = dt.datetime(2026, 9, 1, 1, 30, tzinfo=dt.UTC)
    shown = Interval(start, start + dt.timedelta(days=1)).show()
    assert shown == "2026-09-01 09:30 至 2026-09-02 09:30"
    row = factories.make_registration(session, tree, subjects=("26", "14"))
    assert row.subject_codes == "14.26"


def test_r6_4_an_organisation_without_settings_sees_three_lines(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.CITY))
    empty = crud.create(
        session, RESOURCE, {"code": "990799", "name": "新考点"}, preset={"parent_id": tree.city.id}
    )
    tree.sites.append(empty)
    become(session, tree.actor(Level.SITE, len(tree.sites) - 1))
    labels = ["机构名称", "角色", "当前考次"]
    assert [line.label for line in welcome(session).lines] == labels
    factories.set_settings(session, empty, open=True)
    become(session, tree.actor(Level.SITE, len(tree.sites) - 1))
    assert len(welcome(session).lines) == 15
