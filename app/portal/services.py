"""The outside world as the portal uses it: file store and payment gateway of the settings."""

from __future__ import annotations

from functools import lru_cache

from app.adapters.files import FileStore
from app.adapters.gateway import SandboxGateway
from app.jobs import payments
from app.portal import context
from app.rules import payment
from app.rules.registration.states import Timeouts


@lru_cache(maxsize=8)
def _store(url: str) -> FileStore:
    return FileStore(url)


def files() -> FileStore:
    """Photos and documents."""
    return _store(context.portal().settings.files_url)


def gateway() -> SandboxGateway:
    """The payment gateway. Raises NoGateway where the settings name one that is not installed."""
    return payments.gateway_of(context.portal().settings, context.portal().factory)


def timeouts() -> Timeouts:
    """The clocks of R22.8a as configured."""
    return payments.timeouts_of(context.portal().settings)


def deliver(money: payment.Money) -> payment.Outcome:
    """Take a checked call-back in a unit of work of the system's own."""
    portal = context.portal()
    return payments.deliver(
        portal.factory,
        money,
        clock=portal.clock,
        request_id=context.request_id(),
        address=context.address(),
    )
