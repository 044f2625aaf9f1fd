"""The administration's application factory."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, flash, g, redirect, render_template, request
from flask_appbuilder import AppBuilder
from flask_babel import gettext
from flask_wtf.csrf import CSRFError, CSRFProtect
from sqlalchemy import select
from sqlalchemy.orm import scoped_session
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix

from app.adapters import agreeing
from app.database.policy import become
from app.metadata.actor import system
from app.metadata.browsers import is_unsupported
from app.metadata.errors import KaowuError
from app.models.exam import Exam
from app.rules.actors import entrance_exam
from app.rules.effects import Unconfirmed
from app.runtime import Runtime
from app.views import cells, chrome, pages
from app.views import request as context
from app.views.exam_prefix import AdminFlask, ExamPrefix
from app.views.keys import KeyConverter
from app.views.security import KaowuSecurity
from app.views.texts import texts

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "static"
MOUNT = "/admin"
#: asked by machines
_FOR_ANY_BROWSER = frozenset({"Health.alive", "Health.ready"})
_CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'nonce-{nonce}'; frame-ancestors 'self'; base-uri 'self'; "
    "form-action 'self'; object-src 'none'"
)


def create_admin_app(runtime: Runtime) -> AdminFlask:
    """The administration, to be mounted under `/admin` (`app.wsgi` does)."""
    app = AdminFlask(
        "kaowu_admin",
        template_folder=str(ROOT / "templates"),
        static_folder=None,
        root_path=str(ROOT),
    )
    app.config.update(_configuration(runtime))
    app.url_map.converters["int"] = KeyConverter
    app.extensions["kaowu"] = runtime
    CSRFProtect(app)
    _install_templates(app)
    with app.app_context():
        builder = AppBuilder(
            app,
            scoped_session(runtime.factory),
            security_manager_class=KaowuSecurity,
            indexview=pages.index_view(),
            update_perms=False,
        )
        pages.register(builder)
    agreeing.install(app)
    _install_hooks(app)
    _install_errors(app)
    inner = app.wsgi_app
    if runtime.settings.trusted_proxies:
        hops = runtime.settings.trusted_proxies
        inner = ProxyFix(inner, x_for=hops, x_proto=hops, x_host=hops)
    numbers = _SessionNumbers(runtime)
    app.wsgi_app = ExamPrefix(inner, numbers.knows, numbers.current)  # type: ignore[assignment] # Flask says so
    return app


def _configuration(runtime: Runtime) -> dict[str, Any]:
    settings = runtime.settings
    languages = {
        code: {"flag": "cn" if code.startswith("zh") else "gb", "name": chrome.LANGUAGES[code]}
        for code in map(chrome.locale_of, settings.languages)
    }
    local = set() if settings.is_production else {"localhost", "127.0.0.1"}
    return {
        "APP_NAME": "全国计算机等级考试（NCRE）考务管理系统",
        "SECRET_KEY": settings.admin_secret_key,
        "JWT_SECRET_KEY": secrets.token_hex(32),  # the framework wants one; JWT is not offered
        "SESSION_COOKIE_NAME": "kaowu_admin",
        "SESSION_COOKIE_PATH": MOUNT,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SECURE": settings.is_production,
        "PERMANENT_SESSION_LIFETIME": dt.timedelta(minutes=settings.session_idle_minutes),
        "TRUSTED_HOSTS": sorted(settings.host_names | local),
        "MAX_CONTENT_LENGTH": settings.import_max_bytes + 1024 * 1024,
        "MAX_FORM_MEMORY_SIZE": 4 * 1024 * 1024,
        "MAX_FORM_PARTS": 20_000,
        "FAB_CREATE_DB": False,
        "FAB_UPDATE_PERMS": False,
        "FAB_ADD_SECURITY_VIEWS": False,
        "FAB_ADD_SECURITY_API": False,
        "FAB_API_SWAGGER_UI": False,
        "FAB_API_SHOW_STACKTRACE": False,
        "FAB_ADD_OPENAPI_VIEWS": False,
        "FAB_ADD_MENU_API": False,
        "AUTH_USER_REGISTRATION": False,
        "BABEL_DEFAULT_LOCALE": chrome.locale_of(settings.languages[0]),
        "BABEL_TRANSLATION_DIRECTORIES": str(ROOT.parent / "translations"),
        "LANGUAGES": languages,
        "WTF_CSRF_TIME_LIMIT": None,
    }


class _SessionNumbers:
    """Known session numbers, read at most once a second (the middleware asks on every call).

    A number that is not known is looked up at once: a session may just have been created.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._read_at = 0.0
        self._numbers: set[int] = set()
        self._current: int | None = None

    def _read(self) -> None:
        with self._runtime.factory() as session:
            become(session, system("session numbers"))
            self._numbers = set(session.scalars(select(Exam.number)))
            exam = entrance_exam(session)
            self._current = exam.number if exam else None
        self._read_at = time.monotonic()

    def _read_if_old(self) -> None:
        if time.monotonic() - self._read_at >= 1:
            self._read()

    def knows(self, number: int) -> bool:
        self._read_if_old()
        if number not in self._numbers:
            self._read()
        return number in self._numbers

    def current(self) -> int | None:
        self._read_if_old()
        return self._current


