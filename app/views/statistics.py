"""Pages of the statistics: filters, chart, table with column groups, export."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from flask import Response, jsonify, request, send_file, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext

from app.adapters.sheets import Heading, Sheet, write_workbook
from app.jobs.exports import file_name
from app.metadata import registry
from app.metadata.declarations import Chart, Statistic, StatisticTable
from app.metadata.errors import BRACKETED, LABELLED, N_, SEMICOLON, InvalidInput, Message
from app.metadata.fields import Field, Kind
from app.metadata.vocabulary import Level, Verb
from app.rules import audit, availability
from app.rules.policy import granted
from app.rules.statistics import engine
from app.views import request as context
from app.views.engine import answers, lists
from app.views.engine.answers import verb
from app.views.engine.asked import organisation_code
from app.views.engine.exporting import XLSX
from app.views.engine.lists import organisation_field
from app.views.texts import joined, text

Context = dict[str, Any]
#: rows of one page; the workbook holds all of them
PAGE_SIZES = (100, 200, 500)
LOOK_UP = 50
ORGANISATION = "_org"
_KINDS = {Kind.DATE: "date", Kind.INTEGER: "number"}


class StatisticView(BaseView):
    """Base of the generated views; `statistic_view` makes one per declaration."""

    declaration: ClassVar[Statistic]

    @expose("/")
    @verb(Verb.VIEW)
    def index(self) -> Any:
        reason = availability.reason_for(
            context.read_session(), self.declaration.name, context.actor()
        )
        if reason is not None:
            return self._page(None, [{"text": text(reason), "tone": "warn"}])
        try:
            table = self._compute()
        except InvalidInput as error:
            return self._page(None, [{"text": context.message_of(error), "tone": "bad"}], 422)
        return self._page(table, [])

    def _compute(self) -> StatisticTable:
        names = {field.name for field in self.declaration.filters}
        return engine.compute(
            context.read_session(),
            self.declaration,
            organisation=organisation_code(request.args.get(ORGANISATION, "")),
            values={name: value for name, value in request.args.items() if name in names},
            clock=context.clock(),
        )

    def _page(self, table: StatisticTable | None, notices: list[Context], status: int = 200) -> Any:
        name = self.declaration.name
        shown: Context = {"columns": [], "rows": [], "as_of": None}
        if table is not None:
            notices = [{"text": text(note)} for note in table.notes]
            shown = _shown(name, table) | {"chart": self._chart(table.drawn)}
        if self.declaration.help:
            notices.insert(0, {"text": gettext(self.declaration.help)})
        may_export = table is not None and granted(self.declaration, Verb.EXPORT, context.actor())
        return answers.page(
            "statistics",
            status,
            title=gettext(self.declaration.label),
            notices=notices,
            search=self._search(),
            refresh_url=url_for(f"{name}.index") + _query(request.args.to_dict()),
            export_url=url_for(f"{name}.export") + _query(_asked()) if may_export else None,
            **shown,
        )

    def _chart(self, chart: Chart | None) -> Context | None:
        if chart is None or self.declaration.chart is None or not chart.categories:
            return None
        series = [(text(label), list(numbers)) for label, numbers in chart.series]
        return {
            "title": gettext(chart.title),
            "kind": self.declaration.chart,
            "categories": list(chart.categories),
            "series": [{"name": label, "values": numbers} for label, numbers in series],
            "unit": text(chart.unit),
            "description": _in_words(chart, series),
        }

    # ------------------------------------------------------------ filters

    def _search(self) -> Context | None:
        fields = [_search_field(field) for field in self.declaration.filters]
        if context.actor().level is not Level.SITE:
            code = organisation_code(request.args.get(ORGANISATION, ""))
            address = url_for(f"{self.declaration.name}.organisations")
            field = organisation_field(
                context.read_session(), context.actor(), ORGANISATION, code, address
            )
            fields.insert(0, field)
        if not fields:
            return None
        address = url_for(f"{self.declaration.name}.index")
        return {"fields": fields, "action": address, "reset_url": address}

    @expose("/organisations")
    @verb(Verb.VIEW)
    def organisations(self) -> Response:
        """Organisations below the actor whose code or name fits `q`."""
        words = request.args.get("q", "")[:60]
        found = lists.organisations(context.read_session(), context.actor(), words, LOOK_UP)
        return jsonify([{"id": code, "text": label} for code, label in found])

    # ------------------------------------------------------------ export

    @expose("/export")
    @verb(Verb.EXPORT)
    def export(self) -> Any:
        """The whole table as a workbook. Sums are never gated by a window (R44.2)."""
        table = self._compute()
        label = gettext(self.declaration.label)
        stream = io.BytesIO()  # sums are few, even for the whole country
        write_workbook(stream, [sheet_of(label, table)])
        stream.seek(0)
        self._log(len(table.rows))
        name = file_name(label, context.clock()())
        return send_file(stream, mimetype=XLSX, as_attachment=True, download_name=name, max_age=0)

    def _log(self, count: int) -> None:
        """Whoever takes figures away is known; the filters' values stay out of the log."""
        changes: audit.Changes = {
            "count": {"label": N_("行数"), "old": None, "new": count},
            "filters": {
                "label": N_("查询条件"),
                "old": None,
                "new": "、".join(sorted(_asked())) or None,
            },
        }
        name = f"statistics.{self.declaration.name}.export"
        context.run(
            lambda session: audit.record(
                session,
                name,
                object_type="Statistic",
                title=self.declaration.label,
                changes=changes,
            )
        )


