"""What the account rules may write, and who may ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from app.database import policy as guard
from app.metadata.declarations import Declaration
from app.metadata.errors import N_
from app.metadata.registry import register
from app.metadata.vocabulary import ADMINISTRATORS, Verb
from app.models.account import AdminBinding, Passport, PasswordHistory

#: Accounts are written by the system on behalf of their owners, never under a matrix cell.
PASSPORT = register(
    Declaration(
        name="passport",
        label=N_("通行证"),
        per_exam=False,
        writes=(Passport, PasswordHistory),
    )
)
#: R8: every level, in whichever session (R0.4 exception 1).
BINDING = register(
    Declaration(
        name="administrator_binding",
        label=N_("用户管理"),
        verbs=dict.fromkeys(ADMINISTRATORS, frozenset({Verb.ADD, Verb.EDIT, Verb.DELETE})),
        per_exam=False,
        in_history=True,
        writes=(AdminBinding,),
    )
)


@contextmanager
def owner_permit(session: Session, verb: Verb) -> Iterator[None]:
    """Write a passport as part of what an administrator was permitted to do (an import row).

    No matrix cell stands for it: the permit that is open already has decided. Raises NoPermit
    where there is none. What is pending is flushed first, under the outer permit.
    """
    actor = guard.actor_of(session)
    if not actor.is_system and not guard.state_of(session).permits:
        raise guard.NoPermit()
    session.flush()
    with guard.open_permit(session, guard.Permit(PASSPORT, verb, actor)):
        yield
