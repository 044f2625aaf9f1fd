"""学籍自动载入 (R19.3, R19.3a): what a record fills in for a candidate who names its person.

Name and document number must both be those of the record. Anything else – no record, another
name, a site without 启用学籍库 – has the same answer, so that nobody learns who is a student where.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session

from app.database.keys import digest
from app.models.roster import StudentRecord
from app.rules.registration.eligibility import require_candidate
from app.rules.roster.attempts import Asking, Counted, Typed, log_attempt, record_of
from app.rules.site import Site, class_options_of

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


def autoload(
    session: Session, site: Site, typed: Typed, *, counted: Counted
) -> Mapping[str, str] | None:
    """The values that the record of this person fills in, for a registration at `site`; None
    where there is nothing to load, which is told as TooMany above the limit of the person
    (`attempts.refuse_above`): here it would take back what the log tells.

    Needs a writing session, for the log tells of each attempt, and an attempt that was `counted`
    before. Where nobody can be called so, nobody is looked for. Raises CandidatesOnly.
    """
    require_candidate(session)
    name, number = typed.name_as_stored(), typed.number()
    if name is None:
        return None
    counted.looked = True
    row = record_of(session, site.exam_id, digest(number) or "") if number is not None else None
    matches = row is not None and row.name == name
    log_attempt(session, row, number or typed.id_number, Asking.AUTOLOAD, found=matches)
    session.flush()
    return _values(session, site, row) if row is not None and matches else None


def _values(session: Session, site: Site, row: StudentRecord) -> dict[str, str]:
    found: dict[str, str] = {
        name: value for name in LOADED if (value := getattr(row, name)) is not None
    }
    options = class_options_of(session, site)
    if options and found.get("class_name") not in options:
        found.pop("class_name", None)  # R18.2: it could not be saved here
    return found


__all__ = ["LOADED", "autoload"]
