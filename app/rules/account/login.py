"""Log-in by password or code (R5.0, ch. 6), for both apps.

Passwords are looked up, verified and settled in three steps, so that no lock is held while
scrypt runs. Whoever is unknown, locked or disabled gets the same sentence after the same work.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import CursorResult, case, exists, or_, select, update
from sqlalchemy.orm import Session

from app.database.session import KaowuSession
from app.metadata.text import Bad, normalise, normalise_email, normalise_mobile
from app.metadata.vocabulary import ExamState
from app.models.account import AdminBinding, Passport, RateLimit
from app.models.exam import Exam
from app.models.organisation import Organisation
from app.models.registration import LIVE, Registration
from app.rules import audit, rate_limit
from app.rules.account.access import Access, Rate
from app.rules.account.codes import Purpose, check_code, owner_of, spend_code
from app.rules.account.errors import CodeRefused, LoginRefused
from app.rules.actors import entrance_exam
from app.rules.password import (
    hash_password,
    is_expired,
    is_initial_password,
    needs_rehash,
    verify_password,
)

FAILURES = 5
LOCK = dt.timedelta(minutes=15)


class Totp(StrEnum):
    """What the second factor asks for: nothing, a code, or to be set up first."""

    NONE = "none"
    REQUIRED = "required"
    SETUP = "setup"


@dataclass(frozen=True, slots=True)
class Identity:
    """A passport that has proved itself. What still must come first is for the app to ask.

    `must_change`: a new password before anything else; with `first`, the account has none yet
    and a second proof is needed (`passwords.set_first_password`), otherwise the old one has
    expired. The log-in is complete only when `totp` is NONE and `must_change` is False.
    """

    passport_id: int
    session_version: int
    must_change: bool
    totp: Totp
    first: bool = False
    administrator: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an account before its password is verified."""

    passport_id: int
    number: str
    password_hash: str
    changed_at: dt.datetime | None
    must_change: bool
    active: bool
    session_version: int
    totp_confirmed: bool
    administrator: bool
    #: has a live registration in the current session
    enrolled: bool

    @property
    def awaits_first(self) -> bool:
        """Imported, without a password yet, and of use: bound, or registered now."""
        unset = self.must_change and not self.password_hash.startswith("scrypt:")
        return unset and (self.administrator or self.enrolled)


def facts_of(session: Session, condition: Any) -> Facts | None:
    """The account that meets a condition on Passport; the session is a system actor's."""
    bound = exists().where(AdminBinding.passport_id == Passport.id)
    enrolled = (
        exists()
        .where(Registration.passport_id == Passport.id)
        .where(Registration.life.in_(LIVE))
        .where(Registration.exam_id == Exam.id, Exam.state == ExamState.CURRENT.value)
    )
    row: Any = session.execute(  # typed as a row of any length
        select(
            Passport.id,
            Passport.number,
            Passport.password_hash,
            Passport.password_changed_at,
            Passport.must_change,
            Passport.active,
            Passport.session_version,
            Passport.totp_confirmed,
            bound,
            enrolled,
        ).where(condition)
    ).one_or_none()
    return None if row is None else Facts(*row)


def read_login(text: str) -> str | None:
    """The normalised e-mail or mobile of a log-in field; None for what is neither."""
    try:
        return normalise_email(text) if "@" in text else normalise_mobile(text)
    except Bad:
        return None


def authenticate(access: Access, login: str, password: str) -> Identity:
    """Verify e-mail (any case) or mobile, and password. Raises LoginRefused, TooMany.

    Exactly one hash is made per attempt. Failures are counted atomically: parallel attempts
    count five, then the account is locked for fifteen minutes. An empty name is nobody's: it
    counts for the address alone, or all who forget to type one would shut each other out.
    """
    target = read_login(login)
    key = target or normalise(login)[:254]
    bucket = rate_limit.secret_bucket("login", key) if key else None
    facts = access.read(lambda session: _look_up(session, access, target, bucket))
    good = _verify(facts, password, initial=access.initial_password)
    fresh = hash_password(password) if good and facts and _outdated(facts) else None

    def settle(session: KaowuSession) -> Identity | None:
        rate_limit.hit(session, f"address:{access.address}", *_tail(access, "login_address"))
        if not good or facts is None:
            if bucket is not None:
                rate_limit.hit(session, bucket, *_tail(access, "login_account"))
            if facts is not None:
                count_failure(session, facts, access.clock())
            return None
        return _succeed(session, access, facts, fresh)

    identity = access.write("log-in", settle, passport_id=facts.passport_id if facts else None)
    if identity is None:
        raise LoginRefused()
    return identity


