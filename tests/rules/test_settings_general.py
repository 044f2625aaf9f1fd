"""考点报名综合设置 (chapter 10): switches, effects, 停考, defaults, changes on behalf of a site."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.actor import system
from app.metadata.declarations import Resource
from app.metadata.registry import find
from app.metadata.vocabulary import Level, Window
from app.models.audit import AuditEntry
from app.models.registration import EntryState, Registration
from app.models.settings import SiteSettings
from app.rules import crud, effects, general_settings, last_change, operations
from app.rules import page_remarks as remarks
from app.rules.operations import REASON, Chosen
from app.rules.policy import NoVerb, WindowClosed
from app.rules.site import SiteSuspended, load_site, sites_to_choose
from app.runtime import load_declarations
from tests import factories
from tests.factories import Tree, settings_row

load_declarations()
GENERAL: Resource = find("site_settings", Resource)  # type: ignore[assignment]
DEFAULTS: Resource = find("default_settings", Resource)  # type: ignore[assignment]
ORGANISATION: Resource = find("organisation", Resource)  # type: ignore[assignment]
DAY = dt.timedelta(days=1)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


def told_by(session: KaowuSession, row: SiteSettings, **values: str) -> list[str]:
    """The effects of a change that nobody confirmed; nothing is saved."""
    with pytest.raises(effects.Unconfirmed) as refused:
        crud.update(session, GENERAL, row.id, values, confirmed="")
    session.expire_all()  # what a unit of work does when it ends so
    return [str(sentence) for sentence in refused.value.effects]


def quiet(session: KaowuSession, tree: Tree) -> None:
    """No online registration is running."""
    factories.set_settings(session, tree.site, online_enabled=False)


def run(session: KaowuSession, operation: Any, *rows: SiteSettings, **values: str) -> Any:
    return operations.run(session, operation, Chosen(ids=tuple(r.id for r in rows)), values)


# ---------------------------------------------------------------- effects


def test_r10_2_a_change_during_registration_is_warned_of_and_saved_when_confirmed(
    session: KaowuSession, tree: Tree
) -> None:
    factories.make_registration(session, tree, subjects=["14", "24"])
    become(session, tree.actor())
    row = settings_row(session, tree)
    with pytest.raises(effects.Unconfirmed) as refused:
        crud.update(session, GENERAL, row.id, {"class_required": "1"}, confirmed="")
    assert refused.value.status == 409
    assert "不建议在报名期间修改；该考点已有 1 名考生、2 科次" in str(refused.value.effects[0])
    session.rollback()
    token = refused.value.token
    # the token confirms these sentences; a candidate more, and it is asked again
    assert token == effects.token_of(refused.value.effects)
    assert token != effects.token_of(["something else"])


def test_r10_2_confirmed_effects_are_saved(session: KaowuSession, tree: Tree) -> None:
    factories.make_registration(session, tree)
    become(session, tree.actor())
    row = settings_row(session, tree)
    sentences = told_by(session, row, max_subjects="2")
    row = settings_row(session, tree)
    token = effects.token_of(sentences)
    changed = crud.update(session, GENERAL, row.id, {"max_subjects": "2"}, confirmed=token)
    assert changed.max_subjects == 2


def test_r10_2_without_effect_nobody_is_asked(session: KaowuSession, tree: Tree) -> None:
    quiet(session, tree)
    become(session, tree.actor())
    row = crud.update(
        session, GENERAL, settings_row(session, tree).id, {"max_subjects": "2"}, confirmed=""
    )
    assert row.max_subjects == 2


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"max_subjects": "1"}, "1 名考生的报考科次已超过 1"),
        ({"review_required": "1"}, "2 名未缴清的考生须先通过审核才能缴费"),
        ({"class_required": "1"}, "2 名考生没有填写班级"),
        ({"self_printing": "0"}, "2 名考生将不能自己下载准考证"),
    ],
)
def test_r10_4_each_switch_tells_whom_it_touches(
    session: KaowuSession, tree: Tree, values: dict[str, str], sentence: str
) -> None:
    quiet(session, tree)
    factories.make_registration(session, tree, subjects=["14", "24"])
    factories.make_registration(session, tree, subjects=["14"])
    become(session, tree.actor())
    (told,) = told_by(session, settings_row(session, tree), **values)
    assert sentence in told


def test_r10_4_each_switch_counts_exactly_those_whom_it_touches(
    session: KaowuSession, tree: Tree
) -> None:
    on = ("collective_registration", "collective_payment", "review_required")
    factories.set_settings(session, tree.site, online_enabled=False, **dict.fromkeys(on, True))
    approved = {"review": "approved", "class_name": "一班"}
    people: tuple[dict[str, Any], ...] = (
        {"review": "none", "subjects": ["14", "24"]},
        {"review": "open", "class_name": ""},
        {"review": "pending", "class_name": "一班"},
        {"review": "rejected", "class_name": "一班"},
        {"state": EntryState.PAID, **approved},
        {"collective": True, **approved},
        {"collective": True, "state": EntryState.PAID, **approved},
        {"life": "expired", "state": EntryState.EXPIRED, "subjects": ["14", "24"]},
    )
    for person in people:
        factories.make_registration(session, tree, **person)
    become(session, tree.actor())
    for item, value, count in (
        ("max_subjects", "1", 1),
        ("class_required", "1", 2),
        ("review_required", "0", 2),
        ("collective_registration", "0", 2),
        ("collective_payment", "0", 1),
        ("self_printing", "0", 7),
    ):
        (sentence,) = told_by(session, settings_row(session, tree), **{item: value})
        assert sentence.startswith(f"{count} 名"), item
    factories.set_settings(session, tree.site, review_required=False)
    become(session, tree.actor())
    (sentence,) = told_by(session, settings_row(session, tree), review_required="1")
    assert sentence.startswith("2 名未缴清的考生")


@pytest.mark.parametrize("cause", ["not open", "cut by W4"])
def test_r10_2_nobody_registers_at_a_site_that_is_not_open_or_outside_w4(
    session: KaowuSession, tree: Tree, cause: str
) -> None:
    """Its own online time is running all the same."""
    if cause == "not open":
        factories.set_settings(session, tree.site, open=False)
    else:
        ended = tree.now - DAY
        factories.set_window(session, tree.site, Window.ONLINE, ended - DAY, ended)
    become(session, tree.actor())
    row = settings_row(session, tree)
    crud.update(session, GENERAL, row.id, {"max_subjects": "2"}, confirmed="")
    assert row.max_subjects == 2


def test_r15_2_r18_3_not_open_makes_other_settings_void(session: KaowuSession, tree: Tree) -> None:
    quiet(session, tree)
    become(session, tree.actor())
    row = settings_row(session, tree)
    assert remarks.remarks_on(session, "online_time", tree.site.id) == []
    assert "设置无效" in told_by(session, row, open="0")[0]
    crud.update(session, GENERAL, settings_row(session, tree).id, {"open": "0"})
    for page in ("online_time", "class_option", "site_notice"):
        (remark,) = remarks.remarks_on(session, page, tree.site.id)
        assert "未开考，本页的设置无效" in remark


# ---------------------------------------------------------------- 停考 (R10.4a)


def test_r10_4a_the_province_stops_a_site_at_any_time_with_a_reason(
    session: KaowuSession, tree: Tree
) -> None:
    factories.make_registration(session, tree)
    factories.set_window(session, tree.province, Window.SETUP, tree.now + DAY, tree.now + 2 * DAY)
    become(session, tree.actor(Level.PROVINCE))
    settings = settings_row(session, tree)
    with pytest.raises(Exception, match="操作原因"):
        run(session, general_settings.SUSPEND, settings)
    report = run(session, general_settings.SUSPEND, settings, **{REASON: "疫情防控"})
    assert report.done == 1
    assert (settings.open, settings.suspension_reason) == (False, "疫情防控")
    become(session, system("test", tree.exam.id))
    site = load_site(session, tree.site.id)
    with pytest.raises(SiteSuspended, match="疫情防控"):
        site.require_open()
    offered = [
        found.site.site_id for found in sites_to_choose(session, tree.exam.id, tree.province.id)
    ]
    assert tree.site.id not in offered
    # what exists stays
    assert session.scalars(select(Registration)).one().life == "active"


def test_r10_4a_stopping_tells_how_many_it_touches(session: KaowuSession, tree: Tree) -> None:
    factories.make_registration(session, tree, subjects=["14", "24"])
    become(session, tree.actor(Level.PROVINCE))
    row = settings_row(session, tree)
    with pytest.raises(effects.Unconfirmed) as refused:
        operations.run(
            session,
            general_settings.SUSPEND,
            Chosen(ids=(row.id,)),
            {REASON: "停电"},
            confirmed="",
        )
    (sentence,) = refused.value.effects
    assert "涉及 1 名考生、2 科次，其中 2 科次未支付" in str(sentence)


def test_r10_4a_stopping_tells_of_what_is_not_paid_and_still_held(
    session: KaowuSession, tree: Tree
) -> None:
    held = (EntryState.UNPAID, EntryState.PAYING, EntryState.BATCH_LOCKED, EntryState.PAID)
    for state in held:
        factories.make_registration(session, tree, state=state)
    gone: dict[str, Any] = {"life": "expired", "state": EntryState.EXPIRED}
    factories.make_registration(session, tree, **gone)
    become(session, tree.actor(Level.PROVINCE))
    row = settings_row(session, tree)
    chosen = Chosen(ids=(row.id,))
    with pytest.raises(effects.Unconfirmed) as refused:
        operations.run(session, general_settings.SUSPEND, chosen, {REASON: "停电"}, confirmed="")
    (sentence,) = refused.value.effects
    assert "涉及 4 名考生、4 科次，其中 3 科次未支付" in str(sentence)


@pytest.mark.parametrize("level", [Level.SITE, Level.CITY, Level.CENTER])
def test_r10_4_r10_4a_the_province_alone_stops_resumes_and_switches_intentions(
    session: KaowuSession, tree: Tree, level: Level
) -> None:
    become(session, tree.actor(level))
    row = settings_row(session, tree)
    for operation, values in (
        (general_settings.SUSPEND, {REASON: "停电"}),
        (general_settings.RESUME, {REASON: "来电"}),
        (general_settings.PREFERENCE, {"allowed": "1"}),
    ):
        with pytest.raises(NoVerb):
            run(session, operation, row, **values)


def test_r10_4a_the_site_cannot_switch_itself_on_again(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    run(session, general_settings.SUSPEND, settings_row(session, tree), **{REASON: "停电"})
    become(session, tree.actor())
    with pytest.raises(general_settings.Suspended, match="停电"):
        crud.update(session, GENERAL, settings_row(session, tree).id, {"open": "1"})
    session.expire_all()
    with pytest.raises(NoVerb):
        run(session, general_settings.RESUME, settings_row(session, tree), **{REASON: "来电"})
    become(session, tree.actor(Level.PROVINCE))
    row = settings_row(session, tree)
    assert run(session, general_settings.RESUME, row, **{REASON: "来电"}).done == 1
    assert (row.open, row.suspension_reason) == (True, None)
    assert run(session, general_settings.RESUME, row, **{REASON: "来电"}).skipped == 1


# ---------------------------------------------------------------- on behalf (P3, P4)


def log_of(session: KaowuSession, tree: Tree) -> AuditEntry:
    return session.scalars(
        select(AuditEntry)
        .where(AuditEntry.object_type == "SiteSettings", AuditEntry.site_id == tree.site.id)
        .order_by(AuditEntry.id.desc())
    ).first()  # type: ignore[return-value]


def test_p4_a_province_changes_for_a_site_and_the_log_says_so(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    crud.update(session, GENERAL, settings_row(session, tree).id, {"max_subjects": "1"})
    entry = log_of(session, tree)
    assert (entry.organisation_code, entry.on_behalf_of) == ("99", "990701")
    become(session, tree.actor())
    change = last_change.last_change(session, GENERAL, settings_row(session, tree))
    assert change is not None
    assert change.on_behalf
    # the site is told the level, not the person (R8.3)
    assert "上级代改" in last_change.sentence(change)
    assert "省管理员" in last_change.sentence(change)
    assert "测试省管理员" not in last_change.sentence(change)


def test_p4_the_sites_own_change_is_on_nobodys_behalf(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    crud.update(session, GENERAL, settings_row(session, tree).id, {"max_subjects": "1"})
    assert log_of(session, tree).on_behalf_of is None
    change = last_change.last_change(session, GENERAL, settings_row(session, tree))
    assert change is not None
    assert (change.on_behalf, "990701" in change.who) == (False, True)


def test_p4_what_only_the_province_sets_is_its_own_business(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    run(session, general_settings.SUSPEND, settings_row(session, tree), **{REASON: "停电"})
    assert log_of(session, tree).on_behalf_of is None


def test_p4_a_change_of_what_is_the_sites_too_is_on_its_behalf(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    row = settings_row(session, tree)
    crud.update(session, GENERAL, row.id, {"preference_allowed": "1"})
    assert log_of(session, tree).on_behalf_of is None
    crud.update(session, GENERAL, row.id, {"preference_allowed": "0", "max_subjects": "1"})
    assert log_of(session, tree).on_behalf_of == "990701"


def test_p4_the_province_is_bound_by_its_own_w1(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.province, Window.SETUP, tree.now + DAY, tree.now + 2 * DAY)
    become(session, tree.actor(Level.PROVINCE))
    with pytest.raises(WindowClosed):
        crud.update(session, GENERAL, settings_row(session, tree).id, {"max_subjects": "1"})
    become(session, tree.actor())
    row = crud.update(session, GENERAL, settings_row(session, tree).id, {"max_subjects": "1"})
    assert row.max_subjects == 1


def test_r10_4_a_city_only_looks(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.CITY))
    with pytest.raises(NoVerb):
        crud.update(session, GENERAL, settings_row(session, tree).id, {"max_subjects": "1"})


# ---------------------------------------------------------------- the intention switch


def test_r10_4_the_province_switches_intentions_for_many(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    rows = [settings_row(session, tree, number) for number in (0, 1)]
    report = run(session, general_settings.PREFERENCE, *rows, allowed="1")
    assert report.done == 2
    assert all(row.preference_allowed for row in rows)
    assert run(session, general_settings.PREFERENCE, *rows, allowed="1").skipped == 2


def test_r10_4_no_window_binds_the_provinces_switch(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.province, Window.SETUP, None)
    become(session, tree.actor(Level.PROVINCE))
    report = run(session, general_settings.PREFERENCE, settings_row(session, tree), allowed="1")
    assert report.done == 1
