"""Why an organisation does not use a page (R0.5b): the menu entry stays, greyed, the page opens
with the reason in one sentence, and every channel refuses."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from app.metadata.actor import Actor
from app.metadata.errors import N_, PolicyDenied

Reason = Callable[[Session, Actor], str | None]
_reasons: dict[str, Reason] = {}


class NotUsed(PolicyDenied):
    """The organisation has switched this off."""

    code = "policy.not_used"
    template = N_("{reason}")


def unused_when(declaration: str) -> Callable[[Reason], Reason]:
    """Register a rule that returns the (Chinese) reason, or None where the page is used."""

    def register(reason: Reason) -> Reason:
        _reasons[declaration] = reason
        return reason

    return register


def reason_for(session: Session, declaration: str, actor: Actor) -> str | None:
    """The sentence, or None."""
    rule = _reasons.get(declaration)
    return rule(session, actor) if rule else None


def require(session: Session, declaration: str, actor: Actor) -> None:
    """Raise NotUsed with the reason."""
    reason = reason_for(session, declaration, actor)
    if reason is not None:
        raise NotUsed(reason=reason)
