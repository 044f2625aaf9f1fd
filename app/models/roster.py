"""Student records (学籍), which belong to no session, and who may register where (19-21)."""

from __future__ import annotations

from sqlalchemy import Boolean, ForeignKey, Index, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from app.database.base import (
    PLUMBING,
    AdministratorsOnly,
    Base,
    PublicInExam,
    SiteCodeScoped,
    SiteScoped,
    Stamped,
    Versioned,
)
from app.metadata.actor import Actor
from app.metadata.declarations import CHANGE, LOOK, MANAGE, Place, Resource
from app.metadata.errors import N_, Message, listed
from app.metadata.fields import Computed, Field, Kind, Search, col
from app.metadata.vocabulary import Area, Level, Personal, Window
from app.models.codes import EDUCATIONS, ETHNIC_GROUPS
from app.models.organisation import Organisation, below
from app.models.person import PersonalData
from app.models.settings import SITE_COLUMN, YES_OR_NO

#: 可报考考点 as lists show them: more names than these become a number
_NAMES_SHOWN = 3
UNLIMITED_SITES = N_("不限")


def sites_of(session: Session, actor: Actor) -> dict[str, str]:
    """The sites below the actor in his session: {code: “(990701)地市七考点一”}."""
    rows = session.execute(
        select(Organisation.code, Organisation.name)
        .where(below(actor), Organisation.level == Level.SITE.value)
        .order_by(Organisation.code)
    )
    return {code: f"({code}){name}" for code, name in rows}


#: 可报考考点 in forms: codes of sites of the own province, none of them = unlimited (R19.5)
ALLOWED_SITES = Field(
    name="allowed_sites",
    label=N_("可报考考点"),
    personal=Personal.NONE,
    kind=Kind.CHOICES,
    options=sites_of,
    help=N_("本考点学籍考生在本省可以报考的考点；默认为本考点，不选为不限。"),
)


def _allowed_names(row: RosterPolicy) -> str:
    names = [place.allowed_site.display for place in row.allowed if place.allowed_site]
    if not row.allowed:
        return UNLIMITED_SITES
    if len(names) <= _NAMES_SHOWN:
        return listed(names)
    return Message(N_("{names}等 {count} 个考点"), names=names[:_NAMES_SHOWN], count=len(names))


class RosterPolicy(Base, SiteScoped, PublicInExam, Stamped, Versioned):
    """学籍报考设置 (R19), set by the province; defaults R19.4c."""

    __tablename__ = "roster_policy"
    __table_args__ = (UniqueConstraint("exam_id", "site_id"),)
    __admin__ = Resource(
        name="roster_policy",
        label=N_("学籍报考设置"),
        menu=Place(Area.SETUP, 100),
        verbs={
            Level.CENTER: LOOK,
            Level.PROVINCE: CHANGE,
            Level.CITY: LOOK,
            Level.SITE: LOOK,
        },
        order=(("site_id", "asc"),),
        computed=(
            SITE_COLUMN,
            Computed(
                "allowed_names",
                N_("可报考考点"),
                _allowed_names,
                loads=("allowed.allowed_site",),
            ),
        ),
        columns=(
            "site_name",
            "roster_enabled",
            "own_province_only",
            "own_site_only",
            "allowed_names",
        ),
        shown=("roster_enabled", "own_province_only", "own_site_only", "allowed_names"),
        form=("roster_enabled", "own_province_only", "own_site_only"),
        virtual=(ALLOWED_SITES,),
        single=frozenset({Level.SITE}),
        basic_search=4,
        help=N_("由省设置；考点发现不正确时，请向省申请修改。不启用学籍库的考点保持默认。"),
        remarks=(
            N_("不启用学籍库：本考点学籍考生等同于不在学籍库，可以自由报名；其他各项不起作用。"),
            N_("启用学籍库：学籍考生报名时可以载入学籍信息，载入后可以修改。"),
            N_("仅接受本省：社会考生和外省考生不能报考本考点。"),
            N_("仅接受本考点：只有本考点学籍考生可以报考本考点。"),
            N_("可报考考点只能在本省内选择；学籍考生到外省报考不受此限制。"),
        ),
    )

    roster_enabled: Mapped[bool] = mapped_column(
        Boolean,
        default=False,
        info=col(
            N_("启用学籍库"),
            Personal.NONE,
            listed=True,
            search=Search.CHOICE,
            badges=YES_OR_NO,
            editable_from=Level.PROVINCE,
        ),
    )
    own_province_only: Mapped[bool] = mapped_column(
        Boolean,
        default=False,
        info=col(
            N_("仅接受本省学籍库考生报考"),
            Personal.NONE,
            listed=True,
            search=Search.CHOICE,
            badges=YES_OR_NO,
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
            search=Search.CHOICE,
            badges=YES_OR_NO,
            editable_from=Level.PROVINCE,
        ),
    )

    site: Mapped[Organisation | None] = relationship(
        primaryjoin="foreign(RosterPolicy.site_id) == Organisation.id", viewonly=True
    )
    allowed: Mapped[list[RosterAllowedSite]] = relationship(
        primaryjoin="RosterPolicy.site_id == foreign(RosterAllowedSite.site_id)",
        order_by="RosterAllowedSite.allowed_site_id",
        viewonly=True,
    )

    @property
    def display(self) -> str:
        """“(990701)地市七考点一”."""
        return self.site.display if self.site else ""

    @property
    def allowed_sites(self) -> list[str]:
        """Codes of 可报考考点, ascending; none = unlimited."""
        return sorted(place.allowed_site.code for place in self.allowed if place.allowed_site)


