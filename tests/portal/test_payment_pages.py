"""Paying over HTTP (N4, N5, N21, R12.5, R15.6): orders, the sandbox bank, signed call-backs."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from app.jobs import payments
from app.models.payment import OrderState
from app.models.settings import Fee
from app.portal import create_portal_app
from app.rules import capacity
from app.runtime import Runtime
from tests.factories import add_site, seeding
from tests.portal.passport_world import ADDRESS, Portal, open_portal
from tests.portal.registration_world import (
    PAYMENT,
    STATUS,
    Candidate,
    bank,
    callback,
    collective,
    main_action,
    transactions,
)


@pytest.fixture
def portal(fresh_database: str, instance: Path) -> Iterator[Portal]:
    with open_portal(fresh_database, instance) as made:
        yield made


@pytest.fixture
def candidate(portal: Portal) -> Candidate:
    made = Candidate(portal)
    made.register(["14", "24"])
    return made


def runtime(portal: Portal) -> Runtime:
    settings = portal.app.extensions["kaowu_portal"].settings
    return Runtime(settings, portal.factory.kw["bind"], portal.factory)


def paid_message(portal: Portal, candidate: Candidate) -> dict[str, str]:
    """The bank has the money; what it will tell us."""
    candidate.order()
    message: dict[str, str] = bank(portal).pay(candidate.orders()[0].number)
    return message


# ---------------------------------------------------------------- the order


def test_r12_5_the_order_freezes_the_fees_and_counts_down(
    portal: Portal, candidate: Candidate
) -> None:
    page = candidate.get(PAYMENT)
    assert "¥154.00" in page.text
    assert main_action(page) == "去支付"
    assert candidate.order().startswith("/sandbox/pay?")
    with portal.writing() as session, seeding(session):
        for fee in session.scalars(select(Fee)):
            fee.amount = 9900
    portal.clock.forward(hours=1)
    page = candidate.get(PAYMENT)
    assert "¥154.00" in page.text
    assert f'data-due="{23 * 3600}"' in page.text
    assert main_action(page) == "立即支付"
    assert candidate.row().locked


def test_starting_to_pay_twice_gives_one_order(candidate: Candidate) -> None:
    assert candidate.order() == candidate.order()
    assert [order.state for order in candidate.orders()] == [OrderState.OPEN]


def test_n21_a_fee_of_nothing_is_paid_at_once_and_an_unset_one_blocks(portal: Portal) -> None:
    with portal.writing() as session:
        free = add_site(session, portal.tree, "990703", person_fee=0, subject_fee=0)
    candidate = Candidate(portal)
    candidate.register(["14"], free)
    assert candidate.order() == STATUS
    assert candidate.entries() == {"14": "paid"}
    assert "已支付" in candidate.get(STATUS).text
    owner = portal.passport()
    with portal.writing() as session:
        unset = add_site(session, portal.tree, "990704", person_fee=None)
    collective(portal, owner, site=unset)
    other = Candidate(portal, owner)
    assert "费用未设置" in other.get(PAYMENT).text
    assert other.order() == PAYMENT
    assert "人次费未设置" in other.get(PAYMENT).text
    assert other.orders() == []


def test_an_abandoned_order_lets_the_subjects_be_changed(candidate: Candidate) -> None:
    candidate.order()
    page = candidate.get("/registration/subjects")
    assert "支付中的订单" in page.text
    assert 'form="subjects-form"' not in page.text
    answer = candidate.post(f"{PAYMENT}abandon", form=PAYMENT)
    assert answer.location == STATUS
    assert "订单已放弃" in candidate.get(STATUS).text
    assert candidate.choose(["26"]).location == STATUS
    assert candidate.orders()[0].state == OrderState.CLOSED


# ---------------------------------------------------------------- the sandbox bank


def test_success_is_told_and_shown(candidate: Candidate) -> None:
    assert candidate.at_the_bank("succeed").location == STATUS
    assert "支付成功" in candidate.get(STATUS).text
    page = candidate.get(PAYMENT).text
    assert "已支付全部科目" in page
    assert candidate.orders()[0].number in page


def test_failure_leaves_the_order_open(portal: Portal, candidate: Candidate) -> None:
    assert candidate.at_the_bank("fail").location == PAYMENT
    assert "支付失败" in candidate.get(PAYMENT).text
    assert candidate.entries() == {"14": "paying", "24": "paying"}
    assert transactions(portal) == []
    assert candidate.at_the_bank("succeed").location == STATUS


def test_a_result_told_twice_counts_once(portal: Portal, candidate: Candidate) -> None:
    candidate.at_the_bank("twice")
    assert transactions(portal) == ["paid"]
    assert candidate.entries() == {"14": "paid", "24": "paid"}


def test_a_late_result_comes_with_upkeep_or_with_refreshing(
    portal: Portal, candidate: Candidate
) -> None:
    state = f"{PAYMENT}state"
    assert candidate.at_the_bank("late").location == PAYMENT
    assert payments.send_late_notices(runtime(portal), portal.clock) == 0
    assert candidate.get(state).json == {"state": "open"}
    portal.clock.forward(seconds=21)
    assert payments.send_late_notices(runtime(portal), portal.clock) == 1
    assert payments.send_late_notices(runtime(portal), portal.clock) == 0
    assert candidate.get(state).json == {"state": "paid"}
    other = Candidate(portal)
    other.register(["14"])
    other.at_the_bank("late")
    answer = other.post(f"{PAYMENT}refresh", form=PAYMENT)
    assert answer.location == STATUS
    assert other.entries() == {"14": "paid"}
    portal.clock.forward(seconds=21)
    assert payments.send_late_notices(runtime(portal), portal.clock) == 1
    assert transactions(portal) == ["paid", "paid"]


def test_a_wrong_amount_pays_nothing_and_is_shown(portal: Portal, candidate: Candidate) -> None:
    assert candidate.at_the_bank("wrong").location == PAYMENT
    page = candidate.get(PAYMENT).text
    assert "到账金额与订单不符" in page
    assert "已收到一笔与订单金额不符的款项" in page
    assert transactions(portal) == ["amount_mismatch"]
    assert candidate.entries() == {"14": "paying", "24": "paying"}
    answer = candidate.post(f"{PAYMENT}abandon", form=PAYMENT)
    assert answer.location == PAYMENT
    assert "不能放弃" in candidate.get(PAYMENT).text


def test_refreshing_without_a_payment_asks_to_wait(candidate: Candidate) -> None:
    candidate.order()
    assert candidate.post(f"{PAYMENT}refresh", form=PAYMENT).location == PAYMENT
    assert "尚未收到支付结果" in candidate.get(PAYMENT).text


def test_the_bank_refuses_addresses_that_it_did_not_make(candidate: Candidate) -> None:
    address = candidate.order()
    assert candidate.get(address.replace("amount=15400", "amount=1")).status_code == 403
    assert candidate.get("/sandbox/pay").status_code == 403
    assert candidate.get(address).status_code == 200


def test_the_sandbox_is_there_only_where_it_is_the_gateway(
    portal: Portal, candidate: Candidate
) -> None:
    address = candidate.order()
    made = portal.app.extensions["kaowu_portal"].settings
    app = create_portal_app(
        replace(made, payment_gateway="bank"), portal.factory, clock=portal.clock
    )
    client = app.test_client()
    assert client.get(address, base_url=ADDRESS).status_code == 404
    assert client.post("/payment/callback", base_url=ADDRESS, data={}).status_code == 503


def test_paying_after_the_order_was_closed_takes_the_seats_again(
    portal: Portal, candidate: Candidate
) -> None:
    address = candidate.order()
    portal.clock.forward(hours=25)
    # the bank is not asked to close: its answer was lost, the customer stands at the counter
    message = bank(portal).pay(candidate.orders()[0].number)
    swept = payments.expire(runtime(portal), portal.clock)
    assert swept == 0  # the money was found by asking
    assert callback(portal, message).data == b"success"
    assert transactions(portal) == ["paid"]
    assert candidate.entries() == {"14": "paid", "24": "paid"}
    assert candidate.at_the_bank("succeed", address).status_code == 302
    assert transactions(portal) == ["paid"]


def test_r22_8a_an_unpaid_order_expires_and_frees_its_seats(
    portal: Portal, candidate: Candidate
) -> None:
    address = candidate.order()
    portal.clock.forward(hours=25)
    assert payments.expire(runtime(portal), portal.clock) == 2
    assert candidate.entries() == {"14": "expired", "24": "expired"}
    assert "因超时未支付已自动取消" in Candidate(portal, candidate.passport).get("/").text
    candidate.at_the_bank("succeed", address)
    assert transactions(portal) == []  # the bank had closed it


# ---------------------------------------------------------------- call-backs


@pytest.mark.parametrize("change", ["amount", "order_number", "signature", "nothing", "extra"])
def test_n4_a_forged_call_back_is_refused_and_logged(
    portal: Portal, candidate: Candidate, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    message = paid_message(portal, candidate)
    if change == "nothing":
        message = {}
    elif change == "extra":
        message["refund"] = "1"
    else:
        message[change] = message[change][:-1] + ("0" if message[change][-1] != "0" else "1")
    with caplog.at_level(logging.WARNING):
        answer = callback(portal, message)
    assert answer.status_code == 403
    assert answer.text == "gateway.forged"
    assert "forged call-back" in caplog.text
    assert "call-back from 127.0.0.1 refused" in caplog.text
    assert transactions(portal) == []
    assert candidate.entries() == {"14": "paying", "24": "paying"}


def test_n4_a_signed_call_back_for_an_order_of_nobody_is_not_found(portal: Portal) -> None:
    message = bank(portal).callback("20260101000000" + "0" * 10, "T1", 100)
    assert callback(portal, message).status_code == 404


def test_n4_an_answer_without_cookie_and_token_is_enough(
    portal: Portal, candidate: Candidate
) -> None:
    message = paid_message(portal, candidate)
    answer = callback(portal, message)
    assert (answer.status_code, answer.text, answer.mimetype) == (200, "success", "text/plain")
    assert candidate.entries() == {"14": "paid", "24": "paid"}


@pytest.mark.postgres
def test_n4_call_backs_five_times_at_once_and_out_of_order_count_once(portal: Portal) -> None:
    people = [Candidate(portal) for _ in range(4)]
    messages = []
    for position, each in enumerate(people):
        each.register(["14", "24"] if position % 2 else ["26"])
        messages += [paid_message(portal, each)] * 5
    forged = [message | {"amount": "1"} for message in messages[::5]]
    # by signature: in no order of ours, the five of one order side by side
    everything = sorted(messages + forged, key=lambda message: message["signature"])
    with ThreadPoolExecutor(5) as pool:
        codes = list(pool.map(lambda message: callback(portal, message).status_code, everything))
    assert sorted(codes) == [200] * 20 + [403] * 4
    assert transactions(portal) == ["paid"] * 4
    for each in people:
        assert set(each.entries().values()) == {"paid"}
        assert [order.state for order in each.orders()] == [OrderState.PAID]
    with portal.looking() as session:
        assert capacity.recount(session) == []


@pytest.mark.postgres
def test_n4_refreshing_and_call_backs_at_once_count_once(portal: Portal) -> None:
    candidate = Candidate(portal)
    candidate.register(["14"])
    message = paid_message(portal, candidate)
    token = candidate.token(PAYMENT)
    cookie = candidate.cookie

    def refresh(_number: int) -> int:
        client = portal.app.test_client()
        client.set_cookie("kaowu_portal", cookie, domain="127.0.0.1")
        form = {"csrf_token": token}
        return client.post(f"{PAYMENT}refresh", base_url=ADDRESS, data=form).status_code

    with ThreadPoolExecutor(6) as pool:
        told = [pool.submit(callback, portal, message) for _ in range(5)]
        asked = [pool.submit(refresh, number) for number in range(5)]
        assert {answer.result().status_code for answer in told} == {200}
        assert {answer.result() for answer in asked} == {302}
    assert transactions(portal) == ["paid"]
    assert candidate.entries() == {"14": "paid"}


def test_orders_of_the_day_have_numbers_of_their_own(portal: Portal) -> None:
    first, second = Candidate(portal), Candidate(portal)
    for each in (first, second):
        each.register(["14"])
        each.order()
    numbers = {first.orders()[0].number, second.orders()[0].number}
    assert len(numbers) == 2
    day = portal.clock.now.astimezone(dt.timezone(dt.timedelta(hours=8)))
    assert all(re.fullmatch(rf"{day:%Y%m%d%H%M%S}\d{{10}}", number) for number in numbers)
