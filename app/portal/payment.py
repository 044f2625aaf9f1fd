"""Paying: order with a deadline, the gateway, its signed call-backs (load.md §6)."""

from __future__ import annotations

import logging

from flask import Blueprint, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select

from app.adapters.gateway import ForgedCallback
from app.database.policy import elevated
from app.metadata.errors import KaowuError, NotFound
from app.models.payment import GatewayTransaction, OrderState, PaymentOrder
from app.portal import context, services
from app.portal.registration import latest_order, my_registration, my_standing
from app.rules import orders, payment
from app.rules import site as sites
from app.rules.fees import fees_of
from app.rules.payment import Outcome
from app.rules.registration import eligibility

blueprint = Blueprint("payment", __name__, url_prefix="/registration/payment")
logger = logging.getLogger("kaowu.portal")


@blueprint.get("/")
@context.candidate_required
def page() -> ResponseReturnValue:
    """The open order with its deadline, or what would be paid, or what was paid."""
    standing = my_standing()
    database = context.read_session()
    order = latest_order(standing.row.id)
    waiting = order is not None and order.state == OrderState.OPEN.value
    entries = standing.held.entries
    unpaid = [entry for entry in entries if not entry.is_paid]
    return render_template(
        "registration/payment.html",
        standing=standing,
        row=standing.row,
        order=order,
        waiting=waiting,
        mismatch=waiting and order is not None and _has_mismatch(order),
        entries=entries,
        unpaid=unpaid,
        names=sites.subject_names(database, standing.site.exam_id),
        fees=fees_of(database, standing.site) if unpaid and not waiting else None,
        seconds=_seconds_left(order) if waiting and order is not None else 0,
        step=5,
    )


def _seconds_left(order: PaymentOrder) -> int:
    return max(0, int((order.expires_at - context.portal().clock()).total_seconds()))


def _has_mismatch(order: PaymentOrder) -> bool:
    """Has money come for the order that is not its amount?"""
    found = select(GatewayTransaction.id).where(
        GatewayTransaction.order_id == order.id,
        GatewayTransaction.outcome == Outcome.AMOUNT_MISMATCH.value,
    )
    session = context.read_session()
    with elevated(session, "money for the candidate's own order", GatewayTransaction):
        return session.scalar(found.limit(1)) is not None


@blueprint.get("/state")
@context.candidate_required
def state() -> ResponseReturnValue:
    """What the newest order has come to, in our own records; the page asks while it waits."""
    order = latest_order(my_registration().id)
    return jsonify(state=order.state if order is not None else None)


@blueprint.post("/order")
@context.candidate_required
def create() -> ResponseReturnValue:
    """Make the order and go to the gateway; twice gives the same order."""
    try:
        bank = services.gateway()
        order = context.run(
            lambda write: orders.create_order(
                write,
                eligibility.live_registration_id(write),
                channel=bank.name,
                timeouts=services.timeouts(),
                clock=context.portal().clock,
            )
        )
    except KaowuError as error:
        return _back(error)
    if order.state == OrderState.PAID.value:
        flash(gettext("支付完成。"), "success")
        return redirect(url_for("registration.status"))
    return redirect(bank.start(order.number, order.amount))


def _back(error: KaowuError) -> ResponseReturnValue:
    flash(context.message_of(error), "error")
    return redirect(url_for("payment.page"))


def _own_order() -> PaymentOrder:
    order = latest_order(my_registration().id)
    context.close_read_session()  # the gateway is asked without a transaction
    if order is None:
        raise NotFound()
    return order


@blueprint.post("/refresh")
@context.candidate_required
def refresh() -> ResponseReturnValue:
    """“我已支付，刷新”: ask the gateway; never pays twice."""
    number, portal = _own_order().number, context.portal()
    try:
        found = payment.refresh_order(
            portal.factory, context.actor(), services.gateway(), number, clock=portal.clock
        )
    except KaowuError as error:
        return _back(error)
    if found is OrderState.PAID:
        flash(gettext("支付成功。"), "success")
        return redirect(url_for("registration.status"))
    if found is OrderState.OPEN:
        flash(gettext("尚未收到支付结果，请稍后再刷新。如已付款，请勿重复支付。"), "info")
    return redirect(url_for("payment.page"))


@blueprint.post("/abandon")
@context.candidate_required
def abandon() -> ResponseReturnValue:
    """Give the open order up, to change subjects; closed at the gateway first."""
    number, portal = _own_order().number, context.portal()
    try:
        found = payment.abandon_order(
            portal.factory, context.actor(), services.gateway(), number, clock=portal.clock
        )
    except KaowuError as error:
        return _back(error)
    if found is OrderState.PAID:
        flash(gettext("放弃之前已支付成功。"), "success")
    elif found is OrderState.OPEN:  # money of another amount has come: people must look at it
        flash(gettext("该订单已有到账款项，不能放弃，请联系考点处理。"), "error")
        return redirect(url_for("payment.page"))
    else:
        flash(gettext("订单已放弃，可以修改报考科目或重新支付。"), "info")
    return redirect(url_for("registration.status"))


# ---------------------------------------------------------------- call-backs

callbacks = Blueprint("callbacks", __name__, url_prefix="/payment")


@callbacks.post("/callback")
def receive() -> ResponseReturnValue:
    """A call-back of the gateway: its signature is its log-in (N4). Answers "success"; anything
    else makes a gateway try again."""
    try:
        money = services.gateway().read_callback(request.form.to_dict())
        outcome = services.deliver(money)
    except KaowuError as error:
        logger.warning("call-back from %s refused: %s", context.address(), error.code)
        status = 403 if isinstance(error, ForgedCallback) else error.status
        return error.code, status, {"Content-Type": "text/plain; charset=utf-8"}
    logger.info("call-back for order %s: %s", money.order_number, outcome.value)
    return "success", 200, {"Content-Type": "text/plain; charset=utf-8"}
