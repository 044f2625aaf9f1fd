"""REST of imports: /api/v1/import/<name>/ takes a file, as the import's page does.

The file comes as multipart/form-data, the options beside it under their names:

    file=@students.xlsx  site=990701  overwrite=true  dry_run=true

The answer is the job; its check is submitted, and its report fetched, there (`job_rest`).
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar

from flask import Response, jsonify, request, url_for
from flask_appbuilder import BaseView, expose
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import UnsupportedMediaType

from app.jobs.imports.engine import byte_limit, row_limit
from app.metadata.declarations import Import
from app.metadata.errors import N_, InvalidInput
from app.metadata.fields import Kind
from app.metadata.text import Bad, parse_bool
from app.metadata.vocabulary import Verb
from app.rules.crud import choices_for
from app.views import request as context
from app.views.engine.answers import administrator, verb
from app.views.engine.jobs import machine
from app.views.engine.rest import NO_BOOLEAN, NO_TEXT, UNKNOWN, accepted, no_arguments
from app.views.engine.rest_kinds import described, fields_of, visible
from app.views.engine.uploading import first_value, send_template, submit

PREFIX = "/api/v1/import"
FILE, DRY_RUN, AGAIN = "file", "dry_run", "again"
#: parts of a request beside the options
PARTS = (FILE, DRY_RUN, AGAIN)
_NO_FILE = N_("请选择要导入的文件")
_TWICE = N_("只能填写一次")


@dataclass(frozen=True, slots=True)
class Upload:
    """What a request sends: the file, the raw options, and how far it is to go."""

    content: bytes
    name: str
    values: dict[str, Any]
    dry_run: bool
    #: import it although the very same file was imported before
    again: bool


def upload_of(declaration: Import) -> Upload:
    """Read the request. Raises InvalidInput with everything that is wrong with its parts."""
    no_arguments()
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType()
    errors: dict[str, list[str]] = {}
    sent = _file(declaration, errors)
    values = _options(declaration, errors)
    flags = {name: _flag(name, errors) for name in (DRY_RUN, AGAIN)}
    if sent is None or errors:
        raise InvalidInput(errors)
    with closing(sent) as file:
        return Upload(file.stream.read(), file.filename or "", values, **flags)


def _file(declaration: Import, errors: dict[str, list[str]]) -> FileStorage | None:
    """The one file; every other part is text."""
    known = {*PARTS, *(option.name for option in declaration.options)}
    for name in set(request.files) - {FILE}:
        errors[name] = [NO_TEXT if name in known else UNKNOWN]
    sent = request.files.getlist(FILE)
    if len(sent) == 1 and sent[0].filename and FILE not in request.form:
        return sent[0]
    errors[FILE] = [_TWICE if len(sent) > 1 else _NO_FILE]
    return None


def _options(declaration: Import, errors: dict[str, list[str]]) -> dict[str, Any]:
    """The raw options of the import. A tick says yes or no: blank is neither."""
    form, options = request.form, {option.name: option for option in declaration.options}
    for name in set(form) - {*options, *PARTS}:
        errors[name] = [UNKNOWN]
    several = {name for name, option in options.items() if option.kind is Kind.CHOICES}
    for name in set(form) - several:
        if len(form.getlist(name)) > 1:
            errors.setdefault(name, [_TWICE])
    ticks = [name for name, option in options.items() if option.kind is Kind.BOOLEAN]
    for name in ticks:
        if name in form:
            _flag(name, errors)
    return {
        name: form.getlist(name) if name in several else form[name]
        for name in options
        if name in form
    }


def _flag(name: str, errors: dict[str, list[str]]) -> bool:
    """A tick; one that is left out is none."""
    try:
        return parse_bool(request.form.get(name, "false"))
    except Bad:
        errors.setdefault(name, [NO_BOOLEAN])
        return False


def document_of(declaration: Import) -> dict[str, Any]:
    """An import as JSON: what a file may be, its columns, the options beside it."""
    name = declaration.name
    columns = [column for column in declaration.columns if column.form]
    # the file itself is Chinese, whatever the caller's language
    headings = [{"heading": column.label} for column in columns]
    return described(declaration, Verb.RUN, url_for(f"api_{name}.show")) | {
        "template": url_for(f"api_{name}.template"),
        "formats": list(declaration.formats),
        "most_rows": row_limit(machine(), declaration),
        "most_bytes": byte_limit(machine(), declaration),
        "atomic": declaration.atomic,
        "sheet": declaration.sheet,
        "columns": [h | f for h, f in zip(headings, fields_of(columns), strict=True)],
        "options": fields_of(declaration.options),
    }


class ImportKinds(BaseView):
    """The imports that the caller may look at."""

    route_base = PREFIX
    default_view = "index"

    @expose("/")
    @administrator
    def index(self) -> Response:
        """All of them with their columns."""
        return jsonify({"rows": [document_of(item) for item in visible(Import)]})


class ImportRest(BaseView):
    """Base of the generated views; `import_rest` makes one per declaration."""

    declaration: ClassVar[Import]

    @expose("/")
    @verb(Verb.VIEW)
    def show(self) -> Response:
        """What a file may be, its columns, the options beside it."""
        return jsonify(document_of(self.declaration))

    @expose("/template")
    @verb(Verb.VIEW)
    def template(self) -> Response:
        """The workbook to fill in."""
        return send_template(self.declaration)

    @expose("/", methods=["POST"])
    @verb(Verb.RUN)
    def upload(self) -> Response:
        """Take a file: 202 with the job's address. Raises what the page refuses, AlreadyImported
        for the very same file as before unless `again` is true."""
        declaration, upload = self.declaration, upload_of(self.declaration)
        session = context.read_session()
        choices = choices_for(session, declaration.options, context.actor())
        values = {
            option.name: first
            for option in declaration.options
            if (first := first_value(option, choices.get(option.name, {}))) != ""
        } | upload.values
        context.close_read_session()
        run = submit(
            declaration,
            upload.content,
            upload.name,
            values,
            apply=not upload.dry_run,
            again=upload.again,
        )
        return accepted(run.id)


def import_rest(declaration: Import) -> type[ImportRest]:
    """The view class of an import's REST; its endpoint is `api_<name>`."""
    return type(
        f"{declaration.name.title().replace('_', '')}Rest",
        (ImportRest,),
        {
            "declaration": declaration,
            "route_base": f"{PREFIX}/{declaration.name}",
            "class_permission_name": declaration.name,
            "default_view": "show",
            "__doc__": f"REST of the import {declaration.name}.",
        },
    )


__all__ = ["PARTS", "ImportKinds", "ImportRest", "import_rest"]
