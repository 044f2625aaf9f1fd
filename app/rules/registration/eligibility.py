"""Who may register where (R3.4, R15, R16–R17, R19)."""

from __future__ import annotations

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session, joinedload

from app.database.policy import actor_of, elevated
from app.metadata.actor import Actor
from app.metadata.errors import N_, KaowuError, NotFound, PolicyDenied
from app.metadata.vocabulary import Level
from app.models.account import AdminBinding
from app.models.registration import HOLDING, LIVE, Entry, Life, Registration
from app.rules.roster import admission
from app.rules.roster.admission import Named, NotAdmitted
from app.rules.site import Site, notices_of


class CandidatesOnly(PolicyDenied):
    """An administrator's passport is no candidate's (R3.4)."""

    code = "registration.candidates_only"
    template = N_("管理员通行证不能报考。请使用您本人的考生通行证登录。")


class AlreadyRegistered(KaowuError):
    """One registration per passport and session (R14.5)."""

    code = "registration.already"
    template = N_("您在本考次已有报名，不能重复报名。如需更换考点，请先取消原报名。")
    status = 409


class NoticesChanged(KaowuError):
    """The notices that were accepted are not those in force (R16, R17)."""

    code = "registration.notices_changed"
    template = N_("报名通告已更新，请重新阅读并确认。")
    status = 409


def require_candidate(session: Session) -> Actor:
    """The session's candidate. Raises CandidatesOnly (R3.4)."""
    actor = actor_of(session)
    if actor.level is not Level.CANDIDATE or actor.passport_id is None:
        raise CandidatesOnly()
    with elevated(session, "an administrator may not register", AdminBinding):
        bound = session.scalar(
            select(AdminBinding.id).where(AdminBinding.passport_id == actor.passport_id)
        )
    if bound is not None:
        raise CandidatesOnly()
    return actor


# Made once: building a statement costs as much as running it, and every page asks these.
_OWN = Registration.passport_id == bindparam("passport")
_LIVE = select(Registration).where(_OWN, Registration.life.in_(LIVE))
_LIVE_NUMBER = select(Registration.id).where(_OWN, Registration.life.in_(LIVE))
_LIVE_WITH_ENTRIES = _LIVE.options(
    joinedload(Registration.entries.and_(Entry.state.in_([state.value for state in HOLDING])))
)
_EXPIRED = (
    select(Registration)
    .where(_OWN, Registration.life == Life.EXPIRED.value)
    .order_by(Registration.id.desc())
    .limit(1)
)


def _owner(session: Session) -> dict[str, int | None]:
    return {"passport": actor_of(session).passport_id}


def live_registration(session: Session, *, entries: bool = False) -> Registration | None:
    """The candidate's own registration of the current session, or None; one statement. With
    `entries`, those that hold seats are loaded too, and no others: for reading only."""
    statement = _LIVE_WITH_ENTRIES if entries else _LIVE
    return session.scalars(statement, _owner(session)).unique().one_or_none()


def live_registration_id(session: Session) -> int:
    """The number of the candidate's own registration alone, for writes that lock it themselves.
    Raises NotFound."""
    found = session.scalar(_LIVE_NUMBER, _owner(session))
    if found is None:
        raise NotFound()
    return found


def last_expired(session: Session) -> Registration | None:
    """The candidate's newest registration that was not paid in time (R22.8a), or None."""
    return session.scalars(_EXPIRED, _owner(session)).one_or_none()


def last_person(session: Session) -> Named | None:
    """Who the candidate's newest registration in this session is for, of whatever state: whom the
    choice of a site is for, before he has typed anything; None where he had none."""
    actor = actor_of(session)
    row = session.execute(
        select(Registration.id_digest, Registration.name)
        .where(Registration.passport_id == actor.passport_id)
        .order_by(Registration.id.desc())
        .limit(1)
    ).first()
    return Named(row.id_digest, row.name) if row is not None else None


def require_none_yet(session: Session) -> None:
    """Raises AlreadyRegistered."""
    if live_registration(session) is not None:
        raise AlreadyRegistered()


def require_accepted(session: Session, site: Site, notice_version: str) -> None:
    """The candidate has read what is in force now. Raises NoticesChanged."""
    if notices_of(session, site).version != notice_version:
        raise NoticesChanged()


def admits(session: Session, site: Site, person: Named) -> None:
    """Do the 学籍报考设置 of the site, and of the person's own, admit him here? Raises NotAdmitted.

    The one place for R19.4 and R19.5, for whoever registers and for collective imports (R19.8).
    """
    admission.require_admitted(session, site, person, site.display)


__all__ = [
    "AlreadyRegistered",
    "CandidatesOnly",
    "NotAdmitted",
    "NoticesChanged",
    "admits",
    "last_expired",
    "last_person",
    "live_registration",
    "live_registration_id",
    "require_accepted",
    "require_candidate",
    "require_none_yet",
]
