"""The gate of a site: who registers passes together with others, who changes the site goes alone.

Candidates hold the site's settings until their choice is written (R10.4a). A row that many share
is no queue: PostgreSQL lets further sharers pass somebody who waits to change it, and in the rush
there is always one more. Named locks are served in turn, so everybody stands at the gate first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BigInteger, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import GenericFunction

from app.database import locks
from app.models.settings import SiteSettings


class passes(GenericFunction[int]):
    """A column of a statement on rows of a site: whoever reads such a row has passed the gate of
    the site with that id, until the transaction ends."""

    type = BigInteger()
    inherit_cache = True


@compiles(passes)
def _at_once(element: passes, compiler: Any, **options: Any) -> str:
    """SQLite has one writer, who has waited already."""
    return compiler.process(element.clauses, **options)  # type: ignore[no-any-return] # untyped


@compiles(passes, "postgresql")
def _in_turn(element: passes, compiler: Any, **options: Any) -> str:
    (site_id,) = element.clauses
    return f"(pg_advisory_xact_lock_shared({compiler.process(site_id, **options)})::text)"


def enter(session: Session, site_id: int) -> None:
    """Pass the gate, together with others; whoever has closed it is waited for."""
    locks.share(session, [site_id])


def close(session: Session, site_ids: Iterable[int | None]) -> None:
    """Go through alone, when those who have passed are done; who comes later waits."""
    locks.take(session, [site_id for site_id in site_ids if site_id is not None])


def close_for(session: Session, model: type[Any], ids: Iterable[int]) -> None:
    """The same before rows of `model` are changed: of settings, which everybody holds."""
    if issubclass(model, SiteSettings):
        close(session, session.scalars(select(model.site_id).where(model.id.in_(list(ids)))).all())


__all__ = ["close", "close_for", "enter", "passes"]
