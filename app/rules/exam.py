"""Exam sessions (R0.4, R0.4a, R0.6): create by copying, make current, provinces, days, subjects."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.identifiers import new_id
from app.database.policy import elevated
from app.metadata.declarations import ONLY_RUN, On, Operation, RowOutcome
from app.metadata.errors import N_, InvalidInput, KaowuError, Message
from app.metadata.fields import Field, Kind
from app.metadata.registry import register
from app.metadata.vocabulary import ExamState, Level, Personal, Verb
from app.models.codes import PROVINCES
from app.models.default_settings import DefaultSettings
from app.models.exam import Exam, ExamDay, ExamProvince, ExamSubject, Subject
from app.models.organisation import Organisation
from app.models.roster import RosterAllowedSite, RosterPolicy
from app.models.settings import SiteSettings
from app.rules.crud import Context, before
from app.rules.exam_copying import (
    add_settings,
    copy_defaults,
    copy_organisations,
    copy_roster_policies,
)
from app.rules.policy import widened


class NotReady(KaowuError):
    """A session becomes current with subjects and exam days only."""

    code = "exam.not_ready"
    template = N_("该考次还不能设为当前考次：{missing}。")


_ONLY_PREPARING = N_("只有“筹备”状态的考次可以设为当前考次。")
_ONLY_CURRENT = N_("只有当前考次可以关闭。")
_NOT_HISTORY = N_("历史考次只能查看和导出，不能修改。")


class NotPreparing(KaowuError):
    """Only a session in preparation can become current; history never returns."""

    code = "exam.not_preparing"
    template = _ONLY_PREPARING


class NotCurrent(KaowuError):
    """Only the current session can be closed."""

    code = "exam.not_current"
    template = _ONLY_CURRENT


class IsHistory(KaowuError):
    """Nothing of a session of the past changes (R0.4)."""

    code = "exam.is_history"
    template = _NOT_HISTORY


def latest(session: Session, *, but: int | None = None) -> Exam | None:
    """The session with the highest number, apart from `but`."""
    statement = select(Exam).order_by(Exam.number.desc())
    if but is not None:
        statement = statement.where(Exam.id != but)
    return session.scalars(statement).first()


@before("exam", Verb.ADD)
def _create(row: Exam, context: Context) -> None:
    """Copy organisations (with review state, R7.5) and the roster policies (R0.6b)."""
    session = context.session
    if row.age_min > row.age_max:
        raise InvalidInput({"age_max": [N_("最大年龄不能小于最小年龄")]})
    row.id, row.state = new_id(), ExamState.PREPARING.value
    source = latest(session, but=row.id)
    session.add(row)
    if source is None:
        return
    reason = "copy a session"
    copied = (Organisation, RosterPolicy, RosterAllowedSite, ExamProvince)
    models = (*copied, DefaultSettings, SiteSettings)
    with widened(session, Exam, *models), elevated(session, reason, *models):
        session.flush()
        ids = copy_organisations(session, source.id, row.id)
        copy_roster_policies(session, source.id, row.id, ids)
        copy_defaults(session, source.id, row.id, ids)
        add_settings(session, row.id)
        for item in session.scalars(
            select(ExamProvince).where(ExamProvince.exam_id == source.id)
        ).all():
            session.add(ExamProvince(exam_id=row.id, province_code=item.province_code))
        session.flush()


@before("exam", Verb.EDIT)
def _edit(row: Exam, _context: Context) -> None:
    if row.age_min > row.age_max:
        raise InvalidInput({"age_max": [N_("最大年龄不能小于最小年龄")]})


def make_current(session: Session, exam: Exam) -> None:
    """preparing → current; the former current one becomes history (§2.2).

    Raises NotPreparing, NotReady (subjects or days are missing).
    """
    if exam.state != ExamState.PREPARING.value:
        raise NotPreparing()
    with elevated(session, "check a session before it becomes current", ExamSubject, ExamDay):
        missing = [
            label
            for model, label in ((ExamSubject, N_("未设置科目")), (ExamDay, N_("未设置考试日期")))
            if session.scalar(select(model.id).where(model.exam_id == exam.id).limit(1)) is None
        ]
    if missing:
        raise NotReady(missing=missing)
    for other in session.scalars(select(Exam).where(Exam.state == ExamState.CURRENT.value)).all():
        other.state = ExamState.HISTORY.value
    session.flush()  # exactly one may be current at any moment
    exam.state = ExamState.CURRENT.value
    session.flush()


def _apply_make_current(
    session: Session, rows: list[Exam], _values: object, _context: object
) -> list[RowOutcome]:
    for row in rows:
        make_current(session, row)
    return [RowOutcome(row.id, row.display, True) for row in rows]


def close(session: Session, exam: Exam) -> None:
    """current → history (R0.6); no session is current until another is made so.

    Raises NotCurrent.
    """
    if exam.state != ExamState.CURRENT.value:
        raise NotCurrent()
    exam.state = ExamState.HISTORY.value
    session.flush()


def _apply_close(
    session: Session, rows: list[Exam], _values: object, _context: object
) -> list[RowOutcome]:
    for row in rows:
        close(session, row)
    return [RowOutcome(row.id, row.display, True) for row in rows]


def set_provinces(session: Session, exam: Exam, codes: Iterable[str]) -> None:
    """The participating provinces (R1.1a) become exactly `codes`. Raises IsHistory."""
    if exam.state == ExamState.HISTORY.value:
        raise IsHistory()
    rows = session.scalars(select(ExamProvince).where(ExamProvince.exam_id == exam.id)).all()
    wanted = set(codes)
    for row in rows:
        if row.province_code not in wanted:
            session.delete(row)
    for code in sorted(wanted - {row.province_code for row in rows}):
        session.add(ExamProvince(exam_id=exam.id, province_code=code))
    session.flush()


def _apply_provinces(
    session: Session, rows: list[Exam], values: dict[str, list[str]], _context: object
) -> list[RowOutcome]:
    for row in rows:
        set_provinces(session, row, values["provinces"] or [])
    return [RowOutcome(row.id, row.display, True) for row in rows]


def participating(session: Session, exam_id: int) -> list[tuple[str, str]]:
    """(code, name) of the provinces of a session, for the entry pages."""
    codes = session.scalars(
        select(ExamProvince.province_code).where(ExamProvince.exam_id == exam_id)
    )
    return [(code, PROVINCES.name(code)) for code in sorted(codes)]


def _refusal(refused: str, *states: ExamState) -> Callable[[Exam], str | None]:
    """The `allowed` of an operation that makes sense in these states only."""

    def allowed(row: Exam) -> str | None:
        return None if ExamState(row.state) in states else refused

    return allowed


def _ask_to_make_current(session: Session, rows: Sequence[Exam]) -> Message:
    """The question names both sessions: the one that is chosen and the one that it ends."""
    (row,) = rows
    former = session.scalars(select(Exam).where(Exam.state == ExamState.CURRENT.value)).first()
    if former is None:
        return Message(N_("确定把“{exam}”设为当前考次？"), exam=row.display)
    return Message(
        N_("确定把“{exam}”设为当前考次？原当前考次“{former}”将转为历史考次，此后只能查看和导出。"),
        exam=row.display,
        former=former.display,
    )


def _ask_to_close(_session: Session, rows: Sequence[Exam]) -> Message:
    (row,) = rows
    return Message(
        N_(
            "确定关闭当前考次“{exam}”？它将转为历史考次，此后只能查看和导出，且不能恢复；"
            "另设当前考次之前，考生不能报名。"
        ),
        exam=row.display,
    )


def _ask_provinces(_session: Session, rows: Sequence[Exam]) -> Message:
    (row,) = rows
    return Message(N_("设置“{exam}”的参加省份："), exam=row.display)


MAKE_CURRENT = register(
    Operation(
        name="exam_make_current",
        label=N_("设为当前考次"),
        resource="exam",
        on=frozenset({On.ROW}),
        apply=_apply_make_current,
        verbs={Level.CENTER: ONLY_RUN},
        super_verbs=ONLY_RUN,
        per_exam=False,
        writes=(Exam,),
        question=_ask_to_make_current,
        allowed=_refusal(_ONLY_PREPARING, ExamState.PREPARING),
        danger=True,
        reason_required=True,
        reauthenticate=True,
    )
)
CLOSE = register(
    Operation(
        name="exam_close",
        label=N_("关闭考次"),
        resource="exam",
        on=frozenset({On.ROW}),
        apply=_apply_close,
        verbs={Level.CENTER: ONLY_RUN},
        super_verbs=ONLY_RUN,
        per_exam=False,
        writes=(Exam,),
        question=_ask_to_close,
        allowed=_refusal(_ONLY_CURRENT, ExamState.CURRENT),
        danger=True,
        reason_required=True,
        reauthenticate=True,
    )
)
SET_PROVINCES = register(
    Operation(
        name="exam_provinces",
        label=N_("参加省份"),
        resource="exam",
        on=frozenset({On.ROW}),
        apply=_apply_provinces,
        verbs={Level.CENTER: ONLY_RUN},
        super_verbs=ONLY_RUN,
        per_exam=False,
        writes=(ExamProvince,),
        question=_ask_provinces,
        allowed=_refusal(_NOT_HISTORY, ExamState.PREPARING, ExamState.CURRENT),
        fields=(
            Field(
                name="provinces",
                label=N_("参加省份"),
                personal=Personal.NONE,
                kind=Kind.CHOICES,
                choices=PROVINCES.choices,
            ),
        ),
        initial=lambda session, row: {
            "provinces": list(
                session.scalars(
                    select(ExamProvince.province_code).where(ExamProvince.exam_id == row.id)
                )
            )
        },
    )
)


def days_lock(exam_id: int | None) -> str:
    """Name of the lock on the exam days of a session. Who puts something on a day (a quota, a
    sitting) shares it before he reads the days; who changes the days takes it."""
    return f"exam days of session {exam_id}"


def days_of(session: Session, exam_id: int, province_id: int | None) -> list[dt.date]:
    """Exam days of a province: its own, or the national ones."""
    with elevated(session, "read exam days", ExamDay):
        rows = session.execute(
            select(ExamDay.province_id, ExamDay.day)
            .where(
                ExamDay.exam_id == exam_id,
                ExamDay.province_id.is_(None) | (ExamDay.province_id == province_id),
            )
            .order_by(ExamDay.day)
        ).all()
    own = [day for owner, day in rows if owner is not None]
    return own or [day for _, day in rows]


def add_from_catalogue(session: Session, exam_id: int) -> int:
    """Offer every active subject of the catalogue that the session does not have; returns how
    many were added. Name and length are copied: they may change in later sessions."""
    known = set(session.scalars(select(ExamSubject.subject_code)))
    added = 0
    for subject in session.scalars(select(Subject).where(Subject.active)).all():
        if subject.code in known:
            continue
        session.add(
            ExamSubject(
                exam_id=exam_id,
                subject_code=subject.code,
                name=subject.name,
                level=subject.level,
                minutes=subject.minutes,
            )
        )
        added += 1
    session.flush()
    return added


def _apply_catalogue(
    session: Session, _rows: object, _values: object, context: object
) -> list[RowOutcome]:
    actor = session.info["kaowu"].actor
    count = add_from_catalogue(session, actor.exam_id)
    return [RowOutcome(0, Message(N_("新增科目 {count} 个"), count=count), True)]


FROM_CATALOGUE = register(
    Operation(
        name="exam_subject_from_catalogue",
        label=N_("从目录添加"),
        resource="exam_subject",
        on=frozenset({On.PAGE}),
        apply=_apply_catalogue,
        verbs={Level.CENTER: ONLY_RUN},
        writes=(ExamSubject,),
        confirm=N_("把科目目录中在用的科目全部加入本考次？"),
    )
)
