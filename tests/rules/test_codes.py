"""Code tables (domain §3)."""

from __future__ import annotations

from typing import Any

import pytest

from app.metadata.text import Bad
from app.models import codes
from app.models.codes import (
    ACTIVE_SUBJECTS,
    EDUCATIONS,
    ETHNIC_GROUPS,
    GRADES,
    ID_TYPES,
    OCCUPATIONS,
    PROVINCES,
    REJECTION_TYPES,
    SEXES,
    SUBJECTS,
    VIOLATION_TYPES,
    Code,
    CodeTable,
    IdType,
    RejectionType,
    Sex,
    ViolationType,
    grade_of,
)

TABLES: list[CodeTable[Any]] = [
    *(EDUCATIONS, ETHNIC_GROUPS, GRADES, ID_TYPES, OCCUPATIONS, PROVINCES, REJECTION_TYPES),
    *(SEXES, SUBJECTS, VIOLATION_TYPES),
]


def refusal(table: CodeTable[Any], value: object) -> Bad:
    with pytest.raises(Bad) as caught:
        table.resolve(value)
    return caught.value


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.label)
def test_domain_4_every_row_is_found_by_code_name_and_both(table: CodeTable[Any]) -> None:
    for row in table:
        spellings = [row.code, row.label, f"{row.code}-{row.label}", f" {row.code} － {row.label}"]
        spellings += [table.display(row.code), f"{row.code} {row.label}", float(row.code)]
        spellings += row.aliases
        assert {table.resolve(word, history=True) for word in spellings} == {row.code}


@pytest.mark.parametrize(
    "value", ["汉", "汉族", "01", "1", 1, 1.0, "1.0", "01-汉族", "０１", " 汉 族 "]
)
def test_domain_3_5_ethnic_group_spellings(value: object) -> None:
    assert ETHNIC_GROUPS.resolve(value) == "01"


def test_domain_3_5_ethnic_groups_are_gb_3304() -> None:
    expected = [f"{number:02d}" for number in range(1, 57)] + ["97", "98"]
    assert [row.code for row in ETHNIC_GROUPS] == expected
    assert ETHNIC_GROUPS.resolve("德昂") == "46"
    assert ETHNIC_GROUPS.resolve("其他") == "97"
    assert ETHNIC_GROUPS.resolve("外国血统中国籍") == "98"
    assert (ETHNIC_GROUPS.resolve("土"), ETHNIC_GROUPS.resolve("土家")) == ("30", "15")


def test_refusals_name_the_table_and_the_value() -> None:
    assert refusal(ETHNIC_GROUPS, "").code == "code.empty"
    assert refusal(ETHNIC_GROUPS, "火星族").code == "code.unknown"
    assert "民族“火星族”" in str(refusal(ETHNIC_GROUPS, "火星族"))
    assert refusal(ETHNIC_GROUPS, "01-回族").code == "code.mismatch"
    assert refusal(SUBJECTS, 1.45e16).code == "number.too_long"
    assert refusal(SUBJECTS, "x" * 500).parameters["value"] == "X" * 20


def test_domain_3_3_provinces() -> None:
    army_and_test = ["81", "82", "83", "84", "99"]
    assert len(PROVINCES) == 36
    assert [row.code for row in PROVINCES][-5:] == army_and_test
    assert PROVINCES.display("99") == "(99)测试省"
    assert PROVINCES.resolve("内蒙古自治区") == "15"


def test_domain_3_4_other_documents_are_history_only() -> None:
    assert refusal(ID_TYPES, "其他").code == "code.inactive"
    assert ID_TYPES.resolve("其他", history=True) == IdType.OTHER
    assert IdType.OTHER not in ID_TYPES.choices
    assert ID_TYPES.resolve("身份证") == IdType.RESIDENT
    assert {row.code for row in ID_TYPES} == set(IdType)


def test_domain_3_5_sexes() -> None:
    assert SEXES.choices == {"1": "男", "2": "女"}
    assert (SEXES.resolve("男"), SEXES.resolve("女")) == (Sex.MALE, Sex.FEMALE)


def test_r20_5_education_ranks_order_by_height() -> None:
    order = ["10", "20", "30", "40", "50", "60", "70", "80", "90"]
    assert [EDUCATIONS.rank(code) for code in order] == [8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert EDUCATIONS.rank(EDUCATIONS.resolve("本科")) > EDUCATIONS.rank(EDUCATIONS.resolve("专科"))
    assert (EDUCATIONS.resolve("中专"), EDUCATIONS.resolve("中职")) == ("40", "40")


def test_tables_without_ranks_say_so() -> None:
    with pytest.raises(ValueError, match="no rank"):
        SEXES.rank("1")
    with pytest.raises(KeyError):
        EDUCATIONS.rank("11")


def test_domain_3_8_occupation_default_is_student() -> None:
    assert OCCUPATIONS.name(codes.OCCUPATION_STUDENT) == "学生"
    assert len(OCCUPATIONS) == 12


def test_domain_3_1_subjects() -> None:
    minutes = {1: 90, 2: 120, 3: 120, 4: 90}
    assert all(subject.minutes == minutes[subject.level] for subject in SUBJECTS)
    prerequisites = {row.code: row.certificate_prerequisite for row in SUBJECTS if row.level == 4}
    assert prerequisites == {"41": "35", "42": "36", "43": "37", "44": "38", "45": "39", "46": "71"}
    assert all(row.certificate_prerequisite is None for row in SUBJECTS if row.level < 4)
    assert SUBJECTS.display("14") == "(14)计算机基础及WPS Office应用"
    assert SUBJECTS.resolve("14.0") == "14"
    assert SUBJECTS.resolve("二级C语言程序设计") == "24"


def test_domain_3_1_activity_is_data_of_a_period() -> None:
    assert all(code in SUBJECTS for active in ACTIVE_SUBJECTS.values() for code in active)
    assert "26" in ACTIVE_SUBJECTS["2018-2020"]
    assert "26" not in ACTIVE_SUBJECTS["2021"]
    assert codes.LATEST_PERIOD == "2026H1"
    assert {"18", "46", "71"} <= set(ACTIVE_SUBJECTS[codes.LATEST_PERIOD])


def test_domain_3_10_grades() -> None:
    marks = {100: "优秀", 90: "优秀", 89: "良好", 80: "良好", 79: "及格", 60: "及格", 59: "不及格"}
    assert {mark: GRADES.name(grade_of(mark)) for mark in marks} == marks
    assert GRADES.name(grade_of(0)) == "不及格"
    assert GRADES.resolve("合格") == "1"
    for outside in (-1, 101):
        with pytest.raises(ValueError, match="0-100"):
            grade_of(outside)


def test_r26_6_and_domain_3_10_reasons() -> None:
    assert REJECTION_TYPES.name(RejectionType.PHOTO) == "照片有问题"
    assert {row.code for row in REJECTION_TYPES} == set(RejectionType)
    assert VIOLATION_TYPES.resolve("作弊") == ViolationType.CHEATING
    assert list(VIOLATION_TYPES.choices.values()) == ["缺考", "违纪", "作弊", "其他违规"]


def test_unknown_codes_of_history_show_as_they_are() -> None:
    assert SUBJECTS.name("10") == "10"
    assert SUBJECTS.display("10") == "(10)10"
    assert "10" not in SUBJECTS


def test_ambiguous_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="means two rows"):
        CodeTable("表", [Code(code="01", label="甲"), Code(code="1", label="乙")])
