"""Switching intentions on again (R10.4): quotas that were kept meanwhile must still fit (R13.8)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.metadata.errors import N_, KaowuError
from app.metadata.vocabulary import Verb
from app.models.capacity import CapacityPool
from app.models.settings import SiteSettings
from app.rules.capacity import TOTAL, quota_refusal
from app.rules.crud import Context, before
from app.rules.effects import changed


class QuotasOutgrown(KaowuError):
    """R13.8, R14.3, R14.4: the total was lowered while intentions were switched off."""

    code = "preference.quotas_outgrown"
    template = N_(
        "考点原有的意向名额已不符合总科次数 {total}（每天不超过 {half}，各天之和不超过 {total}）。"
        "请在《意向考试相关设置》中同时打开开关并修改名额：{days}。"
    )
    status = 409


def outgrown(session: Session, site_ids: Sequence[int | None]) -> dict[int | None, QuotasOutgrown]:
    """{site id: why it cannot be switched on}; the caller has locked the settings of these sites,
    so that no total is lowered meanwhile (`capacity.set_limits`)."""
    rows = session.execute(
        select(CapacityPool.site_id, CapacityPool.pool, CapacityPool.capacity).where(
            CapacityPool.site_id.in_(site_ids),
            (CapacityPool.pool == TOTAL) | CapacityPool.pool.startswith("D:"),
        )
    )
    limits: dict[int | None, dict[str, int]] = {}
    for site_id, pool, limit in rows:
        limits.setdefault(site_id, {})[pool] = limit
    refusals = {site_id: quota_refusal(pools) for site_id, pools in limits.items()}
    return {
        site_id: QuotasOutgrown(**refusal.parameters)
        for site_id, refusal in refusals.items()
        if refusal is not None
    }


@before("site_settings", Verb.EDIT)
def _switch_on(row: SiteSettings, context: Context) -> None:
    switched = changed(row, "preference_allowed")
    if switched is None or not row.preference_allowed:
        return
    context.session.scalar(
        select(SiteSettings.id).where(SiteSettings.id == row.id).with_for_update()
    )
    if refusal := outgrown(context.session, [row.site_id]).get(row.site_id):
        raise refusal


__all__ = ["QuotasOutgrown", "outgrown"]
