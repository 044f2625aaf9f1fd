"""Passwords are changed: by their owner, by a code, and for the first time (R5.4, §8.3)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.database.session import KaowuSession
from app.metadata.errors import NotFound
from app.metadata.masking import mask_email, mask_mobile
from app.metadata.text import normalise_code
from app.metadata.vocabulary import ExamState, Verb
from app.models.account import AdminBinding, Passport, PasswordHistory
from app.models.exam import Exam
from app.models.registration import LIVE, Registration
from app.rules import policy, rate_limit
from app.rules.account.access import Access
from app.rules.account.codes import (
    CodeSent,
    Purpose,
    add_activation_code,
    check_code,
    owner_of,
    send_code,
    spend_code,
)
from app.rules.account.declarations import PASSPORT
from app.rules.account.errors import (
    CodeRefused,
    FieldErrors,
    PasswordChanged,
    ProofRefused,
    WrongPassword,
)
from app.rules.account.login import Identity, facts_of, identity_of, proved_hash
from app.rules.password import HISTORY, hash_password, matches_any, password_problems

Channel = Literal["email", "mobile"]
ACTIVATION_LIFETIME = dt.timedelta(days=14)
_TAIL_LENGTH = 6


@dataclass(frozen=True, slots=True)
class _Owner:
    """What a new password is checked against."""

    passport_id: int
    old_hash: str
    identifiers: tuple[str, ...]
    recent: tuple[str, ...]
    administrator: bool


def change_password(access: Access, passport_id: int, old: str, new: str) -> Identity:
    """Set a new password; the old one is needed. Ends all other sessions.

    Raises FieldErrors for "old_password" (WrongPassword) and "password".
    """
    proved = proved_hash(access, passport_id, old)
    if proved is None:
        raise FieldErrors({"old_password": [WrongPassword()]})
    return replace_password(access, passport_id, new, None, proved)


def reset_password(access: Access, target: str, code: str, new: str) -> Identity:
    """Set a new password with a code sent to one's own e-mail or mobile; also unlocks.

    Raises FieldErrors for "code" and "password". An unknown target fails as a wrong code does.
    """
    code_id = _checked(access, Purpose.RESET, target, code)
    passport_id = access.read(
        lambda session: session.scalar(
            select(Passport.id).where(owner_of(target), Passport.active.is_(True))
        )
    )
    if passport_id is None:
        raise FieldErrors({"code": [CodeRefused()]})
    return replace_password(access, passport_id, new, code_id)


def _checked(access: Access, purpose: Purpose, target: str, code: str) -> int:
    try:
        return check_code(access, purpose, target, code)
    except CodeRefused as refusal:
        raise FieldErrors({"code": [refusal]}) from None


def replace_password(
    access: Access, passport_id: int, new: str, code_id: int | None, proved: str | None = None
) -> Identity:
    """Check and hash outside of any transaction, then set, using the checked code up.

    For rules that have proved the owner: by a code, which can be spent once, or against the
    stored hash ``proved``, which must be the stored one still. Raises FieldErrors for "password",
    NotFound, PasswordChanged.
    """
    owner = access.read(lambda session: _owner(session, passport_id))
    if proved is not None and owner.old_hash != proved:
        raise PasswordChanged()
    problems = password_problems(
        new,
        administrator=owner.administrator,
        identifiers=owner.identifiers,
        used_before=lambda text: matches_any(text, owner.recent),
    )
    if problems:
        raise FieldErrors({"password": problems})
    new_hash = hash_password(new)

    def work(session: KaowuSession) -> Identity:
        if code_id is not None:
            spend_code(session, code_id, access.clock())
        _set(session, owner, new_hash, access.clock())
        facts = facts_of(session, Passport.id == passport_id)
        if facts is None:  # pragma: no cover - it was set just now
            raise NotFound()
        return identity_of(access, facts)

    return access.write("set password", work, passport_id=passport_id)


def _owner(session: Session, passport_id: int) -> _Owner:
    passport = session.get(Passport, passport_id)
    if passport is None or not passport.active:
        raise NotFound()
    binding = session.scalars(
        select(AdminBinding).where(AdminBinding.passport_id == passport_id)
    ).one_or_none()
    recent = session.scalars(
        select(PasswordHistory.password_hash)
        .where(PasswordHistory.passport_id == passport_id)
        .order_by(PasswordHistory.id.desc())
        .limit(HISTORY)
    ).all()
    contacts = (passport.email, passport.mobile, passport.pending_email, passport.pending_mobile)
    names = (*contacts, passport.name, binding.name if binding else None)
    return _Owner(
        passport_id,
        passport.password_hash,
        tuple(text for text in names if text),
        tuple(recent),
        binding is not None,
    )


def _set(session: Session, owner: _Owner, new_hash: str, now: dt.datetime) -> None:
    # locked, or two who have loaded it would meet at the flush only, as an old form does
    passport = session.get(Passport, owner.passport_id, with_for_update=True)
    if passport is None or passport.password_hash != owner.old_hash:
        raise PasswordChanged()  # changed elsewhere while this one was hashed
    with policy.permit(session, PASSPORT, Verb.EDIT):
        passport.password_hash = new_hash
        passport.password_changed_at = now
        passport.must_change = False
        passport.failures, passport.locked_until = 0, None
        passport.session_version += 1
        session.add(PasswordHistory(passport_id=passport.id, password_hash=new_hash))
    _forget_older(session, owner.passport_id)


def _forget_older(session: Session, passport_id: int) -> None:
    """Keep what the rule needs and no more."""
    kept = session.scalars(
        select(PasswordHistory.id)
        .where(PasswordHistory.passport_id == passport_id)
        .order_by(PasswordHistory.id.desc())
        .limit(HISTORY)
    ).all()
    session.execute(
        delete(PasswordHistory)
        .where(PasswordHistory.passport_id == passport_id, PasswordHistory.id.not_in(kept))
        .execution_options(synchronize_session=False)
    )


# ---------------------------------------------------------------- the first password (§8.3)


@dataclass(frozen=True, slots=True)
class Proof:
    """The second proof of a first password: a code sent to `channel`, a one-time activation
    code from the superior, or the last six characters of the ID number."""

    kind: Literal["code", "activation", "id_number"]
    text: str
    channel: Channel = "email"


@dataclass(frozen=True, slots=True)
class ProofOptions:
    """What may prove the owner: masked targets by channel, and the ways without a gateway."""

    targets: dict[Channel, str]
    activation: bool
    id_number: bool


def proof_options(access: Access, passport_id: int) -> ProofOptions:
    """The ways that are open to this account (§8.3)."""
    targets, administrator = access.read(lambda session: _reachable(session, access, passport_id))
    masked: dict[Channel, str] = {
        channel: mask_email(target) if channel == "email" else mask_mobile(target)
        for channel, target in targets.items()
    }
    return ProofOptions(masked, administrator, not administrator and not targets)


def _reachable(
    session: Session, access: Access, passport_id: int
) -> tuple[dict[Channel, str], bool]:
    passport = session.get(Passport, passport_id)
    if passport is None:
        raise NotFound()
    targets: dict[Channel, str] = {}
    if passport.email and access.mail:
        targets["email"] = passport.email
    if passport.mobile and access.sms:
        targets["mobile"] = passport.mobile
    bound = session.scalar(select(AdminBinding.id).where(AdminBinding.passport_id == passport_id))
    return targets, bound is not None


def send_first_code(access: Access, passport_id: int, channel: Channel) -> CodeSent:
    """Send the second proof to the imported address. Raises ProofRefused, CodeToo…"""
    targets, _ = access.read(lambda session: _reachable(session, access, passport_id))
    if channel not in targets:
        raise ProofRefused()
    return send_code(access, Purpose.FIRST, targets[channel])


def awaits_first_password(access: Access, passport_id: int) -> bool:
    """Whether the account was imported and nobody has set its password yet."""
    facts = access.read(lambda session: facts_of(session, Passport.id == passport_id))
    unset = facts is not None and not facts.password_hash.startswith("scrypt:")
    return unset and facts is not None and facts.active and facts.must_change


def set_first_password(access: Access, passport_id: int, new: str, proof: Proof) -> Identity:
    """Set the first password of an imported account. Raises FieldErrors for "proof", "password".

    Tries are limited per account and day for proofs that can be guessed.
    """
    facts = access.read(lambda session: facts_of(session, Passport.id == passport_id))
    if facts is None or not facts.must_change:
        raise NotFound()
    try:
        code_id = _prove(access, passport_id, proof)
    except (CodeRefused, ProofRefused) as refusal:
        raise FieldErrors({"proof": [refusal]}) from None
    return replace_password(access, passport_id, new, code_id, facts.password_hash)


def _prove(access: Access, passport_id: int, proof: Proof) -> int | None:
    """The id of the code to spend, or None where there is none. Raises when it does not prove."""
    targets, administrator = access.read(lambda session: _reachable(session, access, passport_id))
    if proof.kind == "code":
        if proof.channel not in targets:
            raise ProofRefused()
        return check_code(access, Purpose.FIRST, targets[proof.channel], proof.text)
    access.write(
        "count proofs",
        lambda session: rate_limit.require(
            session, f"proof:{passport_id}", access.limits.proof, access.clock()
        ),
        passport_id=passport_id,
    )
    if proof.kind == "activation" and administrator:
        text = normalise_code(proof.text).replace("-", "")
        return check_code(access, Purpose.ACTIVATE, activation_target(passport_id), text)
    if proof.kind == "id_number" and not administrator and not targets:
        tails = access.read(lambda session: _id_tails(session, passport_id))
        if normalise_code(proof.text) in tails:
            return None
    raise ProofRefused()


def activation_target(passport_id: int) -> str:
    """Under which name an account's activation code is kept."""
    return f"passport:{passport_id}"


def _id_tails(session: Session, passport_id: int) -> Sequence[str]:
    numbers = session.scalars(
        select(Registration.id_number)
        .join(Exam, Exam.id == Registration.exam_id)
        .where(Registration.passport_id == passport_id)
        .where(Registration.life.in_(LIVE))
        .where(Exam.state == ExamState.CURRENT.value)
    )
    return [number[-_TAIL_LENGTH:] for number in numbers if len(number) > _TAIL_LENGTH]


def issue_activation_code(session: Session, passport_id: int, now: dt.datetime) -> str:
    """A one-time code for a subordinate who has no password yet; shown once (§8.3).

    The session is the superior's: the binding must lie in his scope. Raises NotFound.
    """
    row = session.execute(
        select(AdminBinding.id, Passport.must_change)
        .join(Passport, Passport.id == AdminBinding.passport_id)
        .where(AdminBinding.passport_id == passport_id)
    ).one_or_none()
    if row is None or not row.must_change:
        raise NotFound()
    return add_activation_code(session, activation_target(passport_id), now, ACTIVATION_LIFETIME)
