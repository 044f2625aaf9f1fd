"""The candidate app: plain Flask, no framework of the admin app, its own cookie and secret.

`create_portal_app` makes it. Pages are blueprints; each area has its module. They read through
`context.read_session`, write through `context.run`, and render templates on
`portal/base.html`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from flask import Blueprint, Flask
from flask_wtf.csrf import CSRFProtect
from sqlalchemy.orm import sessionmaker
from werkzeug.middleware.proxy_fix import ProxyFix

from app.database.session import KaowuSession
from app.portal import context, responses
from app.portal.cookie import PortalCookie
from app.rules.clock import Clock, system_clock
from config import Settings

_ROOT = Path(__file__).resolve().parents[1]
_UPLOAD_BYTES = 12 * 1024 * 1024


def create_portal_app(
    settings: Settings,
    factory: sessionmaker[KaowuSession],
    *,
    clock: Clock = system_clock,
    readiness: Callable[[], Mapping[str, bool]] | None = None,
) -> Flask:
    """Make the portal. Keys must be installed already (`app.runtime.start`).

    `readiness` returns {what: ready} for `/readyz` beside the database's own check (queue,
    files, migrations).
    """
    app = Flask(
        __name__,
        static_folder=str(_ROOT / "static"),
        static_url_path="/static",
        template_folder=str(_ROOT / "templates"),
    )
    app.config.update(_configuration(settings))
    app.session_interface = PortalCookie(app)
    app.extensions["kaowu_portal"] = context.Portal(settings, factory, clock, readiness)
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign] # as Flask says
            app.wsgi_app, x_for=count, x_proto=count, x_host=count
        )
    csrf = CSRFProtect(app)
    responses.install(app)
    for blueprint in _blueprints():
        app.register_blueprint(blueprint)
        if blueprint.name == "callbacks":
            csrf.exempt(blueprint)  # the gateway's signature is the proof, not a cookie
    app.teardown_request(context.close_read_session)
    return app


def _configuration(settings: Settings) -> dict[str, object]:
    secure = settings.public.passport.startswith("https:")
    local = set() if settings.is_production else {"localhost", "127.0.0.1"}
    return {
        "SECRET_KEY": settings.portal_secret_key,
        "SESSION_COOKIE_NAME": "kaowu_portal",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": secure,
        "SESSION_COOKIE_PATH": "/",
        # the signature of the cookie ages with every answer: this is the time of rest
        "PERMANENT_SESSION_LIFETIME": timedelta(minutes=settings.session_idle_minutes),
        "WTF_CSRF_TIME_LIMIT": None,  # as long as the session
        "MAX_CONTENT_LENGTH": _UPLOAD_BYTES,
        "MAX_FORM_MEMORY_SIZE": 256 * 1024,
        "TRUSTED_HOSTS": sorted(settings.host_names | local),
        "PREFERRED_URL_SCHEME": "https" if secure else "http",
    }


def _blueprints() -> tuple[Blueprint, ...]:
    """All pages of the portal; a new area adds its blueprint here."""
    # here, because they import this package's context
    from app.portal import (  # noqa: PLC0415
        home,
        passport,
        passport_own,  # noqa: F401 - adds pages to `passport`
        passport_pending,  # noqa: F401 - so does this
        payment,
        registration,
        registration_choice,  # noqa: F401 - adds pages to `registration`
        registration_person,  # noqa: F401 - so does this
        sandbox,
        ticket,
    )

    return (
        home.blueprint,
        passport.blueprint,
        registration.blueprint,
        payment.blueprint,
        payment.callbacks,
        sandbox.blueprint,
        ticket.blueprint,
    )
