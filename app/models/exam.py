"""Exam sessions (考次), their provinces, days, subjects and operation windows."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database.base import (
    PLUMBING,
    AdministratorsOnly,
    Base,
    ExamScoped,
    OrganisationPath,
    PublicInExam,
    Stamped,
    UtcDateTime,
    Versioned,
)
from app.metadata.actor import Actor
from app.metadata.declarations import LOOK, MANAGE, Place, Resource
from app.metadata.errors import N_
from app.metadata.fields import Computed, Search, col
from app.metadata.vocabulary import (
    EXAM_STATE_LABELS,
    Area,
    ExamState,
    Level,
    Personal,
    Verb,
    Window,
)
from app.models.organisation import Organisation

EXAM_STATES = {state.value: label for state, label in EXAM_STATE_LABELS.items()}
SUBJECT_LEVELS = {"1": N_("一级"), "2": N_("二级"), "3": N_("三级"), "4": N_("四级")}
CODE_TABLES = {
    "id_type": N_("证件类型"),
    "ethnic": N_("民族"),
    "education": N_("文化程度"),
    "occupation": N_("职业"),
    "violation": N_("违纪类型"),
    "rejection": N_("不通过类型"),
}


class Exam(Base, Stamped, Versioned):
    """A session: its number, title, state and the rules that hold for the whole country."""

    __tablename__ = "exam"
    __table_args__ = (
        # exactly one is current (R0.4a)
        Index(
            "uq_exam_one_current",
            "state",
            unique=True,
            postgresql_where=text("state = 'current'"),
            sqlite_where=text("state = 'current'"),
        ),
        CheckConstraint("age_min >= 0 AND age_max >= age_min", name="ages"),
    )

    __admin__ = Resource(
        name="exam",
        label=N_("考次管理"),
        noun=N_("考次"),
        menu=Place(Area.BASIC, 20),
        verbs={Level.CENTER: LOOK | {Verb.ADD, Verb.EDIT}},
        super_verbs=LOOK | {Verb.ADD, Verb.EDIT},
        per_exam=False,
        order=(("number", "desc"),),
        help=N_("新考次会复制最近考次的机构（含审核状态）和学籍报考设置；其他设置在各自页面复制。"),
    )

    number: Mapped[int] = mapped_column(
        Integer,
        unique=True,
        info=col(N_("考次号"), Personal.NONE, listed=True, immutable=True, minimum=1, maximum=9999),
    )
    code: Mapped[str] = mapped_column(
        String(2),
        info=col(
            N_("准考证考次代码"),
            Personal.NONE,
            listed=True,
            help=N_("准考证号的第 3、4 位"),
        ),
    )
    title: Mapped[str] = mapped_column(
        String(60), info=col(N_("考次名称"), Personal.NONE, listed=True)
    )
    state: Mapped[str] = mapped_column(
        String(10),
        default=ExamState.PREPARING.value,
        info=col(
            N_("状态"),
            Personal.NONE,
            choices=EXAM_STATES,
            listed=True,
            form=False,
            badges={"preparing": "info", "current": "ok", "history": "off"},
        ),
    )
    age_min: Mapped[int] = mapped_column(
        Integer, default=6, info=col(N_("最小年龄"), Personal.NONE, minimum=0, maximum=120)
    )
    age_max: Mapped[int] = mapped_column(
        Integer, default=80, info=col(N_("最大年龄"), Personal.NONE, minimum=0, maximum=120)
    )
    release_at: Mapped[dt.datetime | None] = mapped_column(
        UtcDateTime, info=col(N_("成绩发布时间"), Personal.NONE)
    )

    @property
    def display(self) -> str:
        """“(58) 2020全国计算机等级考试” (R0.8)."""
        return f"({self.number}) {self.title}"


class ExamProvince(Base):
    """A province that takes part in a session (R1.1a)."""

    __tablename__ = "exam_province"
    __table_args__ = (UniqueConstraint("exam_id", "province_code"),)

    exam_id: Mapped[int] = mapped_column(ForeignKey("exam.id"), info=PLUMBING)
    province_code: Mapped[str] = mapped_column(
        String(2), info=col(N_("省"), Personal.NONE, listed=True)
    )


def _days_seen(actor: Actor) -> Any:
    """The national days and those of the actor's province; the centre sees all of them."""
    if actor.level is Level.CENTER:
        return true()
    return ExamDay.province_id.is_(None) | (ExamDay.province_id == actor.province_id)