def _asked() -> dict[str, str]:
    """The filters of the address, without page and size."""
    return {
        name: value
        for name, value in request.args.items()
        if value and (name == ORGANISATION or not name.startswith("_"))
    }


def _query(parts: dict[str, str]) -> str:
    return f"?{urlencode(parts)}" if parts else ""


def _search_field(field: Field) -> Context:
    found: Context = {
        "name": field.name,
        "label": gettext(field.label),
        "kind": _KINDS.get(field.kind, "text"),
        "value": request.args.get(field.name, ""),
    }
    choices = field.choices
    if field.options is not None:
        choices = field.options(context.read_session(), context.actor())
    elif field.kind is Kind.BOOLEAN and not choices:
        choices = {"1": "是", "0": "否"}
    if choices:
        found |= {"kind": "select", "choices": [(k, gettext(v)) for k, v in choices.items()]}
    return found


# ---------------------------------------------------------------- table


def _columns(table: StatisticTable) -> list[Context]:
    columns: list[Context] = [{"name": "row", "label": text(table.row_label), "sticky": True}]
    number = 0
    for group in table.groups:
        children = []
        for label in group.columns:
            align = "num" if group.numeric else None
            children.append({"name": f"c{number}", "label": text(label), "align": align})
            number += 1
        if group.label:
            columns.append({"label": text(group.label), "children": children})
        else:
            columns += children
    return columns


def _named(cells: Sequence[Any]) -> Context:
    return {f"c{number}": _cell(value) for number, value in enumerate(cells)}


def _cell(value: Any) -> Any:
    plain = engine.value_of(value)
    shown = text(plain) if isinstance(plain, str) else plain
    if isinstance(value, tuple) and shown is not None:
        return {"text": shown, "tone": value[1]}
    return shown


def whole(table: StatisticTable) -> Context:
    """Columns, rows and totals, for a page that shows all of a table beside other things."""
    return {
        "columns": _columns(table),
        "rows": _rows(table.rows),
        "totals": _named(table.total) if table.total else None,
    }


def _rows(rows: Sequence[tuple[str, list[Any]]]) -> list[Context]:
    return [{"cells": {"row": text(heading)} | _named(cells)} for heading, cells in rows]


def _shown(name: str, table: StatisticTable) -> Context:
    """Columns, the rows of one page, totals over all pages."""
    size = request.args.get("_size", type=int)
    size = size if size in PAGE_SIZES else PAGE_SIZES[0]
    pages = max(1, -(-len(table.rows) // size))
    page = min(max(request.args.get("_page", 1, type=int), 1), pages)
    rows = table.rows[(page - 1) * size : page * size]
    paging = None
    if len(table.rows) > PAGE_SIZES[0]:
        base = url_for(f"{name}.index") + "?" + urlencode(_asked())
        joint = "&" if _asked() else ""
        paging = {
            "page": page,
            "size": size,
            "total": len(table.rows),
            "url_pattern": f"{base}{joint}_page={{page}}&_size={{size}}",
            "sizes": PAGE_SIZES,
        }
    return {
        "columns": _columns(table),
        "rows": _rows(rows),
        "totals": _named(table.total) if table.total else None,
        "as_of": table.computed_at,
        "paging": paging,
    }


def _in_words(chart: Chart, series: Sequence[tuple[str, Sequence[float]]]) -> str:
    """The chart in one sentence, for those who do not see it; the table says the same."""
    parts = [
        f"{category} " + joined(f"{label} {numbers[index]:g}" for label, numbers in series)
        for index, category in enumerate(chart.categories)
    ]
    title = Message(BRACKETED, name=chart.title, detail=text(chart.unit))
    return text(Message(LABELLED, label=title, message=text(SEMICOLON).join(parts)))


def sheet_of(label: str, table: StatisticTable) -> Sheet:
    """The table as a worksheet: one heading per column, with its group's label in front."""
    headings = [Heading(text(table.row_label))]
    for group, column in engine.leaves(table.groups):
        words = [text(part) for part in (group.label, column) if part]
        headings.append(Heading(" ".join(words), numeric=group.numeric))
    rows = [[text(heading), *_plain(cells)] for heading, cells in table.rows]
    if table.total:
        rows.append([gettext("总计"), *_plain(table.total)])
    return Sheet(label, headings, rows)


def _plain(cells: Sequence[Any]) -> list[Any]:
    plain = [engine.value_of(cell) for cell in cells]
    return [text(value) if isinstance(value, str) else value for value in plain]


# ---------------------------------------------------------------- registration


def statistic_view(statistic: Statistic) -> type[StatisticView]:
    """The view class of a statistic; its endpoint is the declaration's name."""
    return type(
        f"{statistic.name.title().replace('_', '')}View",
        (StatisticView,),
        {
            "declaration": statistic,
            "route_base": f"/{statistic.name.replace('_', '-')}",
            "class_permission_name": statistic.name,
            "default_view": "index",
            "__doc__": f"Pages of the statistic {statistic.name}.",
        },
    )


def register(builder: Any) -> None:
    for statistic in registry.declared(Statistic):
        builder.add_view_no_menu(statistic_view(statistic), endpoint=statistic.name)
