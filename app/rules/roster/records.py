"""学籍库信息管理 (chapter 21): one record after the other, or all that a query finds.

Records belong to no session; they are changed only while the current one is selected, inside its
W2 (R0.4, R21.2). A registration keeps what it has: nothing here looks at registrations (R21.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database import locks
from app.database.keys import digest
from app.database.policy import actor_of, elevated
from app.metadata.declarations import ONLY_RUN, On, Operation, RowOutcome
from app.metadata.errors import LABELLED, N_, InvalidInput, Message
from app.metadata.fields import Field, Kind, fields_of
from app.metadata.presenting import title_of
from app.metadata.registry import register
from app.metadata.text import Bad
from app.metadata.vocabulary import ExamState, Level, Personal, Verb, Window
from app.models.codes import OCCUPATION_STUDENT
from app.models.organisation import Organisation, below
from app.models.roster import StudentRecord
from app.rules import listing
from app.rules.availability import NotUsed
from app.rules.clock import local_day
from app.rules.crud import Context, before
from app.rules.identity import identity_problems, read_document
from app.rules.operations import Chosen
from app.rules.policy import OnlyInCurrentExam, exam_state
from app.rules.roster.policy import enabled_sites

_FIELDS = fields_of(StudentRecord)
TAKEN = N_("证件号重复：该证件号码在学籍库中已有学籍")
TAKEN_ELSEWHERE = N_(
    "证件号重复：该证件号码在其他考点已有学籍；学生转到本考点的，请通过《学籍数据导入》转入"
)
SITE_WITHOUT_ROSTER = N_("所选考点未启用学籍库，请先在《学籍报考设置》中启用。")


def require_current(session: Session) -> None:
    """Raises OnlyInCurrentExam (R0.4 exception 3), for what is no resource or operation: of these
    the policy asks it (`current_only`)."""
    if exam_state(session, actor_of(session).exam_id) is not ExamState.CURRENT:
        raise OnlyInCurrentExam()


def lock_sites(session: Session, codes: Iterable[str]) -> None:
    """Hold the libraries of these sites until the end of the transaction: what changes many of
    their records goes one after the other (N23)."""
    locks.take(session, (f"roster {code}" for code in codes))


# ---------------------------------------------------------------- one record


@before("student_record", Verb.ADD)
def _add(row: StudentRecord, context: Context) -> None:
    if context.actor.level is not Level.SITE:
        _check_site(row, context)
    row.occupation = row.occupation or OCCUPATION_STUDENT
    _check_document(row, context)


def _check_site(row: StudentRecord, context: Context) -> None:
    """A superior has named a site (P3); it must use the roster."""
    if row.site_code not in enabled_sites(context.session, context.actor):
        raise NotUsed(reason=SITE_WITHOUT_ROSTER)


@before("student_record", Verb.EDIT)
def _edit(row: StudentRecord, context: Context) -> None:
    row.occupation = row.occupation or OCCUPATION_STUDENT
    _check_document(row, context)


def _check_document(row: StudentRecord, context: Context) -> None:
    """The number as it is stored (N6, N7), right in itself, and nobody else's (R20.5).

    Raises InvalidInput: 校验位错误 and the like, 性别 or 出生日期 that differ, 证件号重复.
    """
    try:
        problems = identity_problems(
            row.id_type,
            row.id_number,
            sex=row.sex,
            birth=row.birth,
            today=local_day(context.clock()),
        )
        errors: dict[str, list[str]] = {}
        for problem in problems:
            errors.setdefault(problem.column, []).append(_labelled(problem.column, problem))
        if errors:
            raise InvalidInput(errors)
        number = read_document(row.id_type, row.id_number).number
    except Bad as error:
        raise InvalidInput({"id_number": [_labelled("id_number", error)]}) from None
    if row.id_number != number:
        row.id_number = number
    row.id_digest = str(digest(number))
    holder = _holder(context.session, row)
    if holder is not None:
        seen = holder in _visible(context)
        raise InvalidInput({"id_number": [TAKEN if seen else TAKEN_ELSEWHERE]})


def _labelled(name: str, problem: Any) -> Message:
    return Message(LABELLED, label=_FIELDS[name].label, message=problem.as_message())


def _holder(session: Session, row: StudentRecord) -> str | None:
    """The site that holds another record of this number."""
    with elevated(session, "R20.5 one record per document", StudentRecord):
        return session.scalar(
            select(StudentRecord.site_code).where(
                StudentRecord.id_digest == row.id_digest, StudentRecord.id != (row.id or 0)
            )
        )


def _visible(context: Context) -> set[str]:
    actor = context.actor
    if actor.level is Level.SITE:
        return {actor.site_code}
    return set(context.session.scalars(select(Organisation.code).where(below(actor))))


# ---------------------------------------------------------------- all results of a query

#: what is typed to delete all results: their number, or this word
DELETE_WORD = N_("删除")


def _prepare(session: Session, chosen: Chosen, values: Mapping[str, Any]) -> None:
    """R21.2: the typed confirmation, the second one where nothing is filtered, and the locks."""
    query = chosen.query
    if query is None:
        return
    lock_sites(session, _sites_of(session, chosen))
    typed = str(values.get("typed") or "").strip()
    if typed not in (str(query.expected), DELETE_WORD):
        text = N_("确认输入：请输入要删除的条数 {count}，或输入“删除”")
        raise InvalidInput({"typed": [Message(text, count=query.expected)]})
    # an organisation is no condition: a site's own code, or its superior's choice of it, leaves
    # the whole library chosen
    asked_for = listing.conditions(StudentRecord.__admin__, query, actor_of(session))
    if not values.get("everything") and not asked_for:
        text = N_("没有查询条件：将删除全部学籍，请勾选确认，或取消后先输入查询条件")
        raise InvalidInput({"everything": [text]})


def _sites_of(session: Session, chosen: Chosen) -> set[str]:
    actor = actor_of(session)
    if actor.level is Level.SITE or chosen.query is None:
        return {actor.site_code}
    resource = StudentRecord.__admin__
    statement = listing.statement_for(session, resource, chosen.query)
    codes = session.scalars(statement.with_only_columns(StudentRecord.site_code).distinct())
    return {code for code in codes if code}


def _apply(
    session: Session, rows: Sequence[StudentRecord], _values: object, _context: object
) -> list[RowOutcome]:
    resource = StudentRecord.__admin__
    titles = [(row.id, title_of(resource, row)) for row in rows]
    for row in rows:
        session.delete(row)
    return [RowOutcome(row_id, title, True) for row_id, title in titles]


DELETE_ALL = register(
    Operation(
        name="student_record_delete_all",
        label=N_("删除全部查询结果"),
        resource="student_record",
        on=frozenset({On.QUERY}),
        apply=_apply,
        prepare=_prepare,
        verbs={Level.PROVINCE: ONLY_RUN, Level.SITE: ONLY_RUN},
        window=Window.ELIGIBILITY,
        current_only=True,
        fields=(
            Field(
                name="typed",
                label=N_("确认输入"),
                personal=Personal.NONE,
                required=True,
                max_length=20,
                help=N_("请输入要删除的条数，或输入“删除”"),
            ),
            Field(
                name="everything",
                label=N_("没有查询条件时，确认删除全部学籍"),
                personal=Personal.NONE,
                kind=Kind.BOOLEAN,
            ),
        ),
        confirm=N_(
            "将删除查询结果的全部 {count} 条学籍，删除后不能恢复；已报名的考生不受影响。"
            "删除在后台执行。"
        ),
        danger=True,
        reauthenticate=True,
        inline_up_to=0,
        icon="fa-trash",
    )
)


__all__ = [
    "DELETE_ALL",
    "DELETE_WORD",
    "OnlyInCurrentExam",
    "lock_sites",
    "require_current",
]
