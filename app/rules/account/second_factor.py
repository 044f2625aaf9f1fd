"""The administrators' second factor: time-based one-time passwords (RFC 6238, 30 s, six digits).

A code is good once: the last used time step is stored and only later ones are taken.
"""

from __future__ import annotations

import datetime as dt
import hmac
from dataclasses import dataclass
from typing import Any

import pyotp
from sqlalchemy import CursorResult, or_, update
from sqlalchemy.orm import Session

from app.database.session import KaowuSession
from app.metadata.errors import NotFound
from app.metadata.vocabulary import Verb
from app.models.account import Passport
from app.rules import policy, rate_limit
from app.rules.account.access import Access
from app.rules.account.declarations import PASSPORT, owner_permit
from app.rules.account.errors import SecondFactorKnown, SecondFactorRefused

ISSUER = "NCRE考务管理系统"
STEP_SECONDS = 30
#: one step to either side: clocks of phones differ
_NEIGHBOURS = (0, -1, 1)


@dataclass(frozen=True, slots=True)
class Setup:
    """What an authenticator application is shown: the secret, also as an address for a QR code."""

    secret: str
    uri: str


def begin_totp(access: Access, passport_id: int) -> Setup:
    """The secret to set up; the same until it is confirmed, so that a page can be reloaded.

    Raises SecondFactorKnown when one is in force already.
    """

    def work(session: KaowuSession) -> Setup:
        passport = _own(session, passport_id)
        if passport.totp_confirmed:
            raise SecondFactorKnown()
        if passport.totp_secret is None:
            with policy.permit(session, PASSPORT, Verb.EDIT):
                passport.totp_secret = pyotp.random_base32()
        secret = passport.totp_secret
        if secret is None:  # pragma: no cover - set above
            raise NotFound()
        name = passport.email or passport.number
        return Setup(secret, pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER))

    return access.write("set up second factor", work, passport_id=passport_id)


def confirm_totp(access: Access, passport_id: int, code: str) -> None:
    """Put the second factor in force with a first code. Raises SecondFactorRefused, TooMany."""
    _use(access, passport_id, code, confirm=True)


def verify_totp(access: Access, passport_id: int, code: str) -> None:
    """Take one code of the confirmed second factor. Raises SecondFactorRefused, TooMany.

    A code that was used already is refused, also in parallel requests.
    """
    _use(access, passport_id, code, confirm=False)


def _use(access: Access, passport_id: int, code: str, *, confirm: bool) -> None:
    def work(session: KaowuSession) -> bool:
        now = access.clock()
        attempts, seconds = access.limits.second_factor
        if rate_limit.hit(session, f"totp:{passport_id}", seconds, now) > attempts:
            return False
        passport = _own(session, passport_id)
        if passport.totp_secret is None or passport.totp_confirmed is confirm:
            return False
        step = matching_step(passport.totp_secret, code, now)
        if step is None or not _take_step(session, passport_id, step):
            return False
        if confirm:
            with policy.permit(session, PASSPORT, Verb.EDIT):
                passport.totp_confirmed = True
        return True

    if not access.write("second factor", work, passport_id=passport_id):
        raise SecondFactorRefused()


def matching_step(secret: str, code: str, now: dt.datetime) -> int | None:
    """The time step whose code this is, at most one step away from now; None for a wrong code."""
    digits = "".join(code.split())
    if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return None
    current = int(now.timestamp()) // STEP_SECONDS
    generator = pyotp.TOTP(secret)
    for neighbour in _NEIGHBOURS:
        expected = generator.generate_otp(current + neighbour)
        if hmac.compare_digest(expected, digits):
            return current + neighbour
    return None


def _take_step(session: Session, passport_id: int, step: int) -> bool:
    result: CursorResult[Any] = session.execute(  # type: ignore[assignment] # typed as rows
        update(Passport)
        .where(
            Passport.id == passport_id,
            or_(Passport.totp_last_step.is_(None), Passport.totp_last_step < step),
        )
        .values(totp_last_step=step)
        .execution_options(synchronize_session=False)
    )
    return result.rowcount == 1


def remove_totp(session: Session, passport_id: int) -> None:
    """Take the second factor of a subordinate back, whose phone is lost.

    Inside the permit of the superior's operation, which has checked the scope
    (`bindings.administrator_in_scope`). All sessions of the passport end. Raises NotFound.
    """
    passport = _own(session, passport_id)
    with owner_permit(session, Verb.EDIT):
        passport.totp_secret, passport.totp_confirmed = None, False
        passport.totp_last_step = None
        passport.session_version += 1


def _own(session: Session, passport_id: int) -> Passport:
    passport = session.get(Passport, passport_id)
    if passport is None:
        raise NotFound()
    return passport
