"""Payments outside a request: the gateway of the settings, expiry of what was not paid, and the
sandbox bank's late notices. Used by upkeep; the portal makes its gateway here too."""

from __future__ import annotations

import hashlib

from sqlalchemy.orm import sessionmaker

from app.adapters.gateway import Answer, GatewayState, SandboxGateway
from app.database.session import KaowuSession
from app.database.unit_of_work import run_unit
from app.metadata.actor import system
from app.metadata.errors import N_, KaowuError
from app.rules import payment
from app.rules.clock import Clock, system_clock
from app.rules.registration import expiry
from app.rules.registration.states import Timeouts
from app.rules.sandbox_ledger import DatabaseLedger
from app.runtime import Runtime
from config import Settings

SANDBOX_PAGE = "/sandbox/pay"


class NoGateway(KaowuError):
    """The configured gateway has no adapter in this installation."""

    code = "payment.no_gateway"
    template = N_("暂时不能在线支付，请联系考点。")
    status = 503


def gateway_of(settings: Settings, factory: sessionmaker[KaowuSession]) -> SandboxGateway:
    """The payment gateway that the settings name. Raises NoGateway."""
    if settings.payment_gateway != "sandbox":
        raise NoGateway()
    secret = hashlib.sha256(b"sandbox" + settings.portal_secret_key.encode()).digest()
    return SandboxGateway(DatabaseLedger(factory), secret, SANDBOX_PAGE)


def timeouts_of(settings: Settings) -> Timeouts:
    """The clocks of R22.8a as configured."""
    return Timeouts.of_hours(settings.pay_timeout_hours, settings.submit_timeout_hours)


def deliver(
    factory: sessionmaker[KaowuSession],
    money: payment.Money,
    *,
    clock: Clock = system_clock,
    request_id: str = "",
    address: str = "",
) -> payment.Outcome:
    """Take a checked call-back in a unit of work of the system's own."""
    return run_unit(
        factory,
        system("payment call-back"),
        lambda session: payment.receive(session, money, clock=clock),
        request_id=request_id,
        address=address,
    )


class _Silence:
    """Stands where no gateway is installed: knows nothing, so its orders are kept (N5)."""

    def query(self, order_number: str) -> Answer:
        return Answer(GatewayState.UNKNOWN)

    close = query


def expire(runtime: Runtime, clock: Clock = system_clock) -> int:
    """Expire unpaid entries whose time is over; the gateway is asked first (N5). How many."""
    settings = runtime.settings
    gateway: payment.Gateway
    try:
        gateway = gateway_of(settings, runtime.factory)
    except NoGateway:
        gateway = _Silence()
    swept = expiry.expire_due(runtime.factory, gateway, clock=clock, timeouts=timeouts_of(settings))
    return swept.entries


def send_late_notices(runtime: Runtime, clock: Clock = system_clock) -> int:
    """The sandbox bank tells of payments that it was asked to tell of late. How many."""
    if runtime.settings.payment_gateway != "sandbox":
        return 0
    bank = gateway_of(runtime.settings, runtime.factory)
    sent = 0
    for row in DatabaseLedger(runtime.factory).take_due_notices(clock()):
        message = bank.callback(row.order_number, row.transaction_number or "", row.amount)
        deliver(runtime.factory, bank.read_callback(message), clock=clock)
        sent += 1
    return sent
