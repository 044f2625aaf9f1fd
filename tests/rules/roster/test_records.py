"""学籍库信息管理 (chapter 21): one record, all results of a query, moves; scenario 28, N23."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from sqlalchemy import select

from app.database.keys import digest
from app.database.policy import become
from app.database.session import KaowuSession
from app.database.unit_of_work import unit_of_work
from app.metadata.errors import InvalidInput, NotFound, StaleRow
from app.metadata.query import ListQuery
from app.metadata.vocabulary import Level, Verb, Window
from app.models.audit import AuditEntry
from app.models.registration import Registration
from app.models.roster import StudentRecord
from app.rules import crud, listing, operations, reveal
from app.rules.availability import NotUsed
from app.rules.operations import Chosen
from app.rules.policy import HistoricExam, NoVerb, OnlyInCurrentExam, WindowClosed, check
from app.rules.roster import records
from app.rules.roster.records import DELETE_ALL
from tests import factories
from tests.factories import Tree, id_number, set_window
from tests.rules.roster.roster_world import add_record, set_policy

RESOURCE = StudentRecord.__admin__


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    """Both sites use the roster."""
    tree = factories.make_tree(session)
    for site in tree.sites:
        set_policy(session, tree, site)
    return tree


def form(**changes: Any) -> dict[str, Any]:
    return {
        "name": "张三",
        "id_type": "1",
        "id_number": id_number(),
        "sex": "1",
        "birth": "2001-02-03",
        "ethnic": "汉",
        "education": "本科",
    } | changes


def errors(session: KaowuSession, **values: Any) -> dict[str, list[str]]:
    with pytest.raises(InvalidInput) as refused:
        crud.create(session, RESOURCE, form(**values))
    return refused.value.errors


# ---------------------------------------------------------------- one record


def test_r21_2_a_site_adds_changes_and_deletes_in_w2(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    number = id_number(4_001, birth=dt.date(2000, 1, 16), sex="2")
    row = crud.create(
        session,
        RESOURCE,
        form(id_number=f" {number.lower()} ", sex="女", birth="20000116", mobile="010-62345678"),
    )
    assert (row.province_code, row.city_code, row.site_code) == ("99", "9907", "990701")
    assert (row.id_number, row.id_digest) == (number, digest(number))
    assert (row.ethnic, row.education, row.occupation) == ("01", "20", "01")
    crud.update(session, RESOURCE, row.id, {"class_name": "二班"}, version=row.version)
    assert row.class_name == "二班"
    with pytest.raises(StaleRow):
        crud.update(session, RESOURCE, row.id, {"class_name": "三班"}, version=1)
    crud.remove(session, RESOURCE, row.id)
    assert session.get(StudentRecord, row.id) is None


def test_21_errors_of_the_document(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    good = id_number(4_002)
    wrong = good[:17] + ("1" if good[17] != "1" else "2")
    assert "校验位不正确" in errors(session, id_number=wrong)["id_number"][0]
    assert "不一致" in errors(session, sex="2")["sex"][0]
    assert "不一致" in errors(session, birth="2001-02-04")["birth"][0]
    assert "姓名中不能有" in errors(session, name="张3")["name"][0]
    passport = {"id_type": "3", "id_number": "W745", "birth": "2099-05-05"}
    assert "出生日期晚于今天" in errors(session, **passport)["birth"][0]
    assert set(errors(session, mobile="1", email="x", postcode="1")) == {
        "mobile",
        "email",
        "postcode",
    }


def test_21_a_document_number_is_one_person(session: KaowuSession, tree: Tree) -> None:
    mine = add_record(session, tree)
    theirs = add_record(session, tree, tree.sites[1])
    become(session, tree.actor())
    assert errors(session, id_number=mine.id_number)["id_number"] == [records.TAKEN]
    elsewhere = errors(session, id_number=theirs.id_number)["id_number"][0]
    assert elsewhere == records.TAKEN_ELSEWHERE
    assert "990702" not in elsewhere
    with pytest.raises(InvalidInput):
        crud.update(session, RESOURCE, mine.id, {"id_number": theirs.id_number})


def test_n7_15_digits_are_stored_as_18(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    values = form(id_number="990000910203001", birth="1991-02-03", sex="1")
    row = crud.create(session, RESOURCE, values)
    assert len(row.id_number) == 18
    assert errors(session, **values | {"id_number": row.id_number})["id_number"] == [records.TAKEN]


def test_r21_2_outside_w2_a_site_only_looks(session: KaowuSession, tree: Tree) -> None:
    row = add_record(session, tree)
    day = dt.timedelta(days=1)
    set_window(session, tree.site, Window.ELIGIBILITY, tree.now - 2 * day, tree.now - day)
    become(session, tree.actor())
    assert listing.row_by_id(session, RESOURCE, row.id).id == row.id
    with pytest.raises(WindowClosed):
        crud.create(session, RESOURCE, form())
    with pytest.raises(WindowClosed):
        crud.remove(session, RESOURCE, row.id)
    become(session, tree.actor(Level.PROVINCE))
    crud.remove(session, RESOURCE, row.id)


def test_r0_4_only_while_the_current_session_is_selected(session: KaowuSession) -> None:
    past = factories.make_tree(session, number=57, state="history")
    coming = factories.make_tree(session, number=59, state="preparing")
    for tree in (past, coming):
        set_policy(session, tree, tree.site)
    add_record(session, past)
    become(session, past.actor())
    assert listing.page(session, RESOURCE, ListQuery(RESOURCE.name)).total == 1, "R21.1"
    with pytest.raises(HistoricExam):
        crud.create(session, RESOURCE, form())
    become(session, coming.actor(Level.PROVINCE))
    with pytest.raises(OnlyInCurrentExam):
        crud.create(session, RESOURCE, form(_site="990701"))
    # the policy says so, so that no page offers a button whose answer is this refusal
    province = coming.actor(Level.PROVINCE)
    asked = [(RESOURCE, verb) for verb in (Verb.ADD, Verb.EDIT, Verb.DELETE)]
    for declaration, verb in [*asked, (DELETE_ALL, Verb.RUN)]:
        refusal = check(session, declaration, verb, province).refusal
        assert isinstance(refusal, OnlyInCurrentExam)
    assert check(session, RESOURCE, Verb.LIST, province).allowed, "R21.2: looked at any time"


def test_r0_5b_without_the_roster_nothing_can_be_done(session: KaowuSession, tree: Tree) -> None:
    set_policy(session, tree, tree.site, enabled=False)
    become(session, tree.actor())
    with pytest.raises(NotUsed):
        crud.create(session, RESOURCE, form())


@pytest.mark.parametrize("level", [Level.CITY, Level.CENTER])
def test_5_city_and_centre_only_look(session: KaowuSession, tree: Tree, level: Level) -> None:
    row = add_record(session, tree)
    become(session, tree.actor(level))
    assert listing.row_by_id(session, RESOURCE, row.id).id == row.id
    with pytest.raises(NoVerb):
        crud.create(session, RESOURCE, form(_site="990701"))
    with pytest.raises(NoVerb):
        crud.remove(session, RESOURCE, row.id)


def test_p2_a_site_sees_its_own_records_only(session: KaowuSession, tree: Tree) -> None:
    theirs = add_record(session, tree, tree.sites[1])
    become(session, tree.actor())
    assert listing.page(session, RESOURCE, ListQuery(RESOURCE.name)).total == 0
    with pytest.raises(NotFound):
        crud.remove(session, RESOURCE, theirs.id)


def test_p3_a_province_acts_for_one_of_its_sites_and_the_site_reads_of_it(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    with pytest.raises(InvalidInput) as refused:
        crud.create(session, RESOURCE, form())
    assert list(refused.value.errors) == ["_site"]
    row = crud.create(session, RESOURCE, form(_site="990702"))
    assert (row.province_code, row.city_code, row.site_code) == ("99", "9907", "990702")
    entry = session.scalars(
        select(AuditEntry).where(
            AuditEntry.object_id == row.id, AuditEntry.actor_level == "province"
        )
    ).one()
    assert (entry.site_id, entry.on_behalf_of) == (tree.sites[1].id, "990702")
    set_policy(session, tree, tree.site, enabled=False)
    become(session, tree.actor(Level.PROVINCE))
    with pytest.raises(NotUsed):
        crud.create(session, RESOURCE, form(_site="990701"))


def test_scenario_28_a_registration_keeps_what_it_has(session: KaowuSession, tree: Tree) -> None:
    student = add_record(session, tree, department="信息学院")
    registered = factories.make_registration(
        session, tree, id_number=student.id_number, department="信息学院", name="测试学生"
    )
    before = registered.version
    become(session, tree.actor())
    values = {"department": "经管学院", "name": "改名学生"}
    crud.update(session, RESOURCE, student.id, values, version=student.version)
    crud.remove(session, RESOURCE, student.id)
    session.expire_all()
    after = session.scalars(select(Registration)).one()
    assert (after.department, after.name, after.version) == ("信息学院", "测试学生", before)


def test_r21_3_search_by_prefix_number_and_more_conditions(
    session: KaowuSession, tree: Tree
) -> None:
    add_record(session, tree, name="欧阳一", class_name="软件2班", student_number="77")
    add_record(session, tree, name="王二", class_name="会计1班", education="30")
    become(session, tree.actor())

    def names(**filters: str) -> list[str]:
        query = ListQuery(RESOURCE.name, filters)
        return [found.name for found in listing.page(session, RESOURCE, query).rows]

    assert names(name="欧") == ["欧阳一"]
    assert names(class_name="软件", department="信息") == ["欧阳一"]
    assert names(student_number="77", major="软件") == ["欧阳一"]
    assert names(education="30") == ["王二"]


def test_8_1_full_numbers_are_shown_on_request_and_logged(
    session: KaowuSession, tree: Tree
) -> None:
    row = add_record(session, tree)
    become(session, tree.actor())
    assert reveal.reveal(session, RESOURCE, row.id).id_number == row.id_number
    entry = session.scalars(
        select(AuditEntry).where(AuditEntry.action == "roster.studentrecord.reveal")
    ).one()
    assert entry.object_id == row.id
    become(session, tree.actor(Level.CITY))
    with pytest.raises(reveal.OnlyMasked):
        reveal.reveal(session, RESOURCE, row.id)


# ---------------------------------------------------------------- all results of a query


def delete_all(
    session: KaowuSession,
    filters: dict[str, str] | None = None,
    organisation: str = "",
    **values: Any,
) -> operations.Report:
    asked = ListQuery(RESOURCE.name, filters or {}, organisation=organisation)
    query = listing.seen(session, RESOURCE, asked)
    return operations.run(session, DELETE_ALL, Chosen(query=query), values)


def test_r21_2_all_results_are_deleted_after_the_count_was_typed(
    session: KaowuSession, tree: Tree
) -> None:
    for number in range(3):
        add_record(session, tree, class_name="一班" if number else "二班")
    add_record(session, tree, tree.sites[1], class_name="一班")
    become(session, tree.actor())
    for typed in ("", "3", "shanchu"):
        with pytest.raises(InvalidInput) as refused:
            delete_all(session, {"class_name": "一班"}, typed=typed)
        assert list(refused.value.errors) == ["typed"]
    report = delete_all(session, {"class_name": "一班"}, typed="2")
    assert (report.chosen, report.done) == (2, 2)
    left = session.scalars(select(StudentRecord.class_name)).all()
    assert left == ["二班"]
    become(session, tree.actor(Level.PROVINCE))
    assert len(session.scalars(select(StudentRecord)).all()) == 2, "the other site's stay"
    run = session.scalars(
        select(AuditEntry).where(AuditEntry.action == "roster.student_record_delete_all.run")
    ).one()
    assert run.changes["done"]["new"] == 2
    assert run.changes["filters"]["new"] == ["class_name"]
    deleted = session.scalars(
        select(AuditEntry).where(AuditEntry.action == "roster.studentrecord.delete")
    ).all()
    assert len(deleted) == 2


def test_r21_2_without_a_condition_it_is_confirmed_twice(session: KaowuSession, tree: Tree) -> None:
    add_record(session, tree)
    become(session, tree.actor())
    with pytest.raises(InvalidInput) as refused:
        delete_all(session, typed="删除")
    assert list(refused.value.errors) == ["everything"]
    assert delete_all(session, typed="删除", everything="1").done == 1


def test_r21_2_all_results_are_deleted_inside_w2_alone(session: KaowuSession, tree: Tree) -> None:
    add_record(session, tree)
    day = dt.timedelta(days=1)
    set_window(session, tree.site, Window.ELIGIBILITY, tree.now - 2 * day, tree.now - day)
    become(session, tree.actor())
    with pytest.raises(WindowClosed):
        delete_all(session, typed="1", everything="1")


@pytest.mark.parametrize("name", ["\u200b", "\u3000\ufeff", "student_number"])
def test_r21_2_what_says_nothing_is_no_condition(
    session: KaowuSession, tree: Tree, name: str
) -> None:
    """Neither are characters that nobody sees: they find every row."""
    add_record(session, tree, student_number=None)
    become(session, tree.actor())
    filters = {"student_number": "\u200b"} if name == "student_number" else {"name": name}
    with pytest.raises(InvalidInput) as refused:
        delete_all(session, filters, typed="1")
    assert list(refused.value.errors) == ["everything"]
    assert delete_all(session, filters, typed="1", everything="1").done == 1


@pytest.mark.parametrize("level", [Level.SITE, Level.PROVINCE])
def test_r21_2_an_organisation_alone_is_no_condition(
    session: KaowuSession, tree: Tree, level: Level
) -> None:
    """A site that names itself would delete all it has after one confirmation."""
    add_record(session, tree)
    become(session, tree.actor(level))
    with pytest.raises(InvalidInput) as refused:
        delete_all(session, organisation=tree.site.code, typed="删除")
    assert list(refused.value.errors) == ["everything"]
    report = delete_all(session, organisation=tree.site.code, typed="删除", everything="1")
    assert report.done == 1


def test_r21_2_it_is_always_a_job_and_asks_for_the_password() -> None:
    assert DELETE_ALL.inline_up_to == 0
    assert DELETE_ALL.reauthenticate
    assert DELETE_ALL.danger


def test_n23_deleting_all_waits_for_an_import_and_counts_what_is_there(
    fresh_database: str,
) -> None:
    """The import holds the library; the deletion sees what it has committed, and no more than
    was confirmed."""
    factory, tree = factories.populate(fresh_database)
    with unit_of_work(factory, None) as session:
        for site in tree.sites:
            set_policy(session, tree, site)
        kept = [add_record(session, tree) for _ in range(3)]
    actor = tree.actor()
    with factory() as looking:
        become(looking, actor)
        query = listing.seen(looking, RESOURCE, ListQuery(RESOURCE.name))
        looking.rollback()
    held, reports = threading.Event(), []

    def delete() -> None:
        held.wait(10)
        with unit_of_work(factory, actor) as session:
            values = {"typed": "3", "everything": "1"}
            reports.append(operations.run(session, DELETE_ALL, Chosen(query=query), values))

    waiting = threading.Thread(target=delete)
    waiting.start()
    with unit_of_work(factory, tree.actor(number=1)) as session:
        records.lock_sites(session, ["990701", "990702"])
        held.set()
        waiting.join(0.5)
        assert waiting.is_alive(), "it waits for the import"
        with factories.seeding(session):
            moved = session.get_one(StudentRecord, kept[0].id)
            moved.site_code = "990702"
        add_record(session, tree)
    waiting.join(20)
    assert [(report.chosen, report.done) for report in reports] == [(2, 2)]
    with factory() as session:
        become(session, tree.actor(Level.PROVINCE))
        assert len(session.scalars(select(StudentRecord)).all()) == 2
        session.rollback()
    factory.kw["bind"].dispose()
