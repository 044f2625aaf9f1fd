"""One-time links that open imported accounts in place of 123456 (§8.3, `random_link`).

A link names the passport and holds an activation code; it sets the first password and nothing
else. It is sent by the upkeep where a gateway reaches the owner, and shown to his superior
(`subordinates.hand_out_activation_code`); a new one voids the former.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, exists, false, or_, select
from sqlalchemy.orm import Session

from app.database.session import KaowuSession
from app.metadata.errors import NotFound
from app.metadata.vocabulary import ExamState, Verb
from app.models.account import AdminBinding, Passport
from app.models.exam import Exam
from app.models.registration import LIVE, Registration
from app.rules import messages, policy, rate_limit
from app.rules.account.access import Access
from app.rules.account.codes import Purpose, add_activation_code, check_code
from app.rules.account.declarations import PASSPORT
from app.rules.account.errors import CodeRefused, FieldErrors, LinkRefused, PasswordChanged
from app.rules.account.login import Facts, Identity, facts_of
from app.rules.account.passports import NO_PASSWORD
from app.rules.account.passwords import (
    ACTIVATION_LIFETIME,
    activation_target,
    replace_password,
)
from app.rules.clock import Clock, system_clock

_TOKEN = re.compile(r"([0-9a-f]{32})\.([0-9A-Z]{12})")
#: links of one round of the upkeep
BATCH = 100


def token_of(number: str, code: str) -> str:
    """What a link carries: the 通行证ID and the activation code of `issue_activation_code`."""
    return f"{number}.{code.replace('-', '')}"


class _Token(NamedTuple):
    number: str
    code: str


def _read(token: str) -> _Token | None:
    found = _TOKEN.fullmatch(token)
    return _Token(*found.groups()) if found is not None else None


def _waiting(session: Session, token: _Token | None) -> Facts | None:
    """The account that the token names, while it has no password and is of use."""
    facts = facts_of(session, Passport.number == token.number) if token is not None else None
    return facts if facts is not None and facts.active and facts.awaits_first else None


def opened_by(access: Access, token: str) -> Facts | None:
    """The account whose first password the link may set; None for one that has ended or is wrong.

    The code is not looked at: programs that check mail open links too, and must use nothing up.
    """
    return access.read(lambda session: _waiting(session, _read(token)))


def set_password_by_link(access: Access, token: str, new: str) -> Identity:
    """Set the first password with the code of a link, which is used up.

    Raises FieldErrors for "link" (wrong, expired, used, account without use) and "password",
    TooMany after five wrong codes of one account a day.
    """
    read, facts = _read(token), opened_by(access, token)
    if read is None or facts is None:
        raise FieldErrors({"link": [LinkRefused()]})
    passport_id, bucket = facts.passport_id, f"proof:{facts.passport_id}"
    access.read(
        lambda session: rate_limit.require_left(
            session, bucket, access.limits.proof, access.clock()
        )
    )
    try:
        code_id = check_code(access, Purpose.ACTIVATE, activation_target(passport_id), read.code)
    except CodeRefused:
        _count(access, passport_id, bucket)
        raise FieldErrors({"link": [LinkRefused()]}) from None
    try:
        return replace_password(access, passport_id, new, code_id)
    except (CodeRefused, NotFound, PasswordChanged):
        # somebody else used it, or the account changed, since it was looked at
        raise FieldErrors({"link": [LinkRefused()]}) from None


def _count(access: Access, passport_id: int, bucket: str) -> None:
    seconds = access.limits.proof[1]
    access.write(
        "open by link",
        lambda session: rate_limit.hit(session, bucket, seconds, access.clock()),
        passport_id=passport_id,
    )


# ---------------------------------------------------------------- sending


@dataclass(frozen=True, slots=True)
class Reach:
    """Which gateways really reach people, and the address of a link by its token."""

    mail: bool
    sms: bool
    address: Callable[[str], str]

    def target(self, passport: Passport) -> str | None:
        """Where this owner is reached; None where he is not."""
        if self.mail and passport.email:
            return passport.email
        return passport.mobile if self.sms else None

    def reached(self) -> ColumnElement[bool]:
        """The condition on Passport under which `target` finds something."""
        ways = [Passport.email.is_not(None)] if self.mail else []
        if self.sms:
            ways.append(Passport.mobile_digest.is_not(None))
        return or_(false(), *ways)


def send_links(session: KaowuSession, reach: Reach, *, clock: Clock = system_clock) -> int:
    """Send a link to each imported account that never got one; how many were sent.

    The session is the system's. Accounts are locked, at most `BATCH` a call, so that two
    processes send one link. Whoever is not reached waits for his superior's link, or for a
    gateway that reaches him.
    """
    now, rows = clock(), _uninvited(session, reach)
    with policy.permit(session, PASSPORT, Verb.EDIT):
        for passport in rows:
            target = reach.target(passport)
            if target is not None:
                passport.invited_at = now
                _send(session, passport, target, reach, now)
        session.flush()
    return len(rows)


def _uninvited(session: KaowuSession, reach: Reach) -> list[Passport]:
    """Those that `Facts.awaits_first` means and who are reached, oldest first."""
    bound = exists().where(AdminBinding.passport_id == Passport.id)
    enrolled = (
        exists()
        .where(Registration.passport_id == Passport.id, Registration.life.in_(LIVE))
        .where(Registration.exam_id == Exam.id, Exam.state == ExamState.CURRENT.value)
    )
    statement = (
        select(Passport)
        .where(Passport.must_change, Passport.invited_at.is_(None))
        .where(Passport.active, Passport.origin == "import", Passport.password_hash == NO_PASSWORD)
        .where(or_(bound, enrolled), reach.reached())
        .order_by(Passport.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    return list(session.scalars(statement))


def _send(
    session: Session, passport: Passport, target: str, reach: Reach, now: dt.datetime
) -> None:
    code = add_activation_code(session, activation_target(passport.id), now, ACTIVATION_LIFETIME)
    link = reach.address(token_of(passport.number, code))
    messages.queue(
        session,
        target,
        "激活账号",
        f"上级已为您建立考务系统账号。请在{ACTIVATION_LIFETIME.days}天内打开下面的链接设置密码，"
        f"链接只能使用一次：{link} 。请勿转发；如非本人，请忽略。",
    )


__all__ = ["Reach", "opened_by", "send_links", "set_password_by_link", "token_of"]
