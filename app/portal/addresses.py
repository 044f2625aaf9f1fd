"""Where a visitor may be sent back to: own paths and own hosts only (R5.0)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from flask import request, url_for
from werkzeug.exceptions import RequestEntityTooLarge

from app.portal import context

_PATH = re.compile(r"/(?![/\\])[^\x00-\x20\\\x7f]*")
_LONGEST = 500


def is_own(target: str) -> bool:
    """Whether the address is a path of this site, or on one of the configured hosts.

    Browsers read "//host", "/\\host" and control characters as ways to other sites.
    """
    if len(target) > _LONGEST:
        return False
    if _PATH.fullmatch(target):
        return True
    settings = context.portal().settings
    entries = [*settings.public, *(settings.edu or ())]
    parts = urlsplit(target)
    plain = re.fullmatch(r"https?://[^\x00-\x20\\\x7f@]+", target) is not None
    return plain and any(_origin(parts.geturl()) == _origin(entry) for entry in entries)


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc.lower()


def origin() -> str:
    """The page of origin that this request carries (`next`), or an empty text.

    A body that was refused for its size cannot be read for the error page either.
    """
    try:
        target = request.values.get("next", "")
    except RequestEntityTooLarge:
        target = request.args.get("next", "")
    return target if target and is_own(target) else ""


def after_login() -> str:
    """Where to go when all is done: the page of origin, else the portal's home."""
    return origin() or url_for("home.index")
