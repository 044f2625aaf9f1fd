"""What a page must say beside its data: settings of a site that is not open have no effect
(R15.2, R18.3; the grid of R13.2 says so itself)."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from app.metadata.errors import N_, Message
from app.rules.affected import settings_of

#: (session, site or None for several) -> the sentence, or None
Remark = Callable[[Session, int | None], str | None]
_remarks: dict[str, list[Remark]] = {}


def remark_on(*declarations: str) -> Callable[[Remark], Remark]:
    """Register a rule for pages of these names."""

    def register(rule: Remark) -> Remark:
        for name in declarations:
            _remarks.setdefault(name, []).append(rule)
        return rule

    return register


def remarks_on(session: Session, declaration: str, site_id: int | None) -> list[str]:
    """What the page of a site says; `site_id` is None on lists of several sites."""
    if site_id is None:
        return []
    found = (rule(session, site_id) for rule in _remarks.get(declaration, ()))
    return [sentence for sentence in found if sentence]


@remark_on("online_time", "class_option", "site_notice")
def _without_effect(session: Session, site_id: int | None) -> str | None:
    row = settings_of(session, site_id)
    if row is None or row.open:
        return None
    if row.suspension_reason is not None:
        return Message(N_("考点已停考（{reason}），本页的设置无效。"), reason=row.suspension_reason)
    return N_("考点未开考，本页的设置无效；请先在《考点报名综合设置》中设置“考点开考”。")


@remark_on("site_settings")
def _suspended(session: Session, site_id: int | None) -> str | None:
    row = settings_of(session, site_id)
    if row is None or row.suspension_reason is None:
        return None
    return Message(
        N_("考点已被省停考：{reason}。考点不能自行恢复开考，请联系省办理。"),
        reason=row.suspension_reason,
    )


__all__ = ["remark_on", "remarks_on"]
