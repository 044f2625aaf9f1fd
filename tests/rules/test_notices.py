"""省报名通告 and 考点报名通告 (chapters 16, 17)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.declarations import ENTRUSTED_CITY
from app.metadata.errors import InvalidInput, StaleRow
from app.metadata.vocabulary import Level, Window
from app.models.audit import AuditEntry
from app.models.settings import Notice, SiteSettings
from app.rules import crud, effects, last_change, notices
from app.rules.notices import NEW, SITE_NOTICE
from app.rules.policy import NoVerb, WindowClosed
from app.rules.site import load_site, notices_of
from tests import factories
from tests.factories import Tree, seeding

DAY = dt.timedelta(days=1)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session, online_enabled=False)


def row_of(session: KaowuSession, tree: Tree) -> SiteSettings:
    statement = select(SiteSettings).where(SiteSettings.site_id == tree.site.id)
    return session.scalars(statement).one()


def save(session: KaowuSession, tree: Tree, html: str, **more: Any) -> None:
    crud.update(session, SITE_NOTICE, row_of(session, tree).id, {NEW: html}, **more)


def current(session: KaowuSession, tree: Tree) -> str | None:
    notice = notices.notice_of(session, tree.site.id)
    return notice.html if notice is not None else None


def test_r17_1_saving_replaces_the_notice_in_force(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    save(session, tree, "<p>第一版</p>")
    save(session, tree, "<p>第二版</p>")
    assert current(session, tree) == "<p>第二版</p>"
    # the form begins empty, whatever is in force
    assert getattr(row_of(session, tree), NEW, None) is None


def test_r17_2_saving_empty_clears_after_asking(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    save(session, tree, "", confirmed="")  # nothing is in force: nothing to ask
    save(session, tree, "<p>通告</p>", confirmed="")
    with pytest.raises(effects.Unconfirmed) as refused:
        save(session, tree, "<p> </p>", confirmed="")
    assert "将清除当前通告" in str(refused.value.effects[0])
    session.expire_all()
    save(session, tree, "", confirmed=refused.value.token)
    assert current(session, tree) == ""
    assert notices_of(session, load_site(session, tree.site.id)).site is None


def test_r17_3_n18_scripts_do_not_survive_the_saving(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    save(session, tree, '<p onclick="x()">好<script>alert(1)</script><img src=x onerror=y></p>')
    assert current(session, tree) == "<p>好</p>"


def test_r17_4_outside_w1_nothing_is_saved(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.site, Window.SETUP, tree.now - 2 * DAY, tree.now - DAY)
    become(session, tree.actor())
    with pytest.raises(WindowClosed):
        save(session, tree, "<p>通告</p>")


def test_r17_at_most_5000_characters_as_shown(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    save(session, tree, "<p><b>" + "字" * 5000 + "</b></p>")
    with pytest.raises(InvalidInput, match="最多 5000 个字"):
        save(session, tree, "<p>" + "字" * 5001 + "</p>")


def test_r17_versions_stay_in_the_log(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    save(session, tree, "<p>第一版</p>")
    save(session, tree, "<p>第二版</p>")
    entry = session.scalars(
        select(AuditEntry).where(AuditEntry.object_type == "Notice").order_by(AuditEntry.id.desc())
    ).first()
    assert entry is not None
    assert entry.changes["html"]["old"] == "<p>第一版</p>"


def test_r17_a_stale_form_is_refused(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    before = row_of(session, tree).notice_version
    save(session, tree, "<p>第一版</p>")
    with pytest.raises(StaleRow):
        save(session, tree, "<p>第二版</p>", version=before)


def test_r17_during_registration_those_who_see_it_are_counted(session: KaowuSession) -> None:
    tree = factories.make_tree(session)
    factories.make_registration(session, tree)
    become(session, tree.actor())
    with pytest.raises(effects.Unconfirmed) as refused:
        save(session, tree, "<p>通告</p>", confirmed="")
    assert "已报名的 1 名考生" in str(refused.value.effects[0])
    session.expunge_all()
    factories.set_settings(session, tree.site, online_enabled=False)
    become(session, tree.actor())
    save(session, tree, "<p>通告</p>", confirmed="")
    assert current(session, tree) == "<p>通告</p>"


# ---------------------------------------------------------------- the province


def set_province(session: KaowuSession, tree: Tree, values: Mapping[str, Any], **more: Any) -> None:
    notices.set_province_notice(session, tree.province, values, **more)


def test_r16_1_the_province_writes_and_all_below_read(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    set_province(session, tree, {NEW: "<p>全省</p>"})
    for level in (Level.CENTER, Level.CITY, Level.SITE):
        become(session, tree.actor(level))
        notice = notices.notice_of(session, tree.province.id)
        assert notice is not None
        assert notice.html == "<p>全省</p>"
        with pytest.raises(NoVerb):
            set_province(session, tree, {NEW: "<p>改</p>"})


@pytest.mark.parametrize("level", [Level.CITY, Level.PROVINCE])
def test_p3_p4_who_sets_a_notice_for_a_site_does_so_on_its_behalf(
    session: KaowuSession, tree: Tree, level: Level
) -> None:
    become(session, tree.actor(level, roles=frozenset({level.value, ENTRUSTED_CITY})))
    for html in ("<p>请带身份证</p>", "<p>请带身份证和准考证</p>"):
        save(session, tree, html)
    become(session, tree.actor(Level.PROVINCE))
    set_province(session, tree, {NEW: "<p>全省</p>"})  # its own business
    logged = session.scalars(select(AuditEntry).where(AuditEntry.object_type == "Notice"))
    found = sorted((entry.action[-4:], entry.on_behalf_of or "") for entry in logged)
    assert found == [(".add", ""), (".add", "990701"), ("edit", "990701")]
    become(session, tree.actor())
    change = last_change.last_change(session, SITE_NOTICE, row_of(session, tree))
    assert change is not None
    assert "上级代改" in last_change.sentence(change)


def test_r16_1_it_may_be_empty_and_clearing_asks(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    set_province(session, tree, {NEW: "<p>全省</p>"})
    with pytest.raises(effects.Unconfirmed):
        set_province(session, tree, {NEW: ""}, confirmed="")
    set_province(session, tree, {NEW: ""})
    notice = notices.notice_of(session, tree.province.id)
    assert notice is not None
    assert notice.html == ""
    with pytest.raises(StaleRow):
        set_province(session, tree, {NEW: "<p>再写</p>"}, version=1)


def test_r0_6b_notices_of_the_last_session_are_offered(session: KaowuSession) -> None:
    former = factories.make_tree(session, number=57, state="history")
    tree = factories.make_tree(session)
    with seeding(session):
        for place in (former.province, former.site):
            path = former.path(place)
            session.add(Notice(**path, organisation_id=place.id, html=f"<p>{place.code}</p>"))
    become(session, tree.actor())
    assert notices.former_notice(session, row_of(session, tree)) == {NEW: "<p>990701</p>"}
    become(session, tree.actor(Level.PROVINCE))
    assert notices.notice_before(session, tree.province.id) == {NEW: "<p>99</p>"}
