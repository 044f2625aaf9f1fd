"""What a run has to say to people: codes, Chinese templates, parameters. Nothing is formatted
before it is shown, so that every sentence can be translated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.metadata.agreement import agreed
from app.metadata.errors import N_


class Reason(StrEnum):
    """Why an entry is not placed, and the sentences that explain it."""

    WINDOW = "arrangement.unplaced.window"
    LENGTH = "arrangement.unplaced.length"
    WISH_DATE = "arrangement.unplaced.wish_date"
    EXISTING = "arrangement.unplaced.existing"
    OWN_ENTRIES = "arrangement.unplaced.own_entries"
    SHORTAGE = "arrangement.unplaced.shortage"
    SHORTAGE_OF_ALL = "arrangement.unplaced.shortage_of_all"
    EXHAUSTED = "arrangement.unplaced.exhausted"
    NOT_FOUND = "arrangement.unplaced.not_found"
    SHORTAGE_GROUP = "arrangement.shortage.group"
    SHORTAGE_REST = "arrangement.shortage.rest"
    SHORTAGE_SEATS = "arrangement.shortage.add_seats"


TEMPLATES: Mapping[Reason, str] = {
    Reason.WINDOW: N_(
        "没有任何批次落在科目 {subject} 的考试时间（{start} 至 {end}）之内，请在该时间内新增批次。"
    ),
    Reason.LENGTH: N_(
        "科目 {subject} 需要 {minutes} 分钟，其考试时间内最长的批次只有 {longest} 分钟，"
        "请新增更长的批次。"
    ),
    Reason.WISH_DATE: N_(
        "意向日期 {date} 没有适合科目 {subject} 的批次，请在该日新增批次，或改用“选中考生编排”。"
    ),
    Reason.EXISTING: N_(
        "适合科目 {subject} 的批次与该考生已编排的科目 {others} 间隔不足（须大于 {gap} 分钟），"
        "请新增批次，或先清除该考生已有的编排。"
    ),
    Reason.OWN_ENTRIES: N_(
        "该考生待编排的 {count} 科（{subjects}）最多只能排 {most} 科（各科间隔须大于 {gap} 分钟），"
        "请增加批次或调整批次时间。"
    ),
    Reason.SHORTAGE: N_(
        "时段 {periods} 共 {seats} 个空座，但以下考生至少需要 {needed} 座，缺 {missing} 座："
    ),
    Reason.SHORTAGE_OF_ALL: N_(
        "全部批次共 {seats} 个空座，但以下考生至少需要 {needed} 座，缺 {missing} 座："
    ),
    Reason.EXHAUSTED: N_(
        "现有批次无法容纳全部考生，已证明最多可排 {most} 科次，请增加批次或座位后重新编排。"
    ),
    Reason.NOT_FOUND: N_(
        "没有找到能容纳该科次的安排（本次最多可能排 {most} 科次），请增加批次或座位后重新编排。"
    ),
    Reason.SHORTAGE_GROUP: N_("（{subjects}）{candidates} 人至少 {seats} 座"),
    Reason.SHORTAGE_REST: N_("其余 {candidates} 人至少 {seats} 座"),
    Reason.SHORTAGE_SEATS: N_("在 {period} 增加 {seats} 座，可多排 {gain} 科次"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence: `code` names the template, `parameters` fill it in.

    `details` finish the sentence (who needs the seats); `remedies` say what would help.
    """

    code: Reason
    parameters: Mapping[str, int | str] = field(default_factory=dict)
    details: tuple[Finding, ...] = ()
    remedies: tuple[Finding, ...] = ()

    @property
    def template(self) -> str:
        """The Chinese sentence with its `{placeholders}` (a msgid)."""
        return TEMPLATES[self.code]

    def text(self, translate: Callable[[str], str] = str) -> str:
        """The whole text; `translate` maps the Chinese templates to the user's language."""
        head = agreed(translate(self.template), self.parameters).format(**self.parameters)
        tail = "；".join(detail.text(translate) for detail in self.details)
        help_ = "；".join(remedy.text(translate) for remedy in self.remedies)
        return f"{head}{tail}{'。' if tail else ''}{help_}{'。' if help_ else ''}"

    def to_json(self) -> dict[str, Any]:
        """`{code, parameters, details, remedies}`; empty parts are left out."""
        data: dict[str, Any] = {"code": self.code.value, "parameters": dict(self.parameters)}
        for name, parts in (("details", self.details), ("remedies", self.remedies)):
            if parts:
                data[name] = [part.to_json() for part in parts]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        """The inverse of `to_json`."""
        return cls(
            Reason(data["code"]),
            data["parameters"],
            tuple(cls.from_json(part) for part in data.get("details", [])),
            tuple(cls.from_json(part) for part in data.get("remedies", [])),
        )
