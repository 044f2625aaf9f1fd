"""What a superior does for an administrator besides binding him: the activation code of a first
password, the second factor, extra roles."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.policy import actor_of
from app.metadata.errors import N_, InvalidInput
from app.metadata.vocabulary import Verb
from app.models.account import AdminBinding, Passport, Role
from app.rules import audit
from app.rules.account.bindings import binding_in_scope
from app.rules.account.declarations import BINDING, owner_permit
from app.rules.account.errors import AccountError
from app.rules.account.passwords import issue_activation_code
from app.rules.account.second_factor import remove_totp
from app.rules.clock import Clock, system_clock
from app.rules.permissions import MATRIX
from app.rules.policy import permit


class OwnSecondFactor(AccountError):
    """Whoever sits at an open browser must not take the second factor off."""

    code = "account.own_second_factor"
    template = N_("不能移除自己的动态口令。手机遗失时请由本机构其他管理员或上级管理员办理。")


class NoSecondFactor(AccountError):
    """There is nothing to remove."""

    code = "account.no_second_factor"
    template = N_("该用户没有启用动态口令，无需移除。")


def reset_second_factor(session: Session, binding_id: int, *, clock: Clock = system_clock) -> None:
    """Take back the second factor of an administrator in scope whose phone is lost.

    All his sessions end; he sets a new one up at the next log-in. Logged. Raises NotFound,
    OwnSecondFactor, NoSecondFactor.
    """
    binding = binding_in_scope(session, binding_id)
    if binding.passport_id == actor_of(session).passport_id:
        raise OwnSecondFactor()
    with permit(session, BINDING, Verb.EDIT, clock=clock, models=(AdminBinding,)):
        confirmed = session.scalar(
            select(Passport.totp_confirmed).where(Passport.id == binding.passport_id)
        )
        if not confirmed:
            raise NoSecondFactor()
        remove_totp(session, binding.passport_id)
        audit.record(session, "account.second_factor.reset", row=binding, title=binding.name)


def hand_out_activation_code(
    session: Session, binding_id: int, *, link: bool = False, clock: Clock = system_clock
) -> str:
    """A one-time code for an imported administrator in scope, to be handed to him (R5.4, §8.3).

    It proves him on the page that sets his first password, where no mail or SMS reaches him; an
    earlier one is void. Returned once, kept as a digest, logged. With `link` it is handed out as
    a link, which takes the place of the one that the upkeep would send. Raises NotFound, also
    where he has a password already.
    """
    binding = binding_in_scope(session, binding_id)
    with permit(session, BINDING, Verb.EDIT, clock=clock):
        if link:
            with owner_permit(session, Verb.EDIT):
                # before the code is made: the upkeep passes accounts that somebody holds
                binding.passport.invited_at = clock()
        code = issue_activation_code(session, binding.passport_id, clock())
        audit.record(session, "account.activation_code.hand_out", row=binding, title=binding.name)
    return code


def roles_for(session: Session, level: str) -> dict[str, str]:
    """{name: label} of the roles that superusers made for people of this level."""
    rows = session.execute(
        select(Role.name, Role.label)
        .where(Role.level == level, Role.built_in.is_(False))
        .order_by(Role.label)
    )
    return {row.name: row.label for row in rows}


def assign_roles(
    session: Session, binding_id: int, names: Iterable[str], *, clock: Clock = system_clock
) -> None:
    """Give an administrator exactly these roles beside his level's own; whoever edits the matrix
    may. In force at his next request. Raises NotFound, InvalidInput (a role of another level).
    """
    binding = binding_in_scope(session, binding_id)
    wanted = sorted(set(names))
    if set(wanted) - roles_for(session, binding.level).keys():
        raise InvalidInput({"roles": [N_("附加角色：请选择适用于该用户机构级别的角色")]})
    with permit(session, MATRIX, Verb.EDIT, clock=clock, models=(AdminBinding,)):
        binding.extra_roles = wanted
        session.flush()
