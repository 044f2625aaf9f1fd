"""Who gives a name and a number is told whether a site admits that person. So it counts like a
look-up of a record (R19.3a): who tries names and numbers learns little, and the log of the site
that holds the record tells of it.

What is refused is rolled back, and of many requests at once each would see none of the others.
So the attempt is counted before, in a unit of its own, and `registration.person` asks for the
proof. What was refused before anybody was looked for is given back.

Strangers who try a number shall not keep its owner out: above the limit of a person only a refusal
is told as TooMany, and whoever is admitted comes in.
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


@dataclass(slots=True)
class Counted:
    """The proof that an attempt was counted: under whom, and when. `for_person` is how often the
    person was asked for today; `looked` is set by the rule that looks for him."""

    at: dt.datetime
    own: str = ""
    person: str = ""
    for_person: int = 0
    looked: bool = False


def count(session: Session, typed: Typed, *, clock: Clock = system_clock) -> Counted:
    """Count an attempt to register, or to become, this person; the caller commits it before the
    attempt is made. Raises TooMany where the candidate has tried too often."""
    counted = Counted(clock(), f"not-admitted:{actor_of(session).passport_id}")
    rate_limit.require(session, counted.own, RATE, counted.at)
    number = typed.number()
    if number is not None:
        counted.person = f"not-admitted-person:{(digest(number) or '')[:32]}"
        counted.for_person = rate_limit.hit(session, counted.person, RATE_PERSON[1], counted.at)
    return counted


def give_back(session: Session, counted: Counted) -> None:
    """Undo the count of an attempt in which nobody was looked for."""
    rate_limit.give_back(session, counted.own, RATE, counted.at)
    admitted(session, counted)


def admitted(session: Session, counted: Counted) -> None:
    """The person himself, as it seems: his coming in is no attempt at him."""
    if counted.person:
        rate_limit.give_back(session, counted.person, RATE_PERSON, counted.at)


def refuse_above(counted: Counted) -> None:
    """Raises TooMany in the place of a refusal, where the person was asked for too often."""
    rate_limit.refuse_above(counted.for_person, RATE_PERSON, counted.at)


def log_refused(session: Session, typed: Typed, exam_id: int) -> None:
    """Tell in the log that this person was not admitted."""
    number = typed.number()
    if number is not None:
        row = record_of(session, exam_id, digest(number) or "")
        log_attempt(session, row, number, found=False, word="admission")


__all__ = ["Counted", "admitted", "count", "give_back", "log_refused", "refuse_above"]
