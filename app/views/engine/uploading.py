"""What the page of an import and its REST have in common: template, first values, the upload."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from flask import Response, request, send_file
from flask_babel import get_locale, gettext

from app.jobs.imports import engine as imports
from app.jobs.imports.report import MEDIA_TYPE
from app.jobs.imports.template import template_workbook
from app.metadata.declarations import Import
from app.metadata.fields import Field, Kind
from app.models.job import JobRun
from app.rules.crud import choices_for
from app.views import request as context
from app.views.engine import forms
from app.views.engine.jobs import machine


def first_value(option: Field, choices: Mapping[str, str]) -> Any:
    """What stands in an option's field at first: where there is one choice alone (one's own
    organisation), it is made already."""
    if option.kind is Kind.REFERENCE and len(choices) == 1:
        return next(iter(choices))
    return forms.as_text(option, option.default)


def submit(
    declaration: Import,
    content: bytes,
    name: str,
    values: Mapping[str, Any],
    *,
    apply: bool,
    again: bool = False,
) -> JobRun:
    """Take the upload of the request's actor; what it raises is told at `uploads.submit`."""
    return imports.submit(
        machine(),
        context.actor(),
        declaration,
        content,
        name,
        options=values,
        apply=apply,
        again=again,
        language=str(get_locale() or ""),
        request_id=context.request_id(),
        address=request.remote_addr or "",
    )


def send_template(declaration: Import) -> Response:
    """The workbook to fill in."""
    session = context.read_session()
    choices = choices_for(session, declaration.columns, context.actor())
    limit = imports.row_limit(machine(), declaration)
    content = template_workbook(declaration, choices, limit)
    return send_file(
        io.BytesIO(content),
        mimetype=MEDIA_TYPE,
        as_attachment=True,
        download_name=f"{gettext(declaration.label)}{gettext('模板')}.xlsx",
        max_age=0,
    )


__all__ = ["first_value", "send_template", "submit"]
