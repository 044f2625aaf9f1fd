"""机构与管理员批量导入 (R5.4, §4.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

from app.database.unit_of_work import reading
from app.jobs import engine
from app.jobs.imports import engine as imports
from app.jobs.imports.organisation import ORGANISATION_IMPORT
from app.metadata.actor import Actor, system
from app.metadata.vocabulary import ExamState
from app.models.account import AdminBinding, Passport
from app.models.exam import Exam
from app.models.job import JobRun
from app.models.organisation import Organisation
from app.rules.actors import load_administrator
from app.rules.policy import NoVerb
from tests.factories import make_passport, make_registration
from tests.jobs.conftest import Ground
from tests.jobs.support import workbook

HEADINGS = ("机构代码", "机构名称", "上级代码", "管理员姓名", "邮箱", "手机")


def run(ground: Ground, rows: Sequence[Sequence[Any]], actor: Actor | None = None) -> JobRun:
    """Import as the province (or `actor`)."""
    content = workbook(rows, headings=HEADINGS, sheet="机构与管理员")
    made = imports.submit(
        ground.machine, actor or ground.province, ORGANISATION_IMPORT, content, "a.xlsx"
    )
    engine.execute(ground.machine, made.id)
    return ground.run(made.id)


def organisation(ground: Ground, code: str) -> Organisation | None:
    return next((row for row in ground.all(Organisation) if row.code == code), None)


def test_r5_4_organisations_superiors_in_the_file_and_administrators(ground: Ground) -> None:
    made = run(
        ground,
        [
            ["990801", "地市八考点一", "9908", "李四", "LiSi@Example.com", "13700000001"],
            ["9908", "地市八", "99", "张三", "zhangsan@example.com", None],
            ["990801", "地市八考点一", "9908", "王五", "wangwu@example.com", None],
        ],
    )
    assert made.state == "done", (made.error, made.errors)
    counts = {item["label"]: item["n"] for item in made.result["counts"]}
    assert counts == {"读取": 3, "正确": 3, "新增机构": 2, "绑定管理员": 3, "新通行证": 3}
    city, site = organisation(ground, "9908"), organisation(ground, "990801")
    assert city is not None
    assert site is not None
    assert (city.level, site.level) == ("city", "site")
    assert site.parent_id == city.id
    assert (site.province_id, site.city_id) == (ground.tree.province.id, city.id)
    with reading(ground.machine.factory, system("look")) as session:
        passport = session.scalars(
            select(Passport).where(Passport.email == "lisi@example.com")
        ).one()
        assert passport.must_change, "123456 opens the change of password alone (§8.3)"
        assert passport.mobile == "13700000001"
        exam = session.scalars(select(Exam).where(Exam.state == ExamState.CURRENT.value)).one()
        actor = load_administrator(session, passport.id, exam)
        assert (actor.organisation_code, actor.city_code) == ("990801", "9908")


def test_a_known_person_is_bound_and_a_stored_organisation_gets_him(ground: Ground) -> None:
    known = ground.write(lambda session: make_passport(session, email="known@example.com"))
    site = ground.tree.site
    made = run(ground, [[site.code, site.name, "9907", "赵六", "known@example.com", None]])
    assert made.state == "done", made.errors
    bindings = {row.passport_id: row.organisation_code for row in ground.all(AdminBinding)}
    assert bindings[known.id] == site.code
    assert {item["label"]: item["n"] for item in made.result["counts"]}["新增机构"] == 0


@pytest.mark.parametrize(
    ("row", "column", "part"),
    [
        (["99070", "名", "9907", "张三", "a@example.com", None], "机构代码", "6 位数字"),
        (["980101", "名", "9907", "张三", "a@example.com", None], "机构代码", "所在省"),
        (["9909", "名", "9907", "张三", "a@example.com", None], "机构代码", "低于上级"),
        (["990901", "名", "9809", "张三", "a@example.com", None], "上级代码", "管辖范围"),
        (["990701", "别名", "9907", "张三", "a@example.com", None], "机构名称", "地市七考点1"),
        (["990901", "名", "9907", "张三1", "a@example.com", None], "管理员姓名", "数字"),
        (["990901", "名", "9907", "张三", "not mail", None], "邮箱", "格式"),
        (["990901", "名", "9907", "张三", "a@example.com", "123"], "手机", "格式"),
        (["990901", "名", "9907", "张三", None, None], "邮箱", "必填"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_imported(
    ground: Ground, row: list[Any], column: str, part: str
) -> None:
    before = ground.count(Organisation), ground.count(Passport), ground.count(AdminBinding)
    good = ["990801", "好考点", "9907", "张三", "good@example.com", None]
    made = run(ground, [good, row])
    assert made.state == "rejected"
    assert [(e["row"], e["column"]) for e in made.errors] == [(3, column)]
    assert part in made.errors[0]["message"]
    after = ground.count(Organisation), ground.count(Passport), ground.count(AdminBinding)
    assert after == before


def test_r3_4_administrators_and_candidates_cannot_be_bound(ground: Ground) -> None:
    def candidates(session: Any) -> None:
        passport = make_passport(session, email="candidate@example.com")
        make_registration(session, ground.tree, passport=passport)
        make_passport(session, email="one@example.com", mobile="13911112222")

    ground.write(candidates)
    bound = next(row for row in ground.all(Passport) if row.id == ground.site.passport_id).email
    made = run(
        ground,
        [
            ["990801", "考点甲", "9907", "张三", "candidate@example.com", None],
            ["990802", "考点乙", "9907", "张三", bound, None],
            ["990803", "考点丙", "9907", "张三", "new@example.com", "13911112222"],
            ["990804", "考点丁", "9907", "张三", "A@b.example", None],
            ["990805", "考点戊", "9907", "张三", "a@B.example", None],
        ],
    )
    found = {(e["row"], e["column"]): e["message"] for e in made.errors}
    assert "已有报名信息" in found[2, "邮箱"]
    assert "只能绑定一个机构" in found[3, "邮箱"]
    assert "重复" in found[5, "邮箱"]
    assert "重复" in found[6, "邮箱"]
    assert made.state == "rejected"
    assert organisation(ground, "990801") is None


def test_two_people_in_one_row_are_refused(ground: Ground) -> None:
    def people(session: Any) -> None:
        make_passport(session, email="one@example.com")
        make_passport(session, email="two@example.com", mobile="13911112222")

    ground.write(people)
    made = run(ground, [["990801", "甲", "9907", "张三", "one@example.com", "13911112222"]])
    assert "两个不同的通行证" in made.errors[0]["message"]
    assert made.errors[0]["value"] == "139****2222"


@pytest.mark.parametrize(
    ("email", "mobile"),
    [("new@example.com", "13911112222"), ("one@example.com", "13911113333")],
)
def test_r5_4_a_row_that_is_half_of_another_person_binds_nobody(
    ground: Ground, email: str, mobile: str
) -> None:
    owner = ground.write(
        lambda session: make_passport(
            session, name="周全", email="one@example.com", mobile="13911112222"
        )
    )
    made = run(ground, [["990801", "甲", "9907", "张三", email, mobile]])
    assert made.state == "rejected"
    problem = made.errors[0]
    assert (problem["row"], problem["column"]) == (2, "手机")
    assert problem["value"] == f"139****{mobile[-4:]}"
    assert "请核对邮箱和手机" in problem["message"]
    assert "留空" in problem["message"]
    for secret in ("one@example.com", "2222", "周全"):
        assert secret not in problem["message"]
    assert owner.id not in {row.passport_id for row in ground.all(AdminBinding)}
    assert organisation(ground, "990801") is None


def test_r5_4_only_passports_of_this_run_are_counted_as_new(ground: Ground) -> None:
    ground.write(
        lambda session: make_passport(
            session,
            email="early@example.com",
            mobile=None,
            password_hash="!",
            must_change=True,
            origin="import",
        )
    )
    made = run(
        ground,
        [
            ["990801", "甲", "9907", "张三", "early@example.com", "13911112222"],
            ["990801", "甲", "9907", "李四", "late@example.com", None],
        ],
    )
    assert made.state == "done", made.errors
    counts = {item["label"]: item["n"] for item in made.result["counts"]}
    assert (counts["绑定管理员"], counts["新通行证"]) == (2, 1)
    early = next(row for row in ground.all(Passport) if row.email == "early@example.com")
    assert early.mobile == "13911112222"  # nobody has opened this account yet


def test_the_center_adds_provinces(ground: Ground) -> None:
    made = run(
        ground,
        [["98", "另一省", "00", "张三", "p98@example.com", None]],
        ground.center,
    )
    assert made.state == "done", made.errors
    row = organisation(ground, "98")
    assert row is not None
    assert (row.level, row.province_id) == ("province", row.id)


def test_only_center_and_province_may(ground: Ground) -> None:
    for actor in (ground.city, ground.site):
        with pytest.raises(NoVerb):
            run(ground, [["990801", "甲", "9907", "张三", "a@example.com", None]], actor)