@lru_cache(maxsize=512)
def _content_hash(path: str) -> str:
    return hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:12]


def static_address(path: str) -> str:
    """Address of a static file with its content hash, so that it may be cached for ever."""
    return f"/static/{quote(path)}?v={_content_hash(path)}"


def csp_nonce() -> str:
    """Nonce of this answer's scripts."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    nonce: str = g.nonce
    return nonce


def _install_templates(app: Flask) -> None:
    app.jinja_env.globals.update(
        csp_nonce=csp_nonce,
        kw_url_static=static_address,
        kw_header=chrome.header,
        kw_menu=chrome.menu,
    )
    app.jinja_env.filters["cell"] = cells.cell
    app.jinja_env.filters["rich"] = cells.rich
    app.context_processor(lambda: {"page_language": chrome.page_language()})
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = False


def _install_hooks(app: Flask) -> None:
    @app.after_request
    def headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _CONTENT_POLICY.format(nonce=csp_nonce())
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Permissions-Policy"] = "camera=(self), geolocation=(), microphone=()"
        response.headers["X-Request-Id"] = context.request_id()
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.add("Vary", "HX-Request")
        return response

    @app.before_request
    def refuse_old_browsers() -> str | None:
        """R1.2: the plain page of the portal says which browsers work."""
        agent = request.headers.get("User-Agent", "")
        if request.endpoint in _FOR_ANY_BROWSER or not is_unsupported(agent):
            return None
        return render_template("portal/unsupported.html", static_url=static_address)

    app.teardown_request(context.close_read_session)


def _install_errors(app: Flask) -> None:
    @app.errorhandler(KaowuError)
    def refused(error: KaowuError) -> Any:
        return answer_refusal(error)

    @app.errorhandler(CSRFError)
    def forged(_error: CSRFError) -> Any:
        return _message(400, gettext("页面已过期，请刷新后重试。"))

    @app.errorhandler(SecurityError)
    def foreign_host(_error: SecurityError) -> Any:
        """A host that is not ours: no page, because none of its links could be built."""
        return Response(chrome.http_text(400), 400, mimetype="text/plain")

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Any:
        if error.code and error.code < 400:
            return error
        return _message(error.code or 500, chrome.http_text(error.code or 500))

    @app.errorhandler(Exception)
    def broken(error: Exception) -> Any:
        app.logger.exception("request %s failed", context.request_id(), exc_info=error)
        return _message(500, chrome.http_text(500))


def answer_refusal(error: KaowuError) -> Any:
    """A refusal as the channel wants it: JSON for REST, a page or dialog otherwise."""
    text = context.message_of(error)
    if request.path.startswith("/api/"):
        body: dict[str, Any] = {"code": error.code, "message": text}
        if isinstance(error, Unconfirmed):
            body |= {"effects": texts(error.effects), "confirm": error.token}
        errors = getattr(error, "errors", None)
        return (body | ({"errors": _in_words(errors)} if errors else {})), error.status
    if request.method == "POST" and not request.headers.get("HX-Request"):
        referrer = request.referrer or ""
        if referrer.startswith(request.host_url) and error.status not in (404,):
            flash(text, "danger")
            return redirect(referrer)
    return _message(error.status, text)


def _in_words(errors: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    return {name: texts(messages) for name, messages in errors.items()}


def _message(status: int, text: str) -> Any:
    if request.path.startswith("/api/"):
        return {"code": f"http.{status}", "message": text}, status
    body = render_template("kw/pages/message.html", **chrome.message(status, text))
    return body, status, {"X-Kw-Message": quote(text)}
