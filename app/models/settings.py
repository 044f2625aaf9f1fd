"""What is set before registration: by the province, and by the site (chapters 10-19)."""

from __future__ import annotations

import datetime as dt
from zlib import crc32

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Integer,
    String,
    Text,
    UniqueConstraint,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from app.database.base import (
    PLUMBING,
    Base,
    Fen,
    OrganisationPath,
    PublicInExam,
    SiteScoped,
    Stamped,
    UtcDateTime,
    Versioned,
)
from app.database.policy import elevated
from app.metadata.actor import Actor
from app.metadata.declarations import CHANGE, LOOK, MANAGE, Place, Resource
from app.metadata.errors import N_, Message
from app.metadata.fields import Computed, Kind, Search, col
from app.metadata.vocabulary import Area, Level, Personal, Verb, Window
from app.models.exam import ExamSubject, OperationWindow
from app.models.organisation import Organisation

#: Site settings may be written inside W1 by the site, and by the province, or a city that it has
#: entrusted with them, inside their own (P4).
SETTERS = frozenset({Level.SITE, Level.PROVINCE, Level.CITY})
SITE_ORDER = (("province_id", "asc"), ("site_id", "asc"))
SITE_COLUMN = Computed(
    "site_name", N_("考点"), lambda row: row.site.display if row.site else "", loads=("site",)
)


#: tags of switches in lists
YES_OR_NO = {"1": "ok", "0": "off"}


def switch(
    label: str, sentence: str, *, default: bool = False, search: Search | None = None
) -> Mapped[bool]:
    """A switch with the manual's sentence about it (R10.4)."""
    info = col(label, Personal.NONE, listed=True, help=sentence, badges=YES_OR_NO, search=search)
    return mapped_column(Boolean, default=default, info=info)


class GeneralSettings:
    """The switches of 考点报名综合设置 (R10.4), for one site or as the defaults of many."""

    open: Mapped[bool] = switch(N_("考点开考"), N_("是否开考"), search=Search.CHOICE)
    collective_registration: Mapped[bool] = switch(
        N_("集体报名"), N_("是否启用考点管理员代考生集体报名")
    )
    collective_payment: Mapped[bool] = switch(
        N_("集体缴费"), N_("是否启用考点管理员批量代考生缴费")
    )
    review_required: Mapped[bool] = switch(
        N_("报名信息需要审核"), N_("启用情况下，考生的报名信息需要审核通过才可以缴费")
    )
    class_required: Mapped[bool] = switch(
        N_("班级必需"), N_("启用情况下，报考本考点的考生必须填写班级信息")
    )
    max_subjects: Mapped[int] = mapped_column(
        Integer,
        default=3,
        info=col(
            N_("报考最大科次数量"),
            Personal.NONE,
            listed=True,
            minimum=1,
            maximum=3,
            help=N_("单个考生在本考点最多报考科目数量，可设置值范围为 1~3"),
        ),
    )
    self_printing: Mapped[bool] = switch(
        N_("允许考生个人打印准考证"),
        N_("不启用情况下，考生不能下载自己的准考证，只有由考点通过《准考证管理》下载后下发。"),
        default=True,
    )
    preference_allowed: Mapped[bool] = mapped_column(
        Boolean,
        default=False,
        info=col(
            N_("允许考生选择意向考试日期"),
            Personal.NONE,
            listed=True,
            badges=YES_OR_NO,
            editable_from=Level.PROVINCE,
            help=N_(
                "由省管理员设置是否启用，启用的情况下，考点需要在“意向考试相关设置”页面，"
                "自己设置意向考试日期的人数。"
            ),
        ),
    )


#: the columns of `GeneralSettings`, in the order of the manual's table
GENERAL = (
    "open",
    "collective_registration",
    "collective_payment",
    "review_required",
    "class_required",
    "max_subjects",
    "self_printing",
    "preference_allowed",
)


