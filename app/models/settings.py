"""What is set before registration: by the province, and by the site (chapters 10-19)."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.database.base import (
    PLUMBING,
    AdministratorsOnly,
    Base,
    Fen,
    OrganisationPath,
    PublicInExam,
    SiteScoped,
    Stamped,
    UtcDateTime,
    Versioned,
)
from app.metadata.errors import N_
from app.metadata.fields import Kind, Search, col
from app.metadata.vocabulary import Level, Personal

#: Capacity 99999 means 不限 (R13.3).
UNLIMITED = 99_999


class SiteSettings(Base, SiteScoped, PublicInExam, Stamped, Versioned):
    """考点报名综合设置 (R10.4) and 考生报名时间设置 (R15.3)."""

    __tablename__ = "site_settings"
    __table_args__ = (
        UniqueConstraint("exam_id", "site_id"),
        CheckConstraint("max_subjects BETWEEN 1 AND 3", name="max_subjects"),
    )

    open: Mapped[bool] = mapped_column(
        Boolean, default=False, info=col(N_("考点开考"), Personal.NONE, listed=True)
    )
    collective_registration: Mapped[bool] = mapped_column(
        Boolean, default=False, info=col(N_("集体报名"), Personal.NONE, listed=True)
    )
    collective_payment: Mapped[bool] = mapped_column(
        Boolean, default=False, info=col(N_("集体缴费"), Personal.NONE, listed=True)
    )
    review_required: Mapped[bool] = mapped_column(
        Boolean, default=False, info=col(N_("报名信息需要审核"), Personal.NONE, listed=True)
    )
    class_required: Mapped[bool] = mapped_column(
        Boolean, default=False, info=col(N_("班级必需"), Personal.NONE, listed=True)
    )
    max_subjects: Mapped[int] = mapped_column(
        Integer,
        default=3,
        info=col(N_("报考最大科次数量"), Personal.NONE, listed=True, minimum=1, maximum=3),
    )
    self_printing: Mapped[bool] = mapped_column(
        Boolean, default=True, info=col(N_("允许考生个人打印准考证"), Personal.NONE, listed=True)
    )
    preference_allowed: Mapped[bool] = mapped_column(
        Boolean,
        default=False,
        info=col(
            N_("允许考生选择意向考试日期"),
            Personal.NONE,
            listed=True,
            editable_from=Level.PROVINCE,
            help=N_("由省设置"),
        ),
    )
    online_enabled: Mapped[bool] = mapped_column(
        Boolean, default=False, info=col(N_("开启个人网报"), Personal.NONE, form=False)
    )
    online_start: Mapped[dt.datetime | None] = mapped_column(
        UtcDateTime, info=col(N_("网报开始时间"), Personal.NONE, form=False)
    )
    online_end: Mapped[dt.datetime | None] = mapped_column(
        UtcDateTime, info=col(N_("网报截止时间"), Personal.NONE, form=False)
    )


class ProvinceSubject(Base, OrganisationPath, PublicInExam, Stamped, Versioned):
    """省开考科目: subject offered in a province, with the days within which it is held."""

    __tablename__ = "province_subject"
    __table_args__ = (
        UniqueConstraint("exam_id", "province_id", "subject_code"),
        CheckConstraint("first_day <= last_day", name="days"),
    )

    subject_code: Mapped[str] = mapped_column(
        String(2), info=col(N_("科目代码"), Personal.NONE, listed=True, immutable=True)
    )
    first_day: Mapped[dt.date] = mapped_column(
        Date, info=col(N_("考试开始日期"), Personal.NONE, listed=True)
    )
    last_day: Mapped[dt.date] = mapped_column(
        Date, info=col(N_("考试结束日期"), Personal.NONE, listed=True)
    )


class SiteSubject(Base, SiteScoped, PublicInExam, Stamped):
    """考点开考科目 (R11): days within the province's, immutable once added."""

    __tablename__ = "site_subject"
    __table_args__ = (
        UniqueConstraint("exam_id", "site_id", "subject_code"),
        CheckConstraint("first_day <= last_day", name="days"),
    )

    subject_code: Mapped[str] = mapped_column(
        String(2),
        info=col(N_("科目代码"), Personal.NONE, listed=True, immutable=True, search=Search.EXACT),
    )
    first_day: Mapped[dt.date] = mapped_column(
        Date, info=col(N_("考试开始日期"), Personal.NONE, listed=True, immutable=True)
    )
    last_day: Mapped[dt.date] = mapped_column(
        Date, info=col(N_("考试结束日期"), Personal.NONE, listed=True, immutable=True)
    )


