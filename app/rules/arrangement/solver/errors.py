"""What can be wrong with the data that are handed to the solver."""

from __future__ import annotations

from app.metadata.errors import N_, KaowuError


class InvalidInstance(KaowuError):
    """The instance contradicts itself or is not in the format `ncre-arrange/1`."""

    code = "arrangement.instance"
    template = N_("编排数据格式不正确（{problem}），请重新导出后再试。")


class UnknownSubject(InvalidInstance):
    """An entry names a subject that the instance does not describe."""

    code = "arrangement.instance.subject"
    template = N_("考生 {candidate} 报考的科目 {subject} 不在编排数据中，请检查科目设置。")


class UnknownSlot(InvalidInstance):
    """An existing placement names a sitting that the instance does not describe."""

    code = "arrangement.instance.slot"
    template = N_("考生 {candidate} 已编排的批次 {slot} 不在编排数据中，请刷新后重试。")


class DuplicateKey(InvalidInstance):
    """A subject, sitting, candidate or entry is listed twice."""

    code = "arrangement.instance.duplicate"
    template = N_("编排数据中 {key} 重复出现，请检查后重试。")


class SeatsExhausted(KaowuError):
    """More entries than seats in one sitting: the plan and the capacities do not match."""

    code = "arrangement.seats"
    template = N_("批次 {slot} 只有 {capacity} 个座位，却编排了 {entries} 人，请重新编排。")
