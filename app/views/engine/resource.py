"""One view per resource: list, show, add, edit, delete, reveal, export and look-ups.

The view object holds the declaration and nothing of a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from flask import Response, abort, jsonify, request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext

from app.metadata.declarations import On, Resource
from app.metadata.errors import N_, InvalidInput, KaowuError, Message, StaleRow
from app.metadata.fields import Field, fields_of
from app.metadata.presenting import title_of
from app.metadata.vocabulary import Verb
from app.rules import availability, crud, listing, reveal
from app.views import cells
from app.views import request as context
from app.views.engine import answers, exporting, forms, lists, show
from app.views.engine.answers import verb
from app.views.engine.asked import asked
from app.views.engine.rights import Rights
from app.views.texts import text

#: a key is a 64-bit number; anything larger is not found rather than an error of the driver
ROW = "<int(max=9223372036854775807):row_id>"
#: a look-up answers so many choices
LOOK_UP = 50


class ResourceView(BaseView):
    """Base of the generated views; `resource_view` makes one per declaration."""

    declaration: ClassVar[Resource]

    # ------------------------------------------------------------ list

    @expose("/")
    @verb(Verb.LIST)
    def index(self) -> Any:
        page = self._page()
        if page.rights.reason is not None:
            return self._list(page, page.rights.notices(), None)
        try:
            found = listing.page(
                page.session,
                self.declaration,
                page.asked.query,
                number=page.asked.page,
                size=page.asked.size,
            )
        except InvalidInput as error:
            note = {"text": context.message_of(error), "tone": "bad"}
            return self._list(page, [note], None, status=422)
        return self._list(page, page.rights.notices(), found)

    def _page(self, arguments: Mapping[str, str] | None = None) -> lists.ListPage:
        session, actor = context.read_session(), context.actor()
        rights = Rights(session, self.declaration, actor, context.clock())
        given = request.args if arguments is None else arguments
        return lists.ListPage(
            session, self.declaration, actor, rights, asked(self.declaration, given)
        )

    def _list(
        self,
        page: lists.ListPage,
        notices: list[Any],
        found: listing.Page | None,
        status: int = 200,
    ) -> Any:
        used = page.rights.reason is None
        shown: dict[str, Any] = {"table": {"columns": [], "rows": [], "empty_text": ""}}
        if found is not None:
            shown = {
                "table": lists.table(page, found),
                "toolbar": lists.toolbar(page),
                "paging": lists.paging(page, found),
            }
        return answers.page(
            "list",
            status,
            title=gettext(self.declaration.label),
            notices=notices,
            search=lists.search(page) if used else None,
            **shown,
            **self._tab(),
        )

    def _index_url(self) -> str:
        """Where its forms lead back to."""
        index: str = url_for(f"{self.declaration.name}.index")
        return index

    def _tab(self) -> dict[str, Any]:
        return {
            "tab_key": f"{self.declaration.name}.index",
            "tab_title": gettext(self.declaration.label),
        }

    @expose("/organisations")
    @verb(Verb.LIST)
    def organisations(self) -> Response:
        """Organisations below the actor whose code or name fits `q`."""
        found = lists.organisations(
            context.read_session(), context.actor(), request.args.get("q", "")[:60], LOOK_UP
        )
        return jsonify([{"id": code, "text": text} for code, text in found])

    @expose("/options/<field>")
    @verb(Verb.LIST)
    def options(self, field: str) -> Response:
        """Choices of a field that fit `q`, as the actor may see them."""
        known = fields_of(self.declaration.model).get(field)
        if known is None or known.options is None:
            abort(404)
        text = request.args.get("q", "")[:60].casefold()
        every = known.options(context.read_session(), context.actor())
        fitting = [
            {"id": key, "text": label} for key, label in every.items() if text in label.casefold()
        ]
        return jsonify(fitting[:LOOK_UP])

    # ------------------------------------------------------------ one row

    @expose(f"/show/{ROW}")
    @verb(Verb.SHOW)
    def show(self, row_id: int) -> Any:
        page = self._page({})
        availability.require(page.session, self.declaration.name, page.actor)
        row = listing.row_by_id(page.session, self.declaration, row_id)
        return self._record(page, row)

    def _record(self, page: lists.ListPage, row: Any, *, masked: bool = True) -> Any:
        actions = lists.row_actions(page, row, on_detail=True)
        if masked and self._may_reveal():
            address = url_for(f"{self.declaration.name}.reveal", row_id=row.id)
            full = {"label": gettext("查看完整信息"), "url": address, "icon": "fa-eye"}
            actions.insert(0, full | {"kind": "dialog"})
        return answers.page(
            "show",
            title=gettext("查看") + self._noun(),
            record=show.record(page.session, page.actor, self.declaration, row, masked=masked),
            actions=actions,
            notices=page.rights.notices(),
            back_url=self._index_url(),
            dialog_size="wide",
            **self._tab(),
        )

    def _noun(self) -> str:
        """What one row is called, behind a verb: with a blank where the language has one."""
        noun = self.declaration.noun or self.declaration.label
        return text(Message(N_("{verb}{noun}"), verb="", noun=noun))

    def _may_reveal(self) -> bool:
        return reveal.may_reveal(self.declaration, context.actor())

    @expose(f"/reveal/{ROW}", methods=["GET", "POST"])
    @verb(Verb.SHOW)
    def reveal(self, row_id: int) -> Any:
        """Ask first, because the look is logged; then the masked values in full, once."""
        if not self._may_reveal():
            raise reveal.OnlyMasked()
        if request.method == "POST":
            clock = context.clock()
            context.run(
                lambda session: reveal.reveal(session, self.declaration, row_id, clock=clock)
            )
            page = self._page({})
            row = listing.row_by_id(page.session, self.declaration, row_id)
            return self._record(page, row, masked=False)
        session = context.read_session()
        row = listing.row_by_id(session, self.declaration, row_id)
        return self._question(
            gettext("查看完整信息"),
            gettext(
                "系统将记录您查看了“%(title)s”的完整个人信息。确定查看？",
                title=title_of(self.declaration, row),
            ),
            url_for(f"{self.declaration.name}.reveal", row_id=row_id),
            gettext("查看"),
        )

    def _question(
        self,
        title: str,
        text: str,
        action: str,
        label: str,
        *,
        danger: bool = False,
        errors: list[str] | None = None,
        status: int = 200,
    ) -> Any:
        form = {
            "action": action,
            "submit_label": label,
            "cancel_url": self._index_url(),
            "danger": danger,
            "errors": errors or [],
        }
        return answers.page("confirm", status, title=title, text=text, form=form, **self._tab())

    # ------------------------------------------------------------ add and edit

    @expose("/add", methods=["GET", "POST"])
    @verb(Verb.ADD)
    def add(self) -> Any:
        fields = crud.form_fields(self.declaration, Verb.ADD, context.actor())
        if request.method == "GET":
            texts = forms.texts_of(fields, crud.defaults_of(self.declaration))
            return self._form(Verb.ADD, fields, texts)
        values = forms.read_form(fields, request.form, request.files)
        clock = context.clock()
        try:
            context.run(lambda s: crud.create(s, self.declaration, values, clock=clock))
        except KaowuError as error:
            return self._refused(Verb.ADD, fields, values, error)
        return self._saved(gettext("新增成功"))

    @expose(f"/edit/{ROW}", methods=["GET", "POST"])
    @verb(Verb.EDIT)
    def edit(self, row_id: int) -> Any:
        session, actor = context.read_session(), context.actor()
        row = listing.row_by_id(session, self.declaration, row_id)
        fields = crud.form_fields(self.declaration, Verb.EDIT, actor)
        if request.method == "GET":
            return self._form(Verb.EDIT, fields, forms.texts_of(fields, row), row=row)
        sent = forms.read_form(fields, request.form, request.files)
        values = forms.without_untouched(fields, sent, row)
        version = request.form.get("version", "")
        known = int(version) if version.isascii() and version.isdigit() else 0
        clock = context.clock()
        try:
            context.run(
                lambda s: crud.update(
                    s, self.declaration, row_id, values, version=known, clock=clock
                )
            )
        except KaowuError as error:
            return self._refused(Verb.EDIT, fields, sent, error, row_id=row_id)
        return self._saved(gettext("保存成功"))

    def _saved(self, message: str) -> Any:
        return answers.saved(message, self._index_url())

    def _refused(
        self,
        what: Verb,
        fields: list[Field],
        sent: Mapping[str, Any],
        error: KaowuError,
        *,
        row_id: int | None = None,
    ) -> Any:
        """The same form with what was typed, and why it was not saved."""
        row = None
        if row_id is not None:
            row = listing.row_by_id(context.read_session(), self.declaration, row_id)
        errors: forms.Errors = {}
        others = [context.message_of(error)]
        conflict: list[dict[str, Any]] | None = None
        if isinstance(error, InvalidInput):
            errors, others = forms.split_errors(error, fields)
        elif isinstance(error, StaleRow):
            others, conflict = [], self._conflict(fields, sent, row)
        return self._form(
            what,
            fields,
            sent,
            row=row,
            errors=errors,
            others=others,
            conflict=conflict,
            status=409 if conflict is not None else 422,
        )

    def _conflict(
        self, fields: list[Field], sent: Mapping[str, Any], row: Any
    ) -> list[dict[str, Any]]:
        """What somebody else has saved meanwhile, beside what was typed."""
        stored = forms.texts_of(fields, row)
        found = []
        for field in fields:
            mine, theirs = sent.get(field.name, ""), stored[field.name]
            if field.name in sent and str(mine or "") != str(theirs or ""):
                if field.choices:
                    mine = gettext(field.choices.get(str(mine), str(mine)))
                shown = cells.plain(row, field)
                found.append({"label": gettext(field.label), "theirs": shown, "mine": mine})
        return found

    def _form(
        self,
        what: Verb,
        fields: list[Field],
        texts: Mapping[str, Any],
        *,
        row: Any = None,
        errors: forms.Errors | None = None,
        others: list[str] | None = None,
        conflict: list[dict[str, Any]] | None = None,
        status: int = 200,
    ) -> Any:
        name = self.declaration.name
        page = self._page({})
        decision = page.rights.decision(self.declaration, what)
        if request.method == "GET":
            availability.require(page.session, name, page.actor)
            decision.require()
        words = gettext("新增") if what is Verb.ADD else gettext("修改")
        address = url_for(f"{name}.{what.value}", **({"row_id": row.id} if row else {}))
        form = {
            "action": address,
            "fieldsets": forms.fieldsets(
                fields,
                texts,
                groups=self.declaration.fieldsets,
                errors=errors,
                choices=crud.choices_for(page.session, fields, page.actor),
                search_urls={f.name: url_for(f"{name}.options", field=f.name) for f in fields},
            ),
            "hidden": [("version", row.version)] if hasattr(row, "version") else [],
            "errors": others or [],
            "conflict": conflict,
            "cancel_url": self._index_url(),
        }
        title = " · ".join([f"{words}{self._noun()}", *show.whose(row, page.superior)])
        size = "wide" if len(fields) > 6 else ""
        return answers.page(
            "form", status, title=title, form=form, notices=[], dialog_size=size, **self._tab()
        )

    # ------------------------------------------------------------ delete

    @expose(f"/delete/{ROW}", methods=["GET", "POST"])
    @verb(Verb.DELETE)
    def delete(self, row_id: int) -> Any:
        """Ask (GET), then delete (POST): a link never changes anything (hole 17)."""
        page = self._page({})
        row = listing.row_by_id(page.session, self.declaration, row_id)
        title = title_of(self.declaration, row)
        errors: list[str] = []
        if request.method == "POST":
            clock = context.clock()
            try:
                context.run(lambda s: crud.remove(s, self.declaration, row_id, clock=clock))
                return self._saved(gettext("删除成功"))
            except KaowuError as error:
                errors = [context.message_of(error)]
        else:
            availability.require(page.session, self.declaration.name, page.actor)
            page.rights.decision(self.declaration, Verb.DELETE).require()
        return self._question(
            gettext("删除") + self._noun(),
            gettext("确定删除“%(title)s”？删除后不能恢复。", title=title),
            url_for(f"{self.declaration.name}.delete", row_id=row_id),
            gettext("删除"),
            danger=True,
            errors=errors,
            status=422 if errors else 200,
        )

    # ------------------------------------------------------------ export

    @expose("/export", methods=["GET", "POST"])
    @verb(Verb.EXPORT)
    def export(self) -> Any:
        """All results of the query as a workbook: at once, or by a job when there are many."""
        availability.require(context.read_session(), self.declaration.name, context.actor())
        return exporting.export(self.declaration, asked(self.declaration, request.args))


V = TypeVar("V", bound=type[ResourceView])
_special: dict[str, type[ResourceView]] = {}


def pages_of(name: str) -> Callable[[V], V]:
    """Class decorator: the pages of the resource `name` are made from this class."""

    def remember(base: V) -> V:
        _special[name] = base
        return base

    return remember


def resource_view(resource: Resource) -> type[ResourceView]:
    """The view class of a resource; its endpoint is the declaration's name."""
    return type(
        f"{resource.name.title().replace('_', '')}View",
        (_special.get(resource.name, ResourceView),),
        {
            "declaration": resource,
            "route_base": f"/{resource.name.replace('_', '-')}",
            "class_permission_name": resource.name,
            "default_view": "index",
            "__doc__": f"Pages of the resource {resource.name}.",
        },
    )


__all__ = ["On", "ResourceView", "pages_of", "resource_view"]
