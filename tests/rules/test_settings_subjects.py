"""开考科目 (chapter 11): in bulk, from the last session, on behalf, and what is refused."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.declarations import Resource
from app.metadata.errors import InvalidInput, NotFound
from app.metadata.query import ListQuery
from app.metadata.registry import find
from app.metadata.vocabulary import Level, Verb, Window
from app.models.audit import AuditEntry
from app.models.capacity import CapacityPool
from app.models.exam import ExamSubject
from app.models.settings import ProvinceSubject, SiteSubject
from app.rules import crud, effects, listing, operations, settings, subject_setting
from app.rules.crud import SITE
from app.rules.former import NothingToCopy
from app.rules.operations import Chosen
from app.rules.policy import NoVerb, WindowClosed
from app.runtime import load_declarations
from tests import factories
from tests.factories import EXAM_DAYS, Tree

load_declarations()
SUBJECT: Resource = find("site_subject", Resource)  # type: ignore[assignment]
OFFERED: Resource = find("province_subject", Resource)  # type: ignore[assignment]
NATIONAL: Resource = find("exam_subject", Resource)  # type: ignore[assignment]
FIRST, LAST = EXAM_DAYS[0], EXAM_DAYS[-1]
DAY = dt.timedelta(days=1)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


@pytest.fixture
def former(session: KaowuSession) -> Tree:
    """The session before, with the same sites."""
    return factories.make_tree(session, number=57, state="history", subjects=("14", "35", "42"))


def run(session: KaowuSession, operation: Any, **values: Any) -> operations.Report:
    return operations.run(session, operation, Chosen(), values)


def codes_of(session: KaowuSession, tree: Tree, number: int = 0) -> set[str]:
    site = tree.sites[number]
    statement = select(SiteSubject.subject_code).where(SiteSubject.site_id == site.id)
    return set(session.scalars(statement))


def offered(session: KaowuSession, code: str) -> ProvinceSubject:
    statement = select(ProvinceSubject).where(ProvinceSubject.subject_code == code)
    return session.scalars(statement).one()


# ---------------------------------------------------------------- the site


def test_r11_1_a_site_looks_always_and_changes_inside_w1(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.site, Window.SETUP, tree.now + DAY, tree.now + 2 * DAY)
    become(session, tree.actor())
    assert listing.page(session, SUBJECT, ListQuery("site_subject")).total == 3
    with pytest.raises(WindowClosed):
        run(session, subject_setting.SITE_ADD, subjects=["35"])


def test_r11_2_several_subjects_at_once_with_the_provinces_days(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor())
    fields = {f.name: f for f in operations.fields_of(subject_setting.SITE_ADD, session)}
    assert (fields["first_day"].default, fields["last_day"].default) == (FIRST, LAST)
    left = subject_setting.not_yet_offered(session, tree.actor())
    assert set(left) == {"35", "42"}
    report = run(session, subject_setting.SITE_ADD, subjects=["35", "42"])
    assert (report.done, report.skipped) == (2, 0)
    rows = session.scalars(select(SiteSubject).where(SiteSubject.subject_code == "42")).all()
    assert [(row.first_day, row.last_day) for row in rows] == [(FIRST, LAST)]


def test_r11_3_each_is_kept_inside_the_provinces_days(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    crud.update(session, OFFERED, offered(session, "35").id, {"last_day": str(FIRST)})
    become(session, tree.actor())
    report = run(
        session,
        subject_setting.SITE_ADD,
        subjects=["35", "42"],
        first_day=str(FIRST),
        last_day=str(LAST),
    )
    assert (report.done, report.skipped) == (1, 1)
    (refused,) = [outcome for outcome in report.outcomes if not outcome.done]
    assert f"{FIRST} 至 {FIRST}" in str(refused.reason)
    with pytest.raises(InvalidInput, match="结束日期"):
        run(
            session,
            subject_setting.SITE_ADD,
            subjects=["35"],
            first_day=str(LAST),
            last_day=str(FIRST),
        )


def test_r11_4_days_are_set_when_a_subject_is_added_and_never_after(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor())
    row = session.scalars(select(SiteSubject)).first()
    assert row is not None
    with pytest.raises(InvalidInput, match="不能填写"):
        crud.update(session, SUBJECT, row.id, {"last_day": str(FIRST)})
    assert not crud.form_fields(SUBJECT, Verb.EDIT, tree.actor())


def test_r11_7_during_registration_it_is_warned_of(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    with pytest.raises(effects.Unconfirmed) as refused:
        operations.run(
            session, subject_setting.SITE_ADD, Chosen(), {"subjects": ["35"]}, confirmed=""
        )
    assert "不建议在报名期间修改" in str(refused.value.effects[0])
    values = {"subject_code": "35", "first_day": str(FIRST), "last_day": str(LAST)}
    with pytest.raises(effects.Unconfirmed):
        crud.create(session, SUBJECT, values, confirmed="")
    with pytest.raises(effects.Unconfirmed):
        crud.remove(session, SUBJECT, emptied(session, tree).id, confirmed="")
    session.expire_all()
    assert codes_of(session, tree) == {"14", "24", "26"}
    token = effects.token_of([str(sentence) for sentence in refused.value.effects])
    crud.remove(session, SUBJECT, emptied(session, tree).id, confirmed=token)
    assert codes_of(session, tree) == {"14", "24"}


def emptied(session: KaowuSession, tree: Tree) -> SiteSubject:
    """The subject 26 of the first site, without seats."""
    with factories.seeding(session):
        pools = select(CapacityPool).where(CapacityPool.site_id == tree.site.id)
        session.scalars(pools.where(CapacityPool.pool == "S:26")).one().capacity = 0
    subjects = select(SiteSubject).where(SiteSubject.site_id == tree.site.id)
    return session.scalars(subjects.where(SiteSubject.subject_code == "26")).one()


def test_r0_6b_a_site_copies_the_subjects_of_the_last_session_that_are_offered(
    session: KaowuSession, former: Tree, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    crud.remove(session, OFFERED, offered(session, "42").id)
    become(session, tree.actor())
    report = run(session, subject_setting.SITE_COPY)
    # 14 is there already, 35 is taken over, 42 is no longer offered
    assert (report.done, report.skipped) == (1, 1)
    assert codes_of(session, tree) == {"14", "24", "26", "35"}
    assert "省未开考科目42" in str(report.outcomes[-1].reason)
    become(session, tree.actor(number=1))
    run(session, subject_setting.SITE_ADD, subjects=["35"])
    become(session, tree.actor(Level.PROVINCE))
    copied: dict[str, Any] = {SITE: "990702"}
    assert run(session, subject_setting.SITE_COPY, **copied).skipped == 1  # 42 alone is left


@pytest.mark.usefixtures("former")
def test_r11_1_every_subject_of_a_run_is_added_at_the_moment_of_the_run(
    session: KaowuSession, tree: Tree
) -> None:
    factories.set_window(session, tree.site, Window.SETUP, tree.now + DAY, tree.now + 3 * DAY)
    become(session, tree.actor())
    report = operations.run(
        session, subject_setting.SITE_COPY, Chosen(), {}, clock=lambda: tree.now + 2 * DAY
    )
    assert (report.done, report.skipped) == (2, 0)
    assert codes_of(session, tree) == {"14", "24", "26", "35", "42"}


def test_r0_6b_nothing_to_copy_is_said(session: KaowuSession, tree: Tree) -> None:
    for level in (Level.SITE, Level.PROVINCE):
        become(session, tree.actor(level))
        operation = subject_setting.SITE_COPY
        values: dict[str, Any] = {} if level is Level.SITE else {SITE: "990701"}
        with pytest.raises(NothingToCopy):
            run(session, operation, **values)


def test_p3_the_province_adds_for_a_site_that_it_names(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    with pytest.raises(InvalidInput, match="考点"):
        run(session, subject_setting.SITE_ADD, subjects=["35"])
    values: dict[str, Any] = {"subjects": ["35"], SITE: "990702"}
    assert run(session, subject_setting.SITE_ADD, **values).done == 1
    assert "35" in codes_of(session, tree, 1)
    assert "35" not in codes_of(session, tree, 0)
    entry = session.scalars(
        select(AuditEntry).where(
            AuditEntry.object_type == "SiteSubject", AuditEntry.site_id == tree.sites[1].id
        )
    ).all()[-1]
    assert entry.on_behalf_of == "990702"
    days = {"first_day": str(FIRST), "last_day": str(LAST)}
    made = crud.create(session, SUBJECT, {"subject_code": "42", SITE: "990701"} | days)
    assert made.site_id == tree.site.id


def test_p3_no_site_of_another_province(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    assert set(crud.sites_below(session, tree.actor(Level.PROVINCE))) == {"990701", "990702"}
    with pytest.raises(NotFound):
        crud.site_below(session, tree.actor(Level.PROVINCE), "320101")


# ---------------------------------------------------------------- the province


def test_r11_2_the_province_adds_many_with_one_range(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    for code in ("35", "42"):
        crud.remove(session, OFFERED, offered(session, code).id)
    fields = {f.name: f for f in operations.fields_of(subject_setting.PROVINCE_ADD, session)}
    assert (fields["first_day"].default, fields["last_day"].default) == (FIRST, LAST)
    report = run(
        session,
        subject_setting.PROVINCE_ADD,
        subjects=["35", "42"],
        first_day=str(FIRST),
        last_day=str(FIRST),
    )
    assert report.done == 2
    assert offered(session, "42").last_day == FIRST


def test_r11_3_a_range_is_not_shortened_below_the_sites(session: KaowuSession, tree: Tree) -> None:
    factories.make_registration(session, tree, subjects=["24"])
    become(session, tree.actor(Level.PROVINCE))
    row = offered(session, "24")
    with pytest.raises(settings.SitesBeyond) as refused:
        crud.update(session, OFFERED, row.id, {"last_day": str(FIRST)})
    sentence = str(refused.value)
    assert "(990701)地市七考点1" in sentence
    assert "等 2 个考点" in sentence
    assert "1 科次" in sentence
    session.expire_all()
    changed = crud.update(session, OFFERED, row.id, {"last_day": str(LAST + DAY)})
    assert changed.last_day == LAST + DAY


def test_r11_2_an_offered_subject_is_deleted_nowhere(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    with pytest.raises(settings.OfferedBySites, match="等 2 个考点开考，涉及 0 科次"):
        crud.remove(session, OFFERED, offered(session, "24").id)
    become(session, tree.actor(Level.CENTER))
    national = session.scalars(select(ExamSubject).where(ExamSubject.subject_code == "35")).one()
    with pytest.raises(settings.OfferedByProvinces, match="1 个省开考"):
        crud.remove(session, NATIONAL, national.id)
    with pytest.raises(InvalidInput, match="不能填写"):  # that would take it away as well
        crud.update(session, NATIONAL, national.id, {"subject_code": "36"})


def test_r0_6b_the_province_copies_the_subjects_of_the_last_session(
    session: KaowuSession, former: Tree, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    for code in ("35", "42"):
        crud.remove(session, OFFERED, offered(session, code).id)
    days = {"first_day": str(FIRST), "last_day": str(LAST)}
    report = run(session, subject_setting.PROVINCE_COPY, **days)
    assert report.done == 2
    assert former.exam.number == 57


def test_r0_6a_a_site_reads_what_its_province_offers(session: KaowuSession, tree: Tree) -> None:
    for level in (Level.CITY, Level.SITE):
        become(session, tree.actor(level))
        page = listing.page(session, OFFERED, ListQuery("province_subject"))
        assert page.total == 5
        with pytest.raises(NoVerb):
            crud.update(session, OFFERED, page.rows[0].id, {"last_day": str(FIRST)})
        session.expire_all()
