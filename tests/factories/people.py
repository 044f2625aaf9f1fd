"""Passports, administrators and registrations on the ground of a tree."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.keys import digest
from app.metadata.actor import Actor
from app.metadata.id_numbers import check_digit
from app.metadata.vocabulary import Level
from app.models.account import AdminBinding, Passport
from app.models.capacity import CapacityPool
from app.models.organisation import Organisation
from app.models.payment import OrderState, PaymentOrder
from app.models.registration import (
    HOLDING,
    PAID_STATES,
    Entry,
    EntryState,
    Life,
    Mode,
    PersonClaim,
    Photo,
    Registration,
    Review,
)
from app.models.settings import PERSON_FEE, Fee
from tests.factories.ground import Tree, plant, seeding

_numbers = itertools.count(1)


def id_number(
    number: int | None = None, *, birth: dt.date = dt.date(2001, 2, 3), sex: str = "1"
) -> str:
    """A valid generated ID number of province 99; the same `number` gives the same one."""
    number = next(_numbers) if number is None else number
    area, order = divmod(number, 500)
    seventeen = f"99{area % 10000:04d}{birth:%Y%m%d}{order * 2 % 1000 + (sex == '1'):03d}"
    return seventeen + check_digit(seventeen)


def person(number: int | None = None, **changes: Any) -> dict[str, Any]:
    """Personal data as a form sends it: strings, a fresh valid ID number, all required fields."""
    number = next(_numbers) if number is None else number
    birth = dt.date(2001, 2, 3)
    return {
        "name": "测试考生",
        "sex": "1",
        "birth": birth.isoformat(),
        "id_type": "1",
        "id_number": id_number(number, birth=birth),
        "ethnic": "01",
        "education": "20",
        "occupation": "01",
        "postcode": "100000",
        "address": "测试路2号",
        "mobile": f"139{number % 10**8:08d}",
        "email": f"person{number}@example.com",
    } | changes


def make_passport(session: Session, **values: Any) -> Passport:
    """A passport of a candidate; give `password_hash` where somebody logs in."""
    number = next(_numbers)
    mobile = values.pop("mobile", f"138{number % 10**8:08d}")
    row = Passport(
        **{
            "number": uuid.uuid4().hex,
            "name": "测试考生",
            "email": f"passport{number}@example.com",
            "mobile": mobile,
            "mobile_digest": digest(mobile),
            "password_hash": "!",
            "session_version": 1,
        }
        | values
    )
    plant(session, row)
    return row


def bind_administrator(
    session: Session, tree: Tree, level: Level = Level.SITE, number: int = 0, **passport: Any
) -> tuple[Passport, Actor]:
    """A passport that administers the organisation, and the actor it becomes."""
    actor = tree.actor(level, number)
    owner = make_passport(session, **passport)
    row = AdminBinding(
        passport_id=owner.id,
        organisation_code=actor.organisation_code,
        level=level.value,
        name=owner.name or "管理员",
        province_code=actor.province_code or None,
        city_code=actor.city_code or None,
        site_code=actor.site_code or None,
    )
    plant(session, row)
    return owner, replace(actor, passport_id=owner.id, name=row.name)


# ---------------------------------------------------------------- registrations


def make_registration(
    session: Session,
    tree: Tree,
    site: Organisation | None = None,
    *,
    passport: Passport | None = None,
    subjects: Sequence[str] = ("14",),
    state: EntryState = EntryState.UNPAID,
    preference_day: dt.date | None = None,
    collective: bool = False,
    photo: bool = True,
    **values: Any,
) -> Registration:
    """A live registration with entries in one state; counters, claim, photo and a paid order fit.

    `values` are columns of `Registration` (`name`, `review`, `locked`, `id_number`, …).
    """
    site = site or tree.site
    passport = passport or make_passport(session)
    number = values.pop("id_number", None) or id_number()
    id_digest = digest(number)
    assert id_digest is not None
    path = tree.path(site)
    owner = {"passport_id": passport.id}
    paid = state in PAID_STATES
    with seeding(session):
        picture = _photo(session, path, passport, id_digest) if photo else None
        row = Registration(
            **path,
            **owner,
            **{
                "mode": (Mode.COLLECTIVE if collective else Mode.INDIVIDUAL).value,
                "life": Life.ACTIVE.value,
                "review": Review.NONE.value,
                "payment": "none" if not subjects else "paid" if paid else "unpaid",
                "state_changed_at": tree.now,
                "submitted_at": tree.now,
                "name": "测试考生",
                "sex": "1" if int(number[16]) % 2 else "2",
                "birth": dt.date(int(number[6:10]), int(number[10:12]), int(number[12:14])),
                "id_type": "1",
                "id_number": number,
                "id_digest": id_digest,
                "ethnic": "01",
                "education": "20",
                "occupation": "01",
                "mobile": passport.mobile,
                "email": passport.email,
                "photo_id": picture.id if picture else None,
                "subject_codes": ".".join(sorted(subjects)),
                "subject_count": len(subjects),
            }
            | values,
        )
        session.add(row)
        session.flush()
        if row.life in ("draft", "active"):
            session.add(
                PersonClaim(exam_id=tree.exam.id, id_digest=id_digest, registration_id=row.id)
            )
        _entries(session, row, subjects, state, preference_day, tree.now)
    return row


def _photo(
    session: Session, path: dict[str, int | None], passport: Passport, id_digest: str
) -> Photo:
    row = Photo(
        **path,
        passport_id=passport.id,
        id_digest=id_digest,
        file_key=f"photo/{id_digest[:16]}",
        print_key=f"photo/{id_digest[:16]}-print",
        sha256="0" * 64,
        size=30_000,
        width=240,
        height=320,
    )
    session.add(row)
    session.flush()
    return row


def _entries(
    session: Session,
    registration: Registration,
    subjects: Sequence[str],
    state: EntryState,
    preference_day: dt.date | None,
    now: dt.datetime,
) -> None:
    path = {
        name: getattr(registration, name)
        for name in ("exam_id", "province_id", "city_id", "site_id", "passport_id")
    }
    paid = state in PAID_STATES
    found = session.execute(
        select(Fee.subject_code, Fee.amount).where(Fee.site_id == registration.site_id)
    )
    fees = {row.subject_code: row.amount for row in found}
    order = None
    if paid and subjects:
        order = PaymentOrder(
            **path,
            number=uuid.uuid4().hex[:24],
            registration_id=registration.id,
            subject_codes=registration.subject_codes,
            person_fee=fees.get(PERSON_FEE, 0),
            subject_fee=sum(fees.get(code, 0) for code in subjects),
            amount=fees.get(PERSON_FEE, 0) + sum(fees.get(code, 0) for code in subjects),
            channel="sandbox",
            state=OrderState.PAID.value,
            expires_at=now + dt.timedelta(days=1),
            paid_at=now,
        )
        session.add(order)
        session.flush()
    for code in sorted(subjects):
        session.add(
            Entry(
                **path,
                registration_id=registration.id,
                subject_code=code,
                state=state.value,
                preference_day=preference_day,
                fee=fees.get(code, 0) if paid else None,
                order_id=order.id if order else None,
                paid_at=now if paid else None,
            )
        )
    if state in HOLDING:
        _hold(session, registration.site_id, subjects, preference_day)


def _hold(
    session: Session,
    site_id: int | None,
    subjects: Sequence[str],
    preference_day: dt.date | None,
) -> None:
    """Count the seats, as `rules.capacity.claim` does."""
    needed = {f"S:{code}": 1 for code in subjects} | {"TOTAL": len(subjects)}
    if preference_day is not None:
        needed[f"D:{preference_day.isoformat()}"] = len(subjects)
    rows = session.scalars(
        select(CapacityPool).where(CapacityPool.site_id == site_id, CapacityPool.pool.in_(needed))
    )
    for row in rows:
        row.used += needed[row.pool]
