"""Student records (学籍), which belong to no session, and who may register where (19-21)."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Boolean, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database.base import (
    PLUMBING,
    AdministratorsOnly,
    Base,
    Encrypted,
    PublicInExam,
    SiteCodeScoped,
    SiteScoped,
    Stamped,
    UtcDateTime,
    Versioned,
    utc_now,
)
from app.metadata.errors import N_
from app.metadata.fields import col
from app.metadata.masking import mask_id
from app.metadata.vocabulary import Level, Personal
from app.models.codes import EDUCATIONS, ETHNIC_GROUPS
from app.models.person import PersonalData


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


class StudentRecord(Base, SiteCodeScoped, AdministratorsOnly, PersonalData, Stamped, Versioned):
    """学籍 of one person, held by one site, across sessions; unique by document number (R20.5)."""

    __tablename__ = "student_record"
    __table_args__ = (
        UniqueConstraint("id_digest"),
        Index(None, "site_code", "name"),
        Index(None, "site_code", "class_name"),
        Index(None, "province_code", "id"),
    )

    ethnic: Mapped[str] = mapped_column(
        String(2),
        info=col(N_("民族"), Personal.PERSONAL, choices=ETHNIC_GROUPS.choices, listed=True),
    )
    education: Mapped[str] = mapped_column(
        String(2),
        info=col(N_("文化程度"), Personal.PERSONAL, choices=EDUCATIONS.choices, listed=True),
    )


class RosterMove(Base, AdministratorsOnly):
    """A student record passed from one site to another by an import (R20.5); both see it."""

    __tablename__ = "roster_move"
    __table_args__ = (Index(None, "from_site_code", "at"), Index(None, "to_site_code", "at"))

    at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=utc_now, info=PLUMBING)
    name: Mapped[str] = mapped_column(String(30), info=col(N_("姓名"), Personal.PERSONAL))
    id_number: Mapped[str] = mapped_column(
        Encrypted(30), info=col(N_("证件号码"), Personal.SENSITIVE, mask=mask_id, sortable=False)
    )
    from_province_code: Mapped[str] = mapped_column(String(6), info=PLUMBING)
    from_city_code: Mapped[str | None] = mapped_column(String(6), info=PLUMBING)
    from_site_code: Mapped[str] = mapped_column(
        String(6), info=col(N_("原考点代码"), Personal.NONE)
    )
    to_province_code: Mapped[str] = mapped_column(String(6), info=PLUMBING)
    to_city_code: Mapped[str | None] = mapped_column(String(6), info=PLUMBING)
    to_site_code: Mapped[str] = mapped_column(String(6), info=col(N_("新考点代码"), Personal.NONE))
    from_education: Mapped[str] = mapped_column(
        String(2), info=col(N_("原文化程度"), Personal.PERSONAL, choices=EDUCATIONS.choices)
    )
    to_education: Mapped[str] = mapped_column(
        String(2), info=col(N_("新文化程度"), Personal.PERSONAL, choices=EDUCATIONS.choices)
    )
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job_run.id"), info=PLUMBING)
