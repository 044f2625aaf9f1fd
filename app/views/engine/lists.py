"""The context of a list page: toolbar, table, pages (kw/pages/list.html); its search card is in
`searching`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.base import SiteScoped
from app.metadata.actor import Actor
from app.metadata.declarations import On, Operation, Resource
from app.metadata.errors import N_
from app.metadata.fields import Computed, Field, Kind, fields_of
from app.metadata.presenting import columns_of, living_of, title_of
from app.metadata.query import COUNT_BOUND
from app.metadata.text import normalise
from app.metadata.vocabulary import Area, Level, Verb
from app.models.organisation import Organisation, below
from app.rules import listing
from app.rules.last_change import last_change_at, sentence
from app.views import cells, texts
from app.views.engine.asked import Asked
from app.views.engine.forms import SELECT_UP_TO
from app.views.engine.rights import Rights
from app.views.engine.tokens import seal

Context = dict[str, Any]
#: at most so many buttons stand in a row; further operations are on the detail page
ROW_ACTIONS = 4


@dataclass(frozen=True, slots=True)
class ListPage:
    """What the functions of this module need together."""

    session: Session
    resource: Resource
    actor: Actor
    rights: Rights
    asked: Asked

    @property
    def superior(self) -> bool:
        """Superiors see rows of several organisations: they get a filter and a column."""
        return self.actor.level is not Level.SITE and listing.is_placed(self.resource)

    @property
    def narrowed(self) -> bool:
        """Is there a filter by organisation? Not where all rows are of the reader's province."""
        of_one = self.resource.of_provinces and self.actor.province_id is not None
        return self.superior and not of_one


def organisations(
    session: Session,
    actor: Actor,
    text: str,
    limit: int,
    *,
    first: str = "",
    provinces: bool = False,
) -> list[tuple[str, str]]:
    """(code, "(code)name") of the organisations below the actor that `text` is a part of, by
    code, the one of the code `first` before all others; `provinces` alone where asked for."""
    statement = select(Organisation.code, Organisation.name).where(below(actor))
    if provinces:
        statement = statement.where(Organisation.level == Level.PROVINCE.value)
    if text := normalise(text):
        statement = statement.where(
            Organisation.code.startswith(text, autoescape=True)
            | Organisation.name.contains(text, autoescape=True)
        )
    if first:
        statement = statement.order_by(Organisation.code != first)
    rows = session.execute(statement.order_by(Organisation.code).limit(limit))
    return [(code, f"({code}){name}") for code, name in rows]


def organisation_field(
    session: Session,
    actor: Actor,
    name: str,
    chosen: str,
    search_url: str,
    *,
    provinces: bool = False,
) -> Context:
    """The field that narrows a page to an organisation: all of them to choose from, or, where
    they are too many, the chosen one and an address to look others up."""
    found = organisations(session, actor, "", SELECT_UP_TO + 1, first=chosen, provinces=provinces)
    field: Context = {"name": name, "label": gettext("机构"), "kind": "select", "value": chosen}
    if len(found) <= SELECT_UP_TO:
        return field | {"choices": sorted(found)}
    return field | {
        "choices": [pair for pair in found[:1] if pair[0] == chosen],
        "search_url": search_url,
    }


# ---------------------------------------------------------------- table


def table(page: ListPage, found: listing.Page) -> Context:
    """The table of one page of rows."""
    fields = fields_of(page.resource.model)
    columns = columns_of(page.resource, listing.columns_of(page.resource), fields)
    living = living_of(columns, page.session, page.actor)
    translate = texts.translator()
    shows = {column.name: cells.shower(column, translate, living=living) for column in columns}
    places = _places(page, found.rows)
    heads = [_head(page, column, n) for n, column in enumerate(columns)]
    if places is not None:
        heads.append({"name": "_org", "label": gettext("机构")})
    batch = _batch(page)
    takes_query = any(On.QUERY in operation.on for operation in batch)
    return {
        "columns": heads,
        "rows": [_row(page, row, shows, places) for row in found.rows],
        "label": gettext(page.resource.label),
        "selectable": bool(batch),
        "first_number": (found.number - 1) * found.size + 1,
        "query_token": seal(page.asked.query, page.actor) if takes_query else None,
        "empty_text": gettext("没有符合条件的记录") if _is_asked(page) else gettext("还没有记录"),
        "empty_hint": _empty_hint(page),
    }


def _is_asked(page: ListPage) -> bool:
    """Is anything searched by?"""
    return bool(page.asked.texts or page.asked.query.organisation)


def saved_by(page: ListPage) -> str | None:
    """Who last set what a site sets on this page, and when; None elsewhere."""
    resource, site = page.resource, page.actor.site_id
    settings = resource.menu is not None and resource.menu.area is Area.SETUP
    if site is None or not settings or not issubclass(resource.model, SiteScoped):
        return None
    change = last_change_at(page.session, resource, site)
    return texts.text(sentence(change)) if change is not None else None


def _empty_hint(page: ListPage) -> str | None:
    hint: str | None = None
    if _is_asked(page):
        hint = gettext("请修改查询条件，或点击“重置”查看全部记录。")
    elif page.rights.may(Verb.ADD):
        hint = gettext("可点击“新增”添加第一条记录。")
    return hint


def _head(page: ListPage, column: Field | Computed, number: int) -> Context:
    head: Context = {
        "name": column.name,
        "label": gettext(column.label),
        "sticky": number < page.resource.sticky,
    }
    if isinstance(column, Computed):
        return head | ({"align": "num"} if column.numeric else {})
    head["width"] = column.width
    if column.is_numeric:
        head["align"] = "num"
    elif column.kind is Kind.MULTILINE:
        head["align"] = "wrap"
    if listing.is_sortable(page.resource, column):
        order = page.asked.query.order
        now = order[1] if order and order[0] == column.name else None
        head["sort"] = now
        wanted = f"-{column.name}" if now == "asc" else column.name
        head["sort_url"] = page.asked.address(_order=wanted)
    return head