def _tail(access: Access, name: str) -> tuple[int, dt.datetime]:
    """Seconds and moment for a counter."""
    rate: Rate = getattr(access.limits, name)
    return rate[1], access.clock()


def _look_up(
    session: Session, access: Access, target: str | None, bucket: str | None
) -> Facts | None:
    now = access.clock()
    for name, rate in (
        (f"address:{access.address}", access.limits.login_address),
        (bucket, access.limits.login_account),
    ):
        if name is None:
            continue
        attempts, seconds = rate
        start = rate_limit.window_start(now, seconds)
        count = session.scalar(
            select(RateLimit.count).where(RateLimit.bucket == name, RateLimit.window_start == start)
        )
        if (count or 0) >= attempts:
            raise rate_limit.TooMany(minutes=rate_limit.minutes_left(now, seconds))
    return None if target is None else facts_of(session, owner_of(target))


def _verify(facts: Facts | None, password: str, *, initial: bool) -> bool:
    """One hash, whatever is known of the account."""
    matches = verify_password(facts.password_hash if facts else None, password)
    if facts is None or not facts.active:
        return False
    return matches or (initial and _opens_first_page(facts, password))


def _opens_first_page(facts: Facts, password: str) -> bool:
    """123456 opens the page that sets a real password, while the account is of use: it ends
    with the binding, or with the session that the candidate was imported for (§8.3)."""
    return facts.awaits_first and is_initial_password(password)


def _outdated(facts: Facts) -> bool:
    return facts.password_hash.startswith("scrypt:") and needs_rehash(facts.password_hash)


def count_failure(session: Session, facts: Facts, now: dt.datetime) -> None:
    """Count one wrong password; the fifth in a row locks. Attempts while locked do not count."""
    lapsed = Passport.locked_until.is_not(None)  # and over: locked rows are left out below
    count = case((lapsed, 1), else_=Passport.failures + 1)
    result: CursorResult[Any] = session.execute(  # type: ignore[assignment] # typed as rows
        update(Passport)
        .where(
            Passport.id == facts.passport_id,
            or_(Passport.locked_until.is_(None), Passport.locked_until <= now),
        )
        .values(failures=count, locked_until=case((count >= FAILURES, now + LOCK), else_=None))
        .execution_options(synchronize_session=False)
    )
    log_entry(session, facts, "refused" if result.rowcount else "locked")


def _succeed(
    session: Session, access: Access, facts: Facts, fresh_hash: str | None
) -> Identity | None:
    if not _settle_success(session, facts, access.clock(), fresh_hash):
        return None
    log_entry(session, facts, "done")
    return identity_of(access, facts)


