"""Personal data of a registration (报名个人信息): cleaned, checked against the document, claimed.

A person registers once per session: `PersonClaim` is unique over all sites, and the database
decides when two come at the same instant (N12).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.database.keys import digest
from app.metadata.cleaning import load
from app.metadata.errors import LABELLED, N_, InvalidInput, KaowuError, Message, StaleRow
from app.metadata.fields import Field, Kind, fields_of
from app.metadata.text import (
    Bad,
    normalise_email,
    normalise_mobile,
    normalise_name,
    normalise_phone,
    normalise_postcode,
)
from app.metadata.vocabulary import Verb
from app.models.codes import EDUCATIONS, ETHNIC_GROUPS, ID_TYPES, OCCUPATIONS
from app.models.exam import Exam
from app.models.registration import PersonClaim, Registration, Review
from app.rules.clock import Clock, local_day, system_clock
from app.rules.identity import (
    IdentityError,
    check_age,
    check_identity,
    needs_guardian,
    read_document,
)
from app.rules.policy import permit
from app.rules.registration import eligibility, permits
from app.rules.registration.states import Held, change_saved, hold
from app.rules.roster.admission import Named
from app.rules.roster.attempts import Counted
from app.rules.site import Site, class_options_of, hold_site, load_site

#: by these a person is found: who changes them asks who may register where
IDENTITY = frozenset({"name", "id_number"})
#: what of a form changes them: a number is read by the type of its document
IDENTIFYING = IDENTITY | {"id_type"}


class PersonTaken(KaowuError):
    """This document is registered in the session already, here or elsewhere (N12)."""

    code = "registration.person_taken"
    template = N_("该证件号码在本考次已报名，不能重复报名。如非本人操作，请联系考点核实。")
    status = 409


class IdentityFixed(KaowuError):
    """Seats are not passed on: after a payment the document stays."""

    code = "registration.identity_fixed"
    template = N_("已有支付成功的科目，证件类型和证件号码不能修改。如有错误，请联系考点。")


def _person_fields() -> dict[str, Field]:
    columns = fields_of(Registration)
    choice = {"kind": Kind.CHOICE, "required": True}
    changes: dict[str, dict[str, Any]] = {
        "name": {"checks": (normalise_name,)},
        "pinyin": {},
        "sex": {},
        "birth": {},
        "id_type": choice | {"choices": ID_TYPES.choices},
        "id_number": {},
        "ethnic": choice | {"choices": ETHNIC_GROUPS.choices},
        "education": choice | {"choices": EDUCATIONS.choices},
        "occupation": choice | {"choices": OCCUPATIONS.choices},
        "department": {},
        "major": {},
        "class_name": {},
        "student_number": {},
        "postcode": {"checks": (normalise_postcode,)},
        "address": {},
        "mobile": {"required": True, "checks": (normalise_phone,)},
        "email": {"checks": (normalise_email,)},
        "guardian_mobile": {"checks": (normalise_mobile,)},
    }
    return {name: replace(columns[name], **changed) for name, changed in changes.items()}


#: What a candidate fills in, in the order of the form (Minimisation: nothing else, §8.1).
PERSON_FIELDS = _person_fields()
#: A registration may be locked or submitted only with all of these (R25.27).
REQUIRED = tuple(name for name, field in PERSON_FIELDS.items() if field.required)


def clean_person(
    session: Session, site: Site, values: Mapping[str, Any], now: dt.datetime
) -> dict[str, Any]:
    """Clean a whole form; birth and sex that are left empty are read from the document.

    Raises InvalidInput with every mistake: forms, document, age (R3.9), class (R18.2), guardian.
    """
    completed = _completed(values)
    try:
        cleaned = load(PERSON_FIELDS.values(), completed)
    except InvalidInput as error:
        _check_number(completed, error.errors)
        raise
    errors: dict[str, list[str]] = {}
    _check_document(cleaned, errors)
    _check_age(session, site.exam_id, cleaned, now, errors)
    _check_class(session, site, cleaned, errors)
    if errors:
        raise InvalidInput(errors)
    return cleaned


def _completed(values: Mapping[str, Any]) -> dict[str, Any]:
    completed = dict(values)
    try:
        found = read_document(str(values.get("id_type") or ""), values.get("id_number"))
    except (IdentityError, Bad):
        return completed  # reported by the checks below
    for name, value in (("birth", found.birth), ("sex", found.sex)):
        if value is not None and not completed.get(name):
            completed[name] = value
    return completed


def _check_number(values: Mapping[str, Any], errors: dict[str, list[str]]) -> None:
    """The document alone, where other fields are wrong already: all mistakes at once."""
    if errors.keys() & {"id_type", "id_number"}:
        return
    try:
        read_document(values["id_type"], values["id_number"])
    except IdentityError as error:
        _add(errors, error.column, error.as_message())
    except Bad as error:
        _add(errors, "id_number", error.as_message())


def _add(errors: dict[str, list[str]], name: str, message: str) -> None:
    errors.setdefault(name, []).append(
        Message(LABELLED, label=PERSON_FIELDS[name].label, message=message)
    )


def _check_document(cleaned: dict[str, Any], errors: dict[str, list[str]]) -> None:
    """Also puts the normalised number into `cleaned` (N6, N7)."""
    try:
        found = check_identity(
            cleaned["id_type"], cleaned["id_number"], sex=cleaned["sex"], birth=cleaned["birth"]
        )
    except IdentityError as error:
        _add(errors, error.column, error.as_message())
    except Bad as error:
        _add(errors, "id_number", error.as_message())
    else:
        cleaned["id_number"] = found.number


def _check_age(
    session: Session,
    exam_id: int,
    cleaned: Mapping[str, Any],
    now: dt.datetime,
    errors: dict[str, list[str]],
) -> None:
    try:
        check_age_in_exam(session, exam_id, cleaned["birth"], now)
    except IdentityError as error:
        _add(errors, "birth", error.as_message())
    if needs_guardian(cleaned["birth"], local_day(now)) and not cleaned["guardian_mobile"]:
        _add(errors, "guardian_mobile", N_("未满14周岁的考生须填写监护人电话"))


def check_age_in_exam(session: Session, exam_id: int, birth: dt.date, now: dt.datetime) -> None:
    """The session's age range, on the day of submission (R6.5). Raises AgeOutOfRange."""
    exam = session.scalars(select(Exam).where(Exam.id == exam_id)).one()
    check_age(birth, local_day(now), minimum=exam.age_min, maximum=exam.age_max)


