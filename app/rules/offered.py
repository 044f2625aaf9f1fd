"""Which subjects sites offer: the columns of the grids of chapters 12 and 13."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.metadata.actor import Actor
from app.models.organisation import Organisation
from app.models.settings import SiteSubject, national_subjects


def subjects_in_scope(session: Session, actor: Actor) -> dict[str, str]:
    """Subjects that some site of the actor's scope offers: {code: “(14)…”}, by code."""
    names = national_subjects(session, actor)
    codes = session.scalars(
        select(SiteSubject.subject_code)
        .where(SiteSubject.exam_id == actor.exam_id)
        .distinct()
        .order_by(SiteSubject.subject_code)
    )
    return {code: names.get(code, code) for code in codes}


def subjects_of(
    session: Session, sites: Sequence[Organisation], *, lock: bool = False
) -> dict[int, set[str]]:
    """{site id: codes of the subjects it offers}; every site is there. With `lock` none of them
    is deleted until the transaction ends; subjects are locked before the pools of seats."""
    found: dict[int, set[str]] = {site.id: set() for site in sites}
    statement = (
        select(SiteSubject.site_id, SiteSubject.subject_code)
        .where(SiteSubject.site_id.in_(found))
        .order_by(SiteSubject.id)
    )
    if lock:
        statement = statement.with_for_update(read=True)
    for site_id, code in session.execute(statement):
        found[site_id or 0].add(code)
    return found
