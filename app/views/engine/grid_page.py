"""The context of a grid's page (kw/pages/grid.html): heads, cells, errors, what was typed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import url_for
from flask_babel import gettext

from app.jobs.grids import CODE, Upload
from app.metadata.actor import Actor
from app.metadata.declarations import Grid, GridCell, GridChange, GridColumn
from app.metadata.errors import LABELLED, N_, SEMICOLON, Message, PolicyDenied
from app.metadata.fields import Kind
from app.metadata.vocabulary import Level, Verb
from app.models.audit import AuditEntry
from app.rules import grids
from app.rules.grid_history import History, newest
from app.rules.grids import Conflict, Examined, Key, Raw, Row, Table, title_of
from app.rules.last_change import named
from app.rules.policy import WindowClosed
from app.rules.windows import local
from app.views.engine.governing import behalf_note
from app.views.texts import joined, text

Context = dict[str, Any]
#: rows of a preview that are shown; all of them are saved
SHOWN_CHANGES = 300
#: errors of a workbook that are shown (R38.5)
SHOWN_ERRORS = 1_000
#: inputs of the form: what stands in a cell, what stood there, one value for a whole column
CELL, SEEN, FILL = "v:", "seen:", "fill:"
#: a wrong cell of a workbook
WRONG_CELL = N_("第 {row} 行 {column}“{value}”：{message}")
YES_OR_NO = {"1": N_("是"), "0": N_("否")}


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed and seen, and what is wrong with it; empty for a fresh page."""

    sent: Raw = field(default_factory=dict)
    seen: Raw = field(default_factory=dict)
    examined: Examined | None = None

    @property
    def errors(self) -> Mapping[Key, Any]:
        return self.examined.errors if self.examined else {}

    @property
    def conflicts(self) -> Mapping[Key, Conflict]:
        return self.examined.conflicts if self.examined else {}


def cell_id(code: str, column: str) -> str:
    """The element of a cell, for the links of the errors."""
    return "c-" + f"{code}-{column}".replace(":", "-")


# ---------------------------------------------------------------- heads


def heads(columns: Sequence[GridColumn]) -> list[Context]:
    """Headings of the first row: columns of their own, and groups with their children."""
    found: list[Context] = []
    for column in columns:
        leaf = {
            "name": column.name,
            "label": gettext(column.cell.label),
            "help": gettext(column.cell.help) if column.cell.help else None,
        }
        if not column.group:
            found.append(leaf)
        elif found and found[-1].get("group") == column.group:
            found[-1]["children"].append(leaf)
        else:
            label = gettext(column.group)
            found.append({"group": column.group, "label": label, "children": [leaf]})
    return found


def fill(column: GridColumn, actor: Actor, is_open: bool) -> Context:
    """The input that fills a whole column; none in columns that the actor does not write."""
    may = is_open and actor.level.rank <= column.cell.editable_from.rank
    return {
        "name": f"{FILL}{column.name}",
        "column": column.name,
        "label": text(title_of(column)),
        "kind": kind_of(column) if may else "none",
    }


def still_open(grid: Grid, table: Table, actor: Actor, refusal: PolicyDenied) -> list[Context]:
    """Which columns of the reader's own a closed window leaves open to him."""
    own = [
        text(column.cell.label)
        for column in table.columns
        if isinstance(refusal, WindowClosed) and actor.level in grid.windowless.get(column.name, ())
    ]
    if not own:
        return []
    return [{"text": gettext("现在只能修改：%(columns)s。", columns=joined(own)), "tone": "info"}]


# ---------------------------------------------------------------- rows


