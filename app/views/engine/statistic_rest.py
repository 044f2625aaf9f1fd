"""REST of statistics: /api/v1/statistic/<name>/ under the number of the session."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import Response, jsonify, request
from flask_appbuilder import BaseView, expose

from app.metadata.declarations import Statistic, StatisticTable
from app.metadata.vocabulary import Verb
from app.rules.statistics import engine
from app.views import request as context
from app.views.engine.answers import verb
from app.views.engine.asked import organisation_code, require_known
from app.views.engine.rest import moment
from app.views.texts import text, texts

STATISTIC_PREFIX = "/api/v1/statistic"
ORGANISATION = "_org"


def table_of(table: StatisticTable) -> dict[str, Any]:
    """A statistic as JSON. Cells stand in the order of `columns`; null where there is no value."""
    return {
        "computed_at": moment(table.computed_at),
        "row_label": text(table.row_label),
        "columns": [
            {"group": text(group.label), "label": text(label)}
            for group, label in engine.leaves(table.groups)
        ],
        "rows": [{"label": text(label), "cells": _cells(cells)} for label, cells in table.rows],
        "total": _cells(table.total) if table.total else None,
        "notes": texts(table.notes),
    }


def _cells(cells: list[Any]) -> list[Any]:
    plain = [engine.value_of(cell) for cell in cells]
    return [text(value) if isinstance(value, str) else value for value in plain]


class StatisticRest(BaseView):
    """Base of the generated views; `statistic_rest` makes one per declaration."""

    declaration: ClassVar[Statistic]

    @expose("/")
    @verb(Verb.VIEW)
    def index(self) -> Response:
        """The whole table; filters by their names, `_org` narrows to an organisation."""
        known = {field.name for field in self.declaration.filters}
        require_known(request.args, known | {ORGANISATION})
        table = engine.compute(
            context.read_session(),
            self.declaration,
            organisation=organisation_code(request.args.get(ORGANISATION, "")),
            values={name: value for name, value in request.args.items() if name in known},
            clock=context.clock(),
        )
        return jsonify(table_of(table))


def statistic_rest(statistic: Statistic) -> type[StatisticRest]:
    """The view class of a statistic's REST; its endpoint is `api_<name>`."""
    return type(
        f"{statistic.name.title().replace('_', '')}Rest",
        (StatisticRest,),
        {
            "declaration": statistic,
            "route_base": f"{STATISTIC_PREFIX}/{statistic.name}",
            "class_permission_name": statistic.name,
            "default_view": "index",
            "__doc__": f"REST of the statistic {statistic.name}.",
        },
    )
