"""A site that uses the roster, workbooks of students, and what became of an import of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from app.jobs import engine
from app.jobs.imports import engine as imports
from app.jobs.imports.student import STUDENT_IMPORT
from app.metadata.actor import Actor
from app.metadata.vocabulary import Level
from app.models.audit import AuditEntry
from app.models.job import JobRun
from app.models.organisation import Organisation
from tests.factories import bind_administrator, id_number
from tests.jobs.conftest import Ground
from tests.jobs.support import workbook
from tests.rules.roster.roster_world import set_policy

LABELS = {
    "serial": "序号",
    "name": "姓名*",
    "id_type": "证件类型*",
    "id_number": "证件号码*",
    "sex": "性别*",
    "birth": "出生日期*",
    "ethnic": "民族*",
    "education": "文化程度*",
    "occupation": "职业",
    "department": "院系",
    "major": "专业",
    "class_name": "班级",
    "student_number": "学号",
    "postcode": "邮编",
    "address": "联系地址",
    "mobile": "联系电话",
    "email": "电子邮箱",
    "remark": "备注",
}
BIRTH = dt.date(2001, 1, 1)


def line(**changes: Any) -> dict[str, Any]:
    """A good row."""
    return {
        "serial": "1",
        "name": "张三",
        "id_type": "居民身份证",
        "id_number": id_number(birth=BIRTH),
        "sex": "男",
        "birth": BIRTH.isoformat(),
        "ethnic": "汉族",
        "education": "大学本科",
        "department": "信息学院",
        "class_name": "一班",
        "student_number": "20260001",
    } | changes


def book(rows: Sequence[Mapping[str, Any]]) -> bytes:
    cells = [[row.get(name) for name in LABELS] for row in rows]
    return workbook(cells, headings=tuple(LABELS.values()), sheet="学籍信息模板")


def run(
    ground: Ground,
    *rows: Mapping[str, Any],
    actor: Actor | None = None,
    apply: bool = True,
    **options: Any,
) -> JobRun:
    """Import, or only check, as the site (or `actor`)."""
    acting = actor or ground.site
    made = imports.submit(
        ground.machine,
        acting,
        STUDENT_IMPORT,
        book(rows),
        "a.xlsx",
        options=options,
        apply=apply,
    )
    engine.execute(ground.machine, made.id)
    return ground.run(made.id)


def counts(run: JobRun) -> dict[str, int]:
    return {item["label"]: item["n"] for item in run.result["counts"]}


def problems(run: JobRun) -> dict[tuple[int, str], str]:
    return {(error["row"], error["column"]): error["message"] for error in run.errors}


def enable(ground: Ground, *sites: Organisation) -> None:
    def work(session: Any) -> None:
        for site in sites or ground.tree.sites:
            set_policy(session, ground.tree, site)

    ground.write(work)


def second_site(ground: Ground) -> Actor:
    return ground.write(lambda s: bind_administrator(s, ground.tree, Level.SITE, 1)[1])


def entries(ground: Ground, action: str) -> list[AuditEntry]:
    return [row for row in ground.all(AuditEntry) if row.action == action]
