"""What every answer carries: language, security headers, error pages, template helpers."""

from __future__ import annotations

import hashlib
import logging
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from babel import Locale
from flask import Flask, g, jsonify, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask.wrappers import Response
from flask_babel import Babel, get_locale, gettext
from flask_wtf.csrf import CSRFError
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, SecurityError

from app.adapters import agreeing
from app.metadata.browsers import is_unsupported
from app.metadata.errors import N_, KaowuError
from app.metadata.masking import mask_email, mask_id, mask_mobile
from app.metadata.rich_text import to_show
from app.metadata.text import LOCAL_ZONE, fen_to_yuan
from app.portal import addresses, context
from config_values import ROOT

logger = logging.getLogger("kaowu.portal")
#: Answered without a look at the visitor or the browser.
_PLAIN = frozenset({"static", "home.healthy", "home.ready", "home.unsupported"})
_SENTENCES = {
    400: N_("请求不完整或页面已过期，请返回上一页重新操作。"),
    403: N_("没有权限进行此操作。"),
    404: N_("没有找到这个页面，链接可能已失效。"),
    405: N_("不能这样打开这个页面，请从首页进入。"),
    413: N_("上传的内容过大，请缩小后重试。"),
    429: N_("操作过于频繁，请稍后重试。"),
    500: N_("系统出现故障，操作没有完成。请稍后重试；如仍不行，请联系考点。"),
}
_EXPIRED = N_("页面停留过久或登录状态已变化，请返回上一页刷新后重新提交。")


def install(app: Flask) -> None:
    """Put language, headers, error pages and helpers on the application."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(ROOT / "translations")
    app.config["BABEL_DEFAULT_LOCALE"] = context_languages(app)[0]
    app.config["BABEL_DEFAULT_TIMEZONE"] = str(LOCAL_ZONE)
    Babel(app, locale_selector=chosen_language)
    agreeing.install(app)
    app.before_request(_refuse_old_browsers)
    app.after_request(_headers)
    app.register_error_handler(KaowuError, _refused)
    app.register_error_handler(CSRFError, _expired)
    app.register_error_handler(SecurityError, _foreign_host)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _failure)
    app.context_processor(_helpers)
    app.jinja_env.filters.update(
        mask_email=mask_email,
        mask_id=mask_id,
        mask_mobile=mask_mobile,
        local_time=local_time,
        rich=rich,
        yuan=fen_to_yuan,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


# ---------------------------------------------------------------- language


def context_languages(app: Flask) -> tuple[str, ...]:
    """The languages of the settings; the first is the default."""
    return cast(context.Portal, app.extensions["kaowu_portal"]).settings.languages


def chosen_language() -> Locale:
    """The visitor's choice, else the default: the portal is Chinese until one asks."""
    offered = context.portal().settings.languages
    chosen = session.get("language")
    return _locale(chosen if chosen in offered else offered[0])


@lru_cache(maxsize=16)
def _locale(language: str) -> Locale:
    """Parsed once: the parser looks at the list of all locales on the disk."""
    return Locale.parse(language)


def local_time(moment: Any) -> str:
    """“2026-08-31 21:00” in Asia/Shanghai; “—” for None."""
    return moment.astimezone(LOCAL_ZONE).strftime("%Y-%m-%d %H:%M") if moment else "—"


# ---------------------------------------------------------------- before and after


def _refuse_old_browsers() -> ResponseReturnValue | None:
    """R1.2: a plain page says which browsers work."""
    agent = request.headers.get("User-Agent", "")
    if request.endpoint in _PLAIN or not is_unsupported(agent):
        return None
    return redirect(url_for("home.unsupported"))


def nonce() -> str:
    """The number that scripts of this answer carry."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    return cast(str, g.nonce)


def _headers(response: Response) -> Response:
    headers = response.headers
    headers["X-Content-Type-Options"] = "nosniff"
    if request.endpoint == "static":
        headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
    headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'nonce-{nonce()}'; style-src 'self'; "
        "img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(self), microphone=(), geolocation=()"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["X-Request-Id"] = context.request_id()
    headers.setdefault("Cache-Control", "no-store")
    if request.is_secure:
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return response


# ---------------------------------------------------------------- errors


def wants_json() -> bool:
    """Whether a script asked, not a person."""
    found = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return found == "application/json"


def _answer(status: int, code: str, message: str) -> ResponseReturnValue:
    if wants_json():
        return jsonify(error=code, message=message), status
    return render_template("portal/error.html", message=message, status=status), status


def _refused(error: KaowuError) -> ResponseReturnValue:
    return _answer(error.status, error.code, context.message_of(error))


def _expired(_error: CSRFError) -> ResponseReturnValue:
    return _answer(400, "csrf", gettext(_EXPIRED))


def _foreign_host(_error: SecurityError) -> ResponseReturnValue:
    """A host that is not ours: no page, because none of its links could be built."""
    return Response(gettext(_SENTENCES[400]), 400, mimetype="text/plain")


def _http_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if status < 400:  # redirects that the router raises
        return error.get_response()
    return _answer(status, f"http.{status}", gettext(_SENTENCES.get(status, _SENTENCES[400])))


def _failure(error: Exception) -> ResponseReturnValue:
    logger.exception("request %s failed", context.request_id(), exc_info=error)
    return _answer(500, "failure", gettext(_SENTENCES[500]))


# ---------------------------------------------------------------- templates


@lru_cache(maxsize=256)
def _fingerprint(path: str, _modified: float) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


def static_url(name: str) -> str:
    """The address of a static file, with its digest: it may be cached for ever."""
    path = ROOT / "app" / "static" / name
    return url_for("static", filename=name, v=_fingerprint(str(path), path.stat().st_mtime))


def rich(html: str) -> Markup:
    """A notice: harmless where it is shown, whatever was stored (N18)."""
    return Markup(to_show(html))  # noqa: S704 - harmless tags only are left


def _helpers() -> dict[str, object]:
    locale = get_locale()
    return {
        "static_url": static_url,
        "nonce": nonce,
        "visitor": context.current_visitor,
        "stage": context.stage,
        "message_of": context.message_of,
        "request_id": context.request_id,
        "page_language": str(locale).replace("_", "-") if locale else "zh-CN",
        "languages": context.portal().settings.languages,
        "is_production": context.portal().settings.is_production,
        "admin_url": context.portal().settings.public.admin,
        "origin": addresses.origin(),
    }