@dataclass(frozen=True, slots=True)
class Rows:
    """What the rows of a page have in common."""

    grid: Grid
    table: Table
    actor: Actor
    #: may this actor write here and now?
    open: bool
    typed: Typed
    last: History

    @property
    def writable(self) -> bool:
        """Is there any cell to write?"""
        return self.open and any(
            grids.is_writable(column, row.cells.get(column.name), self.actor)
            for row in self.table.rows
            for column in self.table.columns
        )

    def shown(self) -> list[Context]:
        return [self._row(row) for row in self.table.rows]

    def _row(self, row: Row) -> Context:
        code = row.site.code
        entries = self.last.get(row.site.id, {})
        cells = [self._cell(row, column, entries) for column in self.table.columns]
        seen = {cell["column"]: cell["seen"] for cell in cells if cell["kind"] != "none"}
        action = None
        may = any(cell["kind"] in ("input", "select") for cell in cells)
        if may and self.grid.row_label:
            url = url_for(f"{self.grid.name}.edit", code=code)
            action = {"label": gettext(self.grid.row_label), "url": url, "kind": "dialog"}
        return {
            "code": code,
            "name": row.site.name,
            "cells": cells,
            "seen": json.dumps(seen, ensure_ascii=False) if self.open else None,
            "last": told(newest(entries), self.actor),
            "history": _history(cells),
            "error": text(self.typed.errors.get((code, ""))),
            "action": action,
        }

    def _cell(self, row: Row, column: GridColumn, entries: Mapping[str, AuditEntry]) -> Context:
        cell = row.cells.get(column.name)
        if cell is None:
            return {"kind": "none"}
        key = (row.site.code, column.name)
        writable = self.open and grids.is_writable(column, cell, self.actor)
        found: Context = {
            "kind": kind_of(column) if writable else "text",
            "column": column.name,
            "id": cell_id(*key),
            "name": f"{CELL}{key[0]}:{key[1]}",
            "label": f"{row.site.name} {text(title_of(column))}",
            "numeric": column.cell.kind in (Kind.MONEY, Kind.INTEGER),
            "text": _shown(column, cell.value),
            "unset": cell.value is None,
            "placeholder": text(column.unset),
            "note": text(cell.note),
            "locked": text(cell.locked),
            "title": text(column.cell.label),
            "told": told(entries.get(column.name), self.actor),
            "error": text(self.typed.errors.get(key)),
        }
        return found | self._typed(key, column, cell)

    def _typed(self, key: Key, column: GridColumn, cell: GridCell) -> Context:
        """What was typed into the cell, and what its writer had seen there."""
        code, name = key
        stored = grids.text_of(column, cell.value)
        conflict = self.typed.conflicts.get(key)
        seen = stored if conflict else str(self.typed.seen.get(code, {}).get(name, stored))
        value = str(self.typed.sent.get(code, {}).get(name, stored))
        theirs = told_apart(column, conflict) if conflict is not None else None
        return {"seen": seen, "value": value, "changed": value != seen, "theirs": theirs}


def fills(rows: Rows, is_open: bool, *, is_shut: bool) -> list[Context]:
    """The line that fills whole columns; of a grid whose window `is_shut`, only those that it
    leaves open."""
    return [
        fill(
            column,
            rows.actor,
            is_open and not (is_shut and column.name not in rows.grid.windowless),
        )
        for column in rows.table.columns
    ]


def kind_of(column: GridColumn) -> str:
    """How a cell is edited."""
    return "select" if column.cell.kind is Kind.BOOLEAN else "input"


def _shown(column: GridColumn, value: Any) -> str:
    return text(grids.shown(column, value))


def _history(cells: Sequence[Context]) -> list[Context]:
    """Who set which cells of a row, the latest first, where not all were set at once by one."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        if cell["kind"] != "none":
            found.setdefault(cell["told"], []).append(cell["title"])
    never = found.pop("", [])
    if len(found) < 2 and not (found and never):
        return []
    lines = [{"told": told, "cells": joined(found[told])} for told in sorted(found, reverse=True)]
    return lines + ([{"told": gettext("尚无人设置"), "cells": joined(never)}] if never else [])


def told_apart(column: GridColumn, conflict: Conflict) -> str:
    """What somebody else has entered, and what was typed here."""
    word = _shown(column, conflict.stored) or gettext("空")
    mine = _shown(column, conflict.typed) or gettext("空")
    sentence: str = gettext("他人已改为 %(value)s，您填写的是 %(mine)s", value=word, mine=mine)
    return sentence


def told(entry: AuditEntry | None, reader: Actor) -> str:
    """“2026-08-03 10:20 张三（99） 上级代改”: who set a cell; nothing where nobody has."""
    if entry is None:
        return ""
    behalf = gettext("上级代改") if entry.on_behalf_of else ""
    return " ".join(part for part in (local(entry.at), text(named(reader, entry)), behalf) if part)


def field_of(column: GridColumn, cell: Context) -> Context:
    """A cell as a field of the row's own form; what is known about it stands below."""
    set_by = gettext("最近设置：%(text)s", text=cell["told"]) if cell["told"] else ""
    notes = [gettext(column.cell.help) if column.cell.help else "", cell["note"], set_by]
    found: Context = {
        "name": cell["name"],
        "label": text(column.cell.label),
        "kind": "select" if cell["kind"] == "select" else "number",
        "value": cell["value"],
        "required": column.cell.required,
        "help": gettext(SEMICOLON).join(part for part in notes if part) or None,
        "errors": [part for part in (cell["error"], cell["theirs"]) if part],
    }
    if cell["kind"] == "select":
        found |= {
            "choices": [(key, gettext(word)) for key, word in YES_OR_NO.items()],
            "blank": False,
        }
    return found | ({"kind": "money"} if column.cell.kind is Kind.MONEY else {})


