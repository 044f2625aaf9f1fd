"""The rows of one seat claim, for `bench.seat_claim`: the same for the floor and for us."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

from app.database.identifiers import new_id
from app.models.audit import AuditEntry
from app.models.payment import PaymentOrder
from app.models.registration import Entry, Registration
from tests.factories import EXAM_DAYS

SUBJECT, DAY = "14", EXAM_DAYS[0]
SEATS = {f"D:{DAY}": 1, f"S:{SUBJECT}": 1, "TOTAL": 1}
#: Registration, order, entry, log: parents before children.
TABLES: tuple[Any, ...] = (
    Registration.__table__,
    PaymentOrder.__table__,
    Entry.__table__,
    AuditEntry.__table__,
)
Values = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """The hot site and a candidate, as plain numbers that a process can be handed."""

    exam_id: int
    province_id: int | None
    city_id: int | None
    site_id: int
    passport_id: int


def rows_of_claim(place: Place) -> list[Values]:
    """Values for each of TABLES; every call writes new rows."""
    now = dt.datetime.now(dt.UTC)
    owner: Values = {**asdict(place), "created_at": now, "updated_at": now}
    registration, order, entry = new_id(), new_id(), new_id()
    return [
        owner | _registration(registration),
        owner | _order(order, registration, now),
        owner | _entry(entry, registration, order),
        _log(place, entry, now),
    ]


def _registration(number: int) -> Values:
    return {
        "id": number,
        "version": 1,
        "mode": "individual",
        # live registrations are unique per passport, and the bench has one passport
        "life": "deleted",
        "payment": "unpaid",
        "locked": False,
        "review": "none",
        "photo_renewal": False,
        "name": "测试考生",
        "sex": "1",
        "birth": dt.date(2001, 2, 3),
        "id_type": "1",
        "id_number": "990101200102030015",
        "id_digest": f"{number:064d}",
        "subject_codes": SUBJECT,
        "subject_count": 1,
    }


def _order(number: int, registration: int, now: dt.datetime) -> Values:
    return {
        "id": number,
        "version": 1,
        "number": str(number),
        "registration_id": registration,
        "subject_codes": SUBJECT,
        "person_fee": 1000,
        "subject_fee": 7200,
        "amount": 8200,
        "channel": "sandbox",
        "state": "open",
        "expires_at": now,
    }


def _entry(number: int, registration: int, order: int) -> Values:
    return {
        "id": number,
        "registration_id": registration,
        "subject_code": SUBJECT,
        "state": "paying",
        "preference_day": DAY,
        "fee": 7200,
        "order_id": order,
    }


def _log(place: Place, entry: int, now: dt.datetime) -> Values:
    return asdict(place) | {
        "id": new_id(),
        "at": now,
        "actor_name": "",
        "actor_level": "candidate",
        "organisation_code": "",
        "action": "registration.entry.add",
        "object_type": "Entry",
        "object_id": entry,
        "object_title": SUBJECT,
        "changes": {},
        "request_id": "",
        "address": "",
        "outcome": "done",
        "sealed": False,
    }
