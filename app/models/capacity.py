"""Seats of a site: one counter per total, subject and preference day (chapters 13 and 14)."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Index,
    Integer,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.database.base import Base, PublicInExam, SiteScoped
from app.metadata.errors import N_, Message
from app.metadata.fields import col
from app.metadata.vocabulary import Personal

#: Capacity 99999 means 不限 (R13.3).
UNLIMITED = 99_999


class CapacityPool(Base, SiteScoped, PublicInExam):
    """Seats of a site: the total, each subject, each preference day (load.md, decision 1).

    `pool`: "TOTAL", "S:<subject>", "D:<yyyy-mm-dd>". `used` counts live entries; the CHECK is the
    last line of defence against overselling. Written by `rules.capacity` alone; the pages are the
    grids `rules.capacity_grid` and `rules.preference`.
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
        Integer,
        info=col(N_("容量"), Personal.NONE, minimum=0, maximum=UNLIMITED),
    )
    used: Mapped[int] = mapped_column(
        Integer, default=0, info=col(N_("已报"), Personal.NONE, form=False)
    )

    @property
    def display(self) -> str:
        """“总科次数”, “科目14” or “意向 2026-09-19”."""
        kind, _, rest = self.pool.partition(":")
        if kind == "S":
            return Message(N_("科目{code}"), code=rest)
        return Message(N_("意向日期 {day}"), day=rest) if kind == "D" else N_("总科次数")
