"""`kaowu operation`: any declared operation on the demo, as its page would run it."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import sessionmaker

from app.database.session import KaowuSession
from app.database.unit_of_work import reading
from app.metadata import registry
from app.metadata.actor import system
from app.metadata.vocabulary import Verb
from app.models.audit import AuditEntry
from app.models.exam import Exam
from app.models.job import JobRun
from app.models.organisation import Organisation
from app.models.registration import Registration
from app.models.roster import StudentRecord
from app.models.settings import SiteSettings, SiteSubject
from app.rules import effects, operations
from tests.cli.conftest import Kaowu, lines

SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], scope="session")
SITE = ("--as", "site990701@kaowu.test", "--exam", "58")
PENDING = ("operation", "registration_approve", "--where", "review=pending")


def _reviewed(factory: sessionmaker[KaowuSession], review: str, code: str = "990701") -> list[int]:
    """Numbers of the site's registrations in a state of the review."""
    with reading(factory, system("test")) as session:
        site = select(Organisation.id).where(Organisation.code == code)
        found = session.scalars(
            select(Registration.id)
            .where(Registration.site_id.in_(site), Registration.review == review)
            .order_by(Registration.id)
        )
        return list(found)


def _logged(factory: sessionmaker[KaowuSession]) -> int:
    with reading(factory, system("test")) as session:
        return session.scalar(select(func.count()).select_from(AuditEntry)) or 0


