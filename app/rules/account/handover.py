"""From the log-in of the administration to the page that sets the first password (R5.4, §8.3).

The two applications share no cookie. Whoever has proved himself with the initial password takes a
signed token along, so that he need not type it twice. It is good for this one page and for
seconds; it ends with the session version, and the second proof is still asked for.
"""

from __future__ import annotations

from itsdangerous import BadData, URLSafeTimedSerializer

LIFETIME_SECONDS = 60
_SALT = "kaowu.first-password"


def seal(key: str, passport_id: int, session_version: int) -> str:
    """The token of a passport; `key` is the portal's."""
    return URLSafeTimedSerializer(key, salt=_SALT).dumps([str(passport_id), session_version])


def unseal(key: str, token: str) -> tuple[int, int] | None:
    """(passport id, session version) of a token; None if it is forged or too old."""
    try:
        passport_id, version = URLSafeTimedSerializer(key, salt=_SALT).loads(
            token, max_age=LIFETIME_SECONDS
        )
        return int(passport_id), int(version)
    except (BadData, TypeError, ValueError):
        return None
