"""《考场编排管理》 (chapter 31): the summary per subject above the results, and who has no seat."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_babel import gettext

from app.metadata.vocabulary import Level, Verb
from app.models.arrangement import Seat
from app.rules.arrangement.waiting import WAITING
from app.rules.policy import granted
from app.rules.statistics import engine
from app.rules.statistics.arrangement import ARRANGEMENT_STATISTICS, UNPAID_COLUMN, WAITING_COLUMN
from app.views import request as context
from app.views.engine import lists
from app.views.engine.resource import ResourceView, pages_of
from app.views.statistics import ORGANISATION, whole

Context = dict[str, Any]


@pages_of(Seat.__admin__.name)
class ArrangementView(ResourceView):
    """The list of seats below the figures of the same site (R31.1)."""

    list_template = "arrangement"

    def _above(self, page: lists.ListPage) -> Context:
        statistic = ARRANGEMENT_STATISTICS
        if not granted(statistic, Verb.VIEW, page.actor):
            return {}
        organisation = page.asked.query.organisation
        chosen: Context = {ORGANISATION: organisation} if organisation else {}
        if not _is_site(page):
            return {"waiting": _elsewhere(chosen)}
        table = engine.compute(
            page.session, statistic, organisation=organisation, clock=context.clock()
        )
        exported = granted(statistic, Verb.EXPORT, page.actor)
        return {
            "summary": whole(table) | {"title": gettext(statistic.label)},
            "export_url": url_for(f"{statistic.name}.export", **chosen) if exported else None,
            "waiting": _waiting(page, table.total, chosen),
        }


def _is_site(page: lists.ListPage) -> bool:
    """Are the figures those of one site? A province counts hundreds of thousands of entries: that
    is the business of a statistic, not of opening a list."""
    if page.actor.level is Level.SITE:
        return True
    found = engine.chosen(page.session, page.asked.query.organisation)
    return found is not None and found.level == Level.SITE.value


def _elsewhere(chosen: Context) -> Context:
    """The way to the figures of many sites."""
    return {
        "text": gettext("选择考点后，在此显示该考点各科目的编排情况。"),
        "link": gettext("查看全部考点的编排情况"),
        "url": url_for(f"{ARRANGEMENT_STATISTICS.name}.index", **chosen),
    }


def _waiting(page: lists.ListPage, total: list[Any] | None, chosen: Context) -> Context | None:
    """How many have no seat, with the way to their reasons; unpaid ones are in the way (R31.2,
    R31.11)."""
    if not total or not total[WAITING_COLUMN] or not granted(WAITING, Verb.LIST, page.actor):
        return None
    sentence = gettext("未编排 %(count)s 科次。", count=total[WAITING_COLUMN])
    if unpaid := total[UNPAID_COLUMN]:
        sentence += gettext("其中 %(unpaid)s 科次未支付，全部支付后才能编排。", unpaid=unpaid)
    url = url_for(f"{WAITING.name}.index", **chosen)
    return {"text": sentence, "link": gettext("查看未编排科次及原因"), "url": url}
