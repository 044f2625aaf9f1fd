"""What the account tests stand on: a database of their own, a clock that they move, people."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import sessionmaker

from app.database.session import KaowuSession
from app.database.unit_of_work import reading, unit_of_work
from app.metadata.actor import system
from app.models.account import OutboxMessage, Passport, PasswordHistory
from app.rules.account.access import Access
from app.rules.account.codes import Purpose, send_code
from app.rules.account.login import Identity
from app.rules.account.passports import NewPassport, register_passport
from app.rules.password import hash_password
from tests.factories import Tree, make_passport, populate, seeding

PASSWORD = "Zebra-Kite#42"
OTHER_PASSWORD = "Maple;Harbour81"
HASH = hash_password(PASSWORD)


class Moment:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = dt.datetime.now(dt.UTC).replace(minute=5, second=0, microsecond=0)

    def __call__(self) -> dt.datetime:
        return self.now

    def forward(self, **step: float) -> None:
        self.now += dt.timedelta(**step)


@dataclass
class World:
    """A populated database and one visitor's access to it."""

    factory: sessionmaker[KaowuSession]
    tree: Tree
    clock: Moment = field(default_factory=Moment)

    def access(self, **options: Any) -> Access:
        return Access(self.factory, clock=self.clock, address="203.0.113.7", **options)

    def passport(self, **values: Any) -> Passport:
        """A passport with PASSWORD, committed and detached."""
        values = {"password_hash": HASH, "password_changed_at": self.clock.now} | values
        with unit_of_work(self.factory, system("test")) as session:
            row = make_passport(session, **values)
            with seeding(session):
                session.add(PasswordHistory(passport_id=row.id, password_hash=row.password_hash))
        return row

    def reload(self, passport_id: int) -> Passport:
        """The row as it is stored now."""
        with self.looking() as session:
            row = session.get(Passport, passport_id)
            assert row is not None
            session.expunge(row)
        return row

    @contextmanager
    def looking(self) -> Iterator[KaowuSession]:
        with reading(self.factory, system("test")) as session:
            yield session

    @contextmanager
    def writing(self, actor: Any = None) -> Iterator[KaowuSession]:
        with unit_of_work(self.factory, actor or system("test")) as session:
            yield session

    def messages(self) -> list[tuple[str, str]]:
        """(target, body) of all messages, oldest first."""
        with self.looking() as session:
            rows = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id))
            return [(row.target, row.body) for row in rows]

    def message_count(self) -> int:
        with self.looking() as session:
            return session.scalar(select(func.count()).select_from(OutboxMessage)) or 0

    def last_code(self) -> str:
        """The code of the newest message."""
        found = re.search(r"验证码 (\d{6})", self.messages()[-1][1])
        assert found is not None
        return found[1]

    def code_for(self, purpose: Purpose, target: str, **options: Any) -> str:
        """Ask for a code and read it from the outbox."""
        send_code(self.access(**options), purpose, target)
        return self.last_code()

    def register(self, email: str, mobile: str, **changes: Any) -> Identity:
        """Register as a visitor does, the code going to the mobile unless told otherwise."""
        prove = changes.get("prove", "mobile")
        values = {"password": PASSWORD, "consent": True, "prove": prove} | changes
        if "code" not in values:
            target = email.lower() if prove == "email" else mobile
            values["code"] = self.code_for(Purpose.REGISTER, target)
        return register_passport(self.access(), NewPassport(email=email, mobile=mobile, **values))


@contextmanager
def open_world(url: str) -> Iterator[World]:
    """A world in the database at `url`."""
    factory, tree = populate(url)
    try:
        yield World(factory, tree)
    finally:
        factory.kw["bind"].dispose()