#: Pseudo subject of the fee charged once per registration (人次费, R12.5).
PERSON_FEE = "PERSON"


class Fee(Base, SiteScoped, PublicInExam, Stamped, Versioned):
    """考点费用: 人次费 or the fee of one subject, in fen, set by the province (R12)."""

    __tablename__ = "fee"
    __table_args__ = (
        UniqueConstraint("exam_id", "site_id", "subject_code"),
        CheckConstraint("amount >= 0", name="amount"),
    )

    subject_code: Mapped[str] = mapped_column(
        String(6), info=col(N_("科目代码"), Personal.NONE, listed=True, immutable=True)
    )
    amount: Mapped[int] = mapped_column(
        Fen,
        info=col(
            N_("金额（元）"),
            Personal.NONE,
            listed=True,
            minimum=0,
            editable_from=Level.PROVINCE,
        ),
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


class RosterPolicy(Base, SiteScoped, PublicInExam, Stamped, Versioned):
    """学籍报考设置 (R19), set by the province; defaults R19.4c."""

    __tablename__ = "roster_policy"
    __table_args__ = (UniqueConstraint("exam_id", "site_id"),)

    roster_enabled: Mapped[bool] = mapped_column(
        Boolean,
        default=False,
        info=col(N_("启用学籍库"), Personal.NONE, listed=True, editable_from=Level.PROVINCE),
    )
    own_province_only: Mapped[bool] = mapped_column(
        Boolean,
        default=False,
        info=col(
            N_("仅接受本省学籍库考生报考"),
            Personal.NONE,
            listed=True,
            editable_from=Level.PROVINCE,
        ),
    )
    own_site_only: Mapped[bool] = mapped_column(
        Boolean,
        default=False,
        info=col(
            N_("仅接受本考点学籍库考生报考"),
            Personal.NONE,
            listed=True,
            editable_from=Level.PROVINCE,
        ),
    )


class RosterAllowedSite(Base, SiteScoped, AdministratorsOnly):
    """可报考考点: a site that students of `site_id` may choose; none = unlimited (R19.5)."""

    __tablename__ = "roster_allowed_site"
    __table_args__ = (UniqueConstraint("exam_id", "site_id", "allowed_site_id"),)

    allowed_site_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), info=PLUMBING)


class CapacityPool(Base, SiteScoped, PublicInExam):
    """Seats of a site: the total, each subject, each preference day (load.md, decision 1).

    `pool`: "TOTAL", "S:<subject>", "D:<yyyy-mm-dd>". `used` counts live entries; the CHECK is the
    last line of defence against overselling. Written by `rules.capacity` alone.
    """

    __tablename__ = "capacity_pool"
    __table_args__ = (
        UniqueConstraint("exam_id", "site_id", "pool"),
        CheckConstraint("used >= 0 AND used <= capacity", name="not_oversold"),
        CheckConstraint("capacity >= 0 AND capacity <= 99999", name="capacity"),
        Index(None, "exam_id", "province_id", "pool"),
    )

    pool: Mapped[str] = mapped_column(String(12), info=col(N_("容量池"), Personal.NONE))
    capacity: Mapped[int] = mapped_column(
        Integer, info=col(N_("容量"), Personal.NONE, minimum=0, maximum=UNLIMITED)
    )
    used: Mapped[int] = mapped_column(
        Integer, default=0, info=col(N_("已报"), Personal.NONE, form=False)
    )
