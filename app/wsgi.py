"""One server for both applications: the portal at `/`, the administration at `/admin`.

In production the two may stand on hosts of their own; the code is the same (architecture §4.9).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.shared_data import SharedDataMiddleware

from app.jobs.health import readiness
from app.portal import create_portal_app
from app.runtime import Runtime, start
from app.views.application import MOUNT, STATIC, create_admin_app
from config import Settings


class _StaticFiles(SharedDataMiddleware):
    """The files, each with the header that keeps a browser from guessing its kind; granian, which
    could serve them itself, sends none.

    Pages name them with the digest of their content (?v=…): such an address may be kept for ever,
    any other is asked for again.
    """

    def __call__(self, environ: Any, start_response: Any) -> Any:
        is_file = environ.get("PATH_INFO", "").startswith("/static/")
        asked_again = is_file and not environ.get("QUERY_STRING", "").startswith("v=")

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            found = Headers(headers)
            found.setdefault("X-Content-Type-Options", "nosniff")
            if asked_again:
                found["Cache-Control"] = "no-cache"
                found.pop("Expires", None)
            return start_response(status, found.to_wsgi_list(), *rest)

        return super().__call__(environ, start)


def create_application(runtime: Runtime) -> Any:
    """WSGI callable of the whole product. `/static` is served by the web server in front where
    there is one; what is here serves development, tests, and a server that stands alone."""
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