class SiteSettings(Base, SiteScoped, PublicInExam, GeneralSettings, Stamped, Versioned):
    """考点报名综合设置 (R10.4) and 考生报名时间设置 (R15.3)."""

    __tablename__ = "site_settings"
    __table_args__ = (
        UniqueConstraint("exam_id", "site_id"),
        CheckConstraint("max_subjects BETWEEN 1 AND 3", name="max_subjects"),
    )
    __admin__ = Resource(
        name="site_settings",
        label=N_("考点报名综合设置"),
        menu=Place(Area.SETUP, 10),
        verbs={
            Level.CENTER: LOOK,
            Level.PROVINCE: CHANGE,
            Level.CITY: LOOK,
            Level.SITE: CHANGE,
        },
        entrusted=frozenset({Verb.EDIT}),
        window=Window.SETUP,
        binds=SETTERS,
        single=frozenset({Level.SITE}),
        order=SITE_ORDER,
        computed=(SITE_COLUMN,),
        columns=("site_name", *GENERAL, "suspension_reason"),
        shown=(*GENERAL, "suspension_reason"),
        searches=("open",),
        help=N_("不建议在报名时间内更改考点报名综合设置。"),
    )

    #: somebody has saved 考点开考, on or off; a row made with the defaults does not tell (R10.4)
    opening_decided: Mapped[bool] = mapped_column(
        Boolean, default=False, info=col(N_("已决定是否开考"), Personal.NONE, form=False)
    )
    #: 停考 by the province in an emergency (R10.4a): why; the site is then not `open`
    suspension_reason: Mapped[str | None] = mapped_column(
        String(200), info=col(N_("停考原因"), Personal.NONE, form=False)
    )
    online_enabled: Mapped[bool] = mapped_column(
        Boolean,
        default=False,
        info=col(
            N_("开启个人网报"),
            Personal.NONE,
            form=False,
            search=Search.CHOICE,
            badges=YES_OR_NO,
        ),
    )
    online_start: Mapped[dt.datetime | None] = mapped_column(
        UtcDateTime, info=col(N_("网报开始时间"), Personal.NONE, form=False)
    )
    online_end: Mapped[dt.datetime | None] = mapped_column(
        UtcDateTime, info=col(N_("网报截止时间"), Personal.NONE, form=False)
    )

    site: Mapped[Organisation | None] = relationship(
        primaryjoin="foreign(SiteSettings.site_id) == Organisation.id", viewonly=True
    )
    window: Mapped[OperationWindow | None] = relationship(
        primaryjoin="foreign(SiteSettings.site_id) == OperationWindow.organisation_id",
        viewonly=True,
    )
    notice: Mapped[Notice | None] = relationship(
        primaryjoin="foreign(SiteSettings.site_id) == Notice.organisation_id", viewonly=True
    )
    class_options: Mapped[list[ClassOption]] = relationship(
        primaryjoin="SiteSettings.site_id == foreign(ClassOption.site_id)",
        order_by="ClassOption.position",
        viewonly=True,
        uselist=True,
    )

    @property
    def is_undecided(self) -> bool:
        """The row is there from the first day: nobody has decided yet whether the site opens."""
        return not (self.open or self.opening_decided)

    @property
    def class_text(self) -> str:
        """班级选项 as the form holds them: “会计一班；会计二班” (R18.1)."""
        return "；".join(option.name for option in self.class_options)

    @property
    def class_version(self) -> int:
        return crc32(self.class_text.encode())

    @property
    def notice_version(self) -> int:
        return self.notice.version if self.notice is not None else 0


def national_subjects(session: Session, _actor: Actor) -> dict[str, str]:
    """Subjects of the session: {code: “(14)…”}."""
    rows = session.scalars(select(ExamSubject).order_by(ExamSubject.subject_code))
    return {row.subject_code: row.display for row in rows}


class ProvinceSubject(Base, OrganisationPath, PublicInExam, Stamped, Versioned):
    """省开考科目: subject offered in a province, with the days within which it is held."""

    __tablename__ = "province_subject"
    __table_args__ = (
        UniqueConstraint("exam_id", "province_id", "subject_code"),
        CheckConstraint("first_day <= last_day", name="days"),
    )
    __admin__ = Resource(
        name="province_subject",
        label=N_("省开考科目设置"),
        noun=N_("省开考科目"),
        menu=Place(Area.SETUP, 5),
        verbs={
            Level.CENTER: LOOK,
            Level.PROVINCE: MANAGE,
            Level.CITY: LOOK,
            Level.SITE: LOOK,
        },
        from_above=True,
        of_provinces=True,
        organisation_column=True,
        order=(("subject_code", "asc"),),
        help=N_("考点只能在省开考科目及其考试日期范围内选择开考科目。"),
    )

    subject_code: Mapped[str] = mapped_column(
        String(2),
        info=col(N_("科目"), Personal.NONE, listed=True, immutable=True, options=national_subjects),
    )
    first_day: Mapped[dt.date] = mapped_column(
        Date, info=col(N_("考试开始日期"), Personal.NONE, listed=True)
    )
    last_day: Mapped[dt.date] = mapped_column(
        Date, info=col(N_("考试结束日期"), Personal.NONE, listed=True)
    )


