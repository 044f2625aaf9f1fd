"""`kaowu repair` (R0.4): superusers alone repair history, with a reason, and it is in the log."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import sessionmaker

from app.database.session import KaowuSession
from app.database.unit_of_work import reading, unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import Verb
from app.models.audit import AuditEntry
from app.models.exam import Exam
from app.models.organisation import Organisation
from app.models.settings import SiteSettings
from app.rules import effects, sealing
from tests.cli.conftest import Kaowu, lines

SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], scope="session")
SUPER = ("--as", "super@kaowu.test", "--exam", "57")
WHY = ("--reason", "档案核对后更正地址")


def site_of(factory: sessionmaker[KaowuSession], number: int) -> Organisation:
    """Site 990701 in a session of the exam, detached."""
    with reading(factory, system("test")) as session:
        exam = session.scalars(select(Exam).where(Exam.number == number)).one()
        found = session.scalars(
            select(Organisation).where(
                Organisation.exam_id == exam.id, Organisation.code == "990701"
            )
        ).one()
        session.expunge(found)
    return found


def entries(factory: sessionmaker[KaowuSession], row_id: int) -> list[AuditEntry]:
    with reading(factory, system("test")) as session:
        rows = session.scalars(
            select(AuditEntry).where(AuditEntry.object_id == row_id).order_by(AuditEntry.id)
        ).all()
        session.expunge_all()
    return list(rows)


def test_r0_4_a_repair_is_shown_then_applied_logged_and_sealed(
    on_demo: Kaowu, demo_factory: sessionmaker[KaowuSession]
) -> None:
    row = site_of(demo_factory, 57)
    before = len(entries(demo_factory, row.id))
    call = ("repair", "organisation", str(row.id), "--set", "address=新校路9号", *WHY, *SUPER)
    tried = on_demo(*call)
    assert tried.code == 0, tried.err
    assert lines(tried.out)[-2:] == [
        f"  考点地址：{row.address or '空'} → 新校路9号",
        "没有保存。加 --apply 保存。",
    ]
    assert site_of(demo_factory, 57).address == row.address
    assert len(entries(demo_factory, row.id)) == before
    done = on_demo(*call, "--apply")
    assert (done.code, lines(done.out)[-1]) == (0, "已修复。")
    assert site_of(demo_factory, 57).address == "新校路9号"
    assert site_of(demo_factory, 58).address != "新校路9号"
    edit, run = entries(demo_factory, row.id)[before:]
    assert (edit.action, run.action) == ("organisation.organisation.edit", "system.repair.run")
    assert edit.reason == run.reason == "档案核对后更正地址"
    assert edit.changes["_declaration"]["new"] == "repair"
    assert (edit.exam_id, edit.site_id, edit.on_behalf_of) == (row.exam_id, row.id, None)
    again = on_demo(*call, "--apply")
    assert (again.code, again.err.strip()) == (1, "数据与给出的值相同，没有需要修复的内容。")
    with unit_of_work(demo_factory, system("seal audit log")) as session:
        while sealing.seal(session):
            pass
    sealed = on_demo("audit", "verify")
    assert sealed.code == 0
    assert "尚未封存 0 条" in sealed.out


@SQLITE
def test_r0_4_nobody_else_repairs_and_nothing_but_history(
    on_demo: Kaowu, demo_factory: sessionmaker[KaowuSession]
) -> None:
    old, present = site_of(demo_factory, 57), site_of(demo_factory, 58)
    call = ("repair", "organisation", str(old.id), "--set", "address=别处", *WHY, "--apply")
    for who in ("center", "province99", "site990701"):
        refused = on_demo(*call, "--as", f"{who}@kaowu.test", "--exam", "57")
        assert (refused.code, "权限" in refused.err) == (1, True)
    current = on_demo(
        "repair", "organisation", str(present.id), "--set", "address=别处", *WHY, *SUPER[:2]
    )
    assert (current.code, "只能修复历史考次" in current.err) == (1, True)
    other = on_demo("repair", "organisation", str(present.id), "--set", "address=x", *WHY, *SUPER)
    assert other.code == 1  # a row of another session is not found
    assert site_of(demo_factory, 57).address == old.address


@SQLITE
def test_r0_4_a_repair_keeps_to_the_form_of_the_row(
    on_demo: Kaowu, demo_factory: sessionmaker[KaowuSession]
) -> None:
    row = site_of(demo_factory, 57)
    listed = on_demo("repair", "--list", *SUPER).out
    assert "organisation " in listed
    assert "student_record " not in listed  # across sessions
    assert "audit_entry" not in listed
    for value in ("code=990799", "name=", "site_id=1", f"address={'长' * 101}"):
        wrong = on_demo("repair", "organisation", str(row.id), "--set", value, *WHY, *SUPER)
        assert (wrong.code, bool(wrong.err)) == (1, True), value
    for resource in ("audit_entry", "passport", "student_record", "registration"):
        wrong = on_demo("repair", resource, str(row.id), "--set", "name=x", *WHY, *SUPER)
        assert wrong.code == 1, resource
    blank = on_demo("repair", "organisation", str(row.id), "--set", "name=x", *SUPER)
    assert (blank.code, "--reason" in blank.err) == (2, True)
    spaces = on_demo(
        "repair", "organisation", str(row.id), "--set", "name=x", "--reason", "  ", *SUPER
    )
    assert (spaces.code, "操作原因" in spaces.err) == (1, True)


@SQLITE
def test_r0_4_a_repair_tells_what_it_touches(
    on_demo: Kaowu,
    demo_factory: sessionmaker[KaowuSession],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rule = ("site_settings", Verb.EDIT)
    monkeypatch.setitem(effects._rules, rule, [lambda _row, _context: ["涉及 3 名考生"]])
    with reading(demo_factory, system("test")) as session:
        row = session.scalars(
            select(SiteSettings)
            .join(Organisation, Organisation.id == SiteSettings.site_id)
            .join(Exam, Exam.id == SiteSettings.exam_id)
            .where(Exam.number == 57, Organisation.code == "990701")
        ).one()
        number, maximum = row.id, row.max_subjects
    fewer = f"max_subjects={maximum - 1}"
    told = on_demo("repair", "site_settings", str(number), "--set", fewer, *WHY, *SUPER)
    assert told.code == 0, told.err
    assert told.err == "  涉及 3 名考生\n"
    assert told.out.startswith("考点报名综合设置 (990701)")
    twice = ("--set", fewer, "--set", f"max_subjects={maximum}")
    wrong = on_demo("repair", "site_settings", str(number), *twice, *WHY, *SUPER)
    assert (wrong.code, "max_subjects给出了两次" in wrong.err) == (2, True)