# ---------------------------------------------------------------- errors and changes


def problems(table: Table, typed: Typed) -> list[Context]:
    """Every error and conflict with a link to its cell, in the order of the table."""
    columns = {column.name: column for column in table.columns}
    places = {row.site.code: number for number, row in enumerate(table.rows)}
    order = {name: number for number, name in enumerate(columns)}
    names = {row.site.code: row.site.display for row in table.rows}
    told_of = {key: text(message) for key, message in typed.errors.items()}
    for key in typed.conflicts:
        told_of.setdefault(key, gettext(grids.CHANGED_MEANWHILE))
    found = []
    for code, name in sorted(
        told_of, key=lambda key: (places.get(key[0], len(places)), order.get(key[1], -1), key)
    ):
        label = names.get(code, code)
        if name in columns:
            label = f"{label} {text(title_of(columns[name]))}"
        message = text(Message(LABELLED, label=label, message=told_of[code, name]))
        here = code in places and name in columns
        found.append({"text": message, "url": f"#{cell_id(code, name)}" if here else None})
    return found


def upload_problems(found: Upload, typed: Typed, columns: Sequence[GridColumn]) -> list[Context]:
    """Errors of a workbook with row, column and value; [] where it can be previewed."""
    titles = {column.name: text(title_of(column)) for column in columns}
    code_title = gettext(CODE)
    lines = [(row, code_title, value, message) for row, value, message in found.errors]
    for (code, name), message in typed.errors.items():
        value = found.sent.get(code, {}).get(name, "") if name else code
        title = titles.get(name, name) or code_title
        lines.append((found.lines.get(code, 0), title, value, message))
    sentences = [
        text(Message(WRONG_CELL, row=row, column=title, value=value, message=message))
        for row, title, value, message in sorted(lines, key=lambda line: line[0])
    ]
    if not sentences:
        return []
    head = gettext("文件中有 %(n)s 处错误，没有保存任何内容：", n=len(sentences))
    return [{"text": head, "tone": "bad", "lines": sentences[:SHOWN_ERRORS]}]


def changes(columns: Iterable[GridColumn], found: Sequence[GridChange]) -> list[Context]:
    """Before and after of every changed cell, by site and column."""
    by_name = {column.name: column for column in columns}
    return [
        {
            "site": change.site.display,
            "column": text(title_of(by_name[name])),
            "before": _shown(by_name[name], change.before[name]) or "—",
            "after": _shown(by_name[name], value) or "—",
        }
        for change in sorted(found, key=lambda change: change.site.code)
        for name, value in change.after.items()
    ]


def behalf(grid: Grid, examined: Examined, actor: Actor) -> str | None:
    """The sentence for a superior whose changes are, some of them, the sites' own."""
    changed = {name for change in examined.changes for name in change.after}
    own = any(
        column.cell.editable_from is Level.SITE
        for column in examined.columns
        if column.name in changed
    )
    return behalf_note(grid, Verb.EDIT, actor) if own else None


def packed(columns: Iterable[GridColumn], found: Sequence[GridChange]) -> str:
    """The changes as the preview carries them: what is to be saved, and what it replaces."""
    by_name = {column.name: column for column in columns}

    def texts(values: Mapping[str, Any]) -> dict[str, str]:
        return {name: grids.text_of(by_name[name], value) for name, value in values.items()}

    return pack(
        {change.site.code: texts(change.after) for change in found},
        {change.site.code: texts(change.before) for change in found},
    )


def pack(sent: Raw, seen: Raw) -> str:
    """Typed and seen values as one hidden value of a form."""
    return json.dumps({"sent": sent, "seen": seen}, ensure_ascii=False, separators=(",", ":"))
