"""综合设置默认值: before a province sets its own, the page shows those that serve it (R0.6b)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext

from app.metadata.fields import fields_of
from app.models.default_settings import DefaultSettings
from app.models.settings import GENERAL
from app.rules import crud
from app.rules.default_settings import defaults_for
from app.rules.entrusting import are_cities_entrusted
from app.views import request as context
from app.views.engine import answers, lists, single
from app.views.engine.resource import ResourceView, pages_of


@pages_of(DefaultSettings.__admin__.name)
class DefaultSettingsView(ResourceView):
    """The province's own row, or what it would take over."""

    def _first_values(self) -> Mapping[str, Any]:
        session, actor = context.read_session(), context.actor()
        served = defaults_for(session, actor.exam_id or 0, actor.province_id)
        # what is not decided otherwise stays as it is
        trust = are_cities_entrusted(session, actor.exam_id, actor.province_id)
        return crud.defaults_of(self.declaration) | served | {"cities_entrusted": trust}

    def _unset(self, page: lists.ListPage) -> Any:
        fields, served = fields_of(DefaultSettings), self._first_values()
        rows = [
            {
                "label": gettext(fields[name].label),
                "current": served[name],
                "help": gettext(fields[name].help),
            }
            for name in (*GENERAL, "cities_entrusted")
        ]
        told = gettext("本省尚未设置默认值，新增考点和新考次使用下列值（由考试中心或系统给出）。")
        values = single.unset(page)
        values["groups"] = [{"rows": rows}]
        values["notices"] = [{"text": told}, *values["notices"]]
        return answers.page("settings", **values, **self._tab())