def test_a_query_is_rehearsed_asked_for_and_done(
    on_demo: Kaowu,
    demo_factory: sessionmaker[KaowuSession],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    waiting, before = _reviewed(demo_factory, "pending"), _logged(demo_factory)
    assert waiting
    tried = on_demo(*PENDING, *SITE, "--dry-run")
    count = f"已完成 {len(waiting)} 项，未执行 0 项。"
    assert (tried.code, lines(tried.out)[-2:]) == (0, [count, "没有保存。"])
    assert _reviewed(demo_factory, "pending") == waiting
    rule = ("registration_approve", Verb.RUN)
    monkeypatch.setitem(effects._rules, rule, [lambda rows, _: [f"涉及 {len(rows)} 名考生"]])
    asked = on_demo(*PENDING, *SITE)
    assert (asked.code, asked.out) == (1, "")
    told = f"  涉及 {len(waiting)} 名考生\n"
    assert asked.err.startswith(told)
    assert str(len(waiting)) in asked.err
    assert _logged(demo_factory) == before
    done = on_demo(*PENDING, *SITE, "--yes")
    assert (done.code, done.err, lines(done.out)[-1]) == (0, told, count)
    assert _reviewed(demo_factory, "pending") == []
    with reading(demo_factory, system("test")) as session:
        run = session.scalars(
            select(AuditEntry).where(AuditEntry.action.like("%registration_approve.run"))
        ).one()
        assert run.request_id.startswith("cli ")
        assert run.changes["filters"]["new"] == ["review"]
    again = on_demo(*PENDING, *SITE, "--yes")
    assert (again.code, again.out) == (1, "")
    assert "没有选中任何记录" in again.err


def test_rows_are_named_and_values_given(
    on_demo: Kaowu, demo_factory: sessionmaker[KaowuSession]
) -> None:
    one, two = _reviewed(demo_factory, "pending")[:2]
    refuse = ("operation", "registration_reject", "--ids", f"{one},{two}", *SITE, "--yes")
    missing = on_demo(*refuse)
    assert (missing.code, missing.out) == (1, "")
    assert "不通过原因：必填" in missing.err
    unknown = on_demo(*refuse, "--set", "nonsense=1")
    assert "没有这个项目" in unknown.err
    values = ("--set", "reject_type=2", "--set", "reject_reason=照片模糊")
    done = on_demo(*refuse, *values)
    assert (done.code, lines(done.out)) == (0, ["已完成 2 项，未执行 0 项。"])
    skipped = on_demo(*refuse, *values)
    assert (skipped.code, lines(skipped.out)) == (1, ["已完成 0 项，未执行 2 项。"])
    assert len(lines(skipped.err)) == 2
    foreign = _reviewed(demo_factory, "none", "990801")[0]
    other = on_demo("operation", "registration_approve", "--ids", str(foreign), *SITE, "--yes")
    assert (other.code, other.out) == (1, "")
    assert other.err.startswith("没有找到该记录")


def test_p3_a_superior_who_names_a_site_reaches_no_other_one(
    on_demo: Kaowu, demo_factory: sessionmaker[KaowuSession]
) -> None:
    def records() -> dict[str, int]:
        with reading(demo_factory, system("test")) as session:
            return dict(Counter(map(str, session.scalars(select(StudentRecord.site_code)))))

    before = records()
    site, other = sorted(before)[:2]
    delete = ("operation", "student_record_delete_all", "--as", "province99@kaowu.test", "--yes")
    confirm = ("--set", f"typed={before[site]}", "--set", "everything=1")
    done = on_demo(*delete, "--all", "--site", site, *confirm)
    assert done.code == 0, done.err
    assert records() == {code: number for code, number in before.items() if code != site}
    with reading(demo_factory, system("test")) as session:
        current = select(Exam.id).where(Exam.number == 58).scalar_subquery()
        rows = session.execute(
            select(Organisation.code, SiteSettings.id)
            .join(Organisation, Organisation.id == SiteSettings.site_id)
            .where(Organisation.code.in_([site, other]), SiteSettings.exam_id == current)
        )
        ids = {str(code): str(number) for code, number in rows}
    switch = ("operation", "site_preference", "--as", "province99@kaowu.test", "--set", "allowed=1")
    refused = on_demo(*switch, "--site", site, "--ids", f"{ids[site]},{ids[other]}", "--yes")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("没有找到该记录")
    own = on_demo(*switch, "--site", site, "--ids", ids[site], "--yes")
    assert "(990701)" in own.err  # reached: it is allowed there already


def _subjects(factory: sessionmaker[KaowuSession], code: str) -> set[str]:
    """Codes of what the site offers in the current session."""
    with reading(factory, system("test")) as session:
        current = select(Exam.id).where(Exam.number == 58).scalar_subquery()
        site = select(Organisation.id).where(
            Organisation.code == code, Organisation.exam_id == current
        )
        chosen = select(SiteSubject.subject_code).where(SiteSubject.site_id.in_(site))
        return set(session.scalars(chosen))


@SQLITE
def test_p3_the_form_of_a_page_asks_for_no_other_site_than_the_named_one(
    on_demo: Kaowu, demo_factory: sessionmaker[KaowuSession]
) -> None:
    """--site is the answer of the form; the log tells the site that was written."""
    own, other = "990704", "990801"
    before = {code: _subjects(demo_factory, code) for code in (own, other)}
    subject = min(before[other] - before[own])
    province = ("--as", "province99@kaowu.test", "--yes")
    add = ("operation", "site_subject_add", *province, "--set", f"subjects={subject}")
    refused = on_demo(*add, "--site", own, "--set", f"_site={other}")
    assert (refused.code, refused.out) == (1, "")
    assert "请去掉 --set _site" in refused.err
    city = on_demo(*add, "--site", "9907")
    assert (city.code, "考点" in city.err) == (1, True)
    assert {code: _subjects(demo_factory, code) for code in before} == before
    done = on_demo(*add, "--site", own)
    assert done.code == 0, done.err
    assert _subjects(demo_factory, own) == before[own] | {subject}
    assert _subjects(demo_factory, other) == before[other]
    with reading(demo_factory, system("test")) as session:
        entry = session.scalars(
            select(AuditEntry)
            .where(AuditEntry.object_type == "SiteSubject", AuditEntry.site_id.is_not(None))
            .order_by(AuditEntry.id.desc())
        ).first()
        assert entry is not None
        site = session.get_one(Organisation, entry.site_id)
        assert (site.code, entry.on_behalf_of) == (own, own)


@SQLITE
@pytest.mark.parametrize(
    "options",
    [
        ["roster_move_acknowledge", "--all"],
        ["province_subject_copy"],
    ],
)
def test_p3_what_cannot_be_bounded_to_a_site_is_not_done_for_one(
    on_demo: Kaowu, demo_factory: sessionmaker[KaowuSession], options: list[str]
) -> None:
    before = _logged(demo_factory)
    acting = ("--as", "province99@kaowu.test", "--site", "990701", "--yes")
    said = on_demo("operation", *options, *acting)
    assert (said.code, said.out) == (1, "")
    assert "请去掉 --site" in said.err
    assert _logged(demo_factory) == before


@SQLITE
@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["registration_lock", "--ids", "1"], 1, "请用 --as 指明操作人的邮箱。"),
        (["no_such"], 1, "没有“no_such”。可用："),
        ([], 2, "缺少 NAME"),
        (["registration_lock", "--ids", "x", *SITE], 2, "不是记录编号：x"),
        (["registration_lock", "--ids", "1", "--all", *SITE], 2, "只能用一种"),
        (["registration_lock", "--where", "x", *SITE], 2, "应写成 名称=值：x"),
        (["registration_lock", *SITE], 1, "没有选中任何记录"),
        (["registration_lock", "--where", "x=1", "--yes", *SITE], 1, "查询条件有误"),
        (["registration_lock", "--where", "x=", "--yes", *SITE], 1, "查询条件有误"),
        (["registration_lock", "--where", "name=", "--yes", *SITE], 2, "请用 --all"),
        (["registration_lock", "--where", "name=\u200b", "--yes", *SITE], 2, "请用 --all"),
        (["registration_lock", "--ids", "1", "--yes", *SITE], 1, "没有找到该记录"),
        (
            ["registration_lock", "--all", "--as", "province99@kaowu.test", "--yes"],
            1,
            "您没有“锁定报名信息”的执行权限",
        ),
        (
            ["registration_lock", "--all", "--as", "site990702@kaowu.test", "--yes"],
            1,
            "当前不在报名管理时间内",
        ),
        (
            ["arrangement_run", "--as", "site990702@kaowu.test", "--exam", "57", "--yes"],
            1,
            "历史考次",
        ),
    ],
)
def test_what_is_wrong_or_not_allowed_is_said(
    on_demo: Kaowu, options: list[str], code: int, sentence: str
) -> None:
    said = on_demo("operation", *options)
    assert (said.code, said.out) == (code, "")
    assert sentence in said.err


