"""Who gives a name and a number is told whether a site admits that person. So it counts like a
look-up of a record (R19.3a): who tries names and numbers learns little, and the log of the site
that holds the record tells of it.

What is refused is rolled back, and of many requests at once each would see none of the others.
So the attempt is counted before, in a unit of its own, and `registration.person` asks for the
proof; what the candidate has only mistyped is given back.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.database.keys import digest
from app.database.policy import actor_of
from app.rules import rate_limit
from app.rules.clock import Clock, system_clock
from app.rules.roster.autoload import RATE, RATE_PERSON, Typed, log_attempt, record_of


@dataclass(frozen=True, slots=True)
class Counted:
    """The proof that an attempt was counted: what it was counted under, and when."""

    buckets: tuple[tuple[str, rate_limit.Rate], ...]
    at: dt.datetime


def count(session: Session, typed: Typed, *, clock: Clock = system_clock) -> Counted:
    """Count an attempt to register, or to become, this person; the caller commits it before the
    attempt is made. Raises TooMany, for the candidate and for the person asked for."""
    buckets = [(f"not-admitted:{actor_of(session).passport_id}", RATE)]
    number = typed.number()
    if number is not None:
        buckets.append((f"not-admitted-person:{(digest(number) or '')[:32]}", RATE_PERSON))
    counted = Counted(tuple(buckets), clock())
    for bucket, rate in counted.buckets:
        rate_limit.require(session, bucket, rate, counted.at)
    return counted


def give_back(session: Session, counted: Counted) -> None:
    """Undo the count of an attempt that was refused before anybody was looked for."""
    for bucket, rate in counted.buckets:
        rate_limit.give_back(session, bucket, rate, counted.at)


def log_refused(session: Session, typed: Typed, exam_id: int) -> None:
    """Tell in the log that this person was not admitted."""
    number = typed.number()
    if number is not None:
        row = record_of(session, exam_id, digest(number) or "")
        log_attempt(session, row, number, found=False, word="admission")


__all__ = ["Counted", "count", "give_back", "log_refused"]
