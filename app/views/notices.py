"""考点报名通告设置 and 省报名通告设置: the notice in force beside the new one, and a preview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext

from app.metadata.cleaning import clean
from app.metadata.errors import InvalidInput, KaowuError, NotFound, StaleRow
from app.metadata.fields import Field
from app.metadata.text import LOCAL_ZONE, Bad
from app.metadata.vocabulary import Level, Verb
from app.models.organisation import Organisation
from app.models.settings import Notice, SiteSettings
from app.rules import crud, effects, listing, notices, policy
from app.rules.last_change import last_change_of, sentence
from app.rules.notices import NEW, NEW_NOTICE, PROVINCE_NOTICE, SITE_NOTICE
from app.views import request as context
from app.views.engine import answers, forms, lists, single
from app.views.engine.answers import verb
from app.views.engine.editing import CONFIRM, ROW, Refusal, confirmed_here, effect_notice
from app.views.engine.resource import ResourceView, pages_of
from app.views.texts import text, texts


def _typed() -> str | None:
    """The notice that a form sent, sanitised; None for an empty one. Raises InvalidInput."""
    try:
        typed: str | None = clean(NEW_NOTICE, request.form.get(NEW, ""))
    except Bad as error:
        raise InvalidInput({NEW: [error.as_message()]}) from None
    return typed


def _preview(province: str | None, site: str | None, site_name: str, back: str) -> Any:
    return answers.page(
        "notice_preview",
        title=gettext("预览：考生看到的通告"),
        province=province,
        site=site,
        site_name=site_name,
        back_url=back,
        dialog_size="",
    )


@pages_of(SITE_NOTICE.name)
class SiteNoticeView(ResourceView):
    """The page of one site is the form: nothing but the text is set here."""

    def _single(self, page: lists.ListPage, row: Any) -> Any:
        form = None
        if page.rights.may(Verb.EDIT):
            fields = crud.form_fields(self.declaration, Verb.EDIT, page.actor)
            form = self._form_context(page, Verb.EDIT, fields, {}, row=row, why=Refusal())
        return self._notice(page, row, form, [])

    def _form(
        self,
        what: Verb,
        fields: list[Field],
        values: Mapping[str, Any],
        *,
        row: Any = None,
        why: Refusal | None = None,
    ) -> Any:
        page, why = self._page({}), why or Refusal()
        if request.method == "GET":
            page.rights.decision(self.declaration, what).require()
        form = self._form_context(page, what, fields, values, row=row, why=why)
        told = [effect_notice(why.effects)] if why.effects else []
        return self._notice(page, row, form, told, why.status)

    def _notice(
        self,
        page: lists.ListPage,
        row: SiteSettings,
        form: dict[str, Any] | None,
        told: list[dict[str, Any]],
        status: int = 200,
    ) -> Any:
        values = single.context(page, row)
        values["notices"] = [*told, *values["notices"]]
        keep = [item for item in values["actions"] if item["label"] != gettext("修改")]
        notice = notices.notice_of(page.session, row.site_id)
        return answers.page(
            "notice",
            status,
            **(values | {"form": form, "actions": keep}),
            current=notice.html if notice is not None else None,
            preview_url=url_for(f"{self.declaration.name}.preview", row_id=row.id),
            **self._tab(),
        )

    @expose(f"/preview/{ROW}", methods=["POST"])
    @verb(Verb.SHOW)
    def preview(self, row_id: int) -> Any:
        """Both notices, this one as it was typed (R17.3)."""
        session = context.read_session()
        row = listing.row_by_id(session, self.declaration, row_id)
        above = notices.notice_of(session, row.province_id)
        name = row.site.name if row.site is not None else ""
        return _preview(above.html if above else None, _typed(), name, self._index_url())


class ProvinceNotice(BaseView):
    """The province writes it; everybody below reads it (R16.1); the centre reads all."""

    route_base = "/province-notice"
    class_permission_name = PROVINCE_NOTICE.name
    default_view = "index"
    declaration = PROVINCE_NOTICE

    @expose("/", methods=["GET"])
    @verb(Verb.VIEW)
    def index(self) -> Any:
        province = self._province()
        return self._choose() if province is None else self._show(province, {}, Refusal())

    @expose("/", methods=["POST"])
    @verb(Verb.EDIT)
    def save(self) -> Any:
        province = self._province()
        if province is None:
            raise NotFound()
        sent = {NEW: request.form.get(NEW, "")}
        version = request.form.get("version", "")
        known = int(version) if version.isascii() and version.isdigit() else None
        clock, confirmed = context.clock(), confirmed_here()
        try:
            context.run(
                lambda session: notices.set_province_notice(
                    session, province, sent, version=known, clock=clock, confirmed=confirmed
                )
            )
        except KaowuError as error:
            return self._show(province, sent, self._refusal(error))
        return answers.saved(gettext("保存成功"), url_for(f"{self.declaration.name}.index"))

    @expose("/preview", methods=["POST"])
    @verb(Verb.VIEW)
    def preview(self) -> Any:
        """The province's notice as it was typed."""
        back = url_for(f"{self.declaration.name}.index")
        return _preview(_typed(), None, "", back)

    @staticmethod
    def _refusal(error: KaowuError) -> Refusal:
        why = Refusal(others=[context.message_of(error)], status=error.status)
        if isinstance(error, InvalidInput):
            why.errors, why.others = forms.split_errors(error, [NEW_NOTICE])
        elif isinstance(error, StaleRow):
            why.others, why.conflict = [], []
        elif isinstance(error, effects.Unconfirmed):
            why.others, why.effects, why.token = [], texts(error.effects), error.token
        return why

    def _province(self) -> Organisation | None:
        """The actor's province; the one that the centre has chosen; None where it chose none."""
        session, actor = context.read_session(), context.actor()
        if actor.province_id is not None:
            return session.get(Organisation, actor.province_id)
        code = request.values.get("province", "")
        found = [row for row in notices.provinces(session) if row[0].code == code]
        if code and not found:
            raise NotFound()
        return found[0][0] if found else None

    def _choose(self) -> Any:
        """The centre: provinces, and whether each has a notice."""
        address = url_for(f"{self.declaration.name}.index")
        rows = [
            {
                "id": province.id,
                "cells": {
                    "name": {
                        "text": province.display,
                        "url": f"{address}?province={province.code}",
                    },
                    "state": {
                        "text": gettext("已设置") if is_set else gettext("未设置"),
                        "tone": "ok" if is_set else "off",
                    },
                },
            }
            for province, is_set in notices.provinces(context.read_session())
        ]
        columns = [
            {"name": "name", "label": gettext("省")},
            {"name": "state", "label": gettext("当前通告")},
        ]
        return answers.page(
            "list",
            title=gettext(self.declaration.label),
            notices=[{"text": gettext(self.declaration.help)}],
            search=None,
            table={"columns": columns, "rows": rows, "label": gettext(self.declaration.label)},
        )

    def _show(self, province: Organisation, sent: Mapping[str, str], why: Refusal) -> Any:
        session, actor = context.read_session(), context.actor()
        name = self.declaration.name
        current = notices.notice_of(session, province.id)
        decision = policy.check(session, self.declaration, Verb.EDIT, actor, context.shown_clock())
        told = [effect_notice(why.effects)] if why.effects else []
        if decision.refusal is not None and not isinstance(decision.refusal, policy.NoVerb):
            told.append({"text": text(decision.refusal), "tone": "warn"})
        told.append({"text": gettext(self.declaration.help)})
        version = current.version if current is not None else 0
        former = notices.notice_before(session, province.id) if decision.allowed else {}
        if request.args.get("copy"):
            sent = former
        form = {
            "action": url_for(f"{name}.save"),
            "fieldsets": forms.fieldsets([NEW_NOTICE], dict(sent), errors=why.errors),
            "hidden": [("version", version), *([(CONFIRM, why.token)] if why.token else [])],
            "errors": list(why.others),
            "conflict": why.conflict,
            "submit_label": gettext("确认并保存") if why.effects else None,
        }
        copy = {
            "label": gettext("复制上一考次"),
            "url": url_for(f"{name}.index", copy=1),
            "icon": "fa-copy",
        }
        return answers.page(
            "notice",
            why.status,
            title=gettext(self.declaration.label)
            if actor.level is not Level.CENTER
            else f"{gettext(self.declaration.label)} · {province.display}",
            notices=told,
            saved_by=self._saved_by(current),
            current=current.html if current is not None else None,
            form=form if decision.allowed else None,
            actions=[copy] if former else [],
            preview_url=url_for(f"{name}.preview"),
            back_url=url_for(f"{name}.index") if actor.level is Level.CENTER else None,
            tab_key=f"{name}.index",
            tab_title=gettext(self.declaration.label),
        )

    def _saved_by(self, current: Notice | None) -> str | None:
        """Who and when; to those below the province when alone (R8.3)."""
        if current is None:
            return None
        change = last_change_of(context.read_session(), self.declaration, current.id)
        if change is not None:
            return text(sentence(change))
        moment = current.updated_at.astimezone(LOCAL_ZONE).strftime("%Y-%m-%d %H:%M")
        told: str = gettext("上次保存：%(moment)s", moment=moment)
        return told


def register(builder: Any) -> None:
    """Register the page of the province's notice; the site's comes with its resource."""
    builder.add_view_no_menu(ProvinceNotice, endpoint=PROVINCE_NOTICE.name)
