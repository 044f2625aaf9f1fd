"""One view per operation: question with the count, form, run (or job), outcome of every row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from flask import request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext

from app.metadata.declarations import On, Operation, RowOutcome
from app.metadata.errors import InvalidInput, KaowuError, Message, NotFound
from app.metadata.fields import Field
from app.metadata.presenting import title_of
from app.metadata.vocabulary import Verb
from app.rules import availability, crud, effects, listing, operations, policy
from app.rules.operations import Chosen
from app.views import request as context
from app.views.engine import answers, forms, jobs, reauthentication
from app.views.engine.answers import verb
from app.views.engine.editing import CONFIRM, confirmed_here, effect_notice
from app.views.engine.governing import behalf_note
from app.views.engine.tokens import seal, unseal
from app.views.texts import text

#: rows of the outcome that are shown; all are in the log
SHOWN = 1_000
#: ids of one address: a page of a list has at most 200 rows
MOST_IDS = 200


class OperationView(BaseView):
    """Base of the generated views; `operation_view` makes one per declaration."""

    declaration: ClassVar[Operation]

    @expose("/", methods=["GET", "POST"])
    @verb(Verb.RUN)
    def index(self) -> Any:
        """Ask with the count (GET), then do it (POST)."""
        chosen = self._chosen()
        return self._ask(chosen) if request.method == "GET" else self._do(chosen)

    # ------------------------------------------------------------ what it works on

    def _chosen(self) -> Chosen:
        """Ids, or the sealed query. Raises NotFound for what is no number, BadToken."""
        token = request.values.get("query", "")
        if token:
            return Chosen(query=unseal(token, context.actor()))
        texts = request.values.getlist("ids")
        if len(texts) > MOST_IDS or not all(_is_key(item) for item in texts):
            raise NotFound()
        return Chosen(tuple(dict.fromkeys(int(item) for item in texts)))

    def _sealed(self, chosen: Chosen) -> Chosen:
        """The query with its count and highest row: what is confirmed is what is done."""
        if chosen.query is None or chosen.query.expected is not None:
            return chosen
        resource = operations.resource_of(self.declaration)
        return Chosen(query=listing.seen(context.read_session(), resource, chosen.query))

    # ------------------------------------------------------------ ask

    def _ask(self, chosen: Chosen) -> Any:
        session, actor = context.read_session(), context.actor()
        for name in (self.declaration.name, self.declaration.resource):
            availability.require(session, name, actor)
        clock = context.shown_clock()
        policy.check(session, self.declaration, Verb.RUN, actor, clock).require()
        fields = self._fields()
        values: dict[str, Any] = {field.name: field.default for field in fields}
        resource = operations.resource_of(self.declaration)
        rows = listing.rows_by_id(session, resource, list(chosen.ids))
        if len(rows) == 1 and self.declaration.initial is not None:
            values |= self.declaration.initial(session, rows[0])
        return self._form(self._sealed(chosen), fields, forms.texts_of(fields, values))

    def _fields(self) -> list[Field]:
        more = [reauthentication.FIELD] if self.declaration.reauthenticate else []
        return [*operations.fields_of(self.declaration, context.read_session()), *more]

    def _question(self, chosen: Chosen, number: int, fields: list[Field]) -> str:
        """The declared sentence with the count; for one row, with its name."""
        label = gettext(self.declaration.label)
        sentence: str
        if self.declaration.question is not None:
            session = context.read_session()
            resource = operations.resource_of(self.declaration)
            rows = listing.rows_by_id(session, resource, list(chosen.ids))
            sentence = text(self.declaration.question(session, rows))
        elif self.declaration.confirm:
            sentence = text(Message(self.declaration.confirm, count=number))
        elif len(chosen.ids) == 1:
            resource = operations.resource_of(self.declaration)
            row = listing.row_by_id(context.read_session(), resource, chosen.ids[0])
            title = title_of(resource, row)
            sentence = gettext("确定对“%(title)s”执行“%(label)s”？", title=title, label=label)
        elif number == 0:
            # a page's operation with fields is a form like any other: saving it is the answer
            sentence = "" if fields else gettext("确定执行“%(label)s”？", label=label)
        elif chosen.query is not None:
            sentence = gettext(
                "确定对查询结果的全部 %(n)s 条记录执行“%(label)s”？", n=number, label=label
            )
        else:
            sentence = gettext("确定对选中的 %(n)s 条记录执行“%(label)s”？", n=number, label=label)
        return sentence

    def _form(
        self,
        chosen: Chosen,
        fields: list[Field],
        texts: Mapping[str, Any],
        *,
        errors: forms.Errors | None = None,
        others: list[str] | None = None,
        unconfirmed: effects.Unconfirmed | None = None,
        status: int = 200,
    ) -> Any:
        session, actor = context.read_session(), context.actor()
        number = operations.count(session, self.declaration, chosen)
        if chosen.query is not None:
            hidden = [("query", seal(chosen.query, actor))]
        else:
            hidden = [("ids", str(key)) for key in chosen.ids]
        behalf = behalf_note(self.declaration, Verb.RUN, actor)
        told = [{"text": behalf}] if behalf else []
        if unconfirmed is not None:
            told.append(effect_notice([text(item) for item in unconfirmed.effects]))
        if unconfirmed is not None:
            hidden.append((CONFIRM, unconfirmed.token))
        form = {
            "action": url_for(f"{self.declaration.name}.index"),
            "hidden": hidden,
            "fieldsets": forms.fieldsets(
                fields,
                texts,
                errors=errors,
                choices=crud.choices_for(session, fields, actor),
            ),
            "errors": others or [],
            "submit_label": gettext("确认并执行") if unconfirmed else gettext("确定"),
            "cancel_url": self._back(),
            "danger": self.declaration.danger,
        }
        return answers.page(
            "operation",
            status,
            title=gettext(self.declaration.label),
            notices=told,
            text=self._question(chosen, number, fields),
            form=form,
            outcome=None,
            close_url=self._back(),
            **self._tab(),
        )

    def _back(self) -> str:
        return url_for(f"{self.declaration.resource}.index")

    def _tab(self) -> dict[str, Any]:
        resource = operations.resource_of(self.declaration)
        return {"tab_key": f"{resource.name}.index", "tab_title": gettext(resource.label)}

    # ------------------------------------------------------------ do

    def _do(self, chosen: Chosen) -> Any:
        fields = self._fields()
        sent = forms.read_form(fields, request.form, request.files)
        try:
            if chosen.query is not None and chosen.query.expected is None:
                raise operations.NothingChosen()  # never what was not counted and confirmed
            values = dict(sent)
            if self.declaration.reauthenticate:
                reauthentication.require(values.pop(reauthentication.NAME, ""))
            return self._run(chosen, values)
        except operations.QueryChanged as error:
            again = self._sealed(
                Chosen(query=chosen.query and replace(chosen.query, expected=None))
            )
            message = context.message_of(error)
            return self._form(again, fields, sent, others=[message], status=409)
        except effects.Unconfirmed as error:
            return self._form(chosen, fields, sent, unconfirmed=error, status=409)
        except KaowuError as error:
            errors: forms.Errors = {}
            others = [context.message_of(error)]
            if isinstance(error, InvalidInput):
                errors, others = forms.split_errors(error, fields)
            elif isinstance(error, (operations.TooManyRows, operations.NothingChosen, NotFound)):
                raise
            return self._form(chosen, fields, sent, errors=errors, others=others, status=422)

    def _run(self, chosen: Chosen, values: Mapping[str, Any]) -> Any:
        session = context.read_session()
        number = operations.count(session, self.declaration, chosen)
        clock, confirmed = context.clock(), confirmed_here()
        if number > self.declaration.inline_up_to:
            operations.require_confirmed(
                session, self.declaration, chosen, values, confirmed, clock=clock
            )
            parameters = chosen.to_json() | {"values": dict(values)}
            address = jobs.enqueue("operation", self.declaration, parameters, total=number)
            return answers.saved(gettext("已提交，正在后台执行"), address, follow=True)
        report = context.run(
            lambda unit: operations.run(
                unit, self.declaration, chosen, values, clock=clock, confirmed=confirmed
            )
        )
        if report.skipped or any(outcome.reason for outcome in report.outcomes):
            return self._outcome(report)
        done = report.done
        if On.PAGE in self.declaration.on and not report.outcomes:
            return answers.saved(gettext("操作成功"), self._back())
        return answers.saved(gettext("已完成 %(n)s 项", n=done), self._back())

    def _outcome(self, report: operations.Report) -> Any:
        """Every row's result, the skipped ones first: their reasons must be read."""
        ordered = sorted(report.outcomes, key=lambda outcome: outcome.done)
        outcome = {
            "done": report.done,
            "refused": report.skipped,
            "rows": [_shown(row) for row in ordered[:SHOWN]],
        }
        return answers.page(
            "operation",
            title=gettext(self.declaration.label),
            text="",
            form={"fieldsets": []},
            outcome=outcome,
            close_url=self._back(),
            dialog_size="",
            **self._tab(),
        )


def _is_key(item: str) -> bool:
    return item.isascii() and item.isdigit() and int(item) < 2**63 if len(item) < 20 else False


def _shown(outcome: RowOutcome) -> dict[str, Any]:
    words = text(outcome.reason) or (gettext("已完成") if outcome.done else gettext("未执行"))
    return {"label": outcome.title, "text": words, "tone": "" if outcome.done else "bad"}


def operation_view(operation: Operation) -> type[OperationView]:
    """The view class of an operation; its endpoint is the declaration's name."""
    return type(
        f"{operation.name.title().replace('_', '')}Run",
        (OperationView,),
        {
            "declaration": operation,
            "route_base": f"/{operation.name.replace('_', '-')}",
            "class_permission_name": operation.name,
            "default_view": "index",
            "__doc__": f"Pages of the operation {operation.name}.",
        },
    )
