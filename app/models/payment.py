"""Orders of candidates and what the gateway said about them."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database.base import (
    PLUMBING,
    AdministratorsOnly,
    Base,
    ExamScoped,
    Fen,
    OwnedByPassport,
    SiteScoped,
    Stamped,
    UtcDateTime,
    Versioned,
)
from app.metadata.errors import N_
from app.metadata.fields import Search, col
from app.metadata.vocabulary import Personal
from app.models.registration import Registration


class OrderState(StrEnum):
    """Life of an order (domain.md §2.2); only one per registration may be open."""

    OPEN = "open"
    PAID = "paid"
    CLOSED = "closed"
    FAILED = "failed"
    #: paid after it was closed and no seat was left: money to be returned
    REFUND_DUE = "refund_due"


ORDER_STATES = {
    "open": N_("待支付"),
    "paid": N_("已支付"),
    "closed": N_("已关闭"),
    "failed": N_("支付失败"),
    "refund_due": N_("待退款"),
}


class PaymentOrder(Base, SiteScoped, OwnedByPassport, Stamped, Versioned):
    """One payment of one registration: the fee snapshot is frozen at creation (R12.5)."""

    __tablename__ = "payment_order"
    __table_args__ = (
        Index(
            "uq_payment_order_one_open",
            "registration_id",
            unique=True,
            postgresql_where=text("state = 'open'"),
            sqlite_where=text("state = 'open'"),
        ),
        Index(None, "state", "expires_at"),
        CheckConstraint("amount = person_fee + subject_fee", name="sum"),
        CheckConstraint("person_fee >= 0 AND subject_fee >= 0", name="fees"),
    )

    #: public order number, 24 digits: time and random part
    number: Mapped[str] = mapped_column(
        String(32),
        unique=True,
        info=col(N_("订单号"), Personal.NONE, listed=True, search=Search.EXACT, form=False),
    )
    registration_id: Mapped[int] = mapped_column(
        ForeignKey("registration.id"), index=True, info=PLUMBING
    )
    #: subject codes of the entries it pays, joined by “.”
    subject_codes: Mapped[str] = mapped_column(
        String(10), info=col(N_("科目"), Personal.NONE, listed=True, form=False)
    )
    person_fee: Mapped[int] = mapped_column(
        Fen, info=col(N_("人次费（元）"), Personal.NONE, listed=True, form=False)
    )
    subject_fee: Mapped[int] = mapped_column(
        Fen, info=col(N_("科目费（元）"), Personal.NONE, listed=True, form=False)
    )
    amount: Mapped[int] = mapped_column(
        Fen, info=col(N_("金额（元）"), Personal.NONE, listed=True, form=False)
    )
    channel: Mapped[str] = mapped_column(
        String(20), default="", info=col(N_("支付方式"), Personal.NONE, form=False)
    )
    state: Mapped[str] = mapped_column(
        String(10),
        default=OrderState.OPEN.value,
        info=col(
            N_("状态"),
            Personal.NONE,
            choices=ORDER_STATES,
            listed=True,
            search=Search.CHOICE,
            form=False,
            badges={
                "open": "info",
                "paid": "ok",
                "closed": "off",
                "failed": "bad",
                "refund_due": "warn",
            },
        ),
    )
    expires_at: Mapped[dt.datetime] = mapped_column(
        UtcDateTime, info=col(N_("截止时间"), Personal.NONE, listed=True, form=False)
    )
    paid_at: Mapped[dt.datetime | None] = mapped_column(
        UtcDateTime, info=col(N_("支付时间"), Personal.NONE, listed=True, form=False)
    )

    registration: Mapped[Registration] = relationship()


class GatewayTransaction(Base, ExamScoped, AdministratorsOnly):
    """One transaction of the gateway, recorded once; it is in exactly one outcome."""

    __tablename__ = "gateway_transaction"
    __table_args__ = (Index(None, "order_id"),)

    order_id: Mapped[int] = mapped_column(ForeignKey("payment_order.id"), info=PLUMBING)
    transaction_number: Mapped[str] = mapped_column(String(64), unique=True, info=PLUMBING)
    amount: Mapped[int] = mapped_column(Fen, info=PLUMBING)
    #: paid / paid_late / duplicate / amount_mismatch / late_no_seat / double_payment
    outcome: Mapped[str] = mapped_column(String(20), info=PLUMBING)
    received_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, info=PLUMBING)


class SandboxPayment(Base):
    """What the sandbox gateway "knows": it stands for the bank's own records."""

    __tablename__ = "sandbox_payment"
    __unguarded__ = True

    order_number: Mapped[str] = mapped_column(String(32), unique=True, info=PLUMBING)
    amount: Mapped[int] = mapped_column(Integer, info=PLUMBING)
    state: Mapped[str] = mapped_column(String(10), default="open", info=PLUMBING)
    transaction_number: Mapped[str | None] = mapped_column(String(64), info=PLUMBING)
    #: when a late answer is to be sent, and how often
    notify_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime, info=PLUMBING)
    notify_times: Mapped[int] = mapped_column(Integer, default=0, info=PLUMBING)
