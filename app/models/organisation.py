"""Organisations: the tree 中心 → 省 → (地市) → 考点 of one exam session (domain.md R7)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database.base import PLUMBING, Base, Big, Stamped, Versioned
from app.metadata.actor import Actor
from app.metadata.declarations import CHANGE, MANAGE, Resource
from app.metadata.errors import N_
from app.metadata.fields import Kind, Search, col
from app.metadata.masking import mask_email, mask_mobile
from app.metadata.vocabulary import LEVEL_LABELS, Level, Personal

ORGANISATION_LEVELS = {
    level.value: label for level, label in LEVEL_LABELS.items() if level is not Level.CANDIDATE
}


class ReviewedState(StrEnum):
    """信息审核 (R7.3): reviewed information is immutable."""

    OPEN = "open"
    REVIEWED = "reviewed"


REVIEWED_STATES = {
    ReviewedState.OPEN.value: N_("未审核"),
    ReviewedState.REVIEWED.value: N_("已审核"),
}


def below(actor: Actor) -> Any:
    """SQL condition: the actor's own organisation and all below it (R7.4)."""
    column = {
        Level.PROVINCE: Organisation.province_id,
        Level.CITY: Organisation.city_id,
        Level.SITE: Organisation.site_id,
    }.get(actor.level)
    in_exam = Organisation.exam_id == actor.exam_id
    return in_exam if column is None else in_exam & (column == actor.organisation_id)


class Organisation(Base, Stamped, Versioned):
    """One organisation in one session. `code` stays across sessions, `id` does not.

    No scope mixin: superiors must stay visible through relationships; lists are bounded by the
    row filter of the resource, writes by `rules.organisation`.
    """

    __tablename__ = "organisation"
    __table_args__ = (
        UniqueConstraint("exam_id", "code"),
        Index(None, "exam_id", "parent_id"),
        Index(None, "exam_id", "province_id", "level"),
    )

    __admin__ = Resource(
        name="organisation",
        label=N_("考试机构管理"),
        noun=N_("考试机构"),
        verbs={
            Level.CENTER: MANAGE,
            Level.PROVINCE: MANAGE,
            Level.CITY: MANAGE,
            Level.SITE: CHANGE,
        },
        super_verbs=MANAGE,
        row_filter=below,
        order=(("code", "asc"),),
        sticky=2,
        api=True,
        columns=("name", "code", "level", "enabled", "reviewed"),
        fieldsets=(
            (N_("机构信息"), ("code", "name", "short_name", "level", "enabled", "reviewed")),
            (
                N_("联系方式"),
                (
                    "address",
                    "postcode",
                    "principal",
                    "contact",
                    "telephone",
                    "mobile",
                    "fax",
                    "email",
                    "remark",
                ),
            ),
        ),
        help=N_("建议全部填写、正确填写，方便联系"),
    )

    exam_id: Mapped[int] = mapped_column(ForeignKey("exam.id"), info=PLUMBING)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"), info=PLUMBING)
    #: path from the province down to the organisation itself (empty above)
    province_id: Mapped[int | None] = mapped_column(Big, info=PLUMBING)
    city_id: Mapped[int | None] = mapped_column(Big, info=PLUMBING)
    site_id: Mapped[int | None] = mapped_column(Big, info=PLUMBING)
    level: Mapped[str] = mapped_column(
        String(10),
        info=col(
            N_("机构级别"),
            Personal.NONE,
            choices=ORGANISATION_LEVELS,
            listed=True,
            search=Search.CHOICE,
            form=False,
        ),
    )
    code: Mapped[str] = mapped_column(
        String(6),
        info=col(
            N_("机构代码"),
            Personal.NONE,
            listed=True,
            search=Search.PREFIX,
            immutable=True,
            help=N_("考点为 6 位数字，前两位为省代码"),
        ),
    )
    name: Mapped[str] = mapped_column(
        String(60), info=col(N_("机构名称"), Personal.NONE, listed=True, search=Search.PREFIX)
    )
    short_name: Mapped[str | None] = mapped_column(String(20), info=col(N_("简称"), Personal.NONE))
    address: Mapped[str | None] = mapped_column(
        String(100),
        info=col(
            N_("考点地址"),
            Personal.NONE,
            help=N_("填写完整的考点地址（此地址将打印到准考证上，防止考生走错考点）。"),
        ),
    )
    postcode: Mapped[str | None] = mapped_column(String(6), info=col(N_("邮编"), Personal.NONE))
    principal: Mapped[str | None] = mapped_column(
        String(30), info=col(N_("负责人"), Personal.PERSONAL)
    )
    contact: Mapped[str | None] = mapped_column(
        String(30), info=col(N_("联系人"), Personal.PERSONAL)
    )
    telephone: Mapped[str | None] = mapped_column(
        String(30), info=col(N_("电话"), Personal.PERSONAL)
    )
    mobile: Mapped[str | None] = mapped_column(
        String(20), info=col(N_("手机"), Personal.PERSONAL, mask=mask_mobile)
    )
    fax: Mapped[str | None] = mapped_column(String(30), info=col(N_("传真"), Personal.NONE))
    email: Mapped[str | None] = mapped_column(
        String(120), info=col(N_("邮箱"), Personal.PERSONAL, mask=mask_email)
    )
    remark: Mapped[str | None] = mapped_column(
        String(200), info=col(N_("备注"), Personal.NONE, kind=Kind.MULTILINE)
    )
    enabled: Mapped[bool] = mapped_column(
        Boolean,
        default=True,
        info=col(
            N_("是否启用"),
            Personal.NONE,
            listed=True,
            search=Search.CHOICE,
            editable_from=Level.CITY,
        ),
    )
    reviewed: Mapped[str] = mapped_column(
        String(10),
        default=ReviewedState.OPEN.value,
        info=col(
            N_("信息审核"),
            Personal.NONE,
            choices=REVIEWED_STATES,
            listed=True,
            search=Search.CHOICE,
            editable_from=Level.CITY,
            badges={"open": "info", "reviewed": "ok"},
        ),
    )

    parent: Mapped[Organisation | None] = relationship(remote_side="Organisation.id")

    @property
    def display(self) -> str:
        """“(990701)地市七考点一” (R0.8)."""
        return f"({self.code}){self.name}"
