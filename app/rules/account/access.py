"""How the account rules reach the database, and what they may be asked for.

Most rules are handed a session. These are handed an `Access`, because they own their short
transactions: hashing a password takes 0.1 s and must hold no lock, and a failed attempt must be
counted although it is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sqlalchemy.orm import sessionmaker

from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.metadata.actor import Actor, system
from app.rules.clock import Clock, system_clock

T = TypeVar("T")

#: (attempts, seconds); settings hand in their own named tuple of the same shape.
Rate = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Limits:
    """What is throttled, per account or target and per address (quality.md, Security)."""

    login_account: Rate = (10, 900)
    login_address: Rate = (300, 60)
    code_target: Rate = (5, 3600)
    code_address: Rate = (300, 3600)
    #: tries with the last six characters of the ID number, or with an activation code
    proof: Rate = (5, 86_400)
    second_factor: Rate = (10, 900)


@dataclass(frozen=True, slots=True)
class Access:
    """A door to the database for one request: where it comes from, and the clock.

    `mail` and `sms` tell whether these really reach people; where neither does, the first password
    of a candidate may be proved by his ID number (§8.3). `totp_required`
    asks every administrator for a second factor; `one_session` ends the others of an administrator
    when he logs in (§8.2). `initial_password` is off where imported accounts are opened by a
    one-time link instead of 123456 (§8.3).
    """

    factory: sessionmaker[KaowuSession]
    clock: Clock = system_clock
    address: str = ""
    request_id: str = ""
    mail: bool = True
    sms: bool = True
    totp_required: bool = False
    one_session: bool = False
    initial_password: bool = True
    limits: Limits = field(default_factory=Limits)

    def read(self, work: Callable[[KaowuSession], T]) -> T:
        """Run `work` in a read-only transaction that ends before anything is hashed."""
        with reading(self.factory, system("account look-up")) as session:
            return work(session)

    def write(
        self, task: str, work: Callable[[KaowuSession], T], *, passport_id: int | None = None
    ) -> T:
        """Run `work` in one unit of work as the system task `task`, for the named passport."""
        return run_unit(
            self.factory,
            self_service(task, passport_id),
            work,
            request_id=self.request_id,
            address=self.address,
        )


def self_service(task: str, passport_id: int | None) -> Actor:
    """The system actor of a visitor's own account: the log names the task and the passport.

    A candidate's actor belongs to an exam session; an account outlives them all, and an
    administrator has one too.
    """
    return replace(system(task), passport_id=passport_id)
