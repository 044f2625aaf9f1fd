"""Student records of the demo: two sites use the roster, each with a few dozen students."""

from __future__ import annotations

import random

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.keys import digest
from app.demo.ground import Ground
from app.demo.people import People
from app.demo.plan import CITIES, PROVINCE
from app.demo.writing import writing
from app.models.registration import LIVE, Registration
from app.models.roster import RosterPolicy, StudentRecord

#: sites with 启用学籍库, and how many students each has beside those who are registered
STUDENTS = {"990701": 36, "990702": 24}
#: so many of the registered candidates of a site are its students
REGISTERED = 12
#: the numbers of these people lie behind those of all candidates
FIRST_NUMBER = 40_000
_COLUMNS = (
    "name",
    "sex",
    "birth",
    "id_type",
    "id_number",
    "ethnic",
    "education",
    "occupation",
    "department",
    "major",
    "class_name",
    "student_number",
    "postcode",
    "address",
    "mobile",
    "email",
)


def add_records(session: Session, ground: Ground) -> int:
    """Switch the roster on at these sites and fill their libraries; how many records."""
    rng = random.Random("kaowu-demo-roster")  # noqa: S311 - the same demo each time
    people = People(rng, ground.calendar.base, FIRST_NUMBER)
    count = 0
    for code, number in STUDENTS.items():
        site = ground.site(code)
        students = session.scalars(
            select(Registration)
            .where(Registration.site_id == site.id, Registration.life.in_(LIVE))
            .order_by(Registration.id)
            .limit(REGISTERED)
        )
        values = [{name: getattr(row, name) for name in _COLUMNS} for row in students]
        for _ in range(number):
            made = people.next()
            values.append({name: made[name] for name in _COLUMNS})
        with writing(session):
            policy = session.scalars(
                select(RosterPolicy).where(RosterPolicy.site_id == site.id)
            ).one()
            policy.roster_enabled = True
            for columns in values:
                session.add(_record(code, columns))
        count += len(values)
    return count


def _record(code: str, columns: dict[str, object]) -> StudentRecord:
    return StudentRecord(
        province_code=PROVINCE,
        city_code=code[:4] if code[:4] in CITIES else None,
        site_code=code,
        id_digest=digest(str(columns["id_number"])),
        **columns,
    )
