"""Codes sent by mail or SMS: six digits, ten minutes, five tries, used once.

Only a keyed digest is stored. Whether a target has a passport is never told: a stranger's target
gets the same answer and the same limits, but no message.
"""

from __future__ import annotations

import datetime as dt
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.orm import Session

from app.database.keys import keyring
from app.database.session import KaowuSession
from app.metadata.errors import N_
from app.metadata.text import Bad, normalise_email, normalise_mobile
from app.models.account import Passport, VerificationCode
from app.rules import messages, rate_limit
from app.rules.account.access import Access, Rate
from app.rules.account.errors import CodeRefused, CodeTooOften, CodeTooSoon, FieldErrors
from app.rules.clock import Clock, system_clock

LIFETIME = dt.timedelta(minutes=10)
PAUSE = dt.timedelta(seconds=60)
TRIES = 5
PER_HOUR: Rate = (5, 3600)


class Purpose(StrEnum):
    """What a code is good for; one for another purpose is worthless."""

    REGISTER = "register"
    LOGIN = "login"
    RESET = "reset"
    EMAIL = "email"
    MOBILE = "mobile"
    FIRST = "first"
    ACTIVATE = "activate"

    @property
    def label(self) -> str:
        """What the message says that the code is for."""
        return _LABELS[self]


_LABELS = {
    Purpose.REGISTER: N_("注册通行证"),
    Purpose.LOGIN: N_("登录"),
    Purpose.RESET: N_("重设密码"),
    Purpose.EMAIL: N_("修改邮箱"),
    Purpose.MOBILE: N_("修改手机"),
    Purpose.FIRST: N_("设置首个密码"),
    Purpose.ACTIVATE: N_("激活账号"),
}
#: For these, only the owner of a passport gets a message.
_FOR_OWNERS = frozenset({Purpose.LOGIN, Purpose.RESET})


def read_target(text: str, field: str = "target") -> str:
    """The normalised e-mail address or mobile number. Raises FieldErrors for `field`."""
    try:
        return normalise_email(text) if "@" in text else normalise_mobile(text)
    except Bad as problem:
        raise FieldErrors({field: [problem]}) from None


def owner_of(target: str) -> Any:
    """SQL condition on Passport: the one with this normalised e-mail or mobile."""
    if "@" in target:
        return Passport.email == target
    return Passport.mobile_digest == keyring().digest(target)


def _digest(purpose: Purpose, target: str, code: str) -> str:
    return keyring().digest(f"code:{purpose}:{target}:{code}")


@dataclass(frozen=True, slots=True)
class CodeSent:
    """The answer to every request for a code, whoever asked."""

    wait: int


def send_code(access: Access, purpose: Purpose, target: str) -> CodeSent:
    """Send a code to a normalised target and return how many seconds the next one waits.

    Raises TooMany (per address), CodeTooSoon, CodeTooOften (per target).
    """

    def work(session: KaowuSession) -> None:
        now = access.clock()
        rate_limit.require(session, f"code:{access.address}", access.limits.code_address, now)
        deliver = purpose not in _FOR_OWNERS or _has_owner(session, target)
        request_code(
            session,
            purpose,
            target,
            access.clock,
            deliver=deliver,
            rate=access.limits.code_target,
        )

    access.write(f"code for {purpose}", work)
    return CodeSent(int(PAUSE.total_seconds()))


def _has_owner(session: Session, target: str) -> bool:
    found = session.scalar(select(Passport.id).where(owner_of(target), Passport.active.is_(True)))
    return found is not None


def request_code(
    session: Session,
    purpose: Purpose,
    target: str,
    clock: Clock = system_clock,
    *,
    deliver: bool = True,
    rate: Rate = PER_HOUR,
) -> None:
    """Make a code and put its message into the outbox (not with `deliver=False`).

    At most one a minute and `rate` per target, whatever the purpose.
    Raises CodeTooSoon, CodeTooOften.
    """
    now = clock()
    target_digest = keyring().digest(target)
    # the counter's row is locked until the commit: two requests at once are in order here
    rate_limit.hit(session, rate_limit.secret_bucket("code", target), 3600, now)
    _check_pace(session, target_digest, rate, now)
    code = f"{secrets.randbelow(1_000_000):06d}"
    session.add(
        VerificationCode(
            purpose=purpose.value,
            target_digest=target_digest,
            code_digest=_digest(purpose, target, code),
            created_at=now,
            expires_at=now + LIFETIME,
        )
    )
    if deliver:
        messages.queue(
            session,
            target,
            f"{purpose.label}验证码",
            f"您正在{purpose.label}，验证码 {code}，10分钟内有效。"
            "请勿告诉任何人；如非本人操作，请忽略。",
        )
    session.flush()


