"""Seats of a site: one counter per total, subject and preference day (chapters 13 and 14)."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Index,
    Integer,
    String,
    UniqueConstraint,
    and_,
    literal,
)
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship

from app.database.base import Base, PublicInExam, SiteScoped
from app.metadata.declarations import LOOK, Place, Resource
from app.metadata.errors import N_, Message
from app.metadata.fields import Computed, col
from app.metadata.vocabulary import Area, Level, Personal
from app.models.exam import ExamSubject
from app.models.organisation import Organisation
from app.models.settings import SITE_COLUMN

#: Capacity 99999 means 不限 (R13.3).
UNLIMITED = 99_999


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
    __admin__ = Resource(
        name="capacity",
        label=N_("考点容量设置"),
        noun=N_("考点容量"),
        menu=Place(Area.SETUP, 40),
        verbs={
            Level.CENTER: LOOK,
            Level.PROVINCE: LOOK,
            Level.CITY: LOOK,
            Level.SITE: LOOK,
        },
        order=(("site_id", "asc"), ("pool", "desc")),
        # preference days are no subjects: 考生网报设置 shows their quotas
        row_filter=lambda _actor: CapacityPool.pool.not_like("D:%"),
        computed=(
            SITE_COLUMN,
            Computed(
                "pool_name", N_("科目"), lambda row: row.subject_title, loads=("exam_subject",)
            ),
            Computed("limit", N_("总容量"), lambda row: row.limit_text, numeric=True),
            Computed("left", N_("剩余容量"), lambda row: row.left_text, numeric=True),
        ),
        columns=("site_name", "pool_name", "limit", "used", "left"),
        help=N_("总科次数不小于 100；科目容量为 0 表示不开考；99999 表示不限。"),
    )

    pool: Mapped[str] = mapped_column(
        String(12), info=col(N_("容量池"), Personal.NONE, shown=False)
    )
    capacity: Mapped[int] = mapped_column(
        Integer,
        info=col(N_("容量"), Personal.NONE, minimum=0, maximum=UNLIMITED, shown=False),
    )
    used: Mapped[int] = mapped_column(
        Integer, default=0, info=col(N_("已报"), Personal.NONE, form=False)
    )

    site: Mapped[Organisation | None] = relationship(
        primaryjoin="foreign(CapacityPool.site_id) == Organisation.id", viewonly=True
    )
    exam_subject: Mapped[ExamSubject | None] = relationship(
        primaryjoin=lambda: and_(
            foreign(CapacityPool.exam_id) == ExamSubject.exam_id,
            foreign(CapacityPool.pool) == literal("S:").concat(ExamSubject.subject_code),
        ),
        viewonly=True,
    )

    @property
    def display(self) -> str:
        """“总科次数”, “科目14” or “意向 2026-09-19”."""
        kind, _, rest = self.pool.partition(":")
        if kind == "S":
            return Message(N_("科目{code}"), code=rest)
        return Message(N_("意向日期 {day}"), day=rest) if kind == "D" else N_("总科次数")

    @property
    def subject_title(self) -> str:
        """“总科次数” or “(14)计算机基础及WPS Office应用” (R0.8); a subject that the session no
        longer has, by its code."""
        return self.exam_subject.display if self.exam_subject is not None else self.display

    @property
    def limit_text(self) -> str:
        """The limit, 不限 for 99999 (R13.3)."""
        return N_("不限") if self.capacity == UNLIMITED else str(self.capacity)

    @property
    def left_text(self) -> str:
        """What is left, 不限 for 99999."""
        return N_("不限") if self.capacity == UNLIMITED else str(self.capacity - self.used)
