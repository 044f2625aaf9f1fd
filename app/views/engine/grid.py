"""One view per grid: the page, preview, saving, workbook out and in, copying, the row dialog.

Nothing is saved without a preview; what was typed is never lost: every refusal shows the same
cells again with their errors.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, ClassVar

from flask import Response, jsonify, request, send_file
from flask_appbuilder import BaseView, expose
from flask_babel import gettext

from app.jobs import grids as workbooks
from app.jobs.exports import file_name
from app.metadata.declarations import Grid
from app.metadata.errors import KaowuError, NotFound, PolicyDenied
from app.metadata.vocabulary import Verb
from app.rules import availability, grid_filling, grids
from app.rules.effects import Unconfirmed, token_of
from app.rules.grid_history import History, last_set
from app.rules.grids import Examined, GridRefused, Raw, Row, Table
from app.rules.policy import NoVerb, granted
from app.views import request as context
from app.views.engine import answers, grid_asked, grid_form, grid_page, lists
from app.views.engine.answers import verb
from app.views.engine.editing import CONFIRM, confirmed_here
from app.views.engine.exporting import XLSX
from app.views.engine.governing import governing
from app.views.engine.grid_page import Context, Rows, Typed
from app.views.engine.rights import refusal_notice
from app.views.texts import text, texts

#: rows with typed values that are shown again at once; further ones are carried along
MOST_ROWS = 200
LOOK_UP = 50
_CODE = "<code>"


class GridView(BaseView):
    """Base of the generated views; `grid_view` makes one per declaration."""

    declaration: ClassVar[Grid]

    # ------------------------------------------------------------ the page

    @expose("/")
    @verb(Verb.VIEW)
    def index(self) -> Any:
        return self._page(Typed())

    def _page(self, typed: Typed, *, notices: Sequence[Context] = (), status: int = 200) -> Any:
        """The grid; with `typed`, what was typed stands in the cells again."""
        session, actor = context.read_session(), context.actor()
        reason = availability.reason_for(session, self.declaration.name, actor)
        refusal = grids.refusal(session, self.declaration, context.shown_clock())
        is_open = reason is None and refusal is None
        table, kept = self._table(typed)
        last = self._history(table)
        rows = Rows(self.declaration, table, actor, is_open, typed, last)
        is_open = rows.writable
        window = grids.closed(session, self.declaration, context.shown_clock())
        name = self.declaration.name
        return answers.page(
            "grid",
            status,
            title=gettext(self.declaration.label),
            notices=[*self._notices(table, reason, refusal or window), *notices],
            governed=governing(session, self.declaration, actor),
            problems=grid_page.problems(table, typed),
            search=grid_asked.search(self.declaration),
            heads=grid_page.heads(table.columns),
            columns=grid_page.fills(rows, is_open, is_shut=window is not None),
            rows=rows.shown(),
            editable=is_open,
            total=table.total,
            tools=self._tools(is_open, is_shut=window is not None),
            form={
                "action": self._address("preview"),
                "fill_action": self._address("fill"),
                "hidden": [(grid_form.KEPT, kept)] if kept else [],
            },
            paging=None if kept is not None else grid_asked.paging(table),
            tab_key=f"{name}.index",
            tab_url=self._address("index"),
        )

    def _history(self, table: Table) -> History:
        sites = [row.site for row in table.rows]
        return last_set(context.read_session(), self.declaration, sites, table.columns)

    def _table(self, typed: Typed) -> tuple[Table, str | None]:
        """The rows to show: the page of the address, or, where what was typed reaches beyond it,
        the rows with typed values; then also what is carried along ("" for nothing)."""
        session = context.read_session()
        table = grids.page(
            session,
            self.declaration,
            grid_asked.choice(),
            number=grid_asked.number(),
            size=grid_asked.size(),
            clock=context.shown_clock(),
        )
        if set(typed.sent) <= {row.site.code for row in table.rows}:
            return table, None
        wrong = {code for code, _ in (*typed.errors, *typed.conflicts)}
        codes = sorted(typed.sent, key=lambda code: (code not in wrong, code))[:MOST_ROWS]
        sites = sorted(grids.sites_named(session, codes), key=lambda site: site.code)
        rows = self._rows_of(sites, table.columns)
        shown = {site.code for site in sites}
        rest = grid_form.without(typed.sent, shown)
        kept = grid_page.pack(rest, grid_form.without(typed.seen, shown)) if rest else ""
        return Table(table.columns, rows, table.total), kept

    def _notices(
        self, table: Table, reason: str | None, refusal: PolicyDenied | None
    ) -> list[Context]:
        if reason is not None:
            return [{"text": text(reason), "tone": "warn"}]
        found: list[Context] = []
        if self.declaration.help:
            found.append({"text": gettext(self.declaration.help)})
        if refusal is not None and not isinstance(refusal, NoVerb):
            found.append(refusal_notice(refusal))
            found += grid_page.still_open(self.declaration, table, context.actor(), refusal)
        if self.declaration.notices is not None:
            cells = [row.cells for row in table.rows]
            told = self.declaration.notices(context.read_session(), context.actor(), cells)
            found += [{"text": sentence, "tone": "warn"} for sentence in texts(told)]
        return found

    def _tools(self, is_open: bool, *, is_shut: bool) -> Context:
        may_export = granted(self.declaration, Verb.EXPORT, context.actor())
        return {
            "export_url": self._address("export") if may_export else None,
            "import_url": self._address("upload") if is_open else None,
            "copy_url": self._address("copy")
            if is_open and not is_shut and self.declaration.copy
            else None,
            "refresh_url": self._address("index"),
        }

    @expose("/organisations")
    @verb(Verb.VIEW)
    def organisations(self) -> Response:
        """Organisations below the actor whose code or name fits `q`."""
        words = request.args.get("q", "")[:60]
        found = lists.organisations(context.read_session(), context.actor(), words, LOOK_UP)
        return jsonify([{"id": code, "text": label} for code, label in found])

    def _address(self, endpoint: str) -> str:
        """An address of this grid for the same choice of sites."""
        return grid_asked.address(self.declaration, endpoint)

    # ------------------------------------------------------------ preview and save

    @expose("/preview", methods=["POST"])
    @verb(Verb.EDIT)
    def preview(self) -> Any:
        """What the typed cells would change; or the cells again with their errors."""
        return self._preview(*grid_form.typed(request.form))

    @expose("/fill", methods=["POST"])
    @verb(Verb.EDIT)
    def fill(self) -> Any:
        """One value per column for every site of the choice, on whichever page it stands."""
        sent, seen = grid_form.typed(request.form)
        session = context.read_session()
        table = grids.page(
            session, self.declaration, grid_asked.choice(), clock=context.shown_clock()
        )
        only_unset = bool(request.form.get("only_unset"))
        filled = grid_filling.filled_down(
            table, context.actor(), grid_form.filled(request.form), only_unset=only_unset
        )
        if not filled:
            note = {"text": gettext("请先在“整列填充”一行填写要填充的值。"), "tone": "warn"}
            return self._page(self._typed(sent, seen), notices=[note], status=422)
        for code, cells in filled.items():
            sent[code] = sent.get(code, {}) | cells
        return self._preview(sent, seen)

    @expose("/copy", methods=["POST"])
    @verb(Verb.EDIT)
    def copy(self) -> Any:
        """The values of the last session (R0.6b), as if they were typed."""
        session = context.read_session()
        try:
            sent = grid_filling.copied(session, self.declaration, grid_asked.choice())
        except KaowuError as error:
            note = {"text": context.message_of(error), "tone": "warn"}
            return self._page(Typed(), notices=[note], status=error.status)
        return self._preview(sent, {})

    def _typed(self, sent: Raw, seen: Raw) -> Typed:
        session = context.read_session()
        clock = context.shown_clock()
        return Typed(sent, seen, grids.examine(session, self.declaration, sent, seen, clock=clock))

    def _rows_of(self, sites: Sequence[Any], columns: Sequence[Any]) -> list[Row]:
        session, clock = context.read_session(), context.shown_clock()
        return grids.rows_of(session, self.declaration, sites, columns, clock=clock)

    def _preview(
        self,
        sent: Raw,
        seen: Raw,
        *,
        code: str = "",
        error: str = "",
        notes: Sequence[Context] = (),
    ) -> Any:
        """The question before saving; `code` is the row of the dialog."""
        session = context.read_session()
        availability.require(session, self.declaration.name, context.actor())
        refusal = grids.refusal(session, self.declaration, context.shown_clock())
        typed = self._typed(sent, seen)
        examined = typed.examined
        if refusal is not None or examined is None or not examined.is_good or notes:
            told = [{"text": context.message_of(refusal), "tone": "bad"}] if refusal else []
            return self._refused(typed, code, [*notes, *told])
        if not examined.changes:
            note = {"text": gettext("没有改动。"), "tone": "info"}
            return self._refused(typed, code, [note], status=200)
        return self._question(examined, code, error)

    def _question(self, examined: Examined, code: str, error: str) -> Any:
        told = grids.effects(context.read_session(), self.declaration, examined.changes)
        shown = grid_page.changes(examined.columns, examined.changes)
        return answers.page(
            "grid_preview",
            422 if error else 200,
            title=gettext(self.declaration.label),
            sites=len(examined.changes),
            cells=examined.cells,
            effects=texts(told),
            behalf=grid_page.behalf(self.declaration, examined, context.actor()),
            questions=texts(grids.questions(self.declaration, examined.changes)),
            changes=shown[: grid_page.SHOWN_CHANGES],
            more=max(0, len(shown) - grid_page.SHOWN_CHANGES),
            form={
                "action": self._address("save"),
                "hidden": [
                    (grid_form.CHANGES, grid_page.packed(examined.columns, examined.changes)),
                    ("row", code),
                    (CONFIRM, token_of(told)),
                ],
                "cancel_url": self._address("index"),
            },
            error=error,
            tab_key=f"{self.declaration.name}.index",
            tab_url=self._address("index"),
        )

    @expose("/save", methods=["POST"])
    @verb(Verb.EDIT)
    def save(self) -> Any:
        """Save what was previewed, or go back to the cells with it."""
        sent, seen = grid_form.unpacked(request.form.get(grid_form.CHANGES, ""))
        code = request.form.get("row", "")[:10]
        if request.form.get("step") == "back":
            return self._refused(self._typed(sent, seen), code, [], status=200)
        typed = self._typed(sent, seen)
        asked = typed.examined and grids.questions(self.declaration, typed.examined.changes)
        if asked and not request.form.get("agree"):
            return self._preview(sent, seen, code=code, error=gettext("请先勾选确认。"))
        clock, confirmed = context.clock(), confirmed_here()
        try:
            count = context.run(
                lambda unit: grids.save(
                    unit, self.declaration, sent, seen, clock=clock, confirmed=confirmed
                )
            )
        except GridRefused as refused:
            typed = Typed(sent, seen, refused.examined)
            return self._refused(typed, code, [])
        except Unconfirmed as asked_again:
            return self._preview(sent, seen, code=code, error=context.message_of(asked_again))
        except KaowuError as error:
            note = {"text": context.message_of(error), "tone": "bad"}
            return self._refused(self._typed(sent, seen), code, [note], status=error.status)
        return answers.saved(gettext("已保存 %(n)s 处改动", n=count), self._address("index"))

    def _refused(
        self, typed: Typed, code: str, notes: Sequence[Context], *, status: int | None = None
    ) -> Any:
        """The cells again, with what was typed: in the dialog, or on the page."""
        if status is None:
            status = 409 if typed.conflicts and not typed.errors else 422
        if code:
            return self._row_form(code, typed, notes, status=status)
        return self._page(typed, notices=notes, status=status)

    # ------------------------------------------------------------ one row in a dialog

    @expose(f"/edit/{_CODE}", methods=["GET", "POST"])
    @verb(Verb.EDIT)
    def edit(self, code: str) -> Any:
        """The cells of one row as a form; what they change is previewed like the grid's."""
        session = context.read_session()
        if request.method == "GET":
            availability.require(session, self.declaration.name, context.actor())
            if refusal := grids.refusal(session, self.declaration, context.shown_clock()):
                raise refusal
            return self._row_form(code, Typed(), [], status=200)
        sent, seen = grid_form.typed(request.form)
        return self._preview({code: sent.get(code, {})}, seen, code=code)

    def _row(self, code: str) -> tuple[Row, Sequence[Any]]:
        session, actor = context.read_session(), context.actor()
        columns = self.declaration.columns(session, actor)
        sites = grids.sites_named(session, [code])
        if not sites:
            raise NotFound()
        return self._rows_of(sites, columns)[0], columns

    def _row_form(self, code: str, typed: Typed, notes: Sequence[Context], *, status: int) -> Any:
        row, columns = self._row(code)
        table = Table(columns, [row], 1)
        last = self._history(table)
        rows = Rows(self.declaration, table, context.actor(), True, typed, last)
        (shown,) = rows.shown()
        fields = [
            grid_page.field_of(column, cell)
            for column, cell in zip(columns, shown["cells"], strict=True)
            if cell["kind"] in ("input", "select")
        ]
        label = gettext(self.declaration.row_label or self.declaration.label)
        return answers.page(
            "form",
            status,
            title=f"{label} {row.site.display}",
            notices=list(notes),
            form={
                "action": grid_asked.address(self.declaration, "edit", code=code),
                "fieldsets": [{"fields": fields}],
                "hidden": [(f"{grid_page.SEEN}{code}", shown["seen"])],
                "errors": [shown["error"]] if shown["error"] else [],
                "submit_label": gettext("预览改动"),
                "cancel_url": self._address("index"),
            },
            dialog_size="wide" if len(fields) > 6 else "",
            tab_key=f"{self.declaration.name}.index",
        )

    # ------------------------------------------------------------ workbook out and in


