"""考点班级选项设置 (chapter 18)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.errors import InvalidInput, StaleRow
from app.metadata.vocabulary import Level, Window
from app.models.audit import AuditEntry
from app.models.registration import EntryState, Registration
from app.models.settings import ClassOption, SiteSettings
from app.rules import crud, effects
from app.rules.class_options import CLASS_OPTIONS, LENGTH, former_options, options_in
from app.rules.policy import WindowClosed
from app.rules.site import class_options_of, load_site
from tests import factories
from tests.factories import Tree, seeding, settings_row

DAY = dt.timedelta(days=1)
THREE = "会计一班；会计二班;管理一班"


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


def names_of(session: KaowuSession, tree: Tree) -> list[str]:
    statement = select(ClassOption.name).where(ClassOption.site_id == tree.site.id)
    return list(session.scalars(statement.order_by(ClassOption.position)))


def save(
    session: KaowuSession, tree: Tree, text: str, confirmed: str = effects.ALL
) -> SiteSettings:
    row = settings_row(session, tree)
    saved: SiteSettings = crud.update(
        session, CLASS_OPTIONS, row.id, {"class_text": text}, confirmed=confirmed
    )
    return saved


def test_scenario_20_r18_1_both_semicolons_part_the_options(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor())
    row = save(session, tree, THREE)
    assert names_of(session, tree) == ["会计一班", "会计二班", "管理一班"]
    assert row.class_text == "会计一班；会计二班；管理一班"
    assert CLASS_OPTIONS.remarks[2] == "③设置了选项，本考点报名的班级信息只能从选项中选取。"


def test_r18_1_trimmed_once_each_in_order_and_no_empty_ones(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor())
    save(session, tree, " 二班 ；；一班;二班; \n三班")
    assert names_of(session, tree) == ["二班", "一班", "三班"]
    save(session, tree, "三班；二班")
    assert names_of(session, tree) == ["三班", "二班"]


def test_r18_1_empty_is_not_set(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    save(session, tree, THREE)
    save(session, tree, "")
    assert names_of(session, tree) == []


def test_r18_1_an_option_has_at_most_50_characters(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    save(session, tree, "班" * LENGTH)
    with pytest.raises(InvalidInput, match="51 个字，每个选项最多 50 个字"):
        save(session, tree, "班" * (LENGTH + 1))


@given(st.lists(st.text("一二三班 ;；\n", max_size=12), max_size=8))
def test_r18_1_whatever_is_typed_gives_clean_options(parts: list[str]) -> None:
    names = options_in("；".join(parts))
    assert len(names) == len(set(names))
    assert all(name and name == name.strip() and not set(name) & set(";；\n") for name in names)
    assert options_in("；".join(names)) == names


def test_r18_4_removing_an_option_in_use_is_warned_of_with_the_count(
    session: KaowuSession, tree: Tree
) -> None:
    factories.set_settings(session, tree.site, online_enabled=False)
    become(session, tree.actor())
    save(session, tree, THREE)
    factories.make_registration(session, tree)
    with seeding(session):
        session.scalars(select(Registration)).one().class_name = "会计一班"
    become(session, tree.actor())
    with pytest.raises(effects.Unconfirmed) as refused:
        save(session, tree, "会计二班", confirmed="")
    (sentence,) = refused.value.effects
    assert "“会计一班”已有 1 名考生使用" in str(sentence)
    session.expunge_all()
    save(session, tree, "会计二班", confirmed=refused.value.token)
    assert names_of(session, tree) == ["会计二班"]
    kept = session.scalars(select(Registration)).one()
    assert kept.class_name == "会计一班"


def test_r18_4_who_is_elsewhere_or_gone_or_keeps_his_option_is_not_counted(
    session: KaowuSession, tree: Tree
) -> None:
    factories.set_settings(session, tree.site, online_enabled=False)
    become(session, tree.actor(Level.PROVINCE))
    save(session, tree, THREE)
    first: dict[str, Any] = {"class_name": "会计一班"}
    factories.make_registration(session, tree, **first)
    factories.make_registration(session, tree, tree.sites[1], **first)
    gone = first | {"life": "expired", "state": EntryState.EXPIRED}
    factories.make_registration(session, tree, **gone)
    factories.make_registration(session, tree, class_name="会计二班")
    become(session, tree.actor(Level.PROVINCE))
    with pytest.raises(effects.Unconfirmed) as refused:
        save(session, tree, "会计二班", confirmed="")
    (sentence,) = refused.value.effects
    assert "“会计一班”已有 1 名考生使用" in str(sentence)


def test_r18_4_during_registration_every_change_is_warned_of(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor())
    with pytest.raises(effects.Unconfirmed, match="影响") as refused:
        save(session, tree, THREE, confirmed="")
    assert "不建议在报名期间修改" in str(refused.value.effects[0])


def test_r18_5_outside_w1_nothing_is_saved(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.site, Window.SETUP, tree.now - 2 * DAY, tree.now - DAY)
    become(session, tree.actor())
    with pytest.raises(WindowClosed):
        save(session, tree, THREE)


def test_r18_2_a_candidate_chooses_from_the_options_of_his_own_site(
    session: KaowuSession, tree: Tree
) -> None:
    for number, name in enumerate(("甲班", "乙班")):
        become(session, tree.actor(number=number))
        site = settings_row(session, tree, number)
        crud.update(session, CLASS_OPTIONS, site.id, {"class_text": name})
    become(session, tree.candidate(factories.make_passport(session)))
    assert [class_options_of(session, load_site(session, site.id)) for site in tree.sites] == [
        ["甲班"],
        ["乙班"],
    ]


def test_r18_1_a_stale_form_is_refused(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    before = settings_row(session, tree).class_version
    save(session, tree, THREE)
    row = settings_row(session, tree)
    with pytest.raises(StaleRow):
        crud.update(session, CLASS_OPTIONS, row.id, {"class_text": "甲"}, version=before)


def test_r0_6b_the_options_of_the_last_session_are_offered(session: KaowuSession) -> None:
    former = factories.make_tree(session, number=57, state="history")
    tree = factories.make_tree(session)
    with seeding(session):
        for position, name in enumerate(("甲班", "乙班")):
            path = former.path(former.site)
            session.add(ClassOption(**path, name=name, position=position))
    become(session, tree.actor())
    assert former_options(session, settings_row(session, tree)) == {"class_text": "甲班；乙班"}
    become(session, tree.actor(number=1))
    assert former_options(session, settings_row(session, tree, 1)) == {}


def test_p4_the_province_sets_them_on_behalf_of_the_site(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    save(session, tree, THREE)
    assert class_options_of(session, settings_row(session, tree)) == [
        "会计一班",
        "会计二班",
        "管理一班",
    ]
    rows = session.scalars(select(AuditEntry).where(AuditEntry.object_type == "ClassOption")).all()
    assert {row.on_behalf_of for row in rows} == {"990701"}
