"""学籍数据导入 (chapter 20, §4.1): all or nothing, overwriting, moves between sites."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select

from app.database.keys import digest
from app.database.policy import become
from app.database.unit_of_work import reading
from app.jobs.imports.student import STUDENT_IMPORT
from app.jobs.imports.template import template_workbook
from app.metadata.actor import system
from app.models.job import StoredFile
from app.models.organisation import Organisation
from app.models.roster import StudentRecord
from app.models.roster_moves import RosterMove
from app.rules.crud import choices_for
from tests.factories import id_number, seeding
from tests.jobs.conftest import Ground
from tests.jobs.student_world import (
    BIRTH,
    LABELS,
    counts,
    enable,
    entries,
    line,
    problems,
    run,
    second_site,
)
from tests.rules.roster.roster_world import add_record

# ---------------------------------------------------------------- the columns of §4.1


@pytest.fixture
def used(ground: Ground) -> Ground:
    """Both sites use the roster."""
    enable(ground)
    return ground


def test_4_1_the_samples_of_the_design(used: Ground) -> None:
    made = run(
        used,
        line(id_number="110101200101010034"),
        line(
            name="阿依古丽•买买提",
            id_type="身份证",
            id_number="11010120000116006x",
            sex="女",
            birth="20000116",
            ethnic="05",
            education="20",
        ),
        line(
            name="李四",
            id_type=1,
            id_number="１１０１０１２００４０２２９００８４",
            sex="女",
            birth=dt.date(2004, 2, 29),
            ethnic="1",
            education="大专",
        ),
        line(
            name="ANNA  SMITH",
            id_type="护照",
            id_number="W745",
            sex="女",
            birth="1999-05-05",
            ethnic="98",
            education="本科",
        ),
        line(name="赵六", id_number="110105491231002", sex="女", birth="1949-12-31"),
    )
    assert made.state == "done", (made.error, made.errors)
    assert counts(made)["新增"] == 5
    assert counts(made)["15 位证件号码已转为 18 位"] == 1
    rows = {row.name: row for row in used.all(StudentRecord)}
    assert rows["阿依古丽·买买提"].id_number == "11010120000116006X"
    assert rows["李四"].id_number == "110101200402290084"
    assert rows["赵六"].id_number == "11010519491231002X"
    assert (rows["张三"].ethnic, rows["张三"].education, rows["张三"].occupation) == (
        "01",
        "20",
        "01",
    )
    assert rows["ANNA SMITH"].id_type == "3"
    assert all(row.id_digest == digest(row.id_number) for row in rows.values())
    assert {(r.province_code, r.city_code, r.site_code) for r in rows.values()} == {
        ("99", "9907", "990701")
    }


WRONG: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"name": None}, "姓名", "必填"),
    ({"name": "张3"}, "姓名", "姓名中不能有"),
    ({"id_type": "学生证"}, "证件类型", "应为以下之一"),
    ({"id_type": "9"}, "证件类型", "应为以下之一"),
    ({"id_number": 110101200101010034}, "证件号码", "文本格式"),
    ({"id_number": "110101200101010035"}, "证件号码", "校验位不正确"),
    ({"id_number": "110101200102290011"}, "证件号码", "出生日期不存在"),
    (
        {"id_number": "11010120000115003X", "sex": "女", "birth": "2000-01-15"},
        "性别",
        "不一致",
    ),
    ({"birth": "2001-01-02"}, "出生日期", "不一致"),
    ({"birth": "2001.1.1"}, "出生日期", "格式不正确"),
    ({"ethnic": "火星"}, "民族", "应为以下之一"),
    ({"education": None}, "文化程度", "必填"),
    ({"department": "院" * 51}, "院系", "最多 50 个字"),
    ({"student_number": "1" * 31}, "学号", "最多 30 个字"),
    ({"postcode": "12345"}, "邮编", "6"),
    ({"address": "路" * 101}, "联系地址", "最多 100 个字"),
    (
        {"id_type": "护照", "id_number": "W745", "birth": "2099-05-05"},
        "出生日期",
        "晚于今天",
    ),
    ({"mobile": "123"}, "联系电话", "格式不正确"),
    ({"email": "not mail"}, "电子邮箱", "格式不正确"),
    ({"remark": "注" * 201}, "备注", "最多 200 个字"),
)


def test_4_1_every_column_is_validated(used: Ground) -> None:
    """All errors of all rows at once, each with row, column and cause."""
    made = run(used, line(), *(line(**changes) for changes, _column, _part in WRONG))
    assert made.state == "rejected"
    found = problems(made)
    for number, (changes, column, part) in enumerate(WRONG, start=3):
        assert (number, column) in found, (changes, found)
        assert part in found[number, column]
    assert len(found) == len(WRONG)
    assert used.count(StudentRecord) == 0


def test_n6_n7_duplicates_in_the_file_across_spellings(used: Ground) -> None:
    made = run(
        used,
        line(id_number="11010120000116006X", sex="女", birth="2000-01-16"),
        line(id_number="１１０１０１２０００００１１６００６ｘ", sex="女", birth="2000-01-16"),
        line(id_number="11010120000116006x", sex="女", birth="2000-01-16"),
        line(id_number="110105491231002", sex="女", birth="1949-12-31"),
        line(id_number="11010519491231002X", sex="女", birth="1949-12-31"),
    )
    found = problems(made)
    assert made.state == "rejected"
    assert "第 4 行" in found[2, "证件号码"]
    assert "第 2 行" in found[4, "证件号码"]
    assert "第 6 行" in found[5, "证件号码"]
    assert "第 5 行" in found[6, "证件号码"]


def test_scenario_25_one_bad_row_of_3000_and_nothing_is_imported(used: Ground) -> None:
    rows = [line(name="学生") for _ in range(2_999)]
    rows.insert(1_000, line(education="博学"))
    made = run(used, *rows)
    assert made.state == "rejected"
    assert used.count(StudentRecord) == 0
    assert list(problems(made)) == [(1_002, "文化程度")]
    stored = next(row for row in used.all(StoredFile) if row.id == made.report_file_id)
    report = openpyxl.load_workbook(io.BytesIO(used.machine.files.get(stored.key)))
    listed = [cell.value for cell in report.worksheets[-1][2]]
    assert listed[1:4] == [1_002, "文化程度", "博学"]


def test_r20_3_r20_4_the_template_has_all_columns_and_its_samples_are_right(used: Ground) -> None:
    with reading(used.machine.factory, used.site) as session:
        choices = choices_for(session, STUDENT_IMPORT.columns, used.site)
    made = openpyxl.load_workbook(io.BytesIO(template_workbook(STUDENT_IMPORT, choices)))
    assert made.sheetnames[0] == "学籍信息模板"
    headings = [str(cell.value) for cell in made.worksheets[0][3]]
    assert headings == list(LABELS.values())
    assert "样例数据表" in made.sheetnames
    assert any(name.endswith("文化程度") for name in made.sheetnames)
    result = run(used, *[dict(row) for row in STUDENT_IMPORT.sample])
    assert result.state == "done", result.errors


# ---------------------------------------------------------------- R20.5


def test_scenario_26_the_same_site_overwrites_only_where_the_box_is_ticked(used: Ground) -> None:
    number = id_number(birth=BIRTH)
    assert run(used, line(id_number=number, class_name="一班", remark="旧")).state == "done"
    again = line(id_number=number, class_name="二班", education="高中")
    made = run(used, line(), again)
    assert made.state == "rejected"
    assert list(problems(made)) == [(3, "证件号码")]
    assert "覆盖同一考点" in problems(made)[3, "证件号码"]
    assert used.count(StudentRecord) == 1

    made = run(used, line(), again, overwrite=True)
    assert made.state == "done", made.errors
    assert (counts(made)["新增"], counts(made)["覆盖"]) == (1, 1)
    row = next(r for r in used.all(StudentRecord) if r.id_digest == digest(number))
    assert (row.class_name, row.education, row.remark, row.version) == ("二班", "60", None, 2)
    assert used.count(RosterMove) == 0
    (entry,) = entries(used, "roster.studentrecord.edit")
    assert entry.changes["class_name"] == {"label": "班级", "old": "一班", "new": "二班"}
    assert "name" not in entry.changes
    assert entry.site_id == used.tree.site.id


def test_r20_5_records_are_overwritten_and_logged_part_by_part(
    used: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they were is read just before: that of all would fill the memory."""
    monkeypatch.setattr("app.jobs.imports.student_writing.CHUNK", 2)
    numbers = [id_number(birth=BIRTH) for _ in range(5)]
    old = [line(id_number=number, class_name=f"旧{n}") for n, number in enumerate(numbers)]
    new = [line(id_number=number, class_name=f"新{n}") for n, number in enumerate(numbers)]
    assert run(used, *old).state == "done"
    assert counts(run(used, *new, overwrite=True))["覆盖"] == 5
    written = {row.id: row.class_name for row in used.all(StudentRecord)}
    logged = {
        entry.object_id: (entry.changes["class_name"]["old"], entry.changes["class_name"]["new"])
        for entry in entries(used, "roster.studentrecord.edit")
    }
    assert sorted(written.values()) == [f"新{n}" for n in range(5)]
    assert logged == {key: (text.replace("新", "旧"), text) for key, text in written.items()}


