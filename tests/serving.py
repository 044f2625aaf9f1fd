"""A real web server in a thread, for tests with a browser."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, cast

from werkzeug.serving import make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_PIECE = 2000
_PAUSE = 0.03


@contextmanager
def serve(application: WSGIApplication, port: int = 0) -> Iterator[str]:
    """The application at a port of this machine until the block ends; yields its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    if os.environ.get("SLOW_BROWSER"):
        application = _trickling(application)
    server = make_server("127.0.0.1", port, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def _trickling(application: WSGIApplication) -> WSGIApplication:
    """The same answers, but pages arrive in pieces (``SLOW_BROWSER=1``, tests/browser.py).

    A busy machine does this now and then; a test that looks at half a page then sees fields
    missing. Here it always does.
    """

    def answer(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        pages: list[bool] = []

        def begin(status: str, headers: list[tuple[str, str]], error: Any = None) -> Any:
            pages.append(dict(headers).get("Content-Type", "").startswith("text/html"))
            return start(status, headers, error)

        parts = application(environment, cast("StartResponse", begin))
        with closing(cast("Any", parts)) if hasattr(parts, "close") else nullcontext():
            body = b"".join(parts)
        return _pieces(body) if pages[-1] else [body]

    return answer


def _pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), _PIECE):
        yield body[start : start + _PIECE]
        time.sleep(_PAUSE)  # the slowness is what is wanted here; nothing waits for a state
