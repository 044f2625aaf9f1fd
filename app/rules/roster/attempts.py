"""Refused registrations count like look-ups of records (R19.3a): who tries names and numbers at
sites that admit few learns little, and the log of the site that holds the record tells of it.

A refusal is rolled back, so its count cannot be written where it is raised: whoever calls
`registration.person` notes it in a unit of its own.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.database.keys import digest
from app.database.policy import actor_of
from app.rules import rate_limit
from app.rules.clock import Clock, system_clock
from app.rules.roster.autoload import RATE, RATE_PERSON, Typed, log_attempt, record_of


def require_left(session: Session, clock: Clock = system_clock) -> None:
    """Raises TooMany for a candidate who has been refused too often."""
    rate_limit.require_left(session, _own(session), RATE, clock())


def note_refused(
    session: Session, typed: Typed, exam_id: int, *, clock: Clock = system_clock
) -> None:
    """Count and log that this person was not admitted. Raises TooMany, for the person asked for
    as well; then there is no entry in the log."""
    now = clock()
    rate_limit.require(session, _own(session), RATE, now)
    number = typed.number()
    if number is None:
        return
    key = digest(number) or ""
    rate_limit.require(session, f"not-admitted-person:{key[:32]}", RATE_PERSON, now)
    row = record_of(session, exam_id, key)
    log_attempt(session, row, number, found=False, word="admission")


def _own(session: Session) -> str:
    return f"not-admitted:{actor_of(session).passport_id}"


__all__ = ["note_refused", "require_left"]