def _check_class(
    session: Session, site: Site, cleaned: Mapping[str, Any], errors: dict[str, list[str]]
) -> None:
    given = cleaned["class_name"]
    if given is None:
        if site.settings.class_required:
            _add(errors, "class_name", N_("考点要求填写班级"))
        return
    options = class_options_of(session, site)
    if options and given not in options:
        _add(
            errors,
            "class_name",
            Message(N_("只能从以下选项中选取：{options}"), options=options[:20]),
        )


# ---------------------------------------------------------------- registering


def register(
    session: Session,
    site_id: int,
    values: Mapping[str, Any],
    *,
    notice_version: str,
    counted: Counted,
    clock: Clock = system_clock,
) -> Registration:
    """The candidate chooses a site, accepts its notices and gives his personal data.

    The answer tells whether the site admits that person, so the attempt was `counted` (R19.3a).
    Raises AlreadyRegistered, CandidatesOnly, NoticesChanged, NotAdmitted, PersonTaken,
    InvalidInput, and the causes of `Site.require_online`.
    """
    with permit(session, permits.SAVE_PERSON, Verb.RUN, clock=clock):
        actor = eligibility.require_candidate(session)
        site = hold_site(session, site_id)
        now = clock()  # not before: the gate may have been waited for
        site.require_online(now)
        eligibility.require_accepted(session, site, notice_version)
        eligibility.require_none_yet(session)
        cleaned = clean_person(session, site, values, now)
        id_digest = str(digest(cleaned["id_number"]))
        counted.looked = True
        eligibility.admits(session, site, Named(id_digest, cleaned["name"]))
        row = Registration(
            exam_id=site.exam_id,
            province_id=site.province_id,
            city_id=site.city_id,
            site_id=site.site_id,
            passport_id=actor.passport_id,
            review=(Review.OPEN if site.settings.review_required else Review.NONE).value,
            state_changed_at=now,
            notice_version=notice_version,
            notice_accepted_at=now,
            id_digest=id_digest,
            **cleaned,
        )
        _add_claimed(session, row)
    return row


