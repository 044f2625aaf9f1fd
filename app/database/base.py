"""The declarative base and the scope mixins.

Scope is declared by inheriting a mixin; the policy on the session compares these columns and
nothing else (architecture §4.2). `plumbing` columns need no label.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from sqlalchemy import ForeignKey, Integer, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from app.database.executing import elevation
from app.database.identifiers import new_id
from app.database.types import Big, Encrypted, Fen, UtcDateTime
from app.metadata.registry import register

PLUMBING: dict[str, Any] = {"plumbing": True}
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def utc_now() -> dt.datetime:
    """The server's clock; rules take theirs as an argument."""
    return dt.datetime.now(dt.UTC)


class Base(DeclarativeBase):
    """Base of every table. Not Flask-AppBuilder's `Model`: no foreign keys to its tables."""

    metadata = MetaData(naming_convention=NAMING)
    #: True for tables that rules write without a permit (log, job bookkeeping, outbox).
    __unguarded__: ClassVar[bool] = False
    __admin__: ClassVar[Any] = None
    #: true while the model is elevated (`policy.elevated`); part of its criteria
    kaowu_elevated: ClassVar[Any] = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not cls.__dict__.get("__abstract__"):
            cls.kaowu_elevated = elevation(cls)
        admin = cls.__dict__.get("__admin__")
        if admin is not None:
            object.__setattr__(admin, "model", cls)  # the declaration is frozen for everybody else
            register(admin)

    id: Mapped[int] = mapped_column(
        Big, primary_key=True, autoincrement=False, default=new_id, info=PLUMBING, sort_order=-100
    )


class Stamped:
    """When a row was made and last changed."""

    created_at: Mapped[dt.datetime] = mapped_column(
        UtcDateTime, default=utc_now, info=PLUMBING, sort_order=900
    )
    updated_at: Mapped[dt.datetime] = mapped_column(
        UtcDateTime, default=utc_now, onupdate=utc_now, info=PLUMBING, sort_order=901
    )


class Versioned:
    """Optimistic lock: a stale save is refused and shows the difference (§4.10)."""

    version: Mapped[int] = mapped_column(Integer, info=PLUMBING, sort_order=902)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.version}


class _Never:
    """Stands in criteria where a mapped class has its parameter: never elevated."""

    def __or__(self, other: Any) -> Any:
        return other


class Scoped:
    """Base of the scope mixins. A mapped class replaces `kaowu_elevated` by its own parameter."""

    kaowu_elevated: ClassVar[Any] = _Never()


class ExamScoped(Scoped):
    """Belongs to one exam session; never moves to another."""

    exam_id: Mapped[int] = mapped_column(
        ForeignKey("exam.id"), active_history=True, info=PLUMBING, sort_order=-90
    )


class OrganisationPath(ExamScoped):
    """Belongs to an organisation of one session, at any level.

    The path names the ancestors from the province down to the owner itself; empty below it.
    Immutable within a session. Rows of a province have no `site_id` and are seen by it and by
    the centre.
    """

    province_id: Mapped[int | None] = mapped_column(
        ForeignKey("organisation.id"), active_history=True, info=PLUMBING, sort_order=-89
    )
    city_id: Mapped[int | None] = mapped_column(
        ForeignKey("organisation.id"), active_history=True, info=PLUMBING, sort_order=-88
    )
    site_id: Mapped[int | None] = mapped_column(
        ForeignKey("organisation.id"), active_history=True, info=PLUMBING, sort_order=-87
    )


class SiteScoped(OrganisationPath):
    """Belongs to one site; a row without a site is refused. (A site may have no city.)"""


class SiteCodeScoped(Scoped):
    """Across sessions: belongs to organisation codes (student records, bindings)."""

    province_code: Mapped[str | None] = mapped_column(
        String(6), active_history=True, info=PLUMBING, sort_order=-89
    )
    city_code: Mapped[str | None] = mapped_column(
        String(6), active_history=True, info=PLUMBING, sort_order=-88
    )
    site_code: Mapped[str | None] = mapped_column(
        String(6), active_history=True, info=PLUMBING, sort_order=-87
    )


class OwnedByPassport(Scoped):
    """A candidate sees and writes only his own rows."""

    passport_id: Mapped[int] = mapped_column(
        ForeignKey("passport.id"), active_history=True, info=PLUMBING, sort_order=-86
    )


class PublicInExam:
    """Candidates may read every row of the session: settings, capacity, notices."""


class AdministratorsOnly(Scoped):
    """No candidate ever sees a row."""


__all__ = [
    "AdministratorsOnly",
    "Base",
    "Big",
    "Encrypted",
    "ExamScoped",
    "Fen",
    "OrganisationPath",
    "OwnedByPassport",
    "PublicInExam",
    "SiteCodeScoped",
    "SiteScoped",
    "Stamped",
    "UtcDateTime",
    "Versioned",
    "utc_now",
]
