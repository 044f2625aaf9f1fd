"""The last session of the exam: what a site or a province had set there, offered for copying one
page at a time (R0.6b)."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.policy import actor_of, elevated
from app.metadata.errors import N_, KaowuError
from app.models.exam import Exam
from app.models.organisation import Organisation

T = TypeVar("T")


class NothingToCopy(KaowuError):
    """R0.6b: there is no earlier session, or it holds nothing that is not here already."""

    code = "former.nothing_to_copy"
    template = N_("上一考次没有可复制的“{label}”：没有设置过，或本考次已有。")


def former_exam(session: Session) -> Exam | None:
    """The session with the highest number below the actor's; None for the first."""
    own = session.get(Exam, actor_of(session).exam_id)
    if own is None:
        return None
    statement = select(Exam).where(Exam.number < own.number).order_by(Exam.number.desc()).limit(1)
    return session.scalars(statement).first()


def former_self(session: Session, organisation_id: int | None) -> Organisation | None:
    """The same organisation (by its code) in the last session."""
    exam = former_exam(session)
    own = session.get(Organisation, organisation_id) if organisation_id else None
    if exam is None or own is None:
        return None
    statement = select(Organisation).where(
        Organisation.exam_id == exam.id, Organisation.code == own.code
    )
    return session.scalars(statement).first()


def of_site(session: Session, model: type[T], site_id: int | None) -> list[T]:
    """Rows of a site-scoped model that the site had in the last session. `site_id` must be in
    the actor's scope: the caller has read a row of it."""
    return _of(session, model, site_id, "site_id")


def of_organisation(session: Session, model: type[T], organisation_id: int | None) -> list[T]:
    """Rows of a model with `organisation_id` that the organisation had in the last session."""
    return _of(session, model, organisation_id, "organisation_id")


def of_province(session: Session, model: type[T], province_id: int | None) -> list[T]:
    """Rows of a model that the province itself had in the last session."""
    return _of(session, model, province_id, "province_id")


def _of(session: Session, model: Any, key: int | None, column: str) -> list[Any]:
    former = former_self(session, key)
    if former is None:
        return []
    statement = select(model).where(
        model.exam_id == former.exam_id, getattr(model, column) == former.id
    )
    with elevated(session, "copy from the last session", model):
        return list(session.scalars(statement))


__all__ = ["former_exam", "former_self", "of_organisation", "of_province", "of_site"]
