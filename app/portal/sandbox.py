"""The sandbox bank's page: lets a payment succeed, fail, come late, come twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.metadata.errors import N_, KaowuError
from app.metadata.text import fen_to_yuan
from app.portal import context, services
from app.rules import sandbox_ledger
from app.rules.payment import Outcome

blueprint = Blueprint("sandbox", __name__, url_prefix="/sandbox")
LATE = dt.timedelta(seconds=20)
#: choice -> words of its button
CHOICES = {
    "succeed": N_("支付成功"),
    "late": N_("支付成功，但结果晚到（约 20 秒）"),
    "twice": N_("支付成功，结果通知两次"),
    "wrong": N_("金额不符"),
    "fail": N_("支付失败"),
}
_TOLD = {
    Outcome.PAID: (N_("支付成功。"), "success"),
    Outcome.PAID_LATE: (N_("支付成功，名额已重新占用。"), "success"),
    Outcome.DUPLICATE: (N_("该笔支付此前已处理，没有重复入账。"), "info"),
    Outcome.AMOUNT_MISMATCH: (
        N_("到账金额与订单不符，没有入账，款项将退回。请联系考点。"),
        "error",
    ),
    Outcome.LATE_NO_SEAT: (N_("支付到账时名额已满，款项将退回。请联系考点。"), "error"),
    Outcome.DOUBLE_PAYMENT: (N_("该订单此前已支付，重复的款项将退回。"), "error"),
}


@blueprint.before_request
def _only_sandbox() -> None:
    if context.portal().settings.payment_gateway != "sandbox":
        abort(404)


@blueprint.get("/pay")
def page() -> ResponseReturnValue:
    """The practice page; its address is signed like a bank's."""
    fields = _signed(request.args)
    return render_template(
        "registration/sandbox.html",
        fields=fields,
        amount=fen_to_yuan(int(fields["amount"])),
        choices=CHOICES,
    )


def _signed(sent: Mapping[str, str]) -> dict[str, str]:
    """Order, amount and signature, checked. Raises ForgedCallback."""
    fields = {name: sent.get(name, "") for name in ("order_number", "amount", "signature")}
    services.gateway().check_signature(fields)
    return fields


@blueprint.post("/pay")
def pay() -> ResponseReturnValue:
    """What the practising person chose: success, failure, late, twice, wrong amount."""
    fields = _signed(request.form)
    choice = request.form.get("do", "")
    if choice not in CHOICES:
        abort(400)
    if choice == "fail":
        flash(gettext("支付失败：沙箱银行拒绝了这笔支付。可以重新支付。"), "error")
        return redirect(url_for("payment.page"))
    try:
        paid = _take_money(fields, choice)
    except KaowuError as error:
        flash(context.message_of(error), "error")
        paid = False
    return redirect(url_for("registration.status" if paid else "payment.page"))


def _take_money(fields: Mapping[str, str], choice: str) -> bool:
    """Pay at the bank and deliver its call-backs; whether the order is paid now."""
    bank, number = services.gateway(), fields["order_number"]
    message = bank.pay(number, int(fields["amount"]) + 1 if choice == "wrong" else None)
    if choice == "late":
        ledger = sandbox_ledger.DatabaseLedger(context.portal().factory)
        ledger.notify_later(number, context.portal().clock() + LATE)
        flash(gettext("沙箱银行将在约 20 秒后通知支付结果。"), "info")
        return False
    outcomes = [
        services.deliver(bank.read_callback(message)) for _ in range(2 if choice == "twice" else 1)
    ]
    text, kind = _TOLD[outcomes[0]]
    flash(gettext(text), kind)
    return outcomes[0] in (Outcome.PAID, Outcome.PAID_LATE)
