"""学籍数据导入 (chapter 20, §4.1): the records of one site, all or nothing.

A document number is one person. A record that the site has already is overwritten where the box
is ticked; one that another site holds moves here unless its 文化程度 is higher (R20.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from app.jobs.imports.engine import ImportContext, RowsRefused
from app.jobs.imports.held import ImportRow
from app.jobs.imports.student_rows import NAMES, OVERWRITE, SITE, File
from app.jobs.imports.student_writing import Writer, log_refused
from app.metadata.actor import Actor
from app.metadata.declarations import IMPORT, Import, Place
from app.metadata.errors import N_
from app.metadata.fields import Field, Kind, fields_of
from app.metadata.registry import register
from app.metadata.text import normalise_code
from app.metadata.vocabulary import Area, ExamState, Level, Personal, Verb, Window
from app.models.codes import ID_TYPES, OCCUPATION_STUDENT, OCCUPATIONS, SEXES
from app.models.roster import StudentRecord
from app.models.roster_moves import RosterMove
from app.rules.availability import unused_when
from app.rules.policy import exam_state
from app.rules.roster import records
from app.rules.roster.policy import NOT_ENABLED, enabled_sites, roster_enabled

Found = list[tuple[str, str]]


@unused_when("student_record_import")
def _unused(session: Session, actor: Actor) -> str | None:
    """R0.5b, R0.4 (3): not without 启用学籍库, and only while the current session is selected."""
    if actor.is_system or actor.level in (Level.CENTER, Level.CITY):
        return None
    if actor.level is Level.SITE and not roster_enabled(session, actor):
        return NOT_ENABLED
    if exam_state(session, actor.exam_id) is not ExamState.CURRENT:
        return records.OnlyInCurrentExam.template
    return None


# ---------------------------------------------------------------- check and apply


def _file(session: Session, context: ImportContext, *, lock: bool = False) -> File:
    if "file" not in context.facts:
        context.facts["file"] = File(session, context, lock=lock)
    file: File = context.facts["file"]
    return file


def check(session: Session, row: ImportRow, context: ImportContext) -> Found:
    """What is wrong with a row, beyond the form of its cells."""
    return _file(session, context).problems(row)


def apply(session: Session, rows: Sequence[ImportRow], context: ImportContext) -> Mapping[str, int]:
    """Write all rows in the order of the file. Raises RowsRefused for what has changed since the
    dry pass."""
    records.require_current(session)
    file = _file(session, context, lock=True)
    refused = [(row, name, text) for row in rows for name, text in file.problems(row)]
    if refused:
        raise RowsRefused(refused)
    writer = Writer(session, file, context)
    writer.write(rows)
    upgraded = sum(identity.upgraded for identity in file.documents.identities.values())
    counts = {
        N_("新增"): len(writer.new),
        N_("覆盖"): writer.overwritten,
    }
    rarer = {
        N_("由其他考点转入"): len(writer.moves),
        N_("转入的学籍中姓名与原考点登记不同"): writer.renamed,
        N_("15 位证件号码已转为 18 位"): upgraded,
    }
    counts |= {label: number for label, number in rarer.items() if number}
    writer.record(counts)
    return counts


# ---------------------------------------------------------------- the declaration

_FIELDS = fields_of(StudentRecord)
_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "name": {"width": 14, "help": N_("间隔点用“·”")},
    "id_type": {"choices": ID_TYPES.choices, "kind": Kind.CHOICE},
    "id_number": {
        "checks": (normalise_code,),
        "max_length": 30,
        "width": 24,
        "help": N_("文本格式；15 位身份证号自动转为 18 位"),
    },
    "sex": {"choices": SEXES.choices, "help": N_("须与身份证号一致")},
    "birth": {"help": N_("如 2001-01-31，须与身份证号一致"), "width": 16},
    "occupation": {
        "choices": OCCUPATIONS.choices,
        "required": False,
        "default": OCCUPATION_STUDENT,
        "help": N_("不填为学生"),
    },
    "postcode": {"help": N_("6 位数字")},
    "address": {"width": 30},
    "mobile": {"help": N_("手机或固定电话"), "width": 16},
    "email": {"width": 26},
    "remark": {"width": 20},
}
_COLUMNS = (
    Field(name="serial", label=N_("序号"), personal=Personal.NONE, form=False, width=8),
    *(replace(_FIELDS[name], **_CHANGES.get(name, {})) for name in NAMES),
)

STUDENT_IMPORT = register(
    Import(
        name="student_record_import",
        label=N_("学籍数据导入"),
        menu=Place(Area.ROSTER, 10),
        verbs={
            Level.CENTER: frozenset({Verb.VIEW}),
            Level.PROVINCE: IMPORT,
            Level.CITY: frozenset({Verb.VIEW}),
            Level.SITE: IMPORT,
        },
        window=Window.ELIGIBILITY,
        writes=(StudentRecord, RosterMove),
        columns=_COLUMNS,
        sheet=N_("学籍信息模板"),
        unique=("id_number",),
        on_behalf=SITE,
        check=check,
        apply=apply,
        looked=log_refused,
        options=(
            Field(
                name=SITE,
                label=N_("机构"),
                personal=Personal.NONE,
                kind=Kind.REFERENCE,
                options=enabled_sites,
                help=N_("学籍导入到该考点的学籍库"),
            ),
            Field(
                name=OVERWRITE,
                label=N_("覆盖同一考点同一个证件号学籍数据"),
                personal=Personal.NONE,
                kind=Kind.BOOLEAN,
            ),
        ),
        sample=(
            {
                "serial": "1",
                "name": "张三",
                "id_type": "居民身份证",
                "id_number": "990101200101010038",
                "sex": "男",
                "birth": "2001-01-01",
                "ethnic": "汉族",
                "education": "大学本科",
                "occupation": "学生",
                "department": "信息工程学院",
                "major": "软件工程",
                "class_name": "软件2001",
                "student_number": "2020010001",
            },
            {
                "serial": "2",
                "name": "阿依古丽·买买提",
                "id_type": "身份证",
                "id_number": "990101200001160063",
                "sex": "女",
                "birth": "20000116",
                "ethnic": "05",
                "education": "20",
            },
            {
                "serial": "3",
                "name": "ANNA SMITH",
                "id_type": "护照",
                "id_number": "W1234567",
                "sex": "女",
                "birth": "1999-05-05",
                "ethnic": "98",
                "education": "本科",
                "mobile": "13800000001",
                "email": "anna@example.com",
            },
        ),
        help=N_(
            "数据只写到工作表“学籍信息模板”中，其他工作表不读取。"
            "证件号码在其他考点已有学籍的，文化程度不低于原学籍时转入本考点，并通知原考点。"
        ),
    )
)

__all__ = ["STUDENT_IMPORT", "apply", "check"]
