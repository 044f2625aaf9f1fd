"""锁定、解锁报名信息 by the site, under the operation's permit (R25.25–R25.28)."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.models.registration import Registration, Review
from app.rules.clock import Clock, system_clock
from app.rules.registration.person import missing_of
from app.rules.registration.review import Incomplete
from app.rules.registration.states import hold


def lock(session: Session, registration_id: int) -> Registration:
    """Freeze personal data, site and photo; only when they are complete (R25.27).

    Raises Incomplete.
    """
    row = hold(session, registration_id).registration
    if missing := missing_of(row):
        raise Incomplete(missing=missing)
    row.locked = True
    session.flush()
    return row


def unlock(session: Session, registration_id: int, *, clock: Clock = system_clock) -> Registration:
    """Let the data be changed again: 待审核 goes back to 未提交, 已通过 stays until a change is
    saved, paid entries are not touched (R25.28). Raises OrderInFlight, BatchLocked.
    """
    held = hold(session, registration_id)
    row = held.registration
    held.require_no_payment()
    if row.review == Review.PENDING:
        row.review = Review.OPEN.value
        row.state_changed_at = clock()
    row.locked = False
    session.flush()
    return row
