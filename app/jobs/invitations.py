"""Activation links of imported accounts are sent by the upkeep (§8.3, `random_link`)."""

from __future__ import annotations

from urllib.parse import urljoin

from app.database.unit_of_work import run_unit
from app.metadata.actor import system
from app.rules.account import activation
from app.rules.clock import Clock, system_clock
from app.runtime import Runtime
from config import InitialPassword, Settings

#: the page that a link opens, on the host of the passport entry
PAGE = "/passport/activate"


def link(settings: Settings, token: str) -> str:
    """The absolute address that opens an account, on the public network."""
    return urljoin(settings.public.passport, f"{PAGE}?token={token}")


def reach_of(settings: Settings) -> activation.Reach:
    """The gateways of the settings; the outbox of a development machine reaches its developer."""
    alone = settings.is_production
    return activation.Reach(
        mail=not (alone and settings.mail_url.startswith("outbox:")),
        sms=not (alone and settings.sms_url.startswith("outbox:")),
        address=lambda token: link(settings, token),
    )


def send(runtime: Runtime, clock: Clock = system_clock) -> int:
    """Send links to those who never got one; how many. Nothing where 123456 opens accounts."""
    settings = runtime.settings
    if settings.initial_password_mode is not InitialPassword.LINK:
        return 0
    reach = reach_of(settings)
    return run_unit(
        runtime.factory,
        system("send activation links"),
        lambda session: activation.send_links(session, reach, clock=clock),
    )


__all__ = ["PAGE", "link", "reach_of", "send"]
