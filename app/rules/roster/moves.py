"""学籍变动记录 (R20.5): what other sites have taken over, and that one has read of it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.database.policy import actor_of
from app.metadata.declarations import ONLY_RUN, On, Operation, RowOutcome
from app.metadata.errors import N_
from app.metadata.registry import register
from app.metadata.vocabulary import Level
from app.models.roster import RosterMove
from app.rules.operations import OperationContext

NOT_YOURS = N_("只有原考点可以标为已阅")


def unread(session: Session) -> int:
    """How many records of the actor's site others have taken over, which it has not read of."""
    actor = actor_of(session)
    statement = (
        select(func.count())
        .select_from(RosterMove)
        .where(RosterMove.from_site_code == actor.site_code, RosterMove.acknowledged_at.is_(None))
    )
    return session.scalar(statement) or 0


def between_provinces(session: Session) -> int:
    """How many records have come into the actor's province from another one or have left it for
    one, and the site that has lost them has not read of it: both provinces are told (R20.5)."""
    code = actor_of(session).province_code
    statement = (
        select(func.count())
        .select_from(RosterMove)
        .where(
            or_(RosterMove.from_province_code == code, RosterMove.to_province_code == code),
            RosterMove.from_province_code != RosterMove.to_province_code,
            RosterMove.acknowledged_at.is_(None),
        )
    )
    return session.scalar(statement) or 0


def _read(row: RosterMove) -> str | None:
    return N_("已标为已阅") if row.acknowledged_at is not None else None


def _apply(
    session: Session, rows: Sequence[RosterMove], _values: object, context: OperationContext
) -> list[RowOutcome]:
    outcomes = []
    for row in rows:
        mine = row.from_site_code == context.actor.site_code
        if mine:
            row.acknowledged_at = context.clock()
        outcomes.append(RowOutcome(row.id, row.display, mine, "" if mine else NOT_YOURS))
    return outcomes


ACKNOWLEDGE = register(
    Operation(
        name="roster_move_acknowledge",
        label=N_("标为已阅"),
        resource="roster_move",
        on=frozenset({On.ROW, On.SELECTION, On.QUERY}),
        apply=_apply,
        allowed=_read,
        verbs={Level.SITE: ONLY_RUN},
        per_exam=False,
        current_only=True,
        icon="fa-check",
    )
)


__all__ = ["ACKNOWLEDGE", "between_provinces", "unread"]
