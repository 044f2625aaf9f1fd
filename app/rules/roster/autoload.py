"""学籍自动载入 (R19.3, R19.3a): what a record fills in for a candidate who names its person.

Name and document number must both be those of the record. Anything else – no record, another
name, a site without 启用学籍库 – has the same answer, so that nobody learns who is a student where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.keys import digest
from app.database.policy import actor_of, elevated
from app.metadata.fields import fields_of
from app.metadata.text import Bad, normalise_name
from app.models.organisation import Organisation
from app.models.roster import StudentRecord
from app.rules import audit, rate_limit
from app.rules.clock import Clock, system_clock
from app.rules.identity import IdentityError, read_document
from app.rules.registration.eligibility import require_candidate
from app.rules.roster import admission
from app.rules.site import Site, class_options_of

#: attempts per passport, and per person asked for: number and seconds
RATE: rate_limit.Rate = (10, 60 * 60)
RATE_PERSON: rate_limit.Rate = (20, 24 * 60 * 60)
_ID_NUMBER = fields_of(StudentRecord)["id_number"]
#: what is filled in. Contacts are not: who knows name and number of somebody else shall not learn
#: where he lives or how to call him (§8.1); the candidate types his own.
LOADED = (
    "ethnic",
    "education",
    "occupation",
    "department",
    "major",
    "class_name",
    "student_number",
)


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


def autoload(
    session: Session, site: Site, typed: Typed, *, clock: Clock = system_clock
) -> Mapping[str, str] | None:
    """The values that the record of this person fills in, for a registration at `site`; None
    where there is nothing to load.

    Needs a writing session: attempts are counted, and the log tells of each. Raises
    CandidatesOnly, TooMany.
    """
    actor, now = require_candidate(session), clock()
    rate_limit.require(session, f"autoload:{actor.passport_id}", RATE, now)
    number = typed.number()
    key = digest(number) or ""
    if number is not None:
        rate_limit.require(session, f"autoload-person:{key[:32]}", RATE_PERSON, now)
    row = record_of(session, site.exam_id, key) if number is not None else None
    matches = row is not None and row.name == _name(typed.name)
    log_attempt(session, row, number or typed.id_number, found=matches)
    session.flush()
    return _values(session, site, row) if row is not None and matches else None


def _name(text: str) -> str:
    try:
        return normalise_name(text)
    except Bad:
        return ""


def record_of(session: Session, exam_id: int, key: str) -> StudentRecord | None:
    """The record, where its site has 启用学籍库 in this session (R19.3)."""
    if admission.roster_site(session, exam_id, key) is None:
        return None
    with elevated(session, "R19.3a autoload", StudentRecord):
        return session.scalars(select(StudentRecord).where(StudentRecord.id_digest == key)).first()


def _values(session: Session, site: Site, row: StudentRecord) -> dict[str, str]:
    found: dict[str, str] = {
        name: value for name in LOADED if (value := getattr(row, name)) is not None
    }
    options = class_options_of(session, site)
    if options and found.get("class_name") not in options:
        found.pop("class_name", None)  # R18.2: it could not be saved here
    return found


def log_attempt(
    session: Session,
    row: StudentRecord | None,
    number: str,
    *,
    found: bool,
    word: str = "autoload",
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
        f"roster.studentrecord.{word}",
        object_type=StudentRecord.__name__,
        object_id=row.id if row is not None else None,
        changes={_ID_NUMBER.name: {"label": _ID_NUMBER.label, "old": None, "new": told}},
        outcome="done" if found else "refused",
        place=place,
    )


__all__ = ["LOADED", "RATE", "RATE_PERSON", "Typed", "autoload", "log_attempt", "record_of"]