def _settle_success(
    session: Session, facts: Facts, now: dt.datetime, fresh_hash: str | None = None
) -> bool:
    """Reset the counter; not where the account was locked or changed while the hash was made. So
    of many guesses at once only the first five count, the right one too."""
    values: dict[str, Any] = {"failures": 0, "locked_until": None}
    if fresh_hash is not None:
        values["password_hash"] = fresh_hash
    result: CursorResult[Any] = session.execute(  # type: ignore[assignment] # typed as rows
        update(Passport)
        .where(
            Passport.id == facts.passport_id,
            Passport.active.is_(True),
            Passport.password_hash == facts.password_hash,
            or_(Passport.locked_until.is_(None), Passport.locked_until <= now),
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if result.rowcount != 1:
        log_entry(session, facts, "locked")
    return result.rowcount == 1


def log_entry(session: Session, facts: Facts, outcome: str, action: str = "log_in") -> None:
    """One line in the log: everybody reads his own (`visitor.own_log_ins`), an administrator's
    is read by his organisation and those above it (§5)."""
    exam_id, place = _place(session, facts) if facts.administrator else (None, None)
    audit.record(
        session,
        f"account.passport.{action}",
        object_type="Passport",
        object_id=facts.passport_id,
        title=facts.number,
        outcome=outcome,
        passport_id=facts.passport_id,
        place=place,
        exam_id=exam_id,
    )


Place = tuple[int | None, int | None, int | None]


def _place(session: Session, facts: Facts) -> tuple[int | None, Place | None]:
    """(session, (province, city, site)) of an administrator's organisation in the session that
    the administration opens in; nothing where that session does not have it."""
    exam = entrance_exam(session)
    if exam is None:
        return None, None
    found = session.execute(
        select(Organisation.province_id, Organisation.city_id, Organisation.site_id)
        .join(AdminBinding, AdminBinding.organisation_code == Organisation.code)
        .where(Organisation.exam_id == exam.id, AdminBinding.passport_id == facts.passport_id)
    ).first()
    if found is None:
        return None, None
    province_id, city_id, site_id = found
    return exam.id, (province_id, city_id, site_id)


def identity_of(access: Access, facts: Facts) -> Identity:
    """What the apps are told about a proved account."""
    first = not facts.password_hash.startswith("scrypt:")
    changed = facts.changed_at
    expired = changed is not None and is_expired(
        changed, access.clock(), administrator=facts.administrator
    )
    totp = Totp.NONE
    if facts.totp_confirmed:
        totp = Totp.REQUIRED
    elif facts.administrator and access.totp_required:
        totp = Totp.SETUP
    return Identity(
        passport_id=facts.passport_id,
        session_version=facts.session_version,
        must_change=facts.must_change or first or expired,
        totp=totp,
        first=first,
        administrator=facts.administrator,
    )


def authenticate_by_code(access: Access, target: str, code: str) -> Identity:
    """Log in with a code sent to one's own e-mail or mobile (normalised). Raises CodeRefused.

    A code also opens an account that is locked by wrong passwords: the lock is against guessing.
    """
    code_id = check_code(access, Purpose.LOGIN, target, code)

    def work(session: KaowuSession) -> Identity:
        facts = facts_of(session, owner_of(target))
        if facts is None or not facts.active:
            raise CodeRefused()
        spend_code(session, code_id, access.clock())
        _unlock(session, facts)
        log_entry(session, facts, "done")
        return identity_of(access, facts)

    return access.write("log-in by code", work)


def _unlock(session: Session, facts: Facts) -> None:
    session.execute(
        update(Passport)
        .where(Passport.id == facts.passport_id)
        .values(failures=0, locked_until=None)
        .execution_options(synchronize_session=False)
    )


def log_out(access: Access, passport_id: int) -> None:
    """End every session of the passport, on all devices and in both apps: a copied cookie dies
    too, which signed cookies alone cannot give."""

    def work(session: KaowuSession) -> None:
        end_sessions(session, passport_id)
        facts = facts_of(session, Passport.id == passport_id)
        if facts is not None:
            log_entry(session, facts, "done", "log_out")

    access.write("log-out", work, passport_id=passport_id)


def end_sessions(session: Session, passport_id: int) -> None:
    """Raise the session version: all cookies of the passport are void from the commit on."""
    session.execute(
        update(Passport)
        .where(Passport.id == passport_id)
        .values(session_version=Passport.session_version + 1)
        .execution_options(synchronize_session="fetch")
    )


def verify_own_password(access: Access, passport_id: int, password: str) -> bool:
    """Whether this is the passport's password (re-authentication; quality.md, Security).

    Failures count and lock as at the log-in. One hash.
    """
    return proved_hash(access, passport_id, password) is not None


def proved_hash(access: Access, passport_id: int, password: str) -> str | None:
    """The stored hash that the password was proved against, or None where it is wrong.

    Who replaces the password hands it on, so that of two who proved the same old one only one
    succeeds. Successes and failures are settled as at the log-in. One hash.
    """
    facts = access.read(lambda session: facts_of(session, Passport.id == passport_id))
    good = _verify_set(facts, password)
    if facts is None:
        return None

    def settle(session: KaowuSession) -> bool:
        now = access.clock()
        if not good:
            count_failure(session, facts, now)
        return good and _settle_success(session, facts, now)

    proved = access.write("verify password", settle, passport_id=passport_id)
    return facts.password_hash if proved else None


def _verify_set(facts: Facts | None, password: str) -> bool:
    matches = verify_password(facts.password_hash if facts else None, password)
    return matches and facts is not None and facts.active
