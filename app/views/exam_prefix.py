"""The exam session is part of the address: `/admin/58/room/` (architecture §4.3).

A WSGI middleware moves the number into SCRIPT_NAME, so that every link keeps it, two tabs can
stand in two sessions, and a write goes to the session that its page shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, has_request_context, request

NUMBER_KEY = "kaowu.exam_number"
ROOT_KEY = "kaowu.root"
_NUMBER = re.compile(r"/([1-9]\d{0,3})(/.*|$)")
#: pages that belong to no session
_PLAIN = (
    "/login/",
    "/logout/",
    "/second-factor/",
    "/password/",
    "/lang/",
    "/healthz",
    "/readyz",
    "/static/",
)

StartResponse = Callable[..., Any]


class ExamPrefix:
    """Middleware inside the mount of the admin app.

    `knows(number)` tells whether a session has the number; `current()` returns the current one's
    or None.
    """

    def __init__(
        self,
        application: Callable[..., Iterable[bytes]],
        knows: Callable[[int], bool],
        current: Callable[[], int | None],
    ) -> None:
        self.application = application
        self.knows = knows
        self.current = current

    def __call__(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "") or "/"
        root = environ.get("SCRIPT_NAME", "")
        environ[ROOT_KEY] = root
        found = _NUMBER.match(path)
        if found and self.knows(int(found[1])):
            environ["SCRIPT_NAME"] = f"{root}/{found[1]}"
            environ["PATH_INFO"] = found[2] or "/"
            environ[NUMBER_KEY] = int(found[1])
            if not found[2]:
                return _redirect(start, f"{root}/{found[1]}/")
        elif path == "/" and (current := self.current()) is not None:
            return _redirect(start, f"{root}/{current}/")
        elif not path.startswith(_PLAIN) and path != "/":
            # served by the application, so that the answer has its look and its headers
            environ["PATH_INFO"] = "/no-such-session"
        return self.application(environ, start)


def _redirect(start: StartResponse, location: str) -> list[bytes]:
    start("302 Found", [("Location", location), ("Cache-Control", "no-store")])
    return [b""]


class AdminFlask(Flask):
    """Flask whose static files have one address whatever the session."""

    def url_for(self, endpoint: str, **values: Any) -> str:
        url = super().url_for(endpoint, **values)
        environ = request.environ if has_request_context() else {}
        if endpoint.endswith("static") and NUMBER_KEY in environ:
            prefix = f"{environ['SCRIPT_NAME']}/"
            url = url.replace(prefix, f"{environ[ROOT_KEY]}/", 1)
        return url


def exam_number() -> int | None:
    """Number of the session in the present address; None on plain pages."""
    number: int | None = request.environ.get(NUMBER_KEY)
    return number


def plain_root() -> str:
    """Address of the mount without a session number ("/admin")."""
    root: str = request.environ.get(ROOT_KEY, request.script_root)
    return root
