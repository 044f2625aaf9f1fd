"""Another moment for the windows that are shown (architecture §4.4): for superusers, display only.

The moment lives in the cookie of the log-in. Pages that show states of windows ask
`context.shown_clock()`; whatever is saved, run or downloaded asks the server's clock.
"""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request, session, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext
from werkzeug.exceptions import NotFound

from app.metadata.cleaning import load
from app.metadata.errors import N_, InvalidInput
from app.metadata.fields import Field, Kind
from app.metadata.vocabulary import Personal
from app.views import request as context
from app.views.engine import answers, forms

MOMENT = Field(
    name="moment",
    label=N_("预览时刻"),
    personal=Personal.NONE,
    kind=Kind.DATETIME,
    help=N_("只改变页面上操作时间的状态；留空为结束预览。保存和下载仍按服务器的当前时间判断"),
)


class Preview(BaseView):
    """Choose the moment, or end the preview. Others than superusers do not find the page."""

    route_base = "/preview"
    default_view = "index"

    @expose("/", methods=["GET", "POST"])
    def index(self) -> Any:
        if not context.actor().is_super:
            raise NotFound
        if request.method == "GET":
            texts = forms.texts_of([MOMENT], {MOMENT.name: context.previewed() or ""})
            return _form(texts)
        sent = forms.read_form([MOMENT], request.form, request.files)
        try:
            moment = load([MOMENT], sent)[MOMENT.name]
        except InvalidInput as error:
            errors, others = forms.split_errors(error, [MOMENT])
            return _form(sent, errors=errors, others=others, status=422)
        if moment is None:
            session.pop(context.PREVIEW, None)
            flash(gettext("预览已结束，页面按当前时间显示。"), "success")
        else:
            session[context.PREVIEW] = moment.isoformat()
        return redirect(url_for("Home.index"))


def _form(
    texts: Any,
    *,
    errors: forms.Errors | None = None,
    others: list[str] | None = None,
    status: int = 200,
) -> Any:
    form = {
        "action": url_for("Preview.index"),
        "fieldsets": forms.fieldsets([MOMENT], texts, errors=errors),
        "errors": others or [],
        "submit_label": gettext("确定"),
        "cancel_url": url_for("Home.index"),
    }
    return answers.page("form", status, title=gettext("预览其他时刻"), form=form, notices=[])