class RosterAllowedSite(Base, SiteScoped, AdministratorsOnly):
    """可报考考点: a site that students of `site_id` may choose; none = unlimited (R19.5)."""

    __tablename__ = "roster_allowed_site"
    __table_args__ = (UniqueConstraint("exam_id", "site_id", "allowed_site_id"),)

    allowed_site_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), info=PLUMBING)

    allowed_site: Mapped[Organisation | None] = relationship(
        foreign_keys=[allowed_site_id], viewonly=True
    )


class StudentRecord(Base, SiteCodeScoped, AdministratorsOnly, PersonalData, Stamped, Versioned):
    """学籍 of one person, held by one site, across sessions; unique by document number (R20.5)."""

    __tablename__ = "student_record"
    __table_args__ = (
        UniqueConstraint("id_digest"),
        Index(None, "site_code", "id"),
        Index(None, "province_code", "id"),
        Index(None, "name"),
    )

    __admin__ = Resource(
        name="student_record",
        label=N_("学籍库信息管理"),
        noun=N_("学籍"),
        menu=Place(Area.ROSTER, 20),
        verbs={
            Level.CENTER: LOOK,
            Level.PROVINCE: MANAGE,
            Level.CITY: LOOK,
            Level.SITE: MANAGE,
        },
        window=Window.ELIGIBILITY,
        current_only=True,
        organisation_column=True,
        api=True,
        sticky=1,
        columns=(
            "name",
            "id_type",
            "id_number",
            "sex",
            "ethnic",
            "education",
            "department",
            "major",
            "class_name",
            "student_number",
        ),
        fieldsets=(
            (
                N_("基本信息"),
                (
                    "name",
                    "id_type",
                    "id_number",
                    "sex",
                    "birth",
                    "ethnic",
                    "education",
                    "occupation",
                ),
            ),
            (N_("学校信息"), ("department", "major", "class_name", "student_number")),
            (N_("联系方式"), ("mobile", "email", "address", "postcode", "remark")),
        ),
        help=N_("学籍数据和考次无关，跨考次一直保留；更改学籍信息不影响已报名的考生。"),
    )

    ethnic: Mapped[str] = mapped_column(
        String(2),
        info=col(N_("民族"), Personal.PERSONAL, choices=ETHNIC_GROUPS.choices, listed=True),
    )
    education: Mapped[str] = mapped_column(
        String(2),
        info=col(
            N_("文化程度"),
            Personal.PERSONAL,
            choices=EDUCATIONS.choices,
            listed=True,
            search=Search.CHOICE,
            more=True,
        ),
    )
