"""The audit log (architecture §4.7): append-only, sealed into a chain afterwards."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database.base import PLUMBING, Base, UtcDateTime
from app.database.types import Big, Json
from app.metadata.errors import N_
from app.metadata.fields import Search, col
from app.metadata.vocabulary import Personal


class AuditEntry(Base):
    """Who did what to which row. No update, no delete; personal values masked plus digest.

    `changes`: {column: {"label": …, "old": …, "new": …}}.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index(None, "exam_id", "id"),
        Index(None, "site_id", "id"),
        Index(None, "object_type", "object_id"),
        Index(None, "passport_id", "id"),
        Index(None, "sealed", "id"),
    )
    __unguarded__ = True

    at: Mapped[dt.datetime] = mapped_column(
        UtcDateTime, info=col(N_("时间"), Personal.NONE, listed=True, search=Search.RANGE)
    )
    exam_id: Mapped[int | None] = mapped_column(Big, info=PLUMBING)
    province_id: Mapped[int | None] = mapped_column(Big, info=PLUMBING)
    city_id: Mapped[int | None] = mapped_column(Big, info=PLUMBING)
    site_id: Mapped[int | None] = mapped_column(Big, info=PLUMBING)
    passport_id: Mapped[int | None] = mapped_column(Big, info=PLUMBING)
    actor_name: Mapped[str] = mapped_column(
        String(60),
        info=col(N_("操作人"), Personal.PERSONAL, listed=True, search=Search.PREFIX),
    )
    actor_level: Mapped[str] = mapped_column(String(10), info=PLUMBING)
    organisation_code: Mapped[str] = mapped_column(
        String(6),
        default="",
        info=col(N_("机构代码"), Personal.NONE, listed=True, search=Search.PREFIX),
    )
    on_behalf_of: Mapped[str | None] = mapped_column(
        String(6), info=col(N_("代办机构"), Personal.NONE)
    )
    #: area.object.verb
    action: Mapped[str] = mapped_column(
        String(80), info=col(N_("操作"), Personal.NONE, listed=True, search=Search.SUFFIX)
    )
    object_type: Mapped[str] = mapped_column(
        String(40), info=col(N_("对象"), Personal.NONE, listed=True, search=Search.EXACT)
    )
    object_id: Mapped[int | None] = mapped_column(Big, info=PLUMBING)
    object_title: Mapped[str] = mapped_column(
        String(100), default="", info=col(N_("对象名称"), Personal.NONE, listed=True)
    )
    changes: Mapped[dict[str, Any]] = mapped_column(Json, default=dict, info=PLUMBING)
    reason: Mapped[str | None] = mapped_column(
        String(200), info=col(N_("原因"), Personal.NONE, listed=True)
    )
    request_id: Mapped[str] = mapped_column(String(40), default="", info=PLUMBING)
    address: Mapped[str] = mapped_column(
        String(45), default="", info=col(N_("来源地址"), Personal.PERSONAL)
    )
    outcome: Mapped[str] = mapped_column(
        String(10), default="done", info=col(N_("结果"), Personal.NONE)
    )
    sealed: Mapped[bool] = mapped_column(default=False, info=PLUMBING)


class AuditSeal(Base):
    """One link of the chain: the digest over a batch of entries and the link before it."""

    __tablename__ = "audit_seal"
    __unguarded__ = True

    sequence: Mapped[int] = mapped_column(Integer, unique=True, info=PLUMBING)
    #: {id of a sealed entry: the first digits of its own digest}, to say which one was changed
    entry_ids: Mapped[dict[str, str]] = mapped_column(Json, info=PLUMBING)
    digest: Mapped[str] = mapped_column(String(64), info=PLUMBING)
    previous: Mapped[str] = mapped_column(String(64), info=PLUMBING)
    sealed_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, info=PLUMBING)
