"""《考场编排管理》 (chapter 31): the summary per subject above the results, and who has no seat."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_babel import gettext

from app.metadata.vocabulary import Verb
from app.models.arrangement import Seat
from app.rules.arrangement.waiting import WAITING
from app.rules.policy import granted
from app.rules.statistics import engine
from app.rules.statistics.arrangement import ARRANGEMENT_STATISTICS, UNPAID_COLUMN, WAITING_COLUMN
from app.views import request as context
from app.views.engine import lists
from app.views.engine.resource import ResourceView, pages_of
from app.views.statistics import ORGANISATION, whole


@pages_of(Seat.__admin__.name)
class ArrangementView(ResourceView):
    """The list of seats below the figures of the same organisation (R31.1)."""

    list_template = "arrangement"

    def _above(self, page: lists.ListPage) -> dict[str, Any]:
        statistic = ARRANGEMENT_STATISTICS
        if not granted(statistic, Verb.VIEW, page.actor):
            return {}
        organisation = page.asked.query.organisation
        table = engine.compute(
            page.session, statistic, organisation=organisation, clock=context.clock()
        )
        totals = table.total or [0] * (len(table.groups[1].columns) + 1)
        chosen: dict[str, Any] = {ORGANISATION: organisation} if organisation else {}
        exported = granted(statistic, Verb.EXPORT, page.actor)
        return {
            "summary": whole(table) | {"title": gettext(statistic.label)},
            "export_url": url_for(f"{statistic.name}.export", **chosen) if exported else None,
            "waiting": self._waiting(page, totals, chosen),
        }

    @staticmethod
    def _waiting(
        page: lists.ListPage, totals: list[Any], chosen: dict[str, Any]
    ) -> dict[str, Any] | None:
        """How many have no seat, with the way to their reasons; unpaid ones are in the way
        (R31.2, R31.11)."""
        count, unpaid = totals[WAITING_COLUMN], totals[UNPAID_COLUMN]
        if not count or not granted(WAITING, Verb.LIST, page.actor):
            return None
        sentence = gettext("未编排 %(count)s 科次。", count=count)
        if unpaid:
            sentence += gettext("其中 %(unpaid)s 科次未支付，全部支付后才能编排。", unpaid=unpaid)
        url = url_for(f"{WAITING.name}.index", **chosen)
        return {"text": sentence, "link": gettext("查看未编排科次及原因"), "url": url}
