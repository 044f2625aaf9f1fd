"""综合设置默认值: before centre or province set their own, the page shows what serves (R0.6b)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext

from app.metadata.errors import LABELLED, Message
from app.metadata.fields import fields_of
from app.metadata.vocabulary import Level
from app.models.default_settings import DefaultSettings
from app.models.settings import GENERAL
from app.rules import crud
from app.rules.default_settings import defaults_for, own_row
from app.rules.entrusting import are_cities_entrusted
from app.views import cells
from app.views import request as context
from app.views.engine import answers, lists, single
from app.views.engine.resource import ResourceView, pages_of
from app.views.texts import text

_ITEMS = (*GENERAL, "cities_entrusted")


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
            for name in _ITEMS
        ]
        told = gettext("本省尚未设置默认值，新增考点和新考次使用下列值（由考试中心或系统给出）。")
        values = single.unset(page)
        values["groups"] = [{"rows": rows}]
        values["notices"] = [{"text": told}, *values["notices"]]
        return answers.page("settings", **values, **self._tab())

    def _told(self, page: lists.ListPage) -> list[Any]:
        # the centre's list of all provinces has no place of its own for what it has not set
        is_unset = own_row(page.session, page.actor) is None
        return [self._served()] if page.actor.level is Level.CENTER and is_unset else []

    def _served(self) -> dict[str, Any]:
        fields, served = fields_of(DefaultSettings), self._first_values()
        return {
            "text": gettext("考试中心尚未设置默认值，未设置默认值的省使用下列值（由系统给出）："),
            "lines": [
                text(Message(LABELLED, label=fields[name].label, message=cells.cell(served[name])))
                for name in _ITEMS
            ],
        }
