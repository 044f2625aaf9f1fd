"""欢迎 (R6.4): labels in their order, formats, what an empty organisation sees."""

from __future__ import annotations

import pytest

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.vocabulary import Level, Window
from app.models.settings import Notice
from app.rules import home
from app.rules.clock import fixed
from tests import factories
from tests.factories import Tree

LABELS = [
    "机构名称",
    "角色",
    "当前考次",
    "是否开考",
    "报名前设置时间",
    "报名资格管理时间",
    "报名管理时间",
    "考生个人网报时间",
    "编排时间",
    "准考证打印开始时间",
    "缺考违纪管理时间",
    "考前资料下载时间",
    "考后资料下载时间",
    "考点报名通告",
    "注册考生年龄区间",
]


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


def lines(session: KaowuSession, tree: Tree) -> dict[str, str]:
    page = home.welcome(session, fixed(tree.now))
    return {line.label: str(line.value) for line in page.lines}


def test_r6_4_the_labels_of_the_card_in_their_order(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    found = lines(session, tree)
    assert list(found) == LABELS
    assert found["机构名称"] == tree.site.name
    assert found["角色"] == "考点管理员"
    assert found["当前考次"] == "(58) 2026全国计算机等级考试"
    assert found["是否开考"] == "是"
    assert found["注册考生年龄区间"] == "6-80周岁"
    assert found["考点报名通告"] == "未设置"


def test_scenario_10_an_unset_window_says_so(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.site, Window.POST_EXAM, None)
    become(session, tree.actor())
    assert lines(session, tree)["考后资料下载时间"] == "未设置"


def test_r6_4_online_time_is_the_sites_own_cut_to_w4(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    shown = lines(session, tree)["考生个人网报时间"]
    factories.set_settings(session, tree.site, online_enabled=False)
    become(session, tree.actor())
    assert " 至 " in shown
    assert lines(session, tree)["考生个人网报时间"] == "未开启"


def test_r6_4_a_set_notice_is_said(session: KaowuSession, tree: Tree) -> None:
    path = tree.path(tree.site)
    factories.plant(session, Notice(**path, organisation_id=tree.site.id, html="<p>须知</p>"))
    become(session, tree.actor())
    assert lines(session, tree)["考点报名通告"] == "已设置"


def test_r6_4_what_waits_is_counted_in_scope(session: KaowuSession, tree: Tree) -> None:
    factories.set_settings(session, tree.site, review_required=True)
    factories.make_registration(session, tree)
    factories.make_registration(session, tree, tree.sites[1])
    become(session, tree.actor())
    page = home.welcome(session, fixed(tree.now))
    assert page.figures[0] == ("报名考生", "1")
    become(session, tree.actor(Level.PROVINCE))
    page = home.welcome(session, fixed(tree.now))
    assert page.figures[0] == ("报名考生", "2")
    assert any("尚未支付" in str(text) for text, _ in page.waiting)
