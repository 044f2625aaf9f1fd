"""The signed cookie of the portal: Flask's own, but what signs it is made once for all requests.

Keys come from the configuration, which does not change while the application runs.
"""

from __future__ import annotations

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer


class PortalCookie(SecureCookieSessionInterface):
    """One per application."""

    def __init__(self, app: Flask) -> None:
        self._serializer = super().get_signing_serializer(app)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """What was made for the application."""
        return self._serializer