def test_scenario_27_another_site_takes_a_record_unless_its_level_is_higher(used: Ground) -> None:
    number = id_number(birth=BIRTH)
    assert run(used, line(id_number=number, education="本科")).state == "done"
    second = second_site(used)
    made = run(used, line(id_number=number, education="专科"), line(), actor=second)
    assert made.state == "rejected", "R20.5: the whole file fails"
    message = problems(made)[2, "文化程度"]
    assert "高于本行的“大学专科”" in message
    assert "大学本科" not in message, "which level it is, is not told"
    assert used.tree.site.code not in message
    assert used.count(StudentRecord) == 1

    made = run(used, line(id_number=number, name="张叁", education="研究生"), actor=second)
    assert made.state == "done", made.errors
    assert counts(made)["由其他考点转入"] == 1
    assert counts(made)["转入的学籍中姓名与原考点登记不同"] == 1
    (row,) = used.all(StudentRecord)
    assert (row.site_code, row.education) == ("990702", "10")
    (move,) = used.all(RosterMove)
    assert (move.from_site, move.to_site) == (
        "(990701)地市七考点1",
        "(990702)地市七考点2",
    )
    assert (move.from_education, move.to_education, move.job_id) == ("20", "10", made.id)
    assert (move.from_name, move.to_name) == ("张三", "张叁")
    visible = RosterMove.__admin__.row_filter
    assert visible is not None
    for actor in (used.site, second, used.province, used.city):
        with reading(used.machine.factory, actor) as session:
            seen = session.scalars(select(RosterMove.id).where(visible(actor))).all()
        assert list(seen) == [move.id]


