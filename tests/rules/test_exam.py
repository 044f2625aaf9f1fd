"""考次 (R0.4, R0.4a, R0.6, R0.6b): copying, becoming current, provinces, days, subjects."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.actor import system
from app.metadata.declarations import Resource
from app.metadata.errors import InvalidInput, NotFound
from app.metadata.registry import find
from app.metadata.vocabulary import ExamState, Level, Verb
from app.models.exam import Exam, ExamDay, ExamProvince, ExamSubject, Subject
from app.models.organisation import Organisation
from app.models.roster import RosterAllowedSite, RosterPolicy
from app.models.settings import Fee, SiteSettings
from app.rules import crud, exam, operations
from app.rules.actors import current_exam, entrance_exam
from app.rules.operations import Chosen
from app.rules.policy import NoVerb, permit
from tests import factories
from tests.factories import Tree

EXAM: Resource = find("exam", Resource)  # type: ignore[assignment]
DAY: Resource = find("exam_day", Resource)  # type: ignore[assignment]


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


def create(session: KaowuSession, **values: str) -> Exam:
    given = {"number": "60", "code": "60", "title": "2027全国计算机等级考试"} | values
    row: Exam = crud.create(session, EXAM, given)
    return row


def test_r0_6b_a_new_session_copies_organisations_with_review_state_and_roster_policies(
    session: KaowuSession, tree: Tree
) -> None:
    with factories.seeding(session):
        session.get_one(Organisation, tree.site.id).reviewed = "reviewed"
        session.add(RosterPolicy(**tree.path(tree.site), roster_enabled=True))
        session.add(RosterAllowedSite(**tree.path(tree.site), allowed_site_id=tree.site.id))
    become(session, tree.actor(Level.CENTER))
    made = create(session)
    assert made.state == ExamState.PREPARING.value
    become(session, system("look", made.id))
    copies = {
        row.code: row
        for row in session.scalars(select(Organisation).where(Organisation.exam_id == made.id))
    }
    assert set(copies) == {row.code for row in (tree.center, tree.province, tree.city, *tree.sites)}
    site = copies[tree.site.code]
    assert site.id != tree.site.id
    assert (site.province_id, site.city_id, site.site_id) == (
        copies[tree.province.code].id,
        copies[tree.city.code].id,
        site.id,
    )
    assert site.reviewed == "reviewed"
    policy = session.scalars(select(RosterPolicy)).one()
    assert (policy.site_id, policy.roster_enabled) == (site.id, True)
    assert session.scalars(select(RosterAllowedSite)).one().allowed_site_id == site.id
    settings = session.scalars(select(SiteSettings)).all()
    assert [(row.site_id, row.open) for row in settings if row.site_id == site.id] == [
        (site.id, False)
    ]
    # not copied: windows, subjects, fees (R0.6b)
    assert session.scalar(select(func.count()).select_from(Fee)) == 0


def test_r0_6_only_the_centre_makes_sessions(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    with pytest.raises(NoVerb):
        create(session)


def test_r6_5_the_age_range_is_in_order(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.CENTER))
    with pytest.raises(InvalidInput, match="最大年龄"):
        create(session, age_min="30", age_max="20")


def prepared(session: KaowuSession, tree: Tree) -> Exam:
    become(session, tree.actor(Level.CENTER))
    return create(session)


def ready(session: KaowuSession, tree: Tree) -> Exam:
    """A session in preparation that may become current; the centre looks."""
    made = prepared(session, tree)
    become(session, system("prepare", made.id))
    with permit(session, factories.SEED, Verb.ADD):
        session.add(ExamDay(exam_id=made.id, day=factories.EXAM_DAYS[0]))
        session.add(
            ExamSubject(exam_id=made.id, subject_code="14", name="x", level="1", minutes=90)
        )
    become(session, tree.actor(Level.CENTER))
    return session.get_one(Exam, made.id)


def test_r0_4a_a_session_becomes_current_with_subjects_and_days_only(
    session: KaowuSession, tree: Tree
) -> None:
    made = prepared(session, tree)
    with (
        permit(session, exam.MAKE_CURRENT, Verb.RUN),
        pytest.raises(exam.NotReady, match="未设置科目、未设置考试日期"),
    ):
        exam.make_current(session, made)


def test_r0_4a_exactly_one_session_is_current(session: KaowuSession, tree: Tree) -> None:
    made = ready(session, tree)
    with permit(session, exam.MAKE_CURRENT, Verb.RUN):
        exam.make_current(session, session.get_one(Exam, made.id))
    states = dict(session.execute(select(Exam.number, Exam.state)).all())
    assert states == {58: "history", 60: "current"}
    with permit(session, exam.MAKE_CURRENT, Verb.RUN), pytest.raises(exam.NotPreparing):
        exam.make_current(session, session.get_one(Exam, tree.exam.id))


def test_r1_1a_participating_provinces_are_exactly_those_set(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.CENTER))
    row = session.get_one(Exam, tree.exam.id)
    with permit(session, exam.SET_PROVINCES, Verb.RUN):
        exam.set_provinces(session, row, ["99", "11", "32"])
        exam.set_provinces(session, row, ["32", "99"])
    assert [code for code, _ in exam.participating(session, row.id)] == ["32", "99"]
    assert session.scalar(select(func.count()).select_from(ExamProvince)) == 2


def test_r0_6_a_province_sets_days_of_its_own_and_leaves_the_national_ones(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    national = session.scalars(select(ExamDay).where(ExamDay.province_id.is_(None))).first()
    assert exam.days_of(session, tree.exam.id, tree.province.id) == list(factories.EXAM_DAYS)
    own = crud.create(session, DAY, {"day": "2026-12-05"})
    assert own.province_id == tree.province.id
    assert exam.days_of(session, tree.exam.id, tree.province.id) == [own.day]
    if national is not None:
        with pytest.raises(NotFound):
            crud.remove(session, DAY, national.id)


def test_3_1_subjects_are_added_from_the_catalogue_once(session: KaowuSession, tree: Tree) -> None:
    with factories.seeding(session):
        known = set(session.scalars(select(Subject.code)))
        for code in {"88", "87"} - known:
            session.add(Subject(code=code, name=f"科目{code}", level="2", minutes=120))
    become(session, tree.actor(Level.CENTER))
    with permit(session, exam.FROM_CATALOGUE, Verb.RUN):
        first = exam.add_from_catalogue(session, tree.exam.id)
        assert first >= 2
        assert exam.add_from_catalogue(session, tree.exam.id) == 0


def test_r0_6_the_current_session_is_closed_and_another_can_follow(
    session: KaowuSession, tree: Tree
) -> None:
    made = ready(session, tree)
    values = {"_reason": "考试已结束"}
    report = operations.run(session, exam.CLOSE, Chosen((tree.exam.id,)), values)
    assert (report.done, report.reason) == (1, "考试已结束")
    assert session.get_one(Exam, tree.exam.id).state == ExamState.HISTORY.value
    assert current_exam(session) is None
    assert entrance_exam(session) is made  # the administration opens in the newest
    assert exam.MAKE_CURRENT.question is not None
    assert exam.MAKE_CURRENT.question(session, [made]) == f"确定把“{made.display}”设为当前考次？"
    assert operations.run(session, exam.MAKE_CURRENT, Chosen((made.id,)), values).done == 1
    assert current_exam(session) is made


def test_r0_6_closing_asks_for_a_reason_and_the_password(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.CENTER))
    for operation in (exam.CLOSE, exam.MAKE_CURRENT):
        assert operation.reauthenticate
        with pytest.raises(InvalidInput, match="操作原因"):
            operations.run(session, operation, Chosen((tree.exam.id,)), {})
    assert session.get_one(Exam, tree.exam.id).state == ExamState.CURRENT.value
    become(session, tree.actor(Level.PROVINCE))
    with pytest.raises(NoVerb):
        operations.run(session, exam.CLOSE, Chosen((tree.exam.id,)), {"_reason": "x"})


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        ("preparing", {"exam_make_current", "exam_provinces"}),
        ("current", {"exam_close", "exam_provinces"}),
        ("history", set()),
    ],
)
def test_r0_4_operations_are_for_sessions_in_the_right_state(
    session: KaowuSession, tree: Tree, state: str, offered: set[str]
) -> None:
    made = ready(session, tree)
    with factories.seeding(session):
        session.get_one(Exam, tree.exam.id).state = ExamState.HISTORY.value
        session.flush()
        made = session.get_one(Exam, made.id)
        made.state = state
    made = session.get_one(Exam, made.id)
    accepted = set()
    for operation in (exam.MAKE_CURRENT, exam.CLOSE, exam.SET_PROVINCES):
        assert operation.allowed is not None
        if operation.allowed(made) is None:
            accepted.add(operation.name)
            continue
        values = {"provinces": ["11"]} if operation is exam.SET_PROVINCES else {"_reason": "测试"}
        report = operations.run(session, operation, Chosen((made.id,)), values)
        assert (report.done, report.skipped) == (0, 1)
    assert accepted == offered
    assert made.state == state


def test_r0_4_rules_refuse_what_the_state_forbids(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.CENTER))
    row = session.get_one(Exam, tree.exam.id)
    with permit(session, exam.CLOSE, Verb.RUN):
        exam.close(session, row)
    with permit(session, exam.CLOSE, Verb.RUN), pytest.raises(exam.NotCurrent):
        exam.close(session, row)
    with permit(session, exam.SET_PROVINCES, Verb.RUN), pytest.raises(exam.IsHistory):
        exam.set_provinces(session, row, ["99"])


def test_r0_8_the_questions_name_the_sessions(session: KaowuSession, tree: Tree) -> None:
    made = ready(session, tree)
    former = session.get_one(Exam, tree.exam.id)
    for operation, named in (
        (exam.MAKE_CURRENT, (made, former)),
        (exam.CLOSE, (former,)),
        (exam.SET_PROVINCES, (made,)),
    ):
        assert operation.question is not None
        sentence = str(operation.question(session, [named[0]]))
        assert all(row.display in sentence for row in named)
