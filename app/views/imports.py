"""One page per import: template, upload, progress, verdict, errors, report (R0.5 I)."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import flash, redirect, request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext
from sqlalchemy import select

from app.jobs.imports import engine as imports
from app.jobs.imports.container import UploadRefused
from app.jobs.imports.engine import AlreadyImported
from app.metadata.declarations import Import
from app.metadata.errors import N_, InvalidInput, Message
from app.metadata.fields import Field, Kind
from app.metadata.registry import declared
from app.metadata.vocabulary import Personal, Verb
from app.models.job import JobRun
from app.rules.crud import choices_for
from app.rules.policy import granted
from app.views import request as context
from app.views.engine import answers, forms
from app.views.engine.answers import verb
from app.views.engine.governing import governing
from app.views.engine.jobs import machine
from app.views.engine.rights import notice_against
from app.views.engine.uploading import first_value, send_template, submit
from app.views.jobs import run_context
from app.views.keys import key_of
from app.views.texts import text

FILE = Field(name="_file", label=N_("导入文件"), personal=Personal.NONE, kind=Kind.FILE)
#: name of the second button of the form
CHECK_ONLY = "_check_only"
_HELP = (
    N_("请下载模板填写，不要修改表头；单元格设为文本格式。"),
    N_("支持 {formats}，最多 {rows} 行，不超过 {size} MB；不支持 .rar 和带宏的工作簿。"),
)
_AGAIN = N_(
    "同一文件已由{who}于 {moment} 成功导入过，本次只校验。如需再次导入，请在校验通过后点击“提交”。"
)
_ATOMIC = N_("任一行有错时全部不导入，可下载报告修改后重新提交。")
_PARTIAL = N_("正确的行会导入，错误的行不导入，可下载报告修改后重新提交。")


class ImportPage(BaseView):
    """Base of the generated views; `import_view` makes one per declaration."""

    declaration: ClassVar[Import]
    default_view = "index"

    @expose("/", methods=["GET"])
    @verb(Verb.VIEW)
    def index(self) -> Any:
        """The form, and the running or last run of one's own organisation."""
        return self._page()

    @expose("/", methods=["POST"])
    @verb(Verb.RUN)
    def upload(self) -> Any:
        """Take the upload, then show its run on the same page."""
        declaration, upload = self.declaration, request.files.get(FILE.name)
        values = forms.read_form(declaration.options, request.form, {})
        if upload is None or not upload.filename:
            return self._page({FILE.name: [gettext("请选择要导入的文件")]}, 422)
        context.close_read_session()
        content, checking = upload.read(), request.form.get(CHECK_ONLY) == "1"
        try:
            try:
                run = submit(declaration, content, upload.filename, values, apply=not checking)
            except AlreadyImported as error:
                # asked again: the file is checked; 提交 behind the result imports it once more
                run = submit(declaration, content, upload.filename, values, apply=False)
                flash(text(Message(_AGAIN, **error.parameters)), "warn")
                return redirect(url_for(f"{declaration.name}.index", run=run.id))
        except UploadRefused as error:
            return self._page({FILE.name: [text(error)]}, 422)
        except InvalidInput as error:
            return self._page({name: list(found) for name, found in error.errors.items()}, 422)
        # its panel says what becomes of it; a message would stay when the verdict has come
        return redirect(url_for(f"{declaration.name}.index", run=run.id))

    @expose("/<int:run_id>/submit", methods=["POST"])
    @verb(Verb.RUN)
    def submit(self, run_id: int) -> Any:
        """Import the file of a check that found nothing."""
        declaration, made = self.declaration, machine()
        started = context.run(
            lambda session: imports.submit_checked(session, made, declaration, run_id).id
        )
        return redirect(url_for(f"{declaration.name}.index", run=started))

    @expose("/template")
    @verb(Verb.VIEW)
    def template(self) -> Any:
        """The workbook to fill in."""
        return send_template(self.declaration)

    def _page(self, errors: dict[str, list[str]] | None = None, status: int = 200) -> Any:
        session, declaration, acting = context.read_session(), self.declaration, context.actor()
        refusal = notice_against(session, declaration, Verb.RUN, context.shown_clock())
        imports_here = granted(declaration, Verb.RUN, acting)
        run = self._run()
        return answers.page(
            "import",
            status,
            title=gettext(declaration.label),
            # who only looks is told who imports instead
            notices=[refusal] if refusal and imports_here else [],
            governed=governing(session, declaration, acting),
            form=None if refusal else self._form(session, acting, errors or {}),
            template_url=url_for(f"{declaration.name}.template"),
            help=self._help(),
            run=run_context(run) if run else None,
        )

    def _form(self, session: Any, acting: Any, errors: dict[str, list[str]]) -> dict[str, Any]:
        declaration = self.declaration
        choices = choices_for(session, declaration.options, acting)
        fields = [FILE, *declaration.options]
        texts = {
            option.name: first_value(option, choices.get(option.name, {})) for option in fields
        }
        made = [
            forms.form_field(
                field,
                request.form.get(field.name, texts[field.name]),
                errors=errors.get(field.name, ()),
                choices=choices.get(field.name),
            )
            for field in fields
        ]
        made[0]["accept"] = ",".join(declaration.formats)
        return {
            "action": url_for(f"{declaration.name}.upload"),
            "fields": made,
            "second": {"name": CHECK_ONLY, "label": gettext("仅校验")},
        }

    def _help(self) -> list[str]:
        declaration = self.declaration
        lines = [
            text(
                Message(
                    line,
                    formats=list(declaration.formats),
                    rows=imports.row_limit(machine(), declaration),
                    size=imports.byte_limit(machine(), declaration) // (1024 * 1024),
                )
            )
            for line in _HELP
        ]
        lines.append(gettext(_ATOMIC if declaration.atomic else _PARTIAL))
        return lines + ([gettext(declaration.help)] if declaration.help else [])

    def _run(self) -> JobRun | None:
        """The run that is asked for, else the newest of the organisation."""
        session, acting = context.read_session(), context.actor()
        statement = select(JobRun).where(JobRun.declaration == self.declaration.name)
        wanted = request.args.get("run", type=key_of)
        if wanted is not None:
            statement = statement.where(JobRun.id == wanted)
        else:
            statement = statement.where(JobRun.organisation_code == acting.organisation_code)
        return session.scalars(statement.order_by(JobRun.id.desc()).limit(1)).first()


def import_view(declaration: Import) -> type[ImportPage]:
    """The view class of an import."""
    return type(
        f"{declaration.name.title().replace('_', '')}Import",
        (ImportPage,),
        {
            "declaration": declaration,
            "route_base": f"/{declaration.name.replace('_', '-')}",
            "class_permission_name": declaration.name,
        },
    )


def register(builder: Any) -> None:
    """One page per declared import."""
    for declaration in declared(Import):
        builder.add_view_no_menu(import_view(declaration), endpoint=declaration.name)


__all__ = ["import_view", "register"]
