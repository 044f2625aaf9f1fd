"""The page of a resource that has one row per organisation: what is in force, with the manual's
sentence beside each item, who set it, the window that governs it (kw/pages/settings.html)."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_babel import gettext

from app.metadata.declarations import On
from app.metadata.errors import N_, Message
from app.metadata.fields import Computed, Field, fields_of
from app.metadata.presenting import columns_of, living_of
from app.metadata.vocabulary import Level, Verb
from app.rules.last_change import last_change, sentence
from app.rules.page_remarks import remarks_on
from app.rules.policy import granted
from app.rules.window_setting import WINDOWS
from app.rules.windows import WindowState
from app.views import cells
from app.views.engine import lists, show
from app.views.engine.governing import behalf_note, line_of
from app.views.texts import text

Context = dict[str, Any]


def context(page: lists.ListPage, row: Any) -> Context:
    """Title, what is in force, buttons."""
    change = last_change(page.session, page.resource, row)
    # the own page has the text of the menu, exactly (R0.5a)
    own = page.actor.level in page.resource.single
    whose_page = [] if own else show.whose(row, page.superior)
    title = " · ".join([gettext(page.resource.label), *whose_page])
    return {
        "title": title,
        "notices": notices(page, row),
        "groups": [{"rows": _rows(page, row)}],
        "form": None,
        "saved_by": text(sentence(change)) if change is not None else None,
        "governed": governed(page, row),
        "actions": actions(page, row),
        "remarks": [gettext(remark) for remark in page.resource.remarks],
        "back_url": None if own else url_for(f"{page.resource.name}.index"),
    }


def unset(page: lists.ListPage) -> Context:
    """Of an organisation that has set nothing yet."""
    name = page.resource.name
    add: list[Context] = []
    if page.rights.may(Verb.ADD):
        label, address = gettext("设置"), url_for(f"{name}.add")
        add.append({"label": label, "url": address, "kind": "dialog", "icon": "fa-pen"})
    return {
        "title": gettext(page.resource.label),
        "notices": page.rights.notices(),
        "groups": [],
        "form": None,
        "empty_text": gettext("尚未设置"),
        "actions": add,
    }


def notices(page: lists.ListPage, row: Any) -> list[Context]:
    """Settings without effect first; then why nothing can be changed, but for the window, which
    has a line of its own; then the page's advice."""
    site = getattr(row, "site_id", None)
    found: list[Context] = [
        {"text": text(remark), "tone": "warn"}
        for remark in remarks_on(page.session, page.resource.name, site)
    ]
    found += page.rights.notices(without_window=True)
    behalf = behalf_note(page.resource, Verb.EDIT, page.actor)
    if behalf and page.rights.may(Verb.EDIT):
        found.append({"text": behalf})
    if page.resource.help:
        found.append({"text": gettext(page.resource.help)})
    return found


def _rows(page: lists.ListPage, row: Any) -> list[Context]:
    fields = fields_of(page.resource.model)
    names = page.resource.shown or [name for name, field in fields.items() if field.shown]
    columns: list[Field | Computed] = columns_of(page.resource, names, fields)
    living = living_of(columns, page.session, page.actor)
    return [
        {
            "label": gettext(column.label),
            "current": cells.shown(row, column, living=living),
            "help": gettext(column.help) if isinstance(column, Field) and column.help else None,
        }
        for column in columns
        if not (isinstance(column, Field) and not column.form and _is_empty(row, column))
    ]


def _is_empty(row: Any, column: Field) -> bool:
    """What nobody types in (停考原因) is shown only where there is something."""
    return getattr(row, column.name) in (None, "")


def governed(page: lists.ListPage, row: Any) -> Context | None:
    """The window of the row's organisation, whether it is open, and what to do when it is not
    (R10.3); for a superior who may change the row his own window as well, which binds him (P4)."""
    window = page.resource.window
    if window is None:
        return None
    places = [(gettext("考点"), getattr(row, "site_id", None))]
    bound = page.actor.level in page.resource.binds
    if page.superior and bound and granted(page.resource, Verb.EDIT, page.actor):
        places.append((gettext("本级"), page.actor.organisation_id))
    elif not page.superior:
        places = [("", page.actor.organisation_id)]
    lines, closed = [], False
    for label, organisation_id in places:
        line, state = line_of(page.session, window, organisation_id, label)
        closed = closed or (state is not WindowState.OPEN and label != gettext("考点"))
        lines.append(line)
    return {
        "label": gettext(window.label),
        "lines": lines,
        "hint": text(_hint(page.actor.level, window.label)) if closed else None,
        "url": url_for(f"{WINDOWS.name}.index"),
    }


def _hint(level: Level, window: str) -> Message:
    if level is Level.SITE:
        return Message(
            N_(
                "不在{window}内，不能修改。如要更改，请向上级申请；"
                "上级批准后，将在《考点操作时间设置》中延长本考点的“报名前设置截止时间”。"
            ),
            window=window,
        )
    return Message(
        N_("不在本级的{window}内，不能代考点修改。如要更改，请向上级申请延长。"), window=window
    )


def actions(page: lists.ListPage, row: Any) -> list[Context]:
    """The form, the last session's values, operations on this row, the log."""
    name = page.resource.name
    kept = page.resource.keeps is None or page.resource.keeps(row, page.actor)
    found: list[Context] = []
    if kept and page.rights.may(Verb.EDIT):
        address = url_for(f"{name}.edit", row_id=row.id)
        label = gettext(page.resource.edit_label) if page.resource.edit_label else gettext("修改")
        found.append({"label": label, "url": address, "kind": _kind(page), "icon": "fa-pen"})
        if page.resource.former is not None and page.resource.former(page.session, row):
            address = url_for(f"{name}.edit", row_id=row.id, copy=1)
            found.append(
                {
                    "label": gettext("复制上一考次"),
                    "url": address,
                    "kind": _kind(page),
                    "icon": "fa-copy",
                }
            )
    for operation in page.rights.operations(On.ROW):
        reason = operation.allowed(row) if operation.allowed else None
        if not reason:
            address = url_for(f"{operation.name}.index", ids=row.id)
            found.append(
                {
                    "label": gettext(operation.label),
                    "url": address,
                    "kind": "dialog",
                    "icon": operation.icon or None,
                    "danger": operation.danger,
                }
            )
    if kept and page.rights.may(Verb.DELETE):
        address = url_for(f"{name}.delete", row_id=row.id)
        found.append({"label": gettext("删除"), "url": address, "kind": "dialog", "danger": True})
    return found


def _kind(page: lists.ListPage) -> str:
    return "dialog" if page.resource.dialog else "link"


def whose(row: Any) -> list[Context]:
    """考点代码 and 考点名称 above the form of a site's page (R18.1)."""
    site = getattr(row, "site", None)
    if site is None:
        return []
    facts = ((gettext("考点代码"), site.code), (gettext("考点名称"), site.name))
    fields = [
        {"name": f"site-{number}", "label": label, "kind": "static", "value": value}
        for number, (label, value) in enumerate(facts)
    ]
    return [{"title": "", "fields": fields}]


__all__ = ["actions", "context", "governed", "notices", "unset", "whose"]
