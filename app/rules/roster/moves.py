"""学籍变动记录 (R20.5): what other sites have taken over, and that one has read of it.

The losing site is told of every move, both provinces of one between them. Each marks it as read
for itself: nobody's notice goes because somebody else has read his.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, object_session

from app.database.policy import actor_of
from app.metadata.actor import Actor
from app.metadata.declarations import ONLY_RUN, On, Operation, RowOutcome
from app.metadata.errors import N_
from app.metadata.registry import register
from app.metadata.vocabulary import Level
from app.models.roster_moves import RosterMove
from app.rules.operations import OperationContext

NOT_YOURS = N_("只有原考点可以标为已阅")
WITHIN = N_("省内的变动由原考点标为已阅")


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
    one, and the province has not read of it: both are told (R20.5)."""
    code, move = actor_of(session).province_code, RosterMove
    left = and_(move.from_province_code == code, move.from_province_read_at.is_(None))
    come = and_(move.to_province_code == code, move.to_province_read_at.is_(None))
    statement = (
        select(func.count())
        .select_from(move)
        .where(or_(left, come), move.from_province_code != move.to_province_code)
    )
    return session.scalar(statement) or 0


def _side(row: RosterMove, actor: Actor) -> str | None:
    """The column in which this actor marks a move as read; None where he is not told of it."""
    if actor.level is Level.SITE:
        return "acknowledged_at" if row.from_site_code == actor.site_code else None
    if row.from_province_code == row.to_province_code:
        return None
    left = row.from_province_code == actor.province_code
    return "from_province_read_at" if left else "to_province_read_at"


def _refusal(row: RosterMove) -> str | None:
    session = object_session(row)
    if session is None:
        return None
    actor = actor_of(session)
    side = _side(row, actor)
    if side is None:
        return NOT_YOURS if actor.level is Level.SITE else WITHIN
    return N_("已标为已阅") if getattr(row, side) is not None else None


def _apply(
    _session: Session, rows: Sequence[RosterMove], _values: object, context: OperationContext
) -> list[RowOutcome]:
    """`_refusal` has let through only what the actor is told of."""
    for row in rows:
        setattr(row, _side(row, context.actor) or "", context.clock())
    return [RowOutcome(row.id, row.display, True) for row in rows]


ACKNOWLEDGE = register(
    Operation(
        name="roster_move_acknowledge",
        label=N_("标为已阅"),
        resource="roster_move",
        on=frozenset({On.ROW, On.SELECTION, On.QUERY}),
        apply=_apply,
        allowed=_refusal,
        verbs={Level.PROVINCE: ONLY_RUN, Level.SITE: ONLY_RUN},
        per_exam=False,
        current_only=True,
        icon="fa-check",
    )
)


__all__ = ["ACKNOWLEDGE", "between_provinces", "unread"]