def provincial_subjects(session: Session, actor: Actor) -> dict[str, str]:
    """Subjects that the actor's province offers, of which a site chooses (R11.2); above the
    provinces those of all: {code: “(14)…”}."""
    names = national_subjects(session, actor)
    offered = select(ProvinceSubject.subject_code).where(ProvinceSubject.exam_id == actor.exam_id)
    if actor.province_id is not None:
        offered = offered.where(ProvinceSubject.province_id == actor.province_id)
    with elevated(session, "read the province's subjects", ProvinceSubject):
        codes = set(session.scalars(offered))
    return {code: names.get(code, code) for code in sorted(codes)}


class SiteSubject(Base, SiteScoped, PublicInExam, Stamped):
    """考点开考科目 (R11): days within the province's, immutable once added."""

    __tablename__ = "site_subject"
    __table_args__ = (
        UniqueConstraint("exam_id", "site_id", "subject_code"),
        CheckConstraint("first_day <= last_day", name="days"),
    )
    __admin__ = Resource(
        name="site_subject",
        label=N_("考点开考科目设置"),
        noun=N_("考点开考科目"),
        menu=Place(Area.SETUP, 20),
        verbs={
            Level.CENTER: LOOK,
            Level.PROVINCE: LOOK | {Verb.ADD, Verb.DELETE},
            Level.CITY: LOOK,
            Level.SITE: LOOK | {Verb.ADD, Verb.DELETE},
        },
        entrusted=frozenset({Verb.ADD, Verb.DELETE}),
        window=Window.SETUP,
        binds=SETTERS,
        order=(("subject_code", "asc"),),
        computed=(SITE_COLUMN,),
        columns=("site_name", "subject_code", "first_day", "last_day"),
        help=N_("科目和考试时间添加后不能修改；如需修改，请删除后重新添加。"),
    )

    subject_code: Mapped[str] = mapped_column(
        String(2),
        info=col(
            N_("科目"),
            Personal.NONE,
            listed=True,
            immutable=True,
            search=Search.EXACT,
            options=provincial_subjects,
        ),
    )
    first_day: Mapped[dt.date] = mapped_column(
        Date, info=col(N_("考试开始日期"), Personal.NONE, listed=True, immutable=True)
    )
    last_day: Mapped[dt.date] = mapped_column(
        Date, info=col(N_("考试结束日期"), Personal.NONE, listed=True, immutable=True)
    )

    site: Mapped[Organisation | None] = relationship(
        primaryjoin="foreign(SiteSubject.site_id) == Organisation.id", viewonly=True
    )


#: Pseudo subject of the fee charged once per registration (人次费, R12.5).
PERSON_FEE = "PERSON"


class Fee(Base, SiteScoped, PublicInExam, Stamped, Versioned):
    """考点费用: 人次费 or the fee of one subject, in fen, set by the province (R12); its page is
    the grid `rules.fee_grid`."""

    __tablename__ = "fee"
    __table_args__ = (
        UniqueConstraint("exam_id", "site_id", "subject_code"),
        CheckConstraint("amount >= 0", name="amount"),
    )

    subject_code: Mapped[str] = mapped_column(
        String(6), info=col(N_("科目代码"), Personal.NONE, immutable=True)
    )
    amount: Mapped[int] = mapped_column(
        Fen,
        info=col(
            N_("金额（元）"),
            Personal.NONE,
            minimum=0,
            editable_from=Level.PROVINCE,
        ),
    )

    @property
    def display(self) -> str:
        """人次费, or the fee of a subject."""
        return (
            N_("人次费")
            if self.subject_code == PERSON_FEE
            else Message(N_("科目费（{code}）"), code=self.subject_code)
        )


class Notice(Base, OrganisationPath, PublicInExam, Stamped, Versioned):
    """报名通告 of a province or a site (R16, R17); sanitised rich text."""

    __tablename__ = "notice"
    __table_args__ = (UniqueConstraint("exam_id", "organisation_id"),)

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), info=PLUMBING)
    html: Mapped[str] = mapped_column(
        Text, info=col(N_("通告"), Personal.NONE, kind=Kind.HTML, max_length=5000)
    )


class ClassOption(Base, SiteScoped, PublicInExam):
    """班级选项 of a site, in order (R18)."""

    __tablename__ = "class_option"
    __table_args__ = (UniqueConstraint("exam_id", "site_id", "name"),)

    name: Mapped[str] = mapped_column(String(50), info=col(N_("班级选项"), Personal.NONE))
    position: Mapped[int] = mapped_column(Integer, info=PLUMBING)
