"""Everybody changes his own e-mail and mobile; the code goes to the new one (R5.1a).

So does who confirms the one that was not proved at registration. Both are log-in names and reset
the password; therefore the password is asked for first.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.database.keys import keyring
from app.database.session import KaowuSession
from app.metadata.errors import KaowuError, NotFound
from app.metadata.masking import mask_email, mask_mobile
from app.metadata.vocabulary import Verb
from app.models.account import Passport
from app.rules import messages, policy
from app.rules.account.access import Access
from app.rules.account.codes import Purpose, check_code, owner_of, spend_code
from app.rules.account.declarations import PASSPORT
from app.rules.account.errors import (
    CodeRefused,
    EmailTaken,
    FieldErrors,
    MobileTaken,
    NothingToChange,
    PasswordRefused,
)
from app.rules.account.login import verify_own_password


def change_email(access: Access, passport_id: int, email: str, *, code: str, password: str) -> None:
    """Set a normalised e-mail with the owner's password and the code sent to it; the former one
    (or, where there was none, the mobile) is told.

    Raises FieldErrors for "password", "code" and "email".
    """
    _require_password(access, passport_id, password)
    _change(access, passport_id, email, code, Purpose.EMAIL)


def change_mobile(
    access: Access, passport_id: int, mobile: str, *, code: str, password: str
) -> None:
    """As `change_email`, for the mobile."""
    _require_password(access, passport_id, password)
    _change(access, passport_id, mobile, code, Purpose.MOBILE)


def _require_password(access: Access, passport_id: int, password: str) -> None:
    if not verify_own_password(access, passport_id, password):
        raise FieldErrors({"password": [PasswordRefused()]})


def _change(access: Access, passport_id: int, target: str, code: str, purpose: Purpose) -> None:
    field = purpose.value
    taken: KaowuError = EmailTaken() if purpose is Purpose.EMAIL else MobileTaken()
    try:
        code_id = check_code(access, purpose, target, code)
    except CodeRefused as refusal:
        raise FieldErrors({"code": [refusal]}) from None

    def work(session: KaowuSession) -> None:
        passport = session.get(Passport, passport_id)
        if passport is None or not passport.active:
            raise NotFound()
        owner = session.scalar(select(Passport.id).where(owner_of(target)))
        if owner is not None:
            raise FieldErrors({field: [NothingToChange() if owner == passport_id else taken]})
        others = (passport.email, passport.mobile)
        old = next(filter(None, others if purpose is Purpose.EMAIL else reversed(others)), None)
        spend_code(session, code_id, access.clock())
        try:
            _store(session, passport, target, purpose)
        except IntegrityError:  # somebody registered it meanwhile
            raise FieldErrors({field: [taken]}) from None
        if old:
            _tell_old(session, old, target, purpose)

    access.write(f"change {field}", work, passport_id=passport_id)


def _store(session: Session, passport: Passport, target: str, purpose: Purpose) -> None:
    with policy.permit(session, PASSPORT, Verb.EDIT), session.begin_nested():
        if purpose is Purpose.EMAIL:
            passport.email, passport.pending_email = target, None
        else:
            passport.mobile, passport.mobile_digest = target, keyring().digest(target)
            passport.pending_mobile = None


def _tell_old(session: KaowuSession, old: str, new: str, purpose: Purpose) -> None:
    """Whoever took over an open browser cannot do this unnoticed."""
    shown = mask_email(new) if purpose is Purpose.EMAIL else mask_mobile(new)
    messages.queue(
        session,
        old,
        f"{purpose.label}提醒",
        f"您的通行证已{purpose.label}为 {shown}。如非本人操作，请立即重设密码并联系考点。",
    )