def _places(page: ListPage, rows: Sequence[Any]) -> dict[Any, str] | None:
    """{id or code: "(code)name"} of the rows' organisations, in one statement; None without the
    column."""
    if not (page.resource.organisation_column and page.superior):
        return None
    keys = {_place_of(row) for row in rows}
    by_id = hasattr(page.resource.model, "province_id")
    column = Organisation.id if by_id else Organisation.code
    statement = select(column, Organisation.code, Organisation.name).where(
        Organisation.exam_id == page.actor.exam_id, column.in_(keys)
    )
    return {key: f"({code}){name}" for key, code, name in page.session.execute(statement)}


def _place_of(row: Any) -> Any:
    names = ("site_id", "city_id", "province_id", "site_code", "city_code", "province_code")
    return next((value for name in names if (value := getattr(row, name, None))), None)


def _row(
    page: ListPage,
    row: Any,
    shows: Mapping[str, Callable[[Any], Any]],
    places: Mapping[Any, str] | None,
) -> Context:
    shown = {name: show(row) for name, show in shows.items()}
    if places is not None:
        shown["_org"] = places.get(_place_of(row))
    return {"id": row.id, "cells": shown, "actions": row_actions(page, row)[:ROW_ACTIONS]}


# ---------------------------------------------------------------- buttons


def row_actions(page: ListPage, row: Any, *, on_detail: bool = False) -> list[Context]:
    """查看, 修改, 删除 and the operations on this row that the actor may use now."""
    name, kind = page.resource.name, "dialog" if page.resource.dialog else "link"
    kept = page.resource.keeps is None or page.resource.keeps(row, page.actor)
    found: list[Context] = []
    if page.rights.may(Verb.SHOW) and not on_detail:
        whole = {"kind": "link"} if page.resource.single else {}
        address = url_for(f"{name}.show", row_id=row.id)
        found.append({"label": gettext("查看"), "url": address} | whole)
    if kept and page.rights.may(Verb.EDIT):
        label = gettext(page.resource.edit_label or N_("修改"))
        found.append({"label": label, "url": url_for(f"{name}.edit", row_id=row.id)})
    found += _row_operations(page, row, on_detail=on_detail)
    if kept and page.rights.may(Verb.DELETE):
        address = url_for(f"{name}.delete", row_id=row.id)
        found.append({"label": gettext("删除"), "url": address, "danger": True})
    return [{"kind": kind} | action for action in found]


#: a list's row has room for so many operations; the detail page shows all, with their reasons
ROW_OPERATIONS = 2


def _row_operations(page: ListPage, row: Any, *, on_detail: bool) -> list[Context]:
    found = []
    batch = [] if on_detail else _batch(page)
    for operation in page.rights.operations(On.ROW):
        if operation in batch:
            continue  # it stands above the table; in every row it would take the columns' room
        reason = operation.allowed(row) if operation.allowed else None
        if reason and not on_detail:
            continue
        found.append(
            {
                "label": gettext(operation.label),
                "url": url_for(f"{operation.name}.index", ids=row.id),
                "danger": operation.danger,
                "disabled_reason": gettext(reason) if reason else None,
            }
        )
    return found if on_detail else found[:ROW_OPERATIONS]


def _batch(page: ListPage) -> list[Operation]:
    return page.rights.operations(On.SELECTION)


def toolbar(page: ListPage) -> Context:
    """新增, operations without rows, batch operations, export."""
    name, kind = page.resource.name, "dialog" if page.resource.dialog else "link"
    primary: list[Context] = []
    if page.rights.may(Verb.ADD):
        address = url_for(f"{name}.add")
        primary.append({"label": gettext("新增"), "url": address, "kind": kind, "icon": "fa-plus"})
    batch = _batch(page)
    for operation in page.rights.operations(On.PAGE, On.QUERY):
        if operation in batch:
            continue
        whole = On.QUERY in operation.on
        token = seal(page.asked.query, page.actor) if whole else None
        address = url_for(f"{operation.name}.index", query=token)
        primary.append(_button(operation) | {"url": address, "kind": "dialog"})
    tools: list[Context] = []
    if page.rights.may(Verb.EXPORT):
        address = url_for(f"{name}.export") + page.asked.address(_size=None)
        tools.append(
            {
                "label": gettext("导出查询结果"),
                "url": address,
                "kind": "link",
                "icon": "fa-file-export",
            }
        )
    return {
        "primary": primary,
        "batch": [_button(o) | {"url": url_for(f"{o.name}.index")} for o in batch],
        "tools": tools,
        "refresh_url": page.asked.address(_page=page.asked.page),
    }


def _button(operation: Operation) -> Context:
    return {
        "label": gettext(operation.label),
        "icon": operation.icon or None,
        "danger": operation.danger,
    }


def paging(page: ListPage, found: listing.Page) -> Context:
    """The footer: count (“10000+”), sizes, pages."""
    base = page.asked.address(_page=None, _size=None)
    joint = "" if base.endswith("?") else "&"
    return {
        "page": found.number,
        "size": found.size,
        "total": found.total,
        "bounded": found.more and found.total >= COUNT_BOUND,
        "url_pattern": base + joint + "_page={page}&_size={size}",
    }


def heading(resource: Resource, row: Any, words: str) -> str:
    """“修改考场” or, for questions, with the row's title."""
    return f"{words}{gettext(resource.label)} {title_of(resource, row)}"


__all__ = [
    "ListPage",
    "heading",
    "organisations",
    "paging",
    "row_actions",
    "table",
    "toolbar",
]
