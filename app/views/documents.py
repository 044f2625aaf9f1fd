"""One page per document: choose, generate, see whether it is still right, download (R0.5 G)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flask import request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext
from sqlalchemy import select

from app.jobs import engine as jobs
from app.jobs.declarations import JOBS
from app.jobs.documents import engine as documents
from app.metadata.declarations import Document
from app.metadata.errors import LABELLED, Message
from app.metadata.fields import Field, Kind
from app.metadata.registry import declared
from app.metadata.vocabulary import Verb
from app.models.job import DocumentFile, JobRun, JobState, StoredFile
from app.models.organisation import Organisation
from app.rules import policy
from app.rules.crud import choices_for
from app.views import request as context
from app.views.engine import answers, forms
from app.views.engine.answers import verb
from app.views.engine.downloads import send_stored
from app.views.engine.jobs import machine
from app.views.texts import joined, text


def shown_size(size: int) -> str:
    """“48 KB”, “1.2 MB”."""
    if size < 1024 * 1024:
        return f"{max(1, round(size / 1024))} KB"
    return f"{size / 1024 / 1024:.1f} MB"


class DocumentPage(BaseView):
    """Base of the generated views; `document_view` makes one per declaration."""

    declaration: ClassVar[Document]
    default_view = "index"

    @expose("/")
    @verb(Verb.VIEW)
    def index(self) -> Any:
        """What there is, what is being made, and the button."""
        return _Page(self.declaration).show()

    @expose("/generate", methods=["POST"])
    @verb(Verb.GENERATE)
    def generate(self) -> Any:
        """Ask for the document with the posted parameters."""
        declaration, made = self.declaration, machine()
        values = forms.read_form(declaration.parameters, request.form, {})
        context.run(lambda session: documents.generate(session, made, declaration, values))
        chosen = {name: value for name, value in values.items() if value}
        return answers.saved(
            gettext("正在生成，完成后可下载"), url_for(f"{declaration.name}.index", **chosen)
        )

    @expose("/<int:row_id>/download")
    @verb(Verb.DOWNLOAD)
    def download(self, row_id: int) -> Any:
        """The file; asked, counted and logged by the rule."""
        stored = context.run(
            lambda session: documents.download(session, self.declaration, row_id, context.clock())
        )
        return send_stored(machine().files, stored)


class _Page:
    """The context of one document's page."""

    def __init__(self, declaration: Document) -> None:
        self.declaration = declaration
        self.session = context.read_session()
        self.actor = context.actor()
        self.choices = choices_for(self.session, declaration.parameters, self.actor)

    def show(self) -> Any:
        texts = {
            one.name: request.args.get(one.name, forms.as_text(one, one.default))
            for one in self.declaration.parameters
        }
        clock = context.shown_clock()
        refusal = text(documents.why_not(self.session, self.declaration, texts, clock))
        active = documents.active_runs(self.session, self.declaration)
        rows = [self._running(run) for run in active]
        rows += self._failed(active)
        rows += self._present(not refusal)
        label = gettext("生成文件")
        return answers.page(
            "documents",
            title=gettext(self.declaration.label),
            notices=self._notices(refusal),
            generate=None if refusal else self._generate(label, {}) | self._choices(texts),
            documents=rows,
            poll_url=request.script_root + request.full_path if active else None,
        )

    def _notices(self, refusal: str | None) -> list[dict[str, Any]]:
        found = [{"text": refusal, "tone": "warn"}] if refusal else []
        if self.declaration.help:
            found.append({"text": gettext(self.declaration.help), "tone": "info"})
        return found

    def _choices(self, texts: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters beside the button (R34.2: the order is chosen, then generated)."""
        parameters = self.declaration.parameters
        return {"fields": [self._parameter(field, texts[field.name]) for field in parameters]}

    def _parameter(self, field: Field, value: Any) -> dict[str, Any]:
        offered = self.choices.get(field.name) or field.choices or {}
        kind = "select" if field.kind in (Kind.CHOICE, Kind.REFERENCE) else "text"
        return {
            "name": field.name,
            "label": gettext(field.label),
            "kind": kind,
            "value": value,
            "choices": [(key, gettext(label)) for key, label in offered.items()],
            "required": field.required,
        }

    def _generate(
        self, label: str, values: Mapping[str, Any], confirm: str | None = None
    ) -> dict[str, Any]:
        return {
            "label": label,
            "url": url_for(f"{self.declaration.name}.generate"),
            "kind": "post",
            "hidden": [(name, "" if value is None else value) for name, value in values.items()],
            "confirm": confirm,
        }

    def _hint(self, parameters: Mapping[str, Any]) -> str:
        """“排序方式：按考场座位”."""
        parts = []
        for field in self.declaration.parameters:
            value = parameters.get(field.name)
            if value in (None, ""):
                continue
            offered = self.choices.get(field.name) or field.choices or {}
            chosen = offered.get(str(value), str(value))
            parts.append(text(Message(LABELLED, label=field.label, message=chosen)))
        return joined(parts)

    def _running(self, run: JobRun) -> dict[str, Any]:
        waits = run.state == JobState.QUEUED.value
        cancel = {
            "label": gettext("取消"),
            "url": url_for(f"{JOBS.name}.cancel", row_id=run.id),
            "kind": "post",
            "confirm": gettext("确定取消生成？"),
            "danger": True,
        }
        return {
            "label": gettext(self.declaration.label),
            "hint": self._hint(run.parameters),
            "state": {"text": gettext("排队中") if waits else gettext("生成中"), "tone": "info"},
            "generated_at": None,
            "size": None,
            "progress": {"n": run.progress, "total": run.total or 0, "unit": gettext("份")},
            "actions": [cancel] if jobs.may_handle(self.actor, run) else [],
        }

    def _failed(self, active: list[JobRun]) -> list[dict[str, Any]]:
        """The last attempt, if it failed and nothing is going on."""
        run = None if active else documents.latest_run(self.session, self.declaration)
        if run is None or run.state != JobState.FAILED.value:
            return []
        retry = {
            "label": gettext("重试"),
            "url": url_for(f"{JOBS.name}.retry", row_id=run.id),
            "kind": "post",
        }
        return [
            {
                "label": gettext(self.declaration.label),
                "hint": run.error or self._hint(run.parameters),
                "state": {"text": gettext("生成失败"), "tone": "bad"},
                "generated_at": None,
                "size": None,
                "actions": [retry] if jobs.may_handle(self.actor, run) else [],
            }
        ]

    def _present(self, may_generate: bool) -> list[dict[str, Any]]:
        found = documents.present(self.session, self.declaration)
        names = self._organisations({row.organisation_id for row, _ in found})
        stale = documents.stale_among(self.session, self.declaration, [row for row, _ in found])
        made = []
        for row, stored in found:
            own = row.organisation_id == self.actor.organisation_id
            entry = self._row(row, stored, names)
            if own and may_generate:
                question = gettext("重新生成将替换现有文件，确定继续？")
                again = self._generate(gettext("重新生成"), row.parameters, question)
                entry["actions"].append(again)
            if stale.get(row.id):
                entry["stale_reason"] = gettext("生成后数据有变化，请重新生成")
            made.append(entry)
        return made

    def _organisations(self, ids: set[int]) -> dict[int, str]:
        if ids == {self.actor.organisation_id}:
            return {}
        rows = self.session.scalars(select(Organisation).where(Organisation.id.in_(ids)))
        return {row.id: row.display for row in rows}

    def _row(
        self, row: DocumentFile, stored: StoredFile, names: Mapping[int, str]
    ) -> dict[str, Any]:
        decision = policy.check(
            self.session, self.declaration, Verb.DOWNLOAD, self.actor, context.shown_clock()
        )
        download = {
            "label": gettext("下载"),
            "url": url_for(f"{self.declaration.name}.download", row_id=row.id),
            "kind": "download",
            "disabled_reason": text(decision.refusal) if decision.refusal else None,
        }
        place = names.get(row.organisation_id)
        return {
            "label": stored.name,
            "hint": "　".join(filter(None, [place, self._hint(row.parameters)])),
            "state": {"text": gettext("已生成"), "tone": "ok"},
            "generated_at": row.created_at,
            "size": shown_size(stored.size),
            "actions": [download],
        }


def document_view(declaration: Document) -> type[DocumentPage]:
    """The view class of a document."""
    return type(
        f"{declaration.name.title().replace('_', '')}Document",
        (DocumentPage,),
        {
            "declaration": declaration,
            "route_base": f"/{declaration.name.replace('_', '-')}",
            "class_permission_name": declaration.name,
        },
    )


def register(builder: Any) -> None:
    """One page per declared document."""
    for declaration in declared(Document):
        builder.add_view_no_menu(document_view(declaration), endpoint=declaration.name)