class ExamDay(Base, ExamScoped, PublicInExam, Versioned):
    """An exam day of a session in a province; `province_id` empty means all provinces."""

    __tablename__ = "exam_day"
    __table_args__ = (
        UniqueConstraint("exam_id", "province_id", "day"),
        # to the constraint above, two national days differ: no NULL equals another
        Index(
            "uq_exam_day_national",
            "exam_id",
            "day",
            unique=True,
            postgresql_where=text("province_id IS NULL"),
            sqlite_where=text("province_id IS NULL"),
        ),
    )
    __admin__ = Resource(
        name="exam_day",
        label=N_("考试日期"),
        menu=Place(Area.BASIC, 30),
        verbs={
            Level.CENTER: MANAGE,
            Level.PROVINCE: MANAGE,
            Level.CITY: LOOK,
            Level.SITE: LOOK,
        },
        row_filter=_days_seen,
        of_provinces=True,
        keeps=lambda row, actor: row.province_id == actor.province_id,
        order=(("day", "asc"),),
        computed=(Computed("scope", N_("适用范围"), lambda row: row.scope, loads=("province",)),),
        help=N_("中心设置的日期适用于未另行设置的省；省设置后以省的日期为准。"),
    )

    province_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"), info=PLUMBING)
    day: Mapped[dt.date] = mapped_column(Date, info=col(N_("考试日期"), Personal.NONE, listed=True))

    province: Mapped[Organisation | None] = relationship()

    @property
    def scope(self) -> str:
        """The province whose day it is, or all that have set none."""
        return self.province.display if self.province else N_("未另行设置的省")


class Subject(Base, Versioned):
    """The national subject catalogue; which are active is data per session (ExamSubject)."""

    __tablename__ = "subject"
    __admin__ = Resource(
        name="subject",
        label=N_("科目目录"),
        noun=N_("科目"),
        menu=Place(Area.BASIC, 40),
        verbs={
            Level.CENTER: MANAGE,
            Level.PROVINCE: LOOK,
            Level.CITY: LOOK,
            Level.SITE: LOOK,
        },
        super_verbs=MANAGE,
        per_exam=False,
        order=(("code", "asc"),),
        api=True,
    )

    code: Mapped[str] = mapped_column(
        String(2),
        unique=True,
        info=col(N_("科目代码"), Personal.NONE, listed=True, search=Search.EXACT, immutable=True),
    )
    name: Mapped[str] = mapped_column(
        String(40), info=col(N_("科目名称"), Personal.NONE, listed=True, search=Search.PREFIX)
    )
    level: Mapped[str] = mapped_column(
        String(1),
        info=col(
            N_("级别"), Personal.NONE, choices=SUBJECT_LEVELS, listed=True, search=Search.CHOICE
        ),
    )
    minutes: Mapped[int] = mapped_column(
        Integer,
        info=col(N_("考试时长（分钟）"), Personal.NONE, listed=True, minimum=10, maximum=600),
    )
    active: Mapped[bool] = mapped_column(
        Boolean, default=True, info=col(N_("在用"), Personal.NONE, listed=True)
    )

    @property
    def display(self) -> str:
        return f"({self.code}){self.name}"


class ExamSubject(Base, ExamScoped, PublicInExam):
    """A subject offered in a session, with name and length as they are in that session."""

    __tablename__ = "exam_subject"
    __table_args__ = (UniqueConstraint("exam_id", "subject_code"),)
    __admin__ = Resource(
        name="exam_subject",
        label=N_("本考次科目"),
        menu=Place(Area.BASIC, 50),
        verbs={
            Level.CENTER: MANAGE,
            Level.PROVINCE: LOOK,
            Level.CITY: LOOK,
            Level.SITE: LOOK,
        },
        order=(("subject_code", "asc"),),
    )

    subject_code: Mapped[str] = mapped_column(
        String(2),
        info=col(N_("科目代码"), Personal.NONE, listed=True, search=Search.EXACT, immutable=True),
    )
    name: Mapped[str] = mapped_column(
        String(40), info=col(N_("科目名称"), Personal.NONE, listed=True)
    )
    level: Mapped[str] = mapped_column(
        String(1), info=col(N_("级别"), Personal.NONE, choices=SUBJECT_LEVELS, listed=True)
    )
    minutes: Mapped[int] = mapped_column(
        Integer, info=col(N_("考试时长（分钟）"), Personal.NONE, listed=True, minimum=10)
    )

    @property
    def display(self) -> str:
        return f"({self.subject_code}){self.name}"