@SQLITE
def test_more_rows_than_the_page_does_at_once_are_its_job(
    on_demo: Kaowu, demo_factory: sessionmaker[KaowuSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same report and exit status; the job is in the list of jobs."""
    name = "registration_approve"
    smaller = replace(registry.get(name), inline_up_to=1)  # type: ignore[call-arg]
    monkeypatch.setitem(registry._declarations, name, smaller)
    monkeypatch.setattr(operations, "CHUNK", 2)
    waiting = _reviewed(demo_factory, "pending")
    assert len(waiting) > 2
    done = on_demo(*PENDING, *SITE, "--yes")
    assert (done.code, done.err) == (0, "")
    assert lines(done.out)[0].startswith("任务 ")
    assert lines(done.out)[1:] == [f"  完成 {len(waiting)}", "  跳过 0"]
    assert _reviewed(demo_factory, "pending") == []
    ids = ",".join(map(str, waiting))
    again = on_demo("operation", "registration_approve", "--ids", ids, *SITE, "--yes")
    assert (again.code, lines(again.out)[1:]) == (1, ["  完成 0", f"  跳过 {len(waiting)}"])
    assert len(lines(again.err)) == len(waiting)
    with reading(demo_factory, system("test")) as session:
        runs = session.scalars(select(JobRun).where(JobRun.kind == "operation")).all()
        assert [(run.state, run.total, run.on_behalf_of) for run in runs] == [
            ("done", len(waiting), None)
        ] * 2


@SQLITE
def test_an_operation_of_the_page_needs_no_rows(on_demo: Kaowu) -> None:
    said = on_demo(
        *("operation", "arrangement_run", "--set", "mode=balanced"),
        *("--as", "site990702@kaowu.test", "--dry-run"),
    )
    assert (said.code, lines(said.out)[-1]) == (0, "没有保存。")
    assert "未执行 0 项" in said.out


@SQLITE
def test_the_list_names_every_operation_with_its_fields(kaowu: Kaowu) -> None:
    said = kaowu("operation", "--list")
    assert (said.code, said.err) == (0, "")
    found = {line.split()[0]: line for line in lines(said.out)[1:]}
    assert "registration_reject" in found
    assert found["registration_reject"].endswith("reject_type* reject_reason*")
    assert "arrangement_run" in found