def _check_pace(session: Session, target_digest: str, rate: Rate, now: dt.datetime) -> None:
    attempts, seconds = rate
    since = now - dt.timedelta(seconds=seconds)
    times = session.scalars(
        select(VerificationCode.created_at)
        .where(VerificationCode.target_digest == target_digest)
        .where(VerificationCode.created_at > since)
        .where(VerificationCode.purpose != Purpose.ACTIVATE.value)
        .order_by(VerificationCode.created_at.desc())
    ).all()
    if times and now - times[0] < PAUSE:
        raise CodeTooSoon(seconds=max(1, int((times[0] + PAUSE - now).total_seconds())))
    if len(times) >= attempts:
        free_at = times[attempts - 1] + dt.timedelta(seconds=seconds)
        raise CodeTooOften(minutes=max(1, -(-int((free_at - now).total_seconds()) // 60)))


# ---------------------------------------------------------------- using a code


def check_code(access: Access, purpose: Purpose, target: str, code: str) -> int:
    """Count one try in a transaction of its own; return the code's id for `spend_code`.

    A right code costs no try, so that other mistakes of a form can be mended.
    Raises CodeRefused.
    """
    found = access.write(
        f"check code for {purpose}",
        lambda session: _try_code(session, purpose, target, code.strip(), access.clock()),
    )
    if found is None:
        raise CodeRefused()
    return found


def _try_code(
    session: Session, purpose: Purpose, target: str, code: str, now: dt.datetime
) -> int | None:
    newest = session.execute(
        select(VerificationCode.id, VerificationCode.code_digest)
        .where(VerificationCode.target_digest == keyring().digest(target))
        .where(VerificationCode.purpose == purpose.value)
        .order_by(VerificationCode.id.desc())
        .limit(1)
    ).one_or_none()
    if newest is None:
        return None
    # counted before it is compared: parallel guesses cannot get a sixth try
    counted = _update(
        session,
        newest.id,
        VerificationCode.tries < TRIES,
        VerificationCode.used_at.is_(None),
        VerificationCode.expires_at > now,
        tries=VerificationCode.tries + 1,
    )
    if not counted:
        return None
    if not hmac.compare_digest(newest.code_digest, _digest(purpose, target, code)):
        return None
    _update(session, newest.id, tries=VerificationCode.tries - 1)
    return int(newest.id)


def _update(session: Session, code_id: int, *conditions: Any, **values: Any) -> bool:
    result: CursorResult[Any] = session.execute(  # type: ignore[assignment] # typed as rows
        update(VerificationCode)
        .where(VerificationCode.id == code_id, *conditions)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return result.rowcount == 1


def spend_code(session: Session, code_id: int, now: dt.datetime) -> None:
    """Use a checked code up, in the transaction of what it is for. Raises CodeRefused when a
    parallel request was first."""
    if not _update(session, code_id, VerificationCode.used_at.is_(None), used_at=now):
        raise CodeRefused()


def add_activation_code(
    session: Session, target: str, now: dt.datetime, lifetime: dt.timedelta
) -> str:
    """A one-time code that is shown instead of sent (§8.3); earlier ones of the target are void.

    `target` names the account. Twelve letters and digits without those that look alike.
    """
    alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
    code = "".join(secrets.choice(alphabet) for _ in range(12))
    session.execute(
        delete(VerificationCode)
        .where(VerificationCode.target_digest == keyring().digest(target))
        .where(VerificationCode.purpose == Purpose.ACTIVATE.value)
        .execution_options(synchronize_session=False)
    )
    session.add(
        VerificationCode(
            purpose=Purpose.ACTIVATE.value,
            target_digest=keyring().digest(target),
            code_digest=_digest(Purpose.ACTIVATE, target, code),
            created_at=now,
            expires_at=now + lifetime,
        )
    )
    session.flush()
    return "-".join((code[:4], code[4:8], code[8:]))


def sweep(session: Session, now: dt.datetime) -> int:
    """Delete codes that nobody can use any more; for the upkeep. Returns how many."""
    result: CursorResult[Any] = session.execute(  # type: ignore[assignment] # typed as rows
        delete(VerificationCode)
        .where(VerificationCode.expires_at < now - dt.timedelta(days=1))
        .execution_options(synchronize_session=False)
    )
    return result.rowcount
