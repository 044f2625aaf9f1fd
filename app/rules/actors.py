"""From a person to an `Actor`: his organisation in the session, his roles, what they grant.

An administrator is a passport bound to an organisation code (R8.4); whether he may log in is the
state of that organisation in the current session (R3.5, R7.2).
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.policy import elevated
from app.metadata.actor import Actor
from app.metadata.declarations import ENTRUSTED_CITY
from app.metadata.errors import N_, KaowuError
from app.metadata.vocabulary import ExamState, Level
from app.models.account import AdminBinding, Passport
from app.models.exam import Exam
from app.models.organisation import Organisation
from app.models.roster import RosterPolicy
from app.rules import living_matrix, policy
from app.rules.entrusting import are_cities_entrusted
from app.rules.roster.policy import remember_enabled


class NotBound(KaowuError):
    """The passport administers nothing (R3.3)."""

    code = "account.not_bound"
    template = N_("该通行证未绑定考务机构，不能进入后台。请联系上级管理员添加。")
    status = 403


class OrganisationDisabled(KaowuError):
    """R3.5, R7.2."""

    code = "account.organisation_disabled"
    template = N_("机构“{name}”在当前考次未启用，不能登录。请联系上级管理员启用。")
    status = 403


class NoOrganisation(KaowuError):
    """The code has no row in the session."""

    code = "account.no_organisation"
    template = N_("您的机构没有参加该考次。")
    status = 403


_CURRENT = select(Exam).where(Exam.state == ExamState.CURRENT.value)


def current_exam(session: Session) -> Exam | None:
    """The one session that is current (R0.4a); None before the first is made so."""
    return session.scalars(_CURRENT).one_or_none()


def entrance_exam(session: Session) -> Exam | None:
    """The session in which the administration opens: the current one; after it was closed the
    newest, so that the centre can still log in and make another current (R0.6)."""
    newest = select(Exam).order_by(Exam.number.desc()).limit(1)
    return current_exam(session) or session.scalars(newest).first()


def roles_of(binding: AdminBinding) -> frozenset[str]:
    """The level's role, "super" where bound so, and extra roles."""
    return frozenset(
        [binding.level, *binding.extra_roles, *([living_matrix.SUPER] if binding.is_super else [])]
    )


def _entrusted(session: Session, organisation: Organisation) -> frozenset[str]:
    """The further role of a city that may set its sites (§5 “V/E cfg”)."""
    is_city = organisation.level == Level.CITY.value
    if is_city and are_cities_entrusted(session, organisation.exam_id, organisation.province_id):
        return frozenset([ENTRUSTED_CITY])
    return frozenset()


def _require_enabled(session: Session, organisation: Organisation, exam: Exam) -> None:
    """The organisation of the same code in the current session must be enabled."""
    found: Organisation | None = organisation
    current = exam if exam.state == ExamState.CURRENT.value else current_exam(session)
    if current is not None and current.id != exam.id:
        with elevated(session, "R3.5 enabled now", Organisation):
            found = session.scalars(
                select(Organisation).where(
                    Organisation.exam_id == current.id, Organisation.code == organisation.code
                )
            ).one_or_none()
    if found is None or not found.enabled:
        raise OrganisationDisabled(name=organisation.name)


#: of a site, which the menu depends on (R0.5b)
_ROSTER_ENABLED = (
    select(RosterPolicy.roster_enabled)
    .where(RosterPolicy.site_id == Organisation.id, RosterPolicy.exam_id == Organisation.exam_id)
    .scalar_subquery()
)


def load_administrator(session: Session, passport_id: int, exam: Exam) -> Actor:
    """The actor of an administrator in a session.

    Any session may be looked at whose tree holds the organisation, enabled there or not; to be
    let in at all it must be enabled in the current one (R3.5, R7.2). Raises NotBound,
    OrganisationDisabled, NoOrganisation.
    """
    policy.remember_exam(session, exam)
    with elevated(session, "load actor", AdminBinding, Passport, Organisation, RosterPolicy):
        row = session.execute(
            select(AdminBinding, Organisation, _ROSTER_ENABLED)
            .outerjoin(
                Organisation,
                (Organisation.code == AdminBinding.organisation_code)
                & (Organisation.exam_id == exam.id),
            )
            .where(AdminBinding.passport_id == passport_id)
        ).first()
    if row is None:
        raise NotBound()
    binding, organisation, enabled = row
    if organisation is None:
        raise NoOrganisation()
    remember_enabled(session, exam.id, organisation.site_id, bool(enabled))
    _require_enabled(session, organisation, exam)
    roles = roles_of(binding) | _entrusted(session, organisation)
    matrix = living_matrix.read(session)
    return Actor(
        passport_id=passport_id,
        level=Level(organisation.level),
        exam_id=exam.id,
        organisation_id=organisation.id,
        province_id=organisation.province_id,
        city_id=organisation.city_id,
        site_id=organisation.site_id,
        organisation_code=organisation.code,
        province_code=binding.province_code or "",
        city_code=binding.city_code or "",
        site_code=binding.site_code or "",
        roles=roles,
        grants=None if matrix is None else matrix.grants(roles),
        name=binding.name,
    )
