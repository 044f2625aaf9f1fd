"""Who a portal cookie belongs to, in one statement per request."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, exists, select
from sqlalchemy.orm import Session

from app.database.policy import rows_of
from app.metadata.errors import NotFound
from app.metadata.vocabulary import ExamState
from app.models.account import AdminBinding, Passport
from app.models.audit import AuditEntry
from app.models.exam import Exam
from app.rules import rate_limit


@dataclass(frozen=True, slots=True)
class Visitor:
    """A passport whose cookie is still good. `exam_id` is the current session's, if there is one.

    `administrator` passports have no candidate use (R3.4).
    """

    passport_id: int
    number: str
    name: str
    exam_id: int | None
    administrator: bool
    must_change: bool
    has_totp: bool
    #: writes in the window that was asked for
    writes: int = 0


#: Made once: every request of the portal asks it, and building it costs as much as running it.
_VISITOR = select(
    Passport.number,
    Passport.name,
    Passport.must_change,
    Passport.totp_confirmed,
    select(Exam.id).where(Exam.state == ExamState.CURRENT.value).scalar_subquery().label("exam_id"),
    exists().where(AdminBinding.passport_id == Passport.id).label("administrator"),
).where(
    Passport.id == bindparam("passport_id"),
    Passport.session_version == bindparam("session_version"),
    Passport.active.is_(True),
)
_WRITER = _VISITOR.add_columns(rate_limit.MADE.label("writes"))


def visitor(
    session: Session,
    passport_id: int,
    session_version: int,
    counter: Mapping[str, Any] | None = None,
) -> Visitor | None:
    """The visitor, or None when the passport is gone, disabled, or was logged out elsewhere.

    `counter` names the counter of his writes, if they are asked for. The session must belong to a
    system actor without exam session.
    """
    asked = {"passport_id": passport_id, "session_version": session_version}
    statement = _VISITOR if counter is None else _WRITER
    rows = rows_of(session, statement, {**asked, **(counter or {})})
    if not rows:
        return None
    row: Any = rows[0]
    return Visitor(
        passport_id=passport_id,
        number=row.number,
        name=row.name or "",
        exam_id=row.exam_id,
        administrator=bool(row.administrator),
        must_change=row.must_change,
        has_totp=row.totp_confirmed,
        writes=0 if counter is None else row.writes or 0,
    )


@dataclass(frozen=True, slots=True)
class OwnPassport:
    """What the owner sees of his passport; pages mask the contacts. Pending ones were given at
    registration and are not proved yet (R5.1)."""

    number: str
    name: str
    email: str
    mobile: str
    pending_email: str
    pending_mobile: str
    created_at: dt.datetime


def own_passport(session: Session, passport_id: int) -> OwnPassport:
    """The owner's view. Raises NotFound."""
    row = session.execute(
        select(
            Passport.number,
            Passport.name,
            Passport.email,
            Passport.mobile,
            Passport.pending_email,
            Passport.pending_mobile,
            Passport.created_at,
        ).where(Passport.id == passport_id)
    ).one_or_none()
    if row is None:
        raise NotFound()
    return OwnPassport(
        number=row.number,
        name=row.name or "",
        email=row.email or "",
        mobile=row.mobile or "",
        pending_email=row.pending_email or "",
        pending_mobile=row.pending_mobile or "",
        created_at=row.created_at,
    )


#: entries that the owner of a passport is shown
OWN_LOG_INS = 30
LOG_INS = ("account.passport.log_in", "account.passport.log_out")


@dataclass(frozen=True, slots=True)
class LogIn:
    """One line of the owner's log: in or out, when, from where, with which outcome (a word of
    `audit_log.OUTCOMES`)."""

    at: dt.datetime
    is_out: bool
    address: str
    outcome: str


def own_log_ins(session: Session, passport_id: int, limit: int = OWN_LOG_INS) -> list[LogIn]:
    """The owner's last log-ins and log-outs, newest first (§5: everybody reads his own)."""
    rows = session.execute(
        select(AuditEntry.at, AuditEntry.action, AuditEntry.address, AuditEntry.outcome)
        .where(AuditEntry.passport_id == passport_id, AuditEntry.action.in_(LOG_INS))
        .order_by(AuditEntry.id.desc())
        .limit(limit)
    )
    return [
        LogIn(at, action == LOG_INS[1], address, outcome) for at, action, address, outcome in rows
    ]
