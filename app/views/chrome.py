"""What surrounds every page: menu, top bar, messages (contracts: templates/kw/README.md)."""

from __future__ import annotations

from typing import Any

from flask import current_app, g, request, session, url_for
from flask_babel import get_locale, gettext
from flask_login import current_user
from sqlalchemy import select

from app.metadata import registry
from app.metadata.declarations import Declaration
from app.metadata.errors import N_
from app.metadata.vocabulary import ExamState, Verb
from app.models.exam import Exam
from app.models.organisation import Organisation
from app.rules import availability
from app.rules.policy import granted
from app.views import request as context
from app.views.exam_prefix import exam_number, plain_root

LANGUAGES = {"zh_Hans_CN": "中文", "en": "English"}
_HTTP_TEXTS = {
    400: N_("请求无效，请刷新页面后重试。"),
    401: N_("请先登录。"),
    403: N_("没有权限进行此操作。如需办理，请联系上级管理员。"),
    404: N_("没有找到该页面或记录，可能已被删除或不在您的管辖范围内。"),
    405: N_("不支持这种请求方式。"),
    413: N_("上传的文件过大。"),
    429: N_("操作过于频繁，请稍后再试。"),
    500: N_("系统出现错误，操作没有完成。请稍后重试；若仍不成功，请把页面上的编号告诉管理员。"),
}


_KINDS = {401: "denied", 403: "denied", 404: "missing"}


def locale_of(code: str) -> str:
    """Catalogue of a configured language ("zh_CN" -> "zh_Hans_CN")."""
    return "zh_Hans_CN" if code.lower().startswith("zh") else code


def page_language() -> str:
    """The language of the page for its `lang`: "zh-CN", "en"."""
    locale = get_locale()
    return locale.language if locale is not None and locale.language != "zh" else "zh-CN"


def http_text(status: int) -> str:
    """The sentence for a bare HTTP status."""
    sentence: str = gettext(_HTTP_TEXTS.get(status, _HTTP_TEXTS[500 if status >= 500 else 400]))
    return sentence


def message(status: int, text: str) -> dict[str, Any]:
    """Context of the message page."""
    return {
        "title": gettext("提示") if status < 500 else gettext("系统错误"),
        "text": text,
        "kind": _KINDS.get(status, "error" if status >= 500 else "info"),
        "code": context.request_id() if status >= 500 else None,
        "actions": [{"label": gettext("返回首页"), "url": f"{plain_root()}/"}],
    }


#: verbs of which one is enough to see a page in the menu
_ENTRY = (Verb.LIST, Verb.VIEW, Verb.RUN)


def address_of(declaration: Declaration) -> str:
    """Address of a declaration's page; endpoints are `<name>.index` for every kind."""
    address: str = url_for(f"{declaration.name}.index")
    return address


def menu() -> list[dict[str, Any]]:
    """The two-level menu of what the actor may open. No query: one cached grant set."""
    actor = g.get("actor")
    if actor is None:
        return []
    here = request.endpoint.split(".")[0] if request.endpoint else ""
    areas = []
    for area, pages in registry.menu():
        children = [
            {
                "label": gettext(page.label),
                "url": address_of(page),
                "on": page.name == here,
                "disabled_reason": availability.reason_for(
                    context.read_session(), page.name, actor
                ),
            }
            for page in pages
            if f"{page.name}.index" in current_app.view_functions
            and any(granted(page, verb, actor) for verb in _ENTRY)
        ]
        if children:
            on = any(child["on"] for child in children)
            areas.append(
                {"label": gettext(area.label), "icon": area.icon, "on": on, "children": children}
            )
    return areas


def header() -> dict[str, Any] | None:
    """The top bar; None when nobody is logged in, or before his account is in order."""
    actor = g.get("actor")
    if actor is None or not current_user.is_authenticated:
        return None
    database = context.read_session()
    exam = context.exam()
    if exam is None:
        return None
    organisation = database.get(Organisation, actor.organisation_id)
    locale = session.get("locale", "zh_Hans_CN")
    return {
        "session_no": exam.number,
        "session_title": exam.display,
        "sessions": _sessions(database, actor.organisation_code),
        "user_name": actor.name,
        "role": gettext("系统管理员") if actor.is_super else gettext(actor.level.role_label),
        "organisation": organisation.display if organisation else "",
        "read_only": exam.state == ExamState.HISTORY.value,
        "demo": not context.runtime().settings.is_production,
        "urls": {
            "home": url_for("Home.index"),
            "logout": f"{plain_root()}/logout/",
            "profile": url_for("Account.profile"),
            "password": url_for("Account.password"),
            "totp": url_for("Account.totp"),
            "preview": url_for("Preview.index") if actor.is_super else None,
        },
        "preview": context.previewed(),
        "preview_shown": context.shows_preview(),
        "languages": [
            {
                "code": code,
                "title": title,
                "url": url_for("LocaleView.index", locale=code),
                "current": code == locale,
            }
            for code, title in LANGUAGES.items()
        ],
    }


def _sessions(database: Any, code: str) -> list[dict[str, Any]]:
    """Sessions that have an organisation of this code, enabled or not (R3.5)."""
    rows = database.scalars(
        select(Exam)
        .join(Organisation, Organisation.exam_id == Exam.id)
        .where(Organisation.code == code)
        .order_by(Exam.number.desc())
    )
    return [
        {
            "no": exam.number,
            "title": exam.display,
            "url": f"{plain_root()}/{exam.number}/",
            "current": exam.state == ExamState.CURRENT.value,
            "historic": exam.state == ExamState.HISTORY.value,
        }
        for exam in rows
    ]


__all__ = ["LANGUAGES", "address_of", "exam_number", "header", "http_text", "menu", "message"]
