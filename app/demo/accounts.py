"""The accounts of the demo, and the one password that they share."""

from __future__ import annotations

import json
import os
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.keys import digest
from app.demo.writing import writing
from app.metadata.errors import N_, KaowuError
from app.models.account import AdminBinding, Passport, PasswordHistory
from app.rules.account.bindings import bind_administrator
from app.rules.account.passports import TERMS_VERSION
from app.rules.password import hash_password, password_problems

FILE = "demo.json"
#: no letter that is taken for another one
_ALPHABET = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"
_GROUPS, _GROUP = 4, 4


class DemoPasswordWeak(KaowuError):
    """DEMO_PASSWORD is no better than any other weak password."""

    code = "demo.password_weak"
    template = N_("DEMO_PASSWORD 不能使用：{reason}")


@dataclass(frozen=True, slots=True)
class Account:
    """Who may log in: an administrator of `organisation`, or a candidate without one."""

    number: int
    local: str
    name: str
    role: str
    organisation: str | None = None
    is_super: bool = False

    @property
    def email(self) -> str:
        return f"{self.local}@kaowu.test"

    @property
    def mobile(self) -> str:
        return f"139000000{self.number:02d}"


FRESH, PAYING, PRINTING = "candidate", "candidate990701", "candidate990703"
ACCOUNTS = (
    Account(1, "super", "系统管理员", N_("系统管理员"), "00", is_super=True),
    Account(2, "center", "中心管理员", N_("考试中心管理员"), "00"),
    Account(3, "province99", "省管理员", N_("省管理员"), "99"),
    Account(4, "city9907", "地市七管理员", N_("地市管理员"), "9907"),
    Account(5, "site990701", "考点一管理员", N_("考点：报名中"), "990701"),
    Account(6, "site990702", "考点二管理员", N_("考点：可以编排"), "990702"),
    Account(7, "site990703", "考点三管理员", N_("考点：可打印准考证"), "990703"),
    Account(8, "site990704", "考点四管理员", N_("考点：报名前设置"), "990704"),
    Account(9, FRESH, "演示考生", N_("考生：尚未报名")),
    Account(10, PAYING, "演示考生一", N_("考生：待支付")),
    Account(11, PRINTING, "演示考生三", N_("考生：可打印准考证")),
)


def accounts(session: Session) -> list[Account]:
    """Those accounts of the demo that the database has; the session is the system's."""
    emails = set(session.scalars(select(Passport.email).where(Passport.origin == "demo")))
    return [account for account in ACCOUNTS if account.email in emails]


def password_for(instance: Path, wanted: str | None) -> str:
    """The shared password: `wanted`, else the kept one, else a new one; kept in demo.json (0600).

    Raises DemoPasswordWeak.
    """
    path = instance / FILE
    kept = json.loads(path.read_text("utf-8"))["password"] if path.exists() else None
    if wanted and (problems := _problems(wanted)):
        raise DemoPasswordWeak(reason=problems[0])
    password: str = wanted or kept or _fresh()
    if password != kept:
        instance.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"password": password}, file)
    return password


def _problems(password: str) -> list[str]:
    identifiers = [text for row in ACCOUNTS for text in (row.email, row.mobile, row.name)]
    found = password_problems(password, administrator=True, identifiers=identifiers)
    return [problem.message() for problem in found]


def _fresh() -> str:
    while True:
        letters = [secrets.choice(_ALPHABET) for _ in range(_GROUPS * _GROUP)]
        parts = ("".join(letters[at : at + _GROUP]) for at in range(0, len(letters), _GROUP))
        password = "-".join(parts)
        if not _problems(password):
            return password


def add_accounts(session: Session, password: str, now: datetime) -> dict[str, Passport]:
    """Passports and bindings; {local part: passport}. The session acts in the current exam."""
    made: dict[str, Passport] = {}
    password_hash = hash_password(password)  # one for all: it is no secret that they share it
    with writing(session):
        for account in ACCOUNTS:
            row = _passport(account, password_hash, now)
            made[account.local] = row
            session.add(row)
        session.flush()
        for row in made.values():
            session.add(PasswordHistory(passport_id=row.id, password_hash=row.password_hash))
    for account in ACCOUNTS:
        if account.organisation is not None:
            passport_id = made[account.local].id
            binding = bind_administrator(session, passport_id, account.organisation, account.name)
            if account.is_super:
                _make_super(session, binding)
    return made


def _passport(account: Account, password_hash: str, now: datetime) -> Passport:
    return Passport(
        number=uuid.uuid4().hex,
        name=account.name,
        email=account.email,
        mobile=account.mobile,
        mobile_digest=digest(account.mobile),
        password_hash=password_hash,
        password_changed_at=now,
        origin="demo",
        terms_version=TERMS_VERSION,
        terms_accepted_at=now,
    )


def _make_super(session: Session, binding: AdminBinding) -> None:
    with writing(session):
        binding.is_super = True
