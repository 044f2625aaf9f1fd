"""综合设置默认值 of centre and provinces (R0.6b), and what cities are entrusted with (§5)."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database.base import (
    PLUMBING,
    AdministratorsOnly,
    Base,
    OrganisationPath,
    Stamped,
    Versioned,
)
from app.metadata.declarations import MANAGE, Place, Resource
from app.metadata.errors import N_
from app.metadata.fields import Computed
from app.metadata.vocabulary import Area, Level
from app.models.organisation import Organisation
from app.models.settings import GENERAL, GeneralSettings, switch


class DefaultSettings(
    Base, OrganisationPath, AdministratorsOnly, GeneralSettings, Stamped, Versioned
):
    """综合设置 that new sites begin with (R0.6b); the centre's row serves provinces without one."""

    __tablename__ = "default_settings"
    __table_args__ = (
        UniqueConstraint("exam_id", "organisation_id"),
        CheckConstraint("max_subjects BETWEEN 1 AND 3", name="max_subjects"),
    )
    __admin__ = Resource(
        name="default_settings",
        label=N_("综合设置默认值"),
        menu=Place(Area.SETUP, 8),
        verbs={Level.CENTER: MANAGE, Level.PROVINCE: MANAGE},
        single=frozenset({Level.PROVINCE}),
        of_provinces=True,
        keeps=lambda row, actor: row.organisation_id == actor.organisation_id,
        computed=(
            Computed(
                "organisation_name",
                N_("机构"),
                lambda row: row.organisation.display if row.organisation else "",
                loads=("organisation",),
            ),
        ),
        columns=("organisation_name", *GENERAL, "cities_entrusted"),
        shown=(*GENERAL, "cities_entrusted"),
        fieldsets=(
            (N_("新增考点的默认值"), GENERAL),
            (N_("对地市的委托"), ("cities_entrusted",)),
        ),
        order=(("organisation_id", "asc"),),
        help=N_("新增考点和新考次的综合设置从这里开始；已有考点须“套用默认值”才会改变。"),
    )

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), info=PLUMBING)
    #: §5 “V/E cfg”: no default of sites; who is given `ENTRUSTED_CITY` is read from it
    cities_entrusted: Mapped[bool] = switch(
        N_("委托地市代考点设置"),
        N_(
            "启用情况下，地市管理员可以在本地市的报名前设置时间内，代所辖考点修改报名前设置"
            "（记录为上级代改）；不启用情况下，地市只能查看。保存后立即生效。"
        ),
    )

    organisation: Mapped[Organisation | None] = relationship(
        primaryjoin="foreign(DefaultSettings.organisation_id) == Organisation.id", viewonly=True
    )

    @property
    def display(self) -> str:
        return self.organisation.display if self.organisation else ""
