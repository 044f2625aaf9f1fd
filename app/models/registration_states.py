"""The states of registrations and entries, and what they are called."""

from __future__ import annotations

from enum import StrEnum

from app.metadata.errors import N_


class Mode(StrEnum):
    """报名方式."""

    INDIVIDUAL = "individual"
    COLLECTIVE = "collective"


class Life(StrEnum):
    """Does the registration count? Only draft and active hold the person (partial index)."""

    DRAFT = "draft"
    ACTIVE = "active"
    EXPIRED = "expired"
    DELETED = "deleted"
    CANCELLED = "cancelled"


#: a registration that counts; expired, deleted and cancelled ones do not
LIVE = (Life.DRAFT.value, Life.ACTIVE.value)


class Review(StrEnum):
    """报名信息审核; "none" where the site does not review."""

    NONE = "none"
    OPEN = "open"
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class EntryState(StrEnum):
    """Life of one entry; seats are held in all states but the last three."""

    UNPAID = "unpaid"
    PAYING = "paying"
    BATCH_LOCKED = "batch_locked"
    PAID = "paid"
    ARRANGED = "arranged"
    NUMBERED = "numbered"
    EXPIRED = "expired"
    DELETED = "deleted"
    CANCELLED = "cancelled"


HOLDING = (
    EntryState.UNPAID,
    EntryState.PAYING,
    EntryState.BATCH_LOCKED,
    EntryState.PAID,
    EntryState.ARRANGED,
    EntryState.NUMBERED,
)
PAID_STATES = (EntryState.PAID, EntryState.ARRANGED, EntryState.NUMBERED)
HOLDING_SQL = "state NOT IN ('expired', 'deleted', 'cancelled')"
LIVE_SQL = "life IN ('draft', 'active')"

MODES = {"individual": N_("考生注册"), "collective": N_("集体报名")}
LIVES = {
    "draft": N_("填写中"),
    "active": N_("有效"),
    "expired": N_("超时删除"),
    "deleted": N_("已删除"),
    "cancelled": N_("已取消"),
}
REVIEWS = {
    "none": "-",
    "open": N_("未提交"),
    "pending": N_("待审核"),
    "approved": N_("已通过"),
    "rejected": N_("未通过"),
}
ENTRY_STATES = {
    "unpaid": N_("未支付"),
    "paying": N_("支付中"),
    "batch_locked": N_("集体缴费锁定"),
    "paid": N_("已支付"),
    "arranged": N_("已编排"),
    "numbered": N_("已生成准考证号"),
    "expired": N_("超时删除"),
    "deleted": N_("已删除"),
    "cancelled": N_("已取消"),
}
PAYMENTS = {
    "none": N_("未报考"),
    "unpaid": N_("全未支付"),
    "partly": N_("部分支付"),
    "paid": N_("全部支付"),
}
LOCKS = {"1": N_("已锁定"), "0": N_("未锁定")}
REJECTIONS = {
    "1": N_("基本信息有问题"),
    "2": N_("照片有问题"),
    "3": N_("报考资格有问题"),
    "4": N_("其他问题"),
}
