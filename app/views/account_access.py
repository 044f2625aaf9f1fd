"""The account rules' door to the database, for requests of the administration."""

from __future__ import annotations

from flask import request

from app.rules.account.access import Access, Limits
from app.views import request as context
from config import InitialPassword


def access() -> Access:
    """As `app.portal.context.access`, with the second factor that the settings ask for."""
    settings = context.runtime().settings
    return Access(
        factory=context.runtime().factory,
        clock=context.clock(),
        address=(request.remote_addr or "")[:45],
        request_id=context.request_id(),
        mail=not (settings.is_production and settings.mail_url.startswith("outbox:")),
        sms=not (settings.is_production and settings.sms_url.startswith("outbox:")),
        totp_required=settings.totp_required,
        one_session=settings.is_production,
        initial_password=settings.initial_password_mode is InitialPassword.DEFAULT,
        limits=Limits(
            login_account=settings.rate_login_account,
            login_address=settings.rate_login_address,
            code_target=settings.rate_code,
        ),
    )
