"""Who administers which organisation (R3.3, R3.4, ch. 8). The session is the administrator's."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.database.policy import actor_of, elevated
from app.metadata.declarations import Declaration
from app.metadata.errors import NotFound
from app.metadata.text import Bad, normalise_email
from app.metadata.vocabulary import Verb
from app.models.account import AdminBinding, Passport
from app.models.organisation import Organisation, below
from app.rules import audit, policy
from app.rules.account.access import Rate
from app.rules.account.declarations import BINDING
from app.rules.account.errors import (
    AccountError,
    AlreadyBound,
    AlreadyBoundHere,
    LastAdministrator,
    NotYourself,
    PassportIsCandidate,
    PassportNotFound,
)
from app.rules.account.login import end_sessions
from app.rules.account.passports import live_registration
from app.rules.clock import Clock, system_clock
from app.rules.policy import WrongOrganisation
from app.rules.rate_limit import require

LOOK_UPS: Rate = (60, 60)


@dataclass(frozen=True, slots=True)
class PassportCard:
    """What R8.6's dialog shows of a passport. `name` is that of a user in the actor's scope;
    of anybody else it is empty, so that the look-up tells nobody who owns an address."""

    passport_id: int
    number: str
    email: str
    name: str


def find_passport(
    session: Session,
    *,
    email: str = "",
    number: str = "",
    rate: Rate = LOOK_UPS,
    clock: Clock = system_clock,
) -> PassportCard:
    """邮箱 → ID (any case), or ID → 邮箱 (R8.6). Logged and counted, so the session must write.

    Raises PassportNotFound, TooMany.
    """
    actor = actor_of(session)
    require(session, f"look-up:{actor.passport_id}", rate, clock())
    if number.strip():
        condition = Passport.number == number.strip().lower()
    else:
        try:
            condition = Passport.email == normalise_email(email)
        except Bad:
            raise PassportNotFound() from None
    with elevated(session, "R8.6 look-up", Passport):
        passport = session.scalars(
            select(Passport).where(condition, Passport.active.is_(True))
        ).one_or_none()
    if passport is None:
        raise PassportNotFound()
    audit.record(session, "account.passport.look_up", row=passport)
    name = session.scalar(select(AdminBinding.name).where(AdminBinding.passport_id == passport.id))
    return PassportCard(passport.id, passport.number, passport.email or "", name or "")


def bind_administrator(
    session: Session,
    passport_id: int,
    organisation_code: str,
    name: str,
    *,
    declaration: Declaration = BINDING,
    clock: Clock = system_clock,
) -> AdminBinding:
    """Make a passport administrator of an organisation in the actor's scope (R3.3, R8.2).

    Its candidate sessions end. Raises WrongOrganisation, PassportNotFound, PassportIsCandidate
    (R3.4), AlreadyBound / AlreadyBoundHere (R8.6).
    """
    organisation = _organisation(session, organisation_code)
    with elevated(session, "R8.6 passport to bind", Passport):
        passport = session.get(Passport, passport_id)
    if passport is None or not passport.active:
        raise PassportNotFound()
    obstacle = binding_obstacle(session, passport_id)
    if obstacle is not None:
        raise obstacle
    province, city, site = _path_codes(session, organisation)
    binding = AdminBinding(
        passport_id=passport_id,
        organisation_code=organisation.code,
        level=organisation.level,
        name=name,
        province_code=province,
        city_code=city,
        site_code=site,
    )
    try:
        with (
            policy.permit(session, declaration, Verb.ADD, clock=clock, models=(AdminBinding,)),
            session.begin_nested(),
        ):
            session.add(binding)
            session.flush()
    except IntegrityError:  # bound by somebody else at this moment
        raise AlreadyBound() from None
    end_sessions(session, passport_id)
    return binding


def _organisation(session: Session, code: str) -> Organisation:
    condition = below(actor_of(session))
    found = session.scalars(
        select(Organisation).where(Organisation.code == code, condition)
    ).one_or_none()
    if found is None:
        raise WrongOrganisation()
    return found


def binding_obstacle(session: Session, passport_id: int) -> AccountError | None:
    """Why the passport cannot be bound; None where it can.

    AlreadyBound / AlreadyBoundHere (R8.6), PassportIsCandidate (R3.4).
    """
    with elevated(session, "R8.6 one binding", AdminBinding):
        code = session.scalar(
            select(AdminBinding.organisation_code).where(AdminBinding.passport_id == passport_id)
        )
    if code is not None:
        try:
            return AlreadyBoundHere(organisation=_organisation(session, code).display)
        except WrongOrganisation:
            return AlreadyBound()
    if live_registration(session, passport_id) is not None:
        return PassportIsCandidate()
    return None


def _path_codes(
    session: Session, organisation: Organisation
) -> tuple[str | None, str | None, str | None]:
    """Codes of province, city and site on the way down to the organisation."""
    path = (organisation.province_id, organisation.city_id, organisation.site_id)
    wanted = [item for item in path if item is not None]
    rows = session.execute(
        select(Organisation.id, Organisation.code).where(Organisation.id.in_(wanted))
    )
    codes = {row.id: row.code for row in rows}
    province, city, site = (codes.get(item) if item is not None else None for item in path)
    return province, city, site


def administrator_in_scope(session: Session, passport_id: int) -> AdminBinding:
    """The binding of a passport, if the actor may see it (R8.3). Raises NotFound."""
    binding = session.scalars(
        select(AdminBinding).where(AdminBinding.passport_id == passport_id)
    ).one_or_none()
    if binding is None:
        raise NotFound()
    return binding


def binding_in_scope(session: Session, binding_id: int) -> AdminBinding:
    """The binding of this id, if the actor may see it (R8.3). Raises NotFound."""
    binding = session.scalars(
        select(AdminBinding).where(AdminBinding.id == binding_id)
    ).one_or_none()
    if binding is None:
        raise NotFound()
    return binding


def change_binding(
    session: Session,
    binding_id: int,
    passport_id: int,
    name: str,
    *,
    declaration: Declaration = BINDING,
    clock: Clock = system_clock,
) -> None:
    """修改用户: another name, or another passport in the same organisation (R8.6).

    Another passport is bound as `bind_administrator` does and takes the place of the former,
    which nobody can do to himself. Raises what the two raise.
    """
    binding = binding_in_scope(session, binding_id)
    if passport_id != binding.passport_id:
        code = binding.organisation_code
        bind_administrator(session, passport_id, code, name, declaration=declaration, clock=clock)
        unbind(session, binding_id, declaration=declaration, clock=clock)
        return
    with policy.permit(session, declaration, Verb.EDIT, clock=clock, models=(AdminBinding,)):
        binding.name = name


def unbind(
    session: Session,
    binding_id: int,
    *,
    declaration: Declaration = BINDING,
    clock: Clock = system_clock,
) -> None:
    """Take the administration away from a passport; nobody can do it to himself (R8.2).

    The passport stays and may be used by a candidate. Raises NotFound, NotYourself,
    LastAdministrator.
    """
    binding = binding_in_scope(session, binding_id)
    if binding.passport_id == actor_of(session).passport_id:
        raise LastAdministrator() if _count(session, binding) == 1 else NotYourself()
    passport_id = binding.passport_id
    with policy.permit(session, declaration, Verb.DELETE, clock=clock, models=(AdminBinding,)):
        session.delete(binding)
    end_sessions(session, passport_id)


def _count(session: Session, binding: AdminBinding) -> int:
    return (
        session.scalar(
            select(func.count())
            .select_from(AdminBinding)
            .where(AdminBinding.organisation_code == binding.organisation_code)
        )
        or 0
    )
