"""One server for both applications: the portal at `/`, the administration at `/admin`.

In production the two may stand on hosts of their own; the code is the same (architecture §4.9).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from typing import Any

from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.shared_data import SharedDataMiddleware

from app.jobs.health import readiness
from app.portal import create_portal_app
from app.runtime import Runtime, start
from app.views.application import MOUNT, STATIC, create_admin_app
from config import Settings


class _StaticFiles(SharedDataMiddleware):
    """The files, each with the header that keeps a browser from guessing its kind."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if not any(name.lower() == "x-content-type-options" for name, _ in headers):
                headers = [*headers, ("X-Content-Type-Options", "nosniff")]
            return start_response(status, headers, *rest)

        return super().__call__(environ, start)


def create_application(runtime: Runtime) -> Any:
    """WSGI callable of the whole product. `/static` is served by the web server in front where
    there is one; this fallback serves development and tests."""
    portal = create_portal_app(
        runtime.settings, runtime.factory, readiness=partial(readiness, runtime)
    )
    mounted = DispatcherMiddleware(portal, {MOUNT: create_admin_app(runtime)})
    return _StaticFiles(mounted, {"/static": str(STATIC)}, cache_timeout=31_536_000)


_application: Any = None


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Entry point of the server; made on the first request of each worker process."""
    global _application  # noqa: PLW0603 - one application per process
    if _application is None:
        _application = create_application(start(Settings.from_environment(os.environ)))
    answer: Iterable[bytes] = _application(environ, start_response)
    return answer