@pytest.mark.parametrize("apply", [True, False])
def test_r19_3a_who_tries_numbers_is_in_the_log_of_the_site_that_holds_them(
    used: Ground, apply: bool
) -> None:
    """A check alone asks as much as an import; it names nobody, so it is told no level."""
    number = id_number(birth=BIRTH)
    run(used, line(id_number=number))
    asked = line(id_number=number, name="某甲", education="小学")
    ended = run(used, asked, line(), actor=second_site(used), apply=apply)
    assert ended.state == "rejected"
    assert "本科" not in str(ended.errors)
    (entry,) = entries(used, "roster.studentrecord.take_over")
    assert (entry.site_id, entry.outcome) == (used.tree.site.id, "refused")
    assert entry.organisation_code == "990702"
    assert entry.object_id == used.all(StudentRecord)[0].id
    assert number not in str(entry.changes)


def test_r20_5_an_equal_level_moves_and_needs_no_box(used: Ground) -> None:
    number = id_number(birth=BIRTH)
    run(used, line(id_number=number))
    assert run(used, line(id_number=number), actor=second_site(used)).state == "done"
    assert used.count(RosterMove) == 1


def test_r20_5_both_sides_of_a_move_find_it_in_their_logs(used: Ground) -> None:
    number = id_number(birth=BIRTH)
    run(used, line(id_number=number))
    made = run(used, line(id_number=number, education="研究生"), actor=second_site(used))
    (lost,) = entries(used, "roster.studentrecord.moved")
    assert (lost.site_id, lost.province_id) == (used.tree.site.id, used.tree.province.id)
    assert lost.changes["site_code"]["old"] == "990701"
    assert lost.changes["site_code"]["new"] == "990702"
    (taken,) = entries(used, "roster.studentrecord.edit")
    assert taken.site_id == used.tree.sites[1].id
    summary = entries(used, "roster.student_record_import.run")[-1]
    assert summary.object_id == made.id
    assert {c["label"]: c["new"] for c in summary.changes.values()}["由其他考点转入"] == 1


