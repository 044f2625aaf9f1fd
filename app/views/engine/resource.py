"""One view per resource: list, show, add, edit, delete, reveal, export and look-ups.

The view object holds the declaration and nothing of a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from flask import Response, abort, jsonify, request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext

from app.metadata.declarations import On, Resource
from app.metadata.errors import N_, InvalidInput, Message
from app.metadata.fields import fields_of
from app.metadata.presenting import title_of
from app.metadata.vocabulary import Verb
from app.rules import availability, crud, listing, reveal
from app.views import request as context
from app.views.engine import answers, exporting, lists, searching, show, single
from app.views.engine.answers import verb
from app.views.engine.asked import asked
from app.views.engine.editing import ROW, RowForms
from app.views.engine.governing import governing
from app.views.engine.rights import Rights
from app.views.texts import text

#: a look-up answers so many choices
LOOK_UP = 50


class ResourceView(RowForms, BaseView):
    """Base of the generated views; `resource_view` makes one per declaration."""

    declaration: ClassVar[Resource]
    #: the template of the list; one of its own extends “list”
    list_template: ClassVar[str] = "list"

    # ------------------------------------------------------------ list

    @expose("/")
    @verb(Verb.LIST)
    def index(self) -> Any:
        page = self._page()
        if page.rights.reason is not None:
            return self._list(page, page.rights.notices(), None)
        if page.actor.level in self.declaration.single:
            return self._own(page)
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
        rights = Rights(session, self.declaration, actor, context.shown_clock())
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
        more = self._above(page) if used else {}
        shown: dict[str, Any] = {"table": {"columns": [], "rows": [], "empty_text": ""}}
        if found is not None:
            shown = {
                "table": lists.table(page, found),
                "toolbar": lists.toolbar(page),
                "paging": lists.paging(page, found),
            }
        return answers.page(
            self.list_template,
            status,
            title=gettext(self.declaration.label),
            notices=[*(self._told(page) if found is not None else []), *notices],
            governed=governing(page.session, self.declaration, page.actor) if used else None,
            help=gettext(self.declaration.help) if self.declaration.help else None,
            saved_by=lists.saved_by(page) if used else None,
            search=searching.search(page) if used else None,
            **shown,
            **more,
            **self._tab(),
        )

    def _above(self, _page: lists.ListPage) -> dict[str, Any]:
        """What a special list shows besides, for its template."""
        return {}

    def _told(self, _page: lists.ListPage) -> list[Any]:
        """What a special list tells before its other notices."""
        return []

    def _index_url(self) -> str:
        """Where its forms lead back to."""
        index: str = url_for(f"{self.declaration.name}.index")
        return index

    def _tab(self) -> dict[str, Any]:
        return {
            "tab_key": f"{self.declaration.name}.index",
            "tab_title": gettext(self.declaration.label),
        }

    def _own(self, page: lists.ListPage) -> Any:
        """The one row of the actor's organisation, in place of a list (archetype settings)."""
        statement = listing.base_statement(page.session, self.declaration)
        row = page.session.scalars(statement.limit(1)).first()
        return self._unset(page) if row is None else self._single(page, row)

    def _single(self, page: lists.ListPage, row: Any) -> Any:
        values = single.context(page, row)
        return answers.page("settings", dialog_size="wide", **values, **self._tab())

    def _unset(self, page: lists.ListPage) -> Any:
        """Nothing has been set: the button that does."""
        values = single.unset(page)
        return answers.page("settings", **values, **self._tab())

    @expose("/organisations")
    @verb(Verb.LIST)
    def organisations(self) -> Response:
        """Organisations below the actor whose code or name fits `q`."""
        page, words = self._page({}), request.args.get("q", "")[:60]
        found = lists.organisations(
            page.session, page.actor, words, LOOK_UP, provinces=page.resource.of_provinces
        )
        return jsonify([{"id": code, "text": text} for code, text in found])

    @expose("/options/<field>")
    @verb(Verb.LIST)
    def options(self, field: str) -> Response:
        """Choices of a field that fit `q`, as the actor may see them."""
        known = fields_of(self.declaration.model).get(field)
        if field == crud.SITE:
            known = crud.SITE_FIELD
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
        return self._single(page, row) if self.declaration.single else self._record(page, row)

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
        effects: Sequence[str] = (),
        hidden: Sequence[tuple[str, str]] = (),
        status: int = 200,
    ) -> Any:
        form = {
            "action": action,
            "hidden": list(hidden),
            "submit_label": label,
            "cancel_url": self._index_url(),
            "danger": danger,
            "errors": errors or [],
        }
        return answers.page(
            "confirm", status, title=title, text=text, effects=effects, form=form, **self._tab()
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


__all__ = ["ROW", "On", "ResourceView", "pages_of", "resource_view"]
