"""The defaults of centre and province, and what applying them does to sites (R0.6b, §5)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.actor import system
from app.metadata.declarations import Resource
from app.metadata.registry import find
from app.metadata.vocabulary import Level
from app.models.default_settings import DefaultSettings
from app.models.exam import Exam
from app.models.organisation import Organisation
from app.models.settings import SiteSettings
from app.rules import crud, default_settings, effects, general_settings, operations
from app.rules.operations import REASON, Chosen
from app.runtime import load_declarations
from tests import factories
from tests.factories import Tree, settings_row

load_declarations()
DEFAULTS: Resource = find("default_settings", Resource)  # type: ignore[assignment]
ORGANISATION: Resource = find("organisation", Resource)  # type: ignore[assignment]


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


def run(session: KaowuSession, operation: Any, *rows: SiteSettings, **values: str) -> Any:
    return operations.run(session, operation, Chosen(ids=tuple(r.id for r in rows)), values)


def set_defaults(session: KaowuSession, tree: Tree, level: Level, **values: str) -> DefaultSettings:
    become(session, tree.actor(level))
    made: DefaultSettings = crud.create(session, DEFAULTS, values)
    return made


def add_site(session: KaowuSession, tree: Tree, level: Level, code: str) -> SiteSettings:
    become(session, tree.actor(level))
    site = crud.create(
        session,
        ORGANISATION,
        {"code": code, "name": "新考点", "enabled": "1"},
        preset={"parent_id": tree.city.id},
    )
    return session.scalars(select(SiteSettings).where(SiteSettings.site_id == site.id)).one()


def test_r0_6b_a_new_site_begins_with_the_provinces_defaults_else_the_centres(
    session: KaowuSession, tree: Tree
) -> None:
    set_defaults(session, tree, Level.CENTER, max_subjects="1")
    assert add_site(session, tree, Level.PROVINCE, "990711").max_subjects == 1
    set_defaults(session, tree, Level.PROVINCE, max_subjects="2", preference_allowed="1")
    # a city may add sites too, and the province's own column comes along
    made = add_site(session, tree, Level.CITY, "990712")
    assert (made.max_subjects, made.preference_allowed) == (2, True)


def test_r0_6b_a_new_session_begins_with_the_provinces_defaults(
    session: KaowuSession, tree: Tree
) -> None:
    set_defaults(session, tree, Level.PROVINCE, max_subjects="2", open="0")
    become(session, system("seed"))
    values = {"number": "59", "code": "59", "title": "下一考次", "age_min": "6", "age_max": "80"}
    exam = crud.create(session, Exam.__admin__, values)
    become(session, system("look", exam.id))
    rows = session.scalars(select(SiteSettings).where(SiteSettings.exam_id == exam.id)).all()
    assert {row.max_subjects for row in rows} == {2}
    kept = session.scalars(select(DefaultSettings).where(DefaultSettings.exam_id == exam.id)).one()
    place = session.get(Organisation, kept.organisation_id)
    assert place is not None
    assert (place.code, place.exam_id) == ("99", exam.id)


def test_r0_6b_defaults_are_applied_to_chosen_sites_with_their_effects(
    session: KaowuSession, tree: Tree
) -> None:
    set_defaults(session, tree, Level.PROVINCE, max_subjects="2", open="1", class_required="1")
    factories.make_registration(session, tree)
    become(session, tree.actor(Level.PROVINCE))
    rows = [settings_row(session, tree, number) for number in (0, 1)]
    chosen = Chosen(ids=tuple(row.id for row in rows))
    with pytest.raises(effects.Unconfirmed, match="影响") as refused:
        operations.run(session, default_settings.APPLY_DEFAULTS, chosen, {}, confirmed="")
    assert "2 个考点的设置将改变，涉及 1 名考生" in str(refused.value.effects[0])
    report = operations.run(session, default_settings.APPLY_DEFAULTS, chosen, {})
    assert report.done == 2
    assert {(row.max_subjects, row.class_required) for row in rows} == {(2, True)}
    again = operations.run(session, default_settings.APPLY_DEFAULTS, chosen, {})
    assert again.skipped == 2


def test_r10_2_r10_4_defaults_tell_of_each_item_what_the_page_tells(
    session: KaowuSession, tree: Tree
) -> None:
    for site in tree.sites:
        factories.set_settings(session, site, preference_allowed=True)
        factories.make_registration(
            session, tree, site, subjects=("14", "24"), preference_day=factories.EXAM_DAYS[0]
        )
    values = {"max_subjects": "1", "review_required": "1", "self_printing": "0", "open": "1"}
    set_defaults(session, tree, Level.PROVINCE, preference_allowed="0", **values)
    become(session, tree.actor(Level.PROVINCE))
    chosen = Chosen(ids=tuple(settings_row(session, tree, number).id for number in (0, 1)))
    with pytest.raises(effects.Unconfirmed) as refused:
        operations.run(session, default_settings.APPLY_DEFAULTS, chosen, {}, confirmed="")
    assert [str(sentence) for sentence in refused.value.effects] == [
        "2 个考点的设置将改变，涉及 2 名考生、4 科次。",
        "2 个考点的考生正在网上报名，不建议在报名期间修改。",
        "2 名未缴清的考生须先通过审核才能缴费；已支付的科目不受影响。",
        "2 名考生的报考科次已超过 1：已报科目保留，只限制新的报考。",
        "2 名考生将不能自己下载准考证，须由考点下发。",
        "已选择意向考试日期的 4 科次保留原来的日期，不能再选择或改选。",
    ]


def test_r0_6b_defaults_do_not_close_a_site_with_candidates(
    session: KaowuSession, tree: Tree
) -> None:
    set_defaults(session, tree, Level.PROVINCE, max_subjects="2", open="0")
    factories.make_registration(session, tree)
    become(session, tree.actor(Level.PROVINCE))
    rows = [settings_row(session, tree, number) for number in (0, 1)]
    report = run(session, default_settings.APPLY_DEFAULTS, *rows)
    assert (report.done, report.skipped) == (1, 1)
    assert settings_row(session, tree).open
    assert not settings_row(session, tree, 1).is_undecided
    (refused,) = [outcome for outcome in report.outcomes if not outcome.done]
    assert "已有 1 名考生报名" in str(refused.reason)


def test_r0_6b_the_defaults_of_a_province_are_its_own(session: KaowuSession, tree: Tree) -> None:
    row = set_defaults(session, tree, Level.PROVINCE, max_subjects="2")
    become(session, tree.actor(Level.CENTER))
    with pytest.raises(default_settings.OthersDefaults):
        crud.update(session, DEFAULTS, row.id, {"max_subjects": "3"})


def test_r10_4a_the_defaults_do_not_resume_a_site_that_was_stopped(
    session: KaowuSession, tree: Tree
) -> None:
    set_defaults(session, tree, Level.PROVINCE, max_subjects="2", open="1")
    row = settings_row(session, tree)
    run(session, general_settings.SUSPEND, row, **{REASON: "停电"})
    assert run(session, default_settings.APPLY_DEFAULTS, row).done == 1
    assert (row.max_subjects, row.open, row.suspension_reason) == (2, False, "停电")
