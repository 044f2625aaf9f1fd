"""Paying: order with a deadline, the gateway, its signed call-backs (load.md §6)."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select

from app.metadata.errors import KaowuError, NotFound
from app.models.payment import OrderState, PaymentOrder
from app.portal import context, services
from app.portal.registration import my_registration
from app.rules import orders, payment
from app.rules import site as sites

blueprint = Blueprint("payment", __name__, url_prefix="/registration/payment")


def _latest_order(registration_id: int) -> PaymentOrder | None:
    return (
        context.read_session()
        .scalars(
            select(PaymentOrder)
            .where(PaymentOrder.registration_id == registration_id)
            .order_by(PaymentOrder.id.desc())
        )
        .first()
    )


@blueprint.get("/")
@context.candidate_required
def page() -> ResponseReturnValue:
    """The open order with its deadline, or what would be paid."""
    row = my_registration()
    database = context.read_session()
    site = sites.load_site(database, row.site_id or 0)
    order = _latest_order(row.id)
    waiting = order is not None and order.state == OrderState.OPEN.value
    offer = sites.offer_of(database, site)
    now = context.portal().clock()
    return render_template(
        "registration/payment.html",
        row=row,
        site=site,
        order=order if waiting else None,
        paid=row.payment == "paid",
        offer=offer,
        entries=[entry for entry in row.entries if entry.holds_seat],
        seconds=int((order.expires_at - now).total_seconds()) if order and waiting else 0,
        step=5,
    )


@blueprint.post("/order")
@context.candidate_required
def create() -> ResponseReturnValue:
    """Make the order and go to the gateway; twice gives the same order."""
    row = my_registration()
    bank = services.gateway()
    try:
        order = context.run(
            lambda write: orders.create_order(
                write,
                row.id,
                channel=bank.name,
                timeouts=services.timeouts(),
                clock=context.portal().clock,
            )
        )
    except KaowuError as error:
        flash(context.message_of(error), "error")
        return redirect(url_for("payment.page"))
    if order.state == OrderState.PAID.value:
        flash(gettext("支付完成。"), "success")
        return redirect(url_for("registration.status"))
    return redirect(bank.start(order.number, order.amount))


def _own_open_order() -> PaymentOrder:
    order = _latest_order(my_registration().id)
    if order is None:
        raise NotFound()
    return order


@blueprint.post("/refresh")
@context.candidate_required
def refresh() -> ResponseReturnValue:
    """“我已支付，刷新”: ask the gateway; never pays twice."""
    order, portal = _own_open_order(), context.portal()
    context.close_read_session()
    try:
        state = payment.refresh_order(
            portal.factory, context.actor(), services.gateway(), order.number, clock=portal.clock
        )
    except KaowuError as error:
        flash(context.message_of(error), "error")
        return redirect(url_for("payment.page"))
    if state is OrderState.PAID:
        flash(gettext("支付成功。"), "success")
        return redirect(url_for("registration.status"))
    flash(gettext("尚未收到支付结果，请稍后再刷新。如已付款，请勿重复支付。"), "info")
    return redirect(url_for("payment.page"))


@blueprint.post("/abandon")
@context.candidate_required
def abandon() -> ResponseReturnValue:
    """Give the open order up, to change subjects; closed at the gateway first."""
    order, portal = _own_open_order(), context.portal()
    context.close_read_session()
    try:
        state = payment.abandon_order(
            portal.factory, context.actor(), services.gateway(), order.number, clock=portal.clock
        )
    except KaowuError as error:
        flash(context.message_of(error), "error")
    else:
        paid = state is OrderState.PAID
        flash(gettext("支付成功。") if paid else gettext("订单已放弃，可以修改报考科目。"), "info")
    return redirect(url_for("registration.status"))


callbacks = Blueprint("callbacks", __name__, url_prefix="/payment")


@callbacks.post("/callback")
def receive() -> ResponseReturnValue:
    """A call-back of the gateway: its signature is its log-in (N4). Answers "success"."""
    money = services.gateway().read_callback(request.form.to_dict())
    services.deliver(money)
    return "success", 200, {"Content-Type": "text/plain; charset=utf-8"}
