"""Passports come into being: by registration (R5.1), or by an import from above (R5.4)."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.database.keys import keyring
from app.database.policy import elevated
from app.database.session import KaowuSession
from app.metadata.errors import N_
from app.metadata.text import Bad, normalise, normalise_email, normalise_mobile, normalise_name
from app.metadata.vocabulary import ExamState, Verb
from app.models.account import AdminBinding, Passport, PasswordHistory
from app.models.exam import Exam
from app.models.registration import LIVE, Registration
from app.rules import policy
from app.rules.account.access import Access
from app.rules.account.codes import Purpose, check_code, owner_of, spend_code
from app.rules.account.declarations import PASSPORT, owner_permit
from app.rules.account.errors import (
    CodeRefused,
    ConsentMissing,
    EmailOfAnotherPassport,
    EmailTaken,
    FieldErrors,
    MobileOfAnotherPassport,
    MobileTaken,
    PassportIsAdministrator,
    PassportMixed,
    Problem,
)
from app.rules.account.login import Identity, Totp
from app.rules.password import hash_password, password_problems

#: Version of the terms that visitors consent to; raise it when their text changes.
TERMS_VERSION = "2026-01"
#: The hash of an account that has no password yet: nothing matches it.
NO_PASSWORD = "!"  # noqa: S105 - the mark of a locked hash


@dataclass(frozen=True, slots=True)
class NewPassport:
    """What a visitor typed. `prove` says which target the code went to: "mobile" or "email"."""

    email: str
    mobile: str
    password: str
    code: str
    consent: bool
    prove: str = "mobile"
    name: str = ""


@dataclass(frozen=True, slots=True)
class _Checked:
    email: str
    mobile: str
    name: str | None
    by_email: bool

    @property
    def proved(self) -> str:
        """Where the code went."""
        return self.email if self.by_email else self.mobile


def register_passport(access: Access, form: NewPassport) -> Identity:
    """Make a passport: e-mail and mobile both, one of them proved by a code (R5.1).

    The other one is kept as unconfirmed: it becomes a log-in name when its owner proves it
    (`contacts`). That an address is taken is said only to who has proved it, so a stranger cannot
    ask whose it is. Raises FieldErrors, all of them at once.
    """
    checked = check_form(form)
    try:
        code_id = check_code(access, Purpose.REGISTER, checked.proved, form.code)
    except CodeRefused as refusal:
        raise FieldErrors({"code": [refusal]}) from None
    password_hash = hash_password(form.password)

    def work(session: KaowuSession) -> Identity:
        now = access.clock()
        _refuse_taken(session, checked)
        spend_code(session, code_id, now)
        return _insert(session, checked, password_hash, now)

    return access.write("passport registration", work)


def check_form(form: NewPassport) -> _Checked:
    """Clean the form. Raises FieldErrors with every field's problems."""
    problems: dict[str, list[Problem]] = {}
    cleaned = {"email": "", "mobile": "", "name": ""}
    cleaners = {"email": normalise_email, "mobile": normalise_mobile, "name": normalise_name}
    for field, cleaner in cleaners.items():
        text = getattr(form, field)
        if field == "name" and not normalise(text):
            continue  # a candidate's name is asked for when he registers for an exam
        try:
            cleaned[field] = cleaner(text)
        except Bad as problem:
            problems[field] = [problem]
    weak = password_problems(
        form.password, administrator=False, identifiers=[*cleaned.values(), form.email, form.mobile]
    )
    if weak:
        problems["password"] = list(weak)
    if not form.consent:
        problems["consent"] = [ConsentMissing()]
    if problems:
        raise FieldErrors(problems)
    name, by_email = cleaned["name"] or None, form.prove == "email"
    return _Checked(cleaned["email"], cleaned["mobile"], name, by_email)


def _refuse_taken(session: Session, checked: _Checked) -> None:
    if session.scalar(select(Passport.id).where(owner_of(checked.proved))) is None:
        return
    if checked.by_email:
        raise FieldErrors({"email": [EmailTaken()]})
    raise FieldErrors({"mobile": [MobileTaken()]})


def _insert(session: Session, checked: _Checked, password_hash: str, now: dt.datetime) -> Identity:
    passport = Passport(
        number=uuid.uuid4().hex,
        name=checked.name,
        **_contacts(checked),
        password_hash=password_hash,
        password_changed_at=now,
        origin="self",
        terms_version=TERMS_VERSION,
        terms_accepted_at=now,
    )
    try:
        with policy.permit(session, PASSPORT, Verb.ADD), session.begin_nested():
            session.add(passport)
            session.flush()
            session.add(PasswordHistory(passport_id=passport.id, password_hash=password_hash))
    except IntegrityError:  # a parallel registration was first
        _refuse_taken(session, checked)
        raise
    return Identity(
        passport_id=passport.id,
        session_version=1,
        must_change=False,
        totp=Totp.NONE,
    )


