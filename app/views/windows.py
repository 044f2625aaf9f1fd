"""《考点操作时间设置》 (R9): the grid, setting of one or many organisations, extension."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from flask import request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext

from app.database.session import KaowuSession
from app.metadata.cleaning import load
from app.metadata.errors import BRACKETED, N_, KaowuError, Message
from app.metadata.fields import Field, Kind, fields_of
from app.metadata.vocabulary import Level, Personal, Verb, Window
from app.models.exam import OperationWindow
from app.models.organisation import Organisation
from app.rules import organisation as organisations
from app.rules import window_setting, windows
from app.rules.policy import check
from app.rules.window_setting import WINDOWS, Edges, Unset
from app.rules.windows import Interval, Intervals, WindowState
from app.views import request as context
from app.views.engine import answers, forms
from app.views.engine.answers import verb
from app.views.engine.dialogs import FormDialog
from app.views.keys import key_of
from app.views.texts import text

_PAGE_SIZES = (20, 50, 100, 200)
_TONES = {WindowState.OPEN: "ok", WindowState.BEFORE: "info"}
REASON = Field(
    name="reason", label=N_("原因"), personal=Personal.NONE, max_length=200, help=N_("写入审计日志")
)
_CLEAR = Field(
    name="clear",
    label=N_("清除未填写的时间"),
    personal=Personal.NONE,
    kind=Kind.BOOLEAN,
    help=N_("不勾选时，未填写的时间保持不变"),
)


def _edges(window: Window) -> list[str]:
    fields = fields_of(OperationWindow)
    names = [f"{window.value}_start"]
    if not window.open_ended:
        names.append(f"{window.value}_end")
    return [gettext(fields[name].label) for name in names]


def _cells(intervals: Intervals, at: dt.datetime) -> dict[str, Any]:
    return {window.value: _cell(intervals[window], window, at) for window in Window}


def _cell(interval: Interval, window: Window, at: dt.datetime) -> dict[str, Any]:
    state = interval.state(at)
    edges = [interval.start] if window.open_ended else [interval.start, interval.end]
    label = {"text": gettext(state.label), "tone": _TONES.get(state, "off")}
    return {"at": edges, "state": label if state is not WindowState.UNSET else None}


class Windows(BaseView):
    """Sites see their own row; superiors the rows of all organisations below them."""

    route_base = "/operation-window"
    class_permission_name = WINDOWS.name
    default_view = "index"
    declaration = WINDOWS

    @expose("/")
    @verb(Verb.VIEW)
    def index(self) -> Any:
        session, acting, clock = context.read_session(), context.actor(), context.shown_clock()
        at, is_site = clock(), acting.level is Level.SITE
        rows = self._rows(session) if not is_site else [session.get(Organisation, acting.site_id)]
        size = request.args.get("size", type=int)
        size = size if size in _PAGE_SIZES else 20
        number = max(request.args.get("page", 1, type=int), 1)
        start = min((number - 1) * size, max(len(rows) - 1, 0) // size * size)
        may = check(session, WINDOWS, Verb.EDIT, acting, clock).allowed and not is_site
        shown = rows[start : start + size]
        own = windows.load(session, acting.organisation_id)
        return answers.page(
            "windows",
            title=gettext(WINDOWS.label),
            row_head=gettext("考点") if is_site else gettext("机构"),
            notices=self._notices(session, is_site),
            search=None if is_site else self._search(),
            windows=[
                {"name": w.value, "label": gettext(w.label), "edges": _edges(w)} for w in Window
            ],
            bounds=None
            if is_site or acting.level is Level.CENTER
            else {"label": gettext("本级"), "cells": _cells(own, at)},
            rows=[self._row(session, row, at, may) for row in shown],
            selectable=may,
            first_number=start + 1,
            toolbar=self._toolbar() if may else {},
            paging={
                "page": start // size + 1,
                "size": size,
                "total": len(rows),
                "url_pattern": _url_pattern(),
                "sizes": _PAGE_SIZES,
            },
        )

    @staticmethod
    def _rows(session: KaowuSession) -> list[Organisation]:
        level, words = request.args.get("level", ""), request.args.get("name", "").strip()
        group = request.args.get("unset", "")
        lacking = window_setting.unset_ids(session, Unset(group)) if group in set(Unset) else None
        return [
            row
            for row in window_setting.subordinates(session)
            if (not level or row.level == level)
            and words in row.display
            and (lacking is None or row.id in lacking)
        ]

    @staticmethod
    def _search() -> dict[str, Any]:
        levels = [
            (level.value, gettext(level.label))
            for level in (Level.PROVINCE, Level.CITY, Level.SITE)
            if level.rank > context.actor().level.rank
        ]
        address = url_for(f"{WINDOWS.name}.index")
        return {
            "fields": [
                {
                    "name": "name",
                    "label": gettext("机构"),
                    "kind": "text",
                    "value": request.args.get("name", ""),
                },
                {
                    "name": "level",
                    "label": gettext("机构级别"),
                    "kind": "select",
                    "value": request.args.get("level", ""),
                    "choices": levels,
                },
                {
                    "name": "unset",
                    "label": gettext("尚未设置"),
                    "kind": "select",
                    "value": request.args.get("unset", ""),
                    "choices": [(group.value, gettext(group.label)) for group in Unset],
                },
            ],
            "action": address,
            "reset_url": address,
        }

    @staticmethod
    def _notices(session: KaowuSession, is_site: bool) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if is_site:
            found.append(
                {
                    "text": gettext("提示:"),
                    "tone": "info",
                    "lines": [
                        gettext("1、控制考点管理员操作, 由上级管理员设置。"),
                        gettext(
                            "2、考生网报时间的设置在《报名前设置》→《考生报名时间设置》中, "
                            "不是此页面!"
                        ),
                    ],
                }
            )
        reminders = window_setting.unset_reminders(session, context.shown_clock())
        if reminders:
            head = gettext("离考试不足十天，以下考点尚有操作时间未设置：")
            found.append({"text": head, "tone": "warn", "lines": reminders})
        return found

    @staticmethod
    def _toolbar() -> dict[str, Any]:
        batch = {
            "label": gettext("批量设置"),
            "url": url_for(f"{WINDOWS.name}.batch"),
            "icon": "fa-clock",
        }
        return {"batch": [batch], "refresh_url": url_for(f"{WINDOWS.name}.index")}

    @staticmethod
    def _row(session: KaowuSession, row: Any, at: dt.datetime, may: bool) -> dict[str, Any]:
        actions = []
        if may:
            for name, label in (("edit", gettext("设置")), ("extend", gettext("延长"))):
                url = url_for(f"{WINDOWS.name}.{name}", organisation_id=row.id)
                actions.append({"label": label, "url": url, "kind": "dialog"})
        intervals = windows.load(session, row.id)
        return {
            "id": str(row.id),
            "label": row.display,
            "cells": _cells(intervals, at),
            "actions": actions,
        }

    # ------------------------------------------------------------ set one, set many

    @expose("/edit/<int:organisation_id>", methods=["GET", "POST"])
    @verb(Verb.EDIT)
    def edit(self, organisation_id: int) -> Any:
        row = organisations.by_id(context.read_session(), organisation_id)
        return self._set(
            [row], url_for(f"{WINDOWS.name}.edit", organisation_id=row.id), single=True
        )

    @expose("/batch", methods=["GET", "POST"])
    @verb(Verb.EDIT)
    def batch(self) -> Any:
        session = context.read_session()
        ids = request.values.getlist("ids", type=key_of)
        rows = [organisations.by_id(session, organisation_id) for organisation_id in ids[:5000]]
        return self._set(rows, url_for(f"{WINDOWS.name}.batch"), single=False)

    def _set(self, rows: Sequence[Organisation], action: str, *, single: bool) -> Any:
        fields = [*fields_of(OperationWindow).values(), REASON, *(() if single else (_CLEAR,))]
        title = rows[0].display if single else gettext("批量设置操作时间")
        dialog = self._dialog(title, fields, action, rows)
        if request.method == "GET":
            values = _values(context.read_session(), rows[0]) if single else {}
            return dialog.show(forms.texts_of(fields, values))
        raw = dialog.read()
        try:
            values = load(fields, raw)
            wanted = _wanted(values, clear=single or bool(values.get("clear")))
            ids = [row.id for row in rows]
            outcome = context.run(lambda session: _apply(session, ids, wanted, values["reason"]))
        except KaowuError as error:
            return dialog.refused(error, raw)
        refused = [row for row in outcome.rows if not row.done]
        if single and refused:
            return dialog.show(raw, others=[refused[0].reason], status=422)
        if not refused and not outcome.warnings:
            return answers.saved(gettext("保存成功"), dialog.back)
        return self._outcome(title, outcome, dialog.back)

    @staticmethod
    def _dialog(
        title: str, fields: Sequence[Field], action: str, rows: Sequence[Organisation]
    ) -> FormDialog:
        names = fields_of(OperationWindow)
        groups = [
            (window.label, [name for name in names if name.startswith(f"{window.value}_")])
            for window in Window
        ]
        count = len(rows)
        notes = [{"text": gettext("将设置 %(count)s 个机构", count=count)}] if count > 1 else []
        return FormDialog(
            title=title,
            fields=fields,
            action=action,
            back=url_for(f"{WINDOWS.name}.index"),
            notices=notes,
            groups=groups,
            hidden=[("ids", row.id) for row in rows],
            size="wide",
        )

    def _outcome(self, title: str, outcome: window_setting.Outcome, back: str) -> Any:
        done = sum(row.done for row in outcome.rows)
        rows = [
            {"label": row.title, "text": text(row.reason), "tone": "bad"}
            for row in outcome.rows
            if not row.done
        ]
        rows += [
            {"label": gettext("提醒"), "text": text(warning), "tone": "warn"}
            for warning in outcome.warnings
        ]
        return answers.page(
            "operation",
            title=title,
            text="",
            notices=[],
            form={"action": "", "fieldsets": []},
            outcome={"done": done, "refused": len(outcome.rows) - done, "rows": rows},
            close_url=back,
        )

    # ------------------------------------------------------------ extend one (P4)

    @expose("/extend/<int:organisation_id>", methods=["GET", "POST"])
    @verb(Verb.EDIT)
    def extend(self, organisation_id: int) -> Any:
        session = context.read_session()
        row = organisations.by_id(session, organisation_id)
        intervals = windows.load(session, row.id)
        choices = {
            window.value: text(
                Message(BRACKETED, name=window.label, detail=intervals[window].show())
            )
            for window in Window
            if intervals[window].end is not None
        }
        note = gettext("该机构没有已设置结束时间的操作时间，不能延长。")
        dialog = FormDialog(
            title=gettext("延长操作时间") + f" {row.display}",
            fields=_extension_fields(choices) if choices else [],
            action=url_for(f"{WINDOWS.name}.extend", organisation_id=row.id),
            back=url_for(f"{WINDOWS.name}.index"),
            notices=[] if choices else [{"text": note, "tone": "warn"}],
        )
        if request.method == "GET" or not choices:
            return dialog.show({})
        raw = dialog.read()
        try:
            values = load(dialog.fields, raw)

            def work(database: KaowuSession) -> None:
                window_setting.extend(
                    database,
                    organisations.by_id(database, organisation_id),
                    Window(values["window"]),
                    values["end"],
                    values["reason"] or "",
                    clock=context.clock(),
                )

            context.run(work)
        except KaowuError as error:
            return dialog.refused(error, raw)
        return answers.saved(gettext("已延长"), dialog.back)


def _url_pattern() -> str:
    """Address of another page of the same search."""
    kept = {key: request.args[key] for key in ("name", "level", "unset") if request.args.get(key)}
    return f"?{urlencode(kept)}&page={{page}}&size={{size}}"


def _values(session: Any, row: Organisation) -> dict[str, Any]:
    intervals = windows.load(session, row.id)
    found: dict[str, Any] = {}
    for window in Window:
        found[f"{window.value}_start"] = intervals[window].start
        found[f"{window.value}_end"] = intervals[window].end
    return found


def _wanted(values: Mapping[str, Any], *, clear: bool) -> dict[Window, Edges]:
    """The windows that the form sets; with `clear`, empty ones are unset."""
    wanted = {}
    for window in Window:
        start, end = values.get(f"{window.value}_start"), values.get(f"{window.value}_end")
        if start is not None or end is not None or clear:
            wanted[window] = (start, end)
    return wanted


def _apply(
    session: KaowuSession, ids: Sequence[int], wanted: Mapping[Window, Edges], reason: str | None
) -> window_setting.Outcome:
    rows = [organisations.by_id(session, organisation_id) for organisation_id in ids]
    # superiors first, so that a batch may set a city and its sites together
    rows.sort(key=lambda row: Level(row.level).rank)
    return window_setting.set_windows(session, rows, wanted, clock=context.clock(), reason=reason)


def _extension_fields(choices: Mapping[str, str]) -> list[Field]:
    return [
        Field(
            name="window",
            label=N_("操作时间"),
            personal=Personal.NONE,
            kind=Kind.CHOICE,
            choices=choices,
            required=True,
        ),
        Field(
            name="end",
            label=N_("延长至"),
            personal=Personal.NONE,
            kind=Kind.DATETIME,
            required=True,
        ),
        Field(
            name="reason", label=N_("原因"), personal=Personal.NONE, required=True, max_length=200
        ),
    ]


def register(builder: Any) -> None:
    builder.add_view_no_menu(Windows, endpoint=WINDOWS.name)
