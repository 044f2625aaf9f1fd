"""Adding, changing and deleting one row: forms, refusals, conflicts, effects to be confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from flask import request, url_for
from flask_appbuilder import expose
from flask_babel import gettext

from app.metadata.declarations import Resource
from app.metadata.errors import InvalidInput, KaowuError, StaleRow
from app.metadata.fields import Field
from app.metadata.presenting import title_of
from app.metadata.vocabulary import Verb
from app.rules import availability, crud, effects, listing
from app.views import cells
from app.views import request as context
from app.views.engine import answers, forms, lists, show, single
from app.views.engine.answers import verb
from app.views.engine.governing import behalf_note
from app.views.keys import LARGEST
from app.views.texts import texts

#: a key is a 64-bit number; anything larger is not found rather than an error of the driver
ROW = f"<int(max={LARGEST}):row_id>"
#: the hidden field that confirms effects: the token of exactly these
CONFIRM = "_confirm"


@dataclass(slots=True)
class Refusal:
    """Why a form comes back: errors of its fields and others, a conflict, effects to confirm."""

    errors: forms.Errors = field(default_factory=dict)
    others: Sequence[str] = ()
    conflict: list[dict[str, Any]] | None = None
    effects: Sequence[str] = ()
    token: str = ""
    status: int = 200


class RowForms:
    """The part of a resource's view that writes."""

    declaration: ClassVar[Resource]

    def _page(self, arguments: Mapping[str, str] | None = None) -> lists.ListPage:
        raise NotImplementedError

    def _index_url(self) -> str:
        raise NotImplementedError

    def _tab(self) -> dict[str, Any]:
        raise NotImplementedError

    def _noun(self) -> str:
        raise NotImplementedError

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
        raise NotImplementedError

    # ------------------------------------------------------------ add and edit

    @expose("/add", methods=["GET", "POST"])
    @verb(Verb.ADD)
    def add(self) -> Any:
        fields = crud.form_fields(self.declaration, Verb.ADD, context.actor())
        if request.method == "GET":
            return self._form(Verb.ADD, fields, forms.texts_of(fields, self._first_values()))
        values = forms.read_form(fields, request.form, request.files)
        clock, confirmed = context.clock(), confirmed_here()
        try:
            context.run(
                lambda s: crud.create(s, self.declaration, values, clock=clock, confirmed=confirmed)
            )
        except KaowuError as error:
            return self._refused(Verb.ADD, fields, values, error)
        return self._saved(gettext("新增成功"))

    def _first_values(self) -> Mapping[str, Any]:
        """What an empty form holds."""
        return crud.defaults_of(self.declaration)

    @expose(f"/edit/{ROW}", methods=["GET", "POST"])
    @verb(Verb.EDIT)
    def edit(self, row_id: int) -> Any:
        session, actor = context.read_session(), context.actor()
        row = listing.row_by_id(session, self.declaration, row_id)
        fields = crud.form_fields(self.declaration, Verb.EDIT, actor)
        if request.method == "GET":
            values = forms.texts_of(fields, row)
            if request.args.get("copy") and self.declaration.former is not None:
                former = values | dict(self.declaration.former(session, row))
                values = forms.texts_of(fields, former)
            return self._form(Verb.EDIT, fields, values, row=row)
        sent = forms.read_form(fields, request.form, request.files)
        values = forms.without_untouched(fields, sent, row)
        version = request.form.get("version", "")
        known = int(version) if version.isascii() and version.isdigit() else 0
        clock, confirmed = context.clock(), confirmed_here()
        try:
            context.run(
                lambda s: crud.update(
                    s,
                    self.declaration,
                    row_id,
                    values,
                    version=known,
                    clock=clock,
                    confirmed=confirmed,
                )
            )
        except KaowuError as error:
            return self._refused(Verb.EDIT, fields, sent, error, row_id=row_id)
        return self._saved(gettext("保存成功"))

    def _saved(self, message: str) -> Any:
        return answers.saved(message, self._back())

    def _back(self) -> str:
        """Where the form came from: a superior who changed one site's page goes back to it."""
        row_id = (request.view_args or {}).get("row_id")
        is_edit = request.endpoint == f"{self.declaration.name}.edit"
        superior = context.actor().level not in self.declaration.single
        if self.declaration.single and superior and is_edit and row_id is not None:
            address: str = url_for(f"{self.declaration.name}.show", row_id=row_id)
            return address
        return self._index_url()

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
        why = Refusal(others=[context.message_of(error)], status=422)
        if isinstance(error, InvalidInput):
            why.errors, why.others = forms.split_errors(error, fields)
        elif isinstance(error, StaleRow):
            why.others, why.status = [], 409
            why.conflict = self._conflict(fields, sent, row)
        elif isinstance(error, effects.Unconfirmed):
            why.others, why.status = [], 409
            why.effects, why.token = texts(error.effects), error.token
        return self._form(what, fields, sent, row=row, why=why)

    def _conflict(
        self, fields: list[Field], sent: Mapping[str, Any], row: Any
    ) -> list[dict[str, Any]]:
        """What somebody else has saved meanwhile, beside what was typed."""
        stored = forms.texts_of(fields, row)
        found = []
        for known in fields:
            mine, theirs = sent.get(known.name, ""), stored[known.name]
            if known.name in sent and str(mine or "") != str(theirs or ""):
                if known.choices:
                    mine = gettext(known.choices.get(str(mine), str(mine)))
                current = getattr(row, known.name, None)
                shown = cells.plain(row, known) if current is not None else None
                found.append({"label": gettext(known.label), "theirs": shown, "mine": mine})
        return found

    def _form(
        self,
        what: Verb,
        fields: list[Field],
        values: Mapping[str, Any],
        *,
        row: Any = None,
        why: Refusal | None = None,
    ) -> Any:
        name, why = self.declaration.name, why or Refusal()
        page = self._page({})
        decision = page.rights.decision(self.declaration, what)
        if request.method == "GET":
            availability.require(page.session, name, page.actor)
            decision.require()
        words = gettext("新增") if what is Verb.ADD else gettext("修改")
        is_single = bool(self.declaration.single) and row is not None
        whose = [] if is_single else show.whose(row, page.superior)
        form = self._form_context(page, what, fields, values, row=row, why=why)
        if is_single:
            form["fieldsets"][:0] = single.whose(row)
        behalf = behalf_note(self.declaration, what, page.actor)
        return answers.page(
            "form",
            why.status,
            title=" · ".join([f"{words}{self._noun()}", *whose]),
            form=form,
            notices=[
                *([{"text": behalf}] if behalf else []),
                *([effect_notice(why.effects)] if why.effects else []),
            ],
            dialog_size="wide" if len(fields) > 6 else "",
            **self._tab(),
        )

    def _form_context(
        self,
        page: lists.ListPage,
        what: Verb,
        fields: list[Field],
        values: Mapping[str, Any],
        *,
        row: Any,
        why: Refusal,
    ) -> dict[str, Any]:
        """`Form` of the templates."""
        name = self.declaration.name
        version = crud.version_of(self.declaration, row) if row is not None else None
        hidden: list[tuple[str, Any]] = [("version", version)] if version is not None else []
        if why.token:
            hidden.append((CONFIRM, why.token))
        return {
            "action": url_for(f"{name}.{what.value}", **({"row_id": row.id} if row else {})),
            "fieldsets": forms.fieldsets(
                fields,
                values,
                groups=self.declaration.fieldsets,
                errors=why.errors,
                choices=crud.choices_for(page.session, fields, page.actor),
                search_urls={f.name: url_for(f"{name}.options", field=f.name) for f in fields},
            ),
            "hidden": hidden,
            "errors": list(why.others),
            "conflict": why.conflict,
            "cancel_url": self._back(),
            "remarks": texts(self.declaration.remarks),
            "submit_label": gettext("确认并保存") if why.effects else None,
        }

    # ------------------------------------------------------------ delete

    @expose(f"/delete/{ROW}", methods=["GET", "POST"])
    @verb(Verb.DELETE)
    def delete(self, row_id: int) -> Any:
        """Ask (GET), then delete (POST): a link never changes anything (hole 17)."""
        page = self._page({})
        row = listing.row_by_id(page.session, self.declaration, row_id)
        title = title_of(self.declaration, row)
        clock, confirmed = context.clock(), confirmed_here()
        told = crud.effects_of_removal(page.session, self.declaration, row, clock)
        errors: list[str] = []
        status = 200
        if request.method == "POST":
            try:
                context.run(
                    lambda s: crud.remove(
                        s, self.declaration, row_id, clock=clock, confirmed=confirmed
                    )
                )
                return self._saved(gettext("删除成功"))
            except effects.Unconfirmed as error:
                told, status = error.effects, error.status
                errors = [context.message_of(error)]
            except KaowuError as error:
                status = 422
                errors = [context.message_of(error)]
        else:
            availability.require(page.session, self.declaration.name, page.actor)
            page.rights.decision(self.declaration, Verb.DELETE).require()
        question = gettext("确定删除“%(title)s”？删除后不能恢复。", title=title)
        return self._question(
            gettext("删除") + self._noun(),
            question,
            url_for(f"{self.declaration.name}.delete", row_id=row_id),
            gettext("删除"),
            danger=True,
            errors=errors,
            effects=texts(told),
            hidden=[(CONFIRM, effects.token_of(told))] if told else [],
            status=status,
        )


def confirmed_here() -> str:
    """What the sent form confirms: the effects that its page has shown, and no others."""
    return effects.named(request.form.get(CONFIRM, ""))


def effect_notice(sentences: Sequence[str]) -> dict[str, Any]:
    """The effects above a form that asks to confirm them."""
    return {
        "text": gettext("此操作将产生下列影响，请核对后再次确认："),
        "tone": "warn",
        "lines": list(sentences),
    }


__all__ = ["CONFIRM", "ROW", "Refusal", "RowForms", "confirmed_here", "effect_notice"]
