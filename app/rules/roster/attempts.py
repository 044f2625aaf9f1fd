"""Who gives a name and a number is told something of that person: what his record holds, or
whether a site admits him. So both count like look-ups of a record (R19.3a): who tries names and
numbers learns little, and the log of the site that holds the record tells of it.

What is refused is rolled back, and of many requests at once each would see none of the others. So
an attempt is counted before, in a unit of its own, and the rules that look ask for the proof. What
was refused before anybody was looked for is given back.

Strangers who try a number shall not keep its owner out: above the limit of a person only a refusal
is told as TooMany, and whoever is admitted comes in. That answers too, and where no site refuses a
wrong name it is the admission that tells; so a passport may try few names for one person. The owner
has a passport of his own, and his own name counts once, however often he gives it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.keys import digest
from app.database.policy import actor_of, elevated
from app.metadata.errors import N_
from app.metadata.fields import fields_of
from app.metadata.text import Bad, normalise_name
from app.models.organisation import Organisation
from app.models.roster import StudentRecord
from app.rules import audit, rate_limit
from app.rules.clock import Clock, system_clock
from app.rules.identity import IdentityError, read_document
from app.rules.roster import admission

#: attempts per passport, and per person asked for: number and seconds
RATE: rate_limit.Rate = (10, 60 * 60)
RATE_PERSON: rate_limit.Rate = (20, 24 * 60 * 60)
#: names that one passport may try for one person: two that are mistyped, and the right one
RATE_NAMES: rate_limit.Rate = (3, 24 * 60 * 60)
_ID_NUMBER = fields_of(StudentRecord)["id_number"]


class TooManyNames(rate_limit.TooMany):
    """One passport has tried too many names for one person."""

    code = "roster.too_many_names"
    template = N_(
        "为该证件号码尝试过的姓名过多。请核对姓名，或联系考点；如需更换姓名，请在{minutes}分钟后重试。"
    )


class Asking(StrEnum):
    """What is asked of a person; each has limits of its own, but names count for both."""

    ADMISSION = "admission"
    AUTOLOAD = "autoload"


@dataclass(frozen=True, slots=True)
class Typed:
    """What the candidate has typed to be recognised."""

    name: str
    id_type: str
    id_number: str

    def number(self) -> str | None:
        """The number as it is stored; None where it is none."""
        try:
            return read_document(self.id_type, self.id_number).number
        except (IdentityError, Bad):
            return None

    def name_as_stored(self) -> str | None:
        """The name as it is stored; None where it is none."""
        try:
            return normalise_name(self.name)
        except Bad:
            return None


@dataclass(slots=True)
class Counted:
    """The proof that an attempt was counted: under which names of counters, and when. `for_person`
    is how often the person was asked for today; `looked` is set by the rule that looks for him."""

    at: dt.datetime
    own: str = ""
    person: str = ""
    #: of this name for this person, and of all the names for him
    name: str = ""
    names: str = ""
    for_person: int = 0
    looked: bool = False


def count(
    session: Session,
    typed: Typed,
    asking: Asking = Asking.ADMISSION,
    *,
    clock: Clock = system_clock,
) -> Counted:
    """Count an attempt to look for this person; the caller commits it before the attempt is made.
    Without a name or a number that somebody can have, it counts for the candidate alone.
    Raises TooMany where he has tried too often, TooManyNames where too many names for one person.
    """
    passport_id = actor_of(session).passport_id
    counted = Counted(clock(), f"{asking}:{passport_id}")
    rate_limit.require(session, counted.own, RATE, counted.at)
    name, number = typed.name_as_stored(), typed.number()
    if name is not None and number is not None:
        person = _short(number)
        counted.name = f"name:{passport_id}:{_short(f'{number} {name}')}"
        counted.names = f"names:{passport_id}:{person}"
        counted.person = f"{asking}-person:{person}"
        if rate_limit.hit(session, counted.name, RATE_NAMES[1], counted.at) == 1:
            tried = rate_limit.hit(session, counted.names, RATE_NAMES[1], counted.at)
            rate_limit.refuse_above(tried, RATE_NAMES, counted.at, TooManyNames)
        counted.for_person = rate_limit.hit(session, counted.person, RATE_PERSON[1], counted.at)
    return counted


def _short(text: str) -> str:
    """What stands for something personal in the name of a counter."""
    return (digest(text) or "")[:32]


def give_back(session: Session, counted: Counted) -> None:
    """Undo the count of an attempt in which nobody was looked for."""
    rate_limit.give_back(session, counted.own, RATE, counted.at)
    if not counted.person:
        return
    # the same name may have been looked for by another request, for which it stays counted
    if rate_limit.give_back(session, counted.name, RATE_NAMES, counted.at) == 0:
        rate_limit.give_back(session, counted.names, RATE_NAMES, counted.at)
    rate_limit.give_back(session, counted.person, RATE_PERSON, counted.at)


def refuse_above(counted: Counted) -> None:
    """Raises TooMany in the place of a refusal, where the person was asked for too often."""
    rate_limit.refuse_above(counted.for_person, RATE_PERSON, counted.at)


# ---------------------------------------------------------------- the log


def record_of(session: Session, exam_id: int, key: str) -> StudentRecord | None:
    """The record, where its site has 启用学籍库 in this session (R19.3)."""
    if admission.roster_site(session, exam_id, key) is None:
        return None
    with elevated(session, "R19.3a autoload", StudentRecord):
        return session.scalars(select(StudentRecord).where(StudentRecord.id_digest == key)).first()


def log_refused(session: Session, typed: Typed, exam_id: int) -> None:
    """Tell in the log that this person was not admitted."""
    number = typed.number()
    if number is not None:
        row = record_of(session, exam_id, digest(number) or "")
        log_attempt(session, row, number, Asking.ADMISSION, found=False)


def log_attempt(
    session: Session, row: StudentRecord | None, number: str, asking: Asking, *, found: bool
) -> None:
    """In the log of the site whose record was asked for, with the number masked and digested."""
    place: tuple[int | None, int | None, int | None] = (None, None, None)
    if row is not None:
        site = session.scalars(
            select(Organisation).where(
                Organisation.exam_id == actor_of(session).exam_id,
                Organisation.code == row.site_code,
            )
        ).first()
        if site is not None:
            place = (site.province_id, site.city_id, site.site_id)
    told = audit.protect(_ID_NUMBER, number[:30])
    audit.record(
        session,
        f"roster.studentrecord.{asking}",
        object_type=StudentRecord.__name__,
        object_id=row.id if row is not None else None,
        changes={_ID_NUMBER.name: {"label": _ID_NUMBER.label, "old": None, "new": told}},
        outcome="done" if found else "refused",
        place=place,
    )


__all__ = [
    "RATE",
    "RATE_NAMES",
    "RATE_PERSON",
    "Asking",
    "Counted",
    "TooManyNames",
    "Typed",
    "count",
    "give_back",
    "log_attempt",
    "log_refused",
    "record_of",
    "refuse_above",
]
