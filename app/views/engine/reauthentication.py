"""The password once more before what cannot be undone (quality.md, Security)."""

from __future__ import annotations

from typing import Any

from app.metadata.errors import N_, InvalidInput
from app.metadata.fields import Field, Kind
from app.metadata.vocabulary import Personal
from app.rules import rate_limit
from app.rules.account import login
from app.rules.account.errors import PasswordRefused
from app.views import account_access
from app.views import request as context

NAME = "_password"
FIELD = Field(
    name=NAME,
    label=N_("登录密码"),
    personal=Personal.NONE,
    kind=Kind.PASSWORD,
    required=True,
    help=N_("此操作影响重大，请再次输入您的登录密码"),
)
#: attempts per person, right ones too: number and seconds
RATE: rate_limit.Rate = (10, 15 * 60)


def require(given: Any) -> None:
    """Compare with the password of the person who asks.

    Raises InvalidInput at the field; TooMany after ten attempts within 15 minutes. Failures count
    and lock as at the log-in. No transaction is held while the hash is computed.
    """
    acting = context.actor()
    bucket, now = f"reauthenticate:{acting.passport_id}", context.clock()()
    context.close_read_session()
    context.run(lambda unit: rate_limit.require(unit, bucket, RATE, now))
    passport_id = acting.passport_id
    if passport_id is None or not login.verify_own_password(
        account_access.access(), passport_id, str(given or "")
    ):
        raise InvalidInput({NAME: [PasswordRefused().as_message()]})