def _contacts(checked: _Checked) -> dict[str, str]:
    """What was proved is a log-in name; the other one waits."""
    if checked.by_email:
        return {"email": checked.email, "pending_mobile": checked.mobile}
    return {
        "mobile": checked.mobile,
        "mobile_digest": keyring().digest(checked.mobile),
        "pending_email": checked.email,
    }


# ---------------------------------------------------------------- imports


class Provided(NamedTuple):
    """The passport of an imported person, and whether this call made it."""

    passport: Passport
    created: bool


def provide_passport(
    session: Session, *, email: str | None, mobile: str | None, name: str | None
) -> Provided:
    """The passport of an imported person: an existing one, or a new one with 123456 (R5.4, N10).

    Inside the importing rule's permit. Texts are normalised here. Nothing of an existing passport
    is overwritten; see `_complete` for what is filled in. Whether it may be a candidate's is for
    the caller to ask (`refuse_administrator`), because administrators are imported too.
    Raises Bad for malformed values, PassportMixed as `known_passport` does.
    """
    address = normalise_email(email) if email else None
    number = normalise_mobile(mobile) if mobile else None
    known = known_passport(session, address, number)
    if known is not None:
        _complete(session, known, address, number, name)
        return Provided(known, created=False)
    if address is None and number is None:
        raise Bad("passport.unreachable", N_("邮箱和手机至少填写一项"))
    passport = Passport(
        number=uuid.uuid4().hex,
        name=name,
        email=address,
        mobile=number,
        mobile_digest=keyring().digest(number) if number else None,
        password_hash=NO_PASSWORD,
        must_change=True,
        origin="import",
    )
    with owner_permit(session, Verb.ADD):
        session.add(passport)
    return Provided(passport, created=True)


def known_passport(session: Session, email: str | None, mobile: str | None) -> Passport | None:
    """The passport that an imported row means, by normalised e-mail and mobile (R5.4).

    One that shares an identifier and has another one in the other's place is somebody else's:
    a mistyped or handed-on mobile must not bind its owner. Raises PassportMixed and its kinds.
    """
    with elevated(session, "R5.4 imported passport", Passport):
        by_email, by_mobile = (
            session.scalars(select(Passport).where(owner_of(target))).one_or_none()
            if target
            else None
            for target in (email, mobile)
        )
    if by_email is not None and by_mobile is not None:
        if by_email is not by_mobile:
            raise PassportMixed()
        return by_email
    if by_mobile is not None and email and by_mobile.email is not None:
        raise MobileOfAnotherPassport()
    if by_email is not None and mobile and by_email.mobile_digest is not None:
        raise EmailOfAnotherPassport()
    return by_email or by_mobile


def _complete(
    session: Session, passport: Passport, email: str | None, mobile: str | None, name: str | None
) -> None:
    """Fill in what a known passport lacks.

    An e-mail or mobile logs in and resets the password, so its owner adds it himself with a code
    (R5.1a). Only an imported account that nobody has opened yet takes it from a row.
    """
    with owner_permit(session, Verb.EDIT):
        if passport.name is None and name is not None:
            passport.name = name
        if not _unopened(passport):
            return
        if passport.email is None and email is not None:
            passport.email = email
        if passport.mobile_digest is None and mobile is not None:
            passport.mobile, passport.mobile_digest = mobile, keyring().digest(mobile)


def _unopened(passport: Passport) -> bool:
    return (
        passport.origin == "import"
        and passport.must_change
        and passport.password_hash == NO_PASSWORD
    )


def is_administrator(session: Session, passport_id: int) -> bool:
    """Whether the passport is bound to an organisation, wherever that is."""
    with elevated(session, "R3.4 administrator", AdminBinding):
        found = session.scalar(
            select(AdminBinding.id).where(AdminBinding.passport_id == passport_id)
        )
    return found is not None


def refuse_administrator(session: Session, passport_id: int) -> None:
    """A passport bound to an organisation has no candidate use (R3.4, N11).

    Raises PassportIsAdministrator.
    """
    if is_administrator(session, passport_id):
        raise PassportIsAdministrator()


def live_registration(session: Session, passport_id: int) -> int | None:
    """Id of the passport's live registration in the current session, at whatever site."""
    with elevated(session, "R3.4 candidate use", Registration, Exam):
        return session.scalar(
            select(Registration.id)
            .join(Exam, Exam.id == Registration.exam_id)
            .where(
                Registration.passport_id == passport_id,
                Registration.life.in_(LIVE),
                Exam.state == ExamState.CURRENT.value,
            )
            .limit(1)
        )
