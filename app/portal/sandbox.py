"""The sandbox bank's page: lets a payment succeed, fail, come late, come twice."""

from __future__ import annotations

import datetime as dt

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.metadata.errors import KaowuError
from app.metadata.text import fen_to_yuan
from app.portal import context, services
from app.rules import sandbox_ledger

blueprint = Blueprint("sandbox", __name__, url_prefix="/sandbox")
LATE = dt.timedelta(seconds=20)


@blueprint.before_request
def _only_sandbox() -> None:
    if context.portal().settings.payment_gateway != "sandbox":
        abort(404)


@blueprint.get("/pay")
def page() -> ResponseReturnValue:
    """The practice page; its address is signed like a bank's."""
    fields = request.args.to_dict()
    services.gateway().check_signature(fields)
    amount = fen_to_yuan(int(fields["amount"]))
    return render_template("registration/sandbox.html", fields=fields, amount=amount)


@blueprint.post("/pay")
def pay() -> ResponseReturnValue:
    """What the practising person chose: success, failure, late, twice, wrong amount."""
    bank = services.gateway()
    fields = {name: request.form.get(name, "") for name in ("order_number", "amount", "signature")}
    bank.check_signature(fields)
    number, choice = fields["order_number"], request.form.get("do", "")
    back = redirect(url_for("payment.page"))
    if choice == "fail":
        flash(gettext("支付失败：沙箱银行拒绝了这笔支付。可以重新支付。"), "error")
        return back
    try:
        wrong = int(fields["amount"]) + 1 if choice == "wrong" else None
        message = bank.pay(number, wrong)
        if choice == "late":
            ledger = sandbox_ledger.DatabaseLedger(context.portal().factory)
            ledger.notify_later(number, context.portal().clock() + LATE)
            flash(gettext("沙箱银行将在约 20 秒后通知支付结果。"), "info")
            return back
        for _ in range(2 if choice == "twice" else 1):
            services.deliver(bank.read_callback(message))
    except KaowuError as error:
        flash(context.message_of(error), "error")
        return back
    return redirect(url_for("registration.status"))
