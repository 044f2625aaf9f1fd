"""One session of each administrator at a time (§8.2)."""

from __future__ import annotations

from sqlalchemy import select

from app.database.session import KaowuSession
from app.models.account import Passport
from app.rules.account.access import Access
from app.rules.account.login import end_sessions


def take_over(access: Access, passport_id: int, session_version: int) -> int:
    """A log-in of an administrator is complete: every other session of his ends.

    Returns the session version that his new session must carry. Not before the second factor has
    been given: whoever knew the password alone could throw him out again and again.
    """
    if not access.one_session:
        return session_version

    def work(session: KaowuSession) -> int:
        end_sessions(session, passport_id)
        found = session.scalar(select(Passport.session_version).where(Passport.id == passport_id))
        return found or session_version

    return access.write("one session", work, passport_id=passport_id)
