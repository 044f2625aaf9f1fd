"""The password once more before what cannot be undone (quality.md, Security)."""

from __future__ import annotations

from typing import Any

from app.database.policy import elevated
from app.metadata.errors import N_, InvalidInput, KaowuError
from app.metadata.fields import Field, Kind
from app.metadata.vocabulary import Personal
from app.models.account import Passport
from app.rules import password, rate_limit
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


class WrongPassword(KaowuError):
    """The password is not his."""

    code = "account.wrong_password"
    template = N_("密码不正确。")


def require(given: Any) -> None:
    """Compare with the password of the person who asks.

    Raises InvalidInput at the field; TooMany after ten attempts within 15 minutes. They are
    counted in a transaction of their own, and none is held while the hash is computed.
    """
    acting = context.actor()
    session = context.read_session()
    with elevated(session, "re-authentication", Passport):
        passport = session.get(Passport, acting.passport_id)
    stored = passport.password_hash if passport is not None else None
    context.close_read_session()
    bucket, now = f"reauthenticate:{acting.passport_id}", context.clock()()
    context.run(lambda unit: rate_limit.require(unit, bucket, RATE, now))
    if not password.verify_password(stored, str(given or "")):
        raise InvalidInput({NAME: [WrongPassword().as_message()]})