def _add_claimed(session: Session, row: Registration) -> None:
    """Insert the registration and its claim on the person; the database picks the winner."""
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError:  # a second tab of the same passport was faster
        raise eligibility.AlreadyRegistered() from None
    claim = PersonClaim(exam_id=row.exam_id, id_digest=row.id_digest, registration_id=row.id)
    try:
        with session.begin_nested():
            session.add(claim)
            session.flush()
    except IntegrityError:
        raise PersonTaken() from None


def update_person(
    session: Session,
    registration_id: int,
    values: Mapping[str, Any],
    *,
    version: int,
    counted: Counted | None = None,
    clock: Clock = system_clock,
) -> Registration:
    """The candidate changes his data while they are not locked.

    `version` is what the form was made from (N3). Who changes name or number has it `counted`, as
    for `register`; it is StaleRow where that was not done, because they were the same before.
    Raises InformationLocked, OnlyThroughSite, StaleRow, IdentityFixed, PersonTaken, InvalidInput,
    NotAdmitted, causes of `require_online`.
    """
    with permit(session, permits.SAVE_PERSON, Verb.RUN, clock=clock):
        held = hold(session, registration_id)
        now = clock()  # not before: the lock may have been waited for
        row = held.registration
        held.require_individual()
        held.require_unlocked()
        site = load_site(session, row.site_id or 0)
        site.require_online(now)
        merged = {name: getattr(row, name) for name in PERSON_FIELDS} | dict(values)
        cleaned = clean_person(session, site, merged, now)
        changed = {name: value for name, value in cleaned.items() if getattr(row, name) != value}
        uncounted = counted is None and IDENTITY & changed.keys()
        if row.version != version or uncounted:
            raise StaleRow(difference=_difference(row, changed))
        if changed:
            _change_identity(session, held, site, changed, counted)
            for name, value in changed.items():
                setattr(row, name, value)
            change_saved(row, now)
    return row


def _difference(row: Registration, changed: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        PERSON_FIELDS[name].label: (value, getattr(row, name)) for name, value in changed.items()
    }


def _change_identity(
    session: Session, held: Held, site: Site, changed: Mapping[str, Any], counted: Counted | None
) -> None:
    """A changed document moves the claim; the photo belonged to the former number (R23.6). Who he
    is by name and number decides where he may register (R19.3a)."""
    if {"id_type", "id_number"} & changed.keys() and held.paid:
        raise IdentityFixed()
    if not IDENTITY & changed.keys():
        return
    row = held.registration
    id_digest = str(digest(changed.get("id_number", row.id_number)))
    if counted is not None:
        counted.looked = True
    eligibility.admits(session, site, Named(id_digest, changed.get("name", row.name)))
    if id_digest == row.id_digest:
        return
    claim = session.scalars(select(PersonClaim).where(PersonClaim.registration_id == row.id)).one()
    try:
        with session.begin_nested():
            claim.id_digest = id_digest
            session.flush()
    except IntegrityError:
        raise PersonTaken() from None
    row.id_digest = id_digest
    row.photo_id = None


def missing_of(row: Registration) -> list[str]:
    """Labels of what is missing before the registration may be locked or submitted (R25.27)."""
    missing = [PERSON_FIELDS[name].label for name in REQUIRED if not getattr(row, name)]
    return missing if row.photo_id else [*missing, N_("照片")]