def test_r20_5_neither_side_of_a_move_reads_what_the_other_wrote(used: Ground) -> None:
    """The losing site's log keeps the record that was its own; the gaining site's has the level
    that decided, and nothing else of it."""
    number = id_number(birth=BIRTH)
    run(used, line(id_number=number, department="旧系", remark="旧注", postcode="100001"))
    changed = {"department": "新系", "remark": "新注", "education": "研究生"}
    run(used, line(id_number=number, **changed), actor=second_site(used))
    (lost,) = entries(used, "roster.studentrecord.moved")
    (taken,) = entries(used, "roster.studentrecord.edit")
    assert taken.changes.keys() - {"_declaration"} == {
        "name",
        "id_type",
        "id_number",
        "education",
        "site_code",
    }
    assert not {"旧系", "旧注", "100001", "信息学院"} & set(str(taken.changes).split("'"))
    assert taken.changes["site_code"] == {"label": "site_code", "old": "990701", "new": "990702"}
    assert lost.changes["department"] == {"label": "院系", "old": "旧系", "new": None}
    assert lost.changes["remark"]["old"] == "旧注"
    assert "新" not in str(lost.changes)


def test_r20_5_a_move_between_provinces_is_in_the_logs_of_both(used: Ground) -> None:
    tree = used.tree

    def other(session: Any) -> int:
        become(session, system("seed"))
        with seeding(session):
            province = Organisation(
                exam_id=tree.exam.id,
                parent_id=tree.center.id,
                level="province",
                code="98",
                name="另一省",
            )
            session.add(province)
            session.flush()
            province.province_id = province.id
            site = Organisation(
                exam_id=tree.exam.id,
                parent_id=province.id,
                province_id=province.id,
                level="site",
                code="980101",
                name="外省考点",
            )
            session.add(site)
            session.flush()
            site.site_id = site.id
        add_record(session, tree, site, id_number=number, birth=BIRTH)
        return province.id

    number = id_number(birth=BIRTH)
    far = used.write(other)
    assert run(used, line(id_number=number)).state == "done"
    (lost,) = entries(used, "roster.studentrecord.moved")
    (taken,) = entries(used, "roster.studentrecord.edit")
    assert (lost.province_id, taken.province_id) == (far, tree.province.id)
    (move,) = used.all(RosterMove)
    assert (move.from_province_code, move.to_province_code) == ("98", "99")
    assert move.from_site == "(980101)外省考点"