def _moment(label: str) -> Mapped[dt.datetime | None]:
    return mapped_column(UtcDateTime, info=col(label, Personal.NONE, listed=True))


class OperationWindow(Base, OrganisationPath, AdministratorsOnly, Stamped, Versioned):
    """The nine windows of one organisation (R0.1); the column stems are `Window` values.

    Order and headings are those of the manual's grid (R9.1: only the first says 截止).
    """

    __tablename__ = "operation_window"
    __table_args__ = (UniqueConstraint("exam_id", "organisation_id"),)

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), info=PLUMBING)
    setup_start: Mapped[dt.datetime | None] = _moment(N_("报名前设置开始时间"))
    setup_end: Mapped[dt.datetime | None] = _moment(N_("报名前设置截止时间"))
    eligibility_start: Mapped[dt.datetime | None] = _moment(N_("报名资格管理开始时间"))
    eligibility_end: Mapped[dt.datetime | None] = _moment(N_("报名资格管理结束时间"))
    registration_start: Mapped[dt.datetime | None] = _moment(N_("报名管理开始时间"))
    registration_end: Mapped[dt.datetime | None] = _moment(N_("报名管理结束时间"))
    online_start: Mapped[dt.datetime | None] = _moment(N_("考生网上报名最早时间"))
    online_end: Mapped[dt.datetime | None] = _moment(N_("考生网上报名最晚时间"))
    arrangement_start: Mapped[dt.datetime | None] = _moment(N_("编排开始时间"))
    arrangement_end: Mapped[dt.datetime | None] = _moment(N_("编排结束时间"))
    ticket_start: Mapped[dt.datetime | None] = _moment(N_("准考证打印开始时间"))
    discipline_start: Mapped[dt.datetime | None] = _moment(N_("缺考违纪管理开始时间"))
    discipline_end: Mapped[dt.datetime | None] = _moment(N_("缺考违纪管理结束时间"))
    pre_exam_start: Mapped[dt.datetime | None] = _moment(N_("考前资料下载开始时间"))
    pre_exam_end: Mapped[dt.datetime | None] = _moment(N_("考前资料下载结束时间"))
    post_exam_start: Mapped[dt.datetime | None] = _moment(N_("考后资料下载开始时间"))
    post_exam_end: Mapped[dt.datetime | None] = _moment(N_("考后资料下载结束时间"))

    def interval(self, window: Window) -> tuple[dt.datetime | None, dt.datetime | None]:
        """Start and end of a window; the end of W6 is always None."""
        start = getattr(self, f"{window.value}_start")
        return start, None if window.open_ended else getattr(self, f"{window.value}_end")


class CodeEntry(Base, Versioned):
    """One code of a code table (民族, 文化程度, …), editable by 中心 (R0.6, §5)."""

    __tablename__ = "code_entry"
    __table_args__ = (UniqueConstraint("table_name", "code"),)
    __admin__ = Resource(
        name="code_entry",
        label=N_("代码表"),
        noun=N_("代码"),
        menu=Place(Area.SYSTEM, 30),
        verbs={
            Level.CENTER: LOOK | {Verb.ADD, Verb.EDIT},
            Level.PROVINCE: LOOK,
            Level.CITY: LOOK,
            Level.SITE: LOOK,
        },
        super_verbs=LOOK | {Verb.ADD, Verb.EDIT},
        per_exam=False,
        order=(("table_name", "asc"), ("code", "asc")),
        help=N_("代码一经使用不能删除，可以停用。"),
    )

    table_name: Mapped[str] = mapped_column(
        String(20),
        info=col(
            N_("代码表"),
            Personal.NONE,
            choices=CODE_TABLES,
            listed=True,
            search=Search.CHOICE,
            immutable=True,
        ),
    )
    code: Mapped[str] = mapped_column(
        String(4),
        info=col(N_("代码"), Personal.NONE, listed=True, search=Search.EXACT, immutable=True),
    )
    name: Mapped[str] = mapped_column(
        String(40), info=col(N_("名称"), Personal.NONE, listed=True, search=Search.PREFIX)
    )
    rank: Mapped[int | None] = mapped_column(
        Integer, info=col(N_("次序"), Personal.NONE, listed=True, minimum=0, maximum=99)
    )
    active: Mapped[bool] = mapped_column(
        Boolean, default=True, info=col(N_("在用"), Personal.NONE, listed=True)
    )
