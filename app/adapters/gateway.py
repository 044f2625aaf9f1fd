"""Payment gateways: what the product needs of one, and the sandbox that stands for a bank.

A gateway is asked by order number and sends call-backs. Money is integer fen. Nothing here
touches our orders: `rules.payment` decides what a call-back or an answer means.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlencode

from app.metadata.errors import N_, KaowuError

logger = logging.getLogger("kaowu.gateway")


class ForgedCallback(KaowuError):
    """The signature does not fit: refused and logged (N4)."""

    code = "gateway.forged"
    template = N_("支付通知的签名不正确，已拒绝。")
    status = 403


class GatewayState(StrEnum):
    """What a gateway says about an order. UNKNOWN: no answer, so nothing may be concluded (N5)."""

    OPEN = "open"
    PAID = "paid"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """State of an order at the gateway; transaction and amount (fen) when it is paid."""

    state: GatewayState
    transaction_number: str | None = None
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    """A call-back whose signature was checked: this transaction brought this amount (fen)."""

    order_number: str
    transaction_number: str
    amount: int


class Gateway(Protocol):
    """What every adapter can do."""

    @property
    def name(self) -> str:
        """Stored as the channel of an order."""

    def start(self, order_number: str, amount: int) -> str:
        """Announce an order; return the address of the page where it is paid."""

    def query(self, order_number: str) -> Answer:
        """Ask for the state. Never raises for a gateway that does not answer: UNKNOWN."""

    def close(self, order_number: str) -> Answer:
        """Ask that no more money be taken; PAID if it came before, else CLOSED or UNKNOWN."""

    def read_callback(self, fields: Mapping[str, str]) -> Notification:
        """Check the signature of a call-back. Raises ForgedCallback."""


class BankRecord(Protocol):
    """The bank's own record of an order; `state` is "open", "paid" or "closed"."""

    @property
    def order_number(self) -> str: ...
    @property
    def amount(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def transaction_number(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A record kept in memory."""

    order_number: str
    amount: int
    state: GatewayState
    transaction_number: str | None = None


class Ledger(Protocol):
    """The bank's records; each call is atomic. Raises OSError when it cannot be reached."""

    def open(self, order_number: str, amount: int) -> BankRecord:
        """Make the record unless there is one; return the one that counts."""

    def find(self, order_number: str) -> BankRecord | None: ...

    def settle(self, order_number: str, transaction_number: str, amount: int) -> BankRecord:
        """Take the money unless paid or closed; return what is true afterwards."""

    def close(self, order_number: str) -> BankRecord:
        """Close unless paid (also an order never seen); return what is true afterwards."""


class MemoryLedger:
    """Records of one process: tests and benches."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, LedgerRow] = {}

    def open(self, order_number: str, amount: int) -> LedgerRow:
        with self._lock:
            row = LedgerRow(order_number, amount, GatewayState.OPEN)
            return self._rows.setdefault(order_number, row)

    def find(self, order_number: str) -> LedgerRow | None:
        with self._lock:
            return self._rows.get(order_number)

    def settle(self, order_number: str, transaction_number: str, amount: int) -> LedgerRow:
        with self._lock:
            row = self._rows[order_number]
            if row.state is GatewayState.OPEN:
                row = replace(
                    row,
                    state=GatewayState.PAID,
                    transaction_number=transaction_number,
                    amount=amount,
                )
                self._rows[order_number] = row
            return row

    def close(self, order_number: str) -> LedgerRow:
        with self._lock:
            row = self._rows.get(order_number) or LedgerRow(order_number, 0, GatewayState.OPEN)
            if row.state is GatewayState.OPEN:
                row = replace(row, state=GatewayState.CLOSED)
            self._rows[order_number] = row
            return row


class PaymentClosed(KaowuError):
    """Somebody pays an order that the gateway has closed."""

    code = "gateway.closed"
    template = N_("该订单已关闭，不能支付。请返回报名页面重新发起支付。")
    status = 409


class SandboxGateway:
    """A bank to practise with: a page of ours instead of a bank's, real signatures, no money.

    `page_url` is the address of that page. `secret` signs; it is the shared key of a real bank.
    """

    name = "sandbox"

    def __init__(self, ledger: Ledger, secret: bytes, page_url: str = "/sandbox/pay") -> None:
        self._ledger = ledger
        self._secret = secret
        self._page_url = page_url

    def start(self, order_number: str, amount: int) -> str:
        self._ledger.open(order_number, amount)
        fields = self._signed({"order_number": order_number, "amount": str(amount)})
        return f"{self._page_url}?{urlencode(fields)}"

    def query(self, order_number: str) -> Answer:
        try:
            row = self._ledger.find(order_number)
        except OSError:
            logger.warning("no answer about order %s", order_number)
            return Answer(GatewayState.UNKNOWN)
        return Answer(GatewayState.OPEN) if row is None else _answer(row)

    def close(self, order_number: str) -> Answer:
        try:
            return _answer(self._ledger.close(order_number))
        except OSError:
            logger.warning("no answer to closing order %s", order_number)
            return Answer(GatewayState.UNKNOWN)

    def read_callback(self, fields: Mapping[str, str]) -> Notification:
        self.check_signature(fields)
        try:
            return Notification(
                fields["order_number"], fields["transaction_number"], int(fields["amount"])
            )
        except (KeyError, ValueError):
            raise ForgedCallback() from None

    def check_signature(self, fields: Mapping[str, str]) -> None:
        """Raises ForgedCallback; also guards the address of the practice page."""
        given = fields.get("signature", "")
        rest = {name: value for name, value in fields.items() if name != "signature"}
        if not hmac.compare_digest(given.encode(), self._sign(rest).encode()):
            logger.warning("forged call-back for order %r", fields.get("order_number", "")[:32])
            raise ForgedCallback()

    def pay(self, order_number: str, amount: int | None = None) -> dict[str, str]:
        """The customer pays on the practice page; return the call-back that is to be delivered.

        `amount` (fen) differs from the order's only to practise that case. Raises PaymentClosed.
        """
        row = self._ledger.find(order_number)
        if row is None:
            raise PaymentClosed()
        number = f"SB{secrets.token_hex(12)}"
        row = self._ledger.settle(order_number, number, row.amount if amount is None else amount)
        if row.state != GatewayState.PAID:
            raise PaymentClosed()
        return self.callback(row.order_number, row.transaction_number or "", row.amount)

    def callback(self, order_number: str, transaction_number: str, amount: int) -> dict[str, str]:
        """The signed fields of a call-back."""
        return self._signed(
            {
                "order_number": order_number,
                "transaction_number": transaction_number,
                "amount": str(amount),
            }
        )

    def _signed(self, fields: dict[str, str]) -> dict[str, str]:
        return fields | {"signature": self._sign(fields)}

    def _sign(self, fields: Mapping[str, str]) -> str:
        text = urlencode(sorted(fields.items()))
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def _answer(row: BankRecord) -> Answer:
    state = GatewayState(row.state)
    if state is GatewayState.PAID:
        return Answer(state, row.transaction_number, row.amount)
    return Answer(state)