class GridFiles(GridView):
    """The grid with its workbooks."""

    @expose("/export")
    @verb(Verb.EXPORT)
    def export(self) -> Any:
        """All sites of the choice as a workbook that can be imported again."""
        table = grids.page(context.read_session(), self.declaration, grid_asked.choice())
        stream = io.BytesIO()
        count = workbooks.write_grid(stream, self.declaration, table, translate=gettext)
        stream.seek(0)
        context.run(lambda session: grids.record_export(session, self.declaration, count))
        name = file_name(gettext(self.declaration.label), context.clock()())
        return send_file(stream, mimetype=XLSX, as_attachment=True, download_name=name, max_age=0)

    @expose("/import", methods=["POST"])
    @verb(Verb.EDIT)
    def upload(self) -> Any:
        """A workbook into the cells; then the same preview and the same errors."""
        session, actor = context.read_session(), context.actor()
        availability.require(session, self.declaration.name, actor)
        if refusal := grids.refusal(session, self.declaration, context.shown_clock()):
            note = {"text": context.message_of(refusal), "tone": "bad"}
            return self._page(Typed(), notices=[note], status=422)
        columns = self.declaration.columns(session, actor)
        content, name = grid_form.sent_file()
        try:
            found = workbooks.read_grid(content, name, self.declaration, columns, translate=gettext)
        except KaowuError as error:
            note = {"text": context.message_of(error), "tone": "bad"}
            return self._page(Typed(), notices=[note], status=error.status)
        notes = grid_page.upload_problems(found, self._typed(found.sent, found.seen), columns)
        return self._preview(found.sent, found.seen, notes=notes)


def grid_view(grid: Grid) -> type[GridView]:
    """The view class of a grid; its endpoint is the declaration's name."""
    return type(
        f"{grid.name.title().replace('_', '')}Grid",
        (GridFiles,),
        {
            "declaration": grid,
            "route_base": f"/{grid.name.replace('_', '-')}",
            "class_permission_name": grid.name,
            "default_view": "index",
            "__doc__": f"Pages of the grid {grid.name}.",
        },
    )
