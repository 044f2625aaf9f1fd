"""Who may register at which site: R19.2, R19.4 with R19.4a-c, R19.5-R19.8, scenarios 21-24."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from app.database.policy import become
from app.database.session import KaowuSession
from app.models.organisation import Organisation
from app.rules.clock import fixed
from app.rules.registration import eligibility, person
from app.rules.roster import admission
from app.rules.roster.admission import (
    AllowedElsewhere,
    Door,
    Named,
    NotAdmitted,
    OwnProvinceOnly,
    OwnSiteOnly,
    Refusal,
    Student,
    refusal,
)
from app.rules.site import load_site
from tests import factories
from tests.factories import COUNTED, Tree, enter, id_number
from tests.rules.roster.roster_world import add_record, set_policy

S, T, U, ELSEWHERE = 1, 2, 3, 4
HOME, OTHER = 10, 20
OK = None

#: who comes: 社会考生, students of S, of T in the province of S, and of a site of another province;
#: behind the stroke the 可报考考点 of their own site. T without 启用学籍库 makes no Student
#: (R19.7).
PEOPLE: dict[str, Student | None] = {
    "social": None,
    "S/S": Student(S, HOME, frozenset({S})),
    "S/any": Student(S, HOME),
    "S/S+T": Student(S, HOME, frozenset({S, T})),
    "S/T": Student(S, HOME, frozenset({T})),
    "T/any": Student(T, HOME),
    "T/S": Student(T, HOME, frozenset({S})),
    "T/S+T": Student(T, HOME, frozenset({S, T})),
    "T/T": Student(T, HOME, frozenset({T})),
    "T/U": Student(T, HOME, frozenset({U})),
    "E/any": Student(ELSEWHERE, OTHER),
    "E/E": Student(ELSEWHERE, OTHER, frozenset({ELSEWHERE})),
    "E/S": Student(ELSEWHERE, OTHER, frozenset({S})),
}
_NO_P, _NO_O, _NO_LIST = OwnProvinceOnly, OwnSiteOnly, AllowedElsewhere
#: {(P, O): {who: verdict}} where S has 启用学籍库
ENABLED: dict[tuple[bool, bool], dict[str, Refusal | None]] = {
    (True, False): {
        "social": _NO_P,
        "S/S": OK, "S/any": OK, "S/S+T": OK, "S/T": _NO_LIST,
        "T/any": OK, "T/S": OK, "T/S+T": OK, "T/T": _NO_LIST, "T/U": _NO_LIST,
        "E/any": _NO_P, "E/E": _NO_P, "E/S": _NO_P,
    },
    (True, True): {
        "social": _NO_O,
        "S/S": OK, "S/any": OK, "S/S+T": OK, "S/T": _NO_LIST,
        "T/any": _NO_O, "T/S": _NO_O, "T/S+T": _NO_O, "T/T": _NO_LIST, "T/U": _NO_LIST,
        "E/any": _NO_O, "E/E": _NO_O, "E/S": _NO_O,
    },
    (False, False): {
        "social": OK,
        "S/S": OK, "S/any": OK, "S/S+T": OK, "S/T": _NO_LIST,
        "T/any": OK, "T/S": OK, "T/S+T": OK, "T/T": _NO_LIST, "T/U": _NO_LIST,
        "E/any": OK, "E/E": OK, "E/S": OK,
    },
    (False, True): {
        "social": _NO_O,
        "S/S": OK, "S/any": OK, "S/S+T": OK, "S/T": _NO_LIST,
        "T/any": _NO_O, "T/S": _NO_O, "T/S+T": _NO_O, "T/T": _NO_LIST, "T/U": _NO_LIST,
        "E/any": _NO_O, "E/E": _NO_O, "E/S": _NO_O,
    },
}  # fmt: skip
#: S without 启用学籍库, whatever P and O say (R19.4b): only the lists of R19.5 count. A student of
#: S itself makes no Student then (R19.2).
CLOSED: dict[str, Refusal | None] = {
    "social": OK,
    "T/any": OK, "T/S": OK, "T/S+T": OK, "T/T": _NO_LIST, "T/U": _NO_LIST,
    "E/any": OK, "E/E": OK, "E/S": OK,
}  # fmt: skip
FLAGS = tuple(itertools.product((True, False), repeat=2))


@pytest.mark.parametrize(
    ("flags", "who"), [(flags, who) for flags, row in ENABLED.items() for who in row]
)
def test_r19_4_every_cell_where_the_site_uses_the_roster(
    flags: tuple[bool, bool], who: str
) -> None:
    assert refusal(Door(S, HOME, True, *flags), PEOPLE[who]) is ENABLED[flags][who]


@pytest.mark.parametrize(("flags", "who"), [(flags, who) for flags in FLAGS for who in CLOSED])
def test_r19_4b_every_cell_where_it_does_not(flags: tuple[bool, bool], who: str) -> None:
    assert refusal(Door(S, HOME, False, *flags), PEOPLE[who]) is CLOSED[who]


def test_r19_4_the_tables_have_every_cell() -> None:
    assert set(ENABLED) == set(FLAGS)
    assert all(set(row) == set(PEOPLE) for row in ENABLED.values())
    assert set(CLOSED) == {who for who in PEOPLE if not who.startswith("S/")}


def test_r19_4c_the_defaults_admit_everybody_whom_r19_5_lets_go() -> None:
    assert all(refusal(Door(S, HOME), PEOPLE[who]) is CLOSED[who] for who in CLOSED)


def test_c13_own_students_are_those_of_this_very_site() -> None:
    found = {who: admission.is_own_student(person, S) for who, person in PEOPLE.items()}
    assert {who for who, own in found.items() if own} == {"S/S", "S/any", "S/S+T", "S/T"}


# ---------------------------------------------------------------- the facts behind the table


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    """Sites S (the first), T (the second) and U; U stands in another province."""
    tree = factories.make_tree(session, sites=3)
    with factories.seeding(session):
        other = Organisation(
            exam_id=tree.exam.id,
            parent_id=tree.center.id,
            level="province",
            code="98",
            name="另一省",
        )
        session.add(other)
        session.flush()
        other.province_id = other.id
        far = Organisation(
            exam_id=tree.exam.id,
            parent_id=other.id,
            province_id=other.id,
            level="site",
            code="980101",
            name="外省考点",
        )
        session.add(far)
        session.flush()
        far.site_id = far.id
    tree.sites.append(far)
    return tree


def admitted(session: KaowuSession, tree: Tree, number: str) -> bool:
    """Does the first site take this person in?"""
    try:
        enter(session, tree, photo=False, id_number=number)
    except NotAdmitted:
        return False
    return True


#: 16 assertions of scenarios 21-24, and the other province's student (R19.4a)
SCENARIOS = {
    (True, False): {"social": False, "own": True, "allowed": True, "not": False, "far": False},
    (True, True): {"social": False, "own": True, "allowed": False, "not": False, "far": False},
    (False, False): {"social": True, "own": True, "allowed": True, "not": False, "far": True},
    (False, True): {"social": False, "own": True, "allowed": False, "not": False, "far": False},
}


@pytest.mark.parametrize("flags", SCENARIOS)
@pytest.mark.parametrize("who", ["social", "own", "allowed", "not", "far"])
def test_scenario_21_to_24_registration_follows_the_table(
    session: KaowuSession, tree: Tree, flags: tuple[bool, bool], who: str
) -> None:
    here, there, third, far = tree.sites
    set_policy(session, tree, here, own_province_only=flags[0], own_site_only=flags[1])
    set_policy(session, tree, there, allowed=[there, here])
    set_policy(session, tree, third)
    set_policy(session, tree, far)
    site = {"own": here, "allowed": there, "not": third, "far": far}.get(who)
    number = id_number()
    if site is not None:
        add_record(session, tree, site, id_number=number)
    assert admitted(session, tree, number) is SCENARIOS[flags][who]


def test_r19_2_r19_7_a_record_at_a_site_without_the_roster_counts_for_nothing(
    session: KaowuSession, tree: Tree
) -> None:
    here, there = tree.sites[:2]
    set_policy(session, tree, here, own_province_only=True)
    set_policy(session, tree, there, enabled=False, allowed=[there])
    student = add_record(session, tree, there)
    become(session, tree.actor())
    assert admission.roster_site(session, tree.exam.id, student.id_digest) is None
    assert not admitted(session, tree, student.id_number)
    set_policy(session, tree, there, allowed=())
    assert admitted(session, tree, student.id_number)


def test_r19_4b_its_own_students_are_social_where_the_site_does_not_use_the_roster(
    session: KaowuSession, tree: Tree
) -> None:
    set_policy(session, tree, tree.site, enabled=False, own_site_only=True, own_province_only=True)
    student = add_record(session, tree)
    become(session, tree.actor())
    found = admission.roster_site(session, tree.exam.id, student.id_digest)
    assert not admission.is_own_student(found, tree.site.id)
    assert admitted(session, tree, student.id_number)


def test_r19_4c_a_site_without_a_row_has_the_defaults(session: KaowuSession, tree: Tree) -> None:
    assert admitted(session, tree, id_number())


def test_r19_6_an_explicit_list_without_the_own_site_is_obeyed(
    session: KaowuSession, tree: Tree
) -> None:
    here, there = tree.sites[:2]
    set_policy(session, tree, here, allowed=[there])
    student = add_record(session, tree, here)
    with pytest.raises(AllowedElsewhere) as refused:
        enter(session, tree, photo=False, id_number=student.id_number)
    assert "请选择允许的考点" in refused.value.message()
    enter(session, tree, there, photo=False, id_number=student.id_number)


@pytest.mark.parametrize(
    ("policy", "error", "advice"),
    [
        ({"own_site_only": True}, OwnSiteOnly, "请联系考点核对学籍信息"),
        ({"own_province_only": True}, OwnProvinceOnly, "请选择其他考点"),
    ],
)
def test_r19_4_a_refusal_says_what_to_do(
    session: KaowuSession,
    tree: Tree,
    policy: dict[str, Any],
    error: type[NotAdmitted],
    advice: str,
) -> None:
    """Who has named his own record learns the cause; here a student of another province."""
    far = tree.sites[3]
    set_policy(session, tree, tree.site, **policy)
    set_policy(session, tree, far)
    student = add_record(session, tree, far)
    with pytest.raises(error) as refused:
        enter(session, tree, photo=False, id_number=student.id_number)
    assert tree.site.code in refused.value.message()
    assert advice in refused.value.message()


@pytest.mark.parametrize("flags", [flags for flags in FLAGS if any(flags)])
@pytest.mark.parametrize("who", ["own", "allowed", "not", "far"])
def test_r19_3a_a_number_alone_tells_nothing(
    session: KaowuSession, tree: Tree, flags: tuple[bool, bool], who: str
) -> None:
    """With another name, the same sentence and the same verdict as for a number without record."""
    here, there, third, far = tree.sites
    set_policy(session, tree, here, own_province_only=flags[0], own_site_only=flags[1])
    set_policy(session, tree, there, allowed=[there, here])
    set_policy(session, tree, third)
    set_policy(session, tree, far)
    site = {"own": here, "allowed": there, "not": third, "far": far}[who]
    student = add_record(session, tree, site, name="陈丽")
    told = []
    for number in (student.id_number, id_number()):
        with pytest.raises(NotAdmitted) as refused:
            enter(session, tree, photo=False, id_number=number)
        told.append((type(refused.value), refused.value.message()))
    assert told[0] == told[1]
    assert told[0][0] is NotAdmitted
    assert "请核对姓名和证件号码" in told[0][1]
    assert "咨询考点" in told[0][1]


def test_r19_3a_a_site_that_takes_everybody_takes_a_foreign_number_like_any(
    session: KaowuSession, tree: Tree
) -> None:
    """Else its refusal would tell of the record (R19.5 binds who names himself)."""
    third = tree.sites[2]
    set_policy(session, tree, third)
    student = add_record(session, tree, third, name="陈丽")
    with pytest.raises(AllowedElsewhere):
        enter(session, tree, photo=False, id_number=student.id_number, name="陈丽")
    row = enter(session, tree, photo=False, id_number=student.id_number)
    with pytest.raises(AllowedElsewhere):  # nor does he come in by the name of somebody else
        person.update_person(
            session,
            row.id,
            {"name": "陈丽"},
            version=row.version,
            counted=COUNTED,
            clock=fixed(tree.now),
        )


def test_n7_an_old_number_of_15_digits_is_the_same_student(
    session: KaowuSession, tree: Tree
) -> None:
    set_policy(session, tree, tree.site, own_site_only=True)
    add_record(session, tree, id_number="99000019910203001X"[:17] + _check("99000019910203001"))
    enter(session, tree, photo=False, id_number="990000910203001", birth="1991-02-03")


def _check(seventeen: str) -> str:
    from app.metadata.id_numbers import check_digit

    return check_digit(seventeen)


def test_r19_8_a_whole_file_is_asked_in_a_few_statements(session: KaowuSession, tree: Tree) -> None:
    here, there = tree.sites[:2]
    set_policy(session, tree, here)
    set_policy(session, tree, there, allowed=())
    mine, theirs = add_record(session, tree, here), add_record(session, tree, there)
    become(session, tree.actor())
    asked = [mine.id_digest, theirs.id_digest, *(f"{number:064d}" for number in range(2_500))]
    found = admission.roster_sites(session, tree.exam.id, asked)
    assert found == {
        mine.id_digest: Student(here.id, tree.province.id, frozenset({here.id})),
        theirs.id_digest: Student(there.id, tree.province.id),
    }


def test_r19_4_a_site_sees_the_verdict_and_no_foreign_record(
    session: KaowuSession, tree: Tree
) -> None:
    here, there = tree.sites[:2]
    set_policy(session, tree, here, own_site_only=True)
    set_policy(session, tree, there)
    theirs = add_record(session, tree, there)
    named = Named(theirs.id_digest, theirs.name)
    become(session, tree.actor())
    with pytest.raises(NotAdmitted) as refused:
        eligibility.admits(session, load_site(session, here.id), named)
    assert there.code not in refused.value.message()
    verdicts = admission.refusals(session, tree.exam.id, [here, there], named)
    assert verdicts == {here.id: AllowedElsewhere}
