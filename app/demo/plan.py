"""What the demo consists of: sessions, organisations, windows and settings, as plain data.

Days are counted from a session's base day: the day of loading for the current session, half a
year earlier for the one in history. A window is (first day, last day).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.metadata.text import LOCAL_ZONE
from app.metadata.vocabulary import Window
from app.rules.window_setting import Edges

PROVINCE = "99"
#: further provinces that take part, without data of their own
OTHER_PROVINCES = ("32", "37", "44")
CITIES = {"9907": "地市七", "9908": "地市八"}
HISTORY, CURRENT = 57, 58
HISTORY_BASE = -180
EXAM_DAYS = (30, 31, 32)
PERSON_FEE, SUBJECT_FEE = 1_000, 7_200  # fen

Days = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days around the base day of a session, in local time."""

    base: dt.date

    def day(self, days: int) -> dt.date:
        return self.base + dt.timedelta(days=days)

    def at(self, days: int, hour: int = 8, minute: int = 0) -> dt.datetime:
        """A local time of that day, in UTC."""
        local = dt.datetime.combine(self.day(days), dt.time(hour, minute), LOCAL_ZONE)
        return local.astimezone(dt.UTC)

    def end(self, days: int) -> dt.datetime:
        """The last second of that day, in UTC."""
        local = dt.datetime.combine(self.day(days), dt.time(23, 59, 59), LOCAL_ZONE)
        return local.astimezone(dt.UTC)

    def edges(self, window: Window, days: Days) -> Edges:
        """From 8:00 of the first day to the end of the last; W6 has no end."""
        return self.at(days[0]), None if window.open_ended else self.end(days[1])

    @property
    def exam_days(self) -> list[dt.date]:
        return [self.day(days) for days in EXAM_DAYS]


WindowDays = Mapping[Window, Days]
_AFTERWARDS: WindowDays = {Window.DISCIPLINE: (30, 40), Window.POST_EXAM: (55, 100)}
#: province and cities: everything below lies inside
SUPERIOR: WindowDays = {
    Window.SETUP: (-60, 24),
    Window.ELIGIBILITY: (-55, 24),
    Window.REGISTRATION: (-45, 24),
    Window.ONLINE: (-45, 24),
    Window.ARRANGEMENT: (-20, 28),
    Window.TICKET: (-5, -5),
    Window.DISCIPLINE: (30, 45),
    Window.PRE_EXAM: (-5, 33),
    Window.POST_EXAM: (50, 120),
}
_REGISTERING: WindowDays = {
    Window.SETUP: (-30, 15),
    Window.ELIGIBILITY: (-30, 15),
    Window.REGISTRATION: (-12, 20),
    Window.ONLINE: (-10, 18),
    Window.ARRANGEMENT: (22, 27),
    Window.TICKET: (28, 28),
    Window.PRE_EXAM: (25, 33),
    **_AFTERWARDS,
}
_PAID_UP: WindowDays = {
    Window.SETUP: (-60, -35),
    Window.ELIGIBILITY: (-50, -30),
    Window.REGISTRATION: (-40, -3),
    Window.ONLINE: (-40, -10),
    Window.ARRANGEMENT: (-2, 20),
    Window.TICKET: (22, 22),
    Window.PRE_EXAM: (15, 33),
    **_AFTERWARDS,
}
_ARRANGED: WindowDays = {
    Window.SETUP: (-60, -35),
    Window.ELIGIBILITY: (-50, -30),
    Window.REGISTRATION: (-40, -21),
    Window.ONLINE: (-40, -24),
    Window.ARRANGEMENT: (-15, -3),
    Window.TICKET: (-2, -2),
    Window.PRE_EXAM: (-2, 33),
    **_AFTERWARDS,
}
#: what comes after the registration is still unset: its superiors are reminded of it (R9.2a)
_SETTING_UP: WindowDays = {
    Window.SETUP: (-2, 20),
    Window.ELIGIBILITY: (-2, 20),
    Window.REGISTRATION: (5, 22),
    Window.ONLINE: (6, 20),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePlan:
    """One site of the current session.

    `capacity` is {subject: limit}; `online` its own 网报 days within W4; `settings` are columns of
    the settings page. `nearly_full` names a subject with two seats left.
    """

    code: str
    name: str
    address: str | None
    windows: WindowDays
    total: int | None = None
    capacity: Mapping[str, int] = field(default_factory=dict)
    day_quota: int | None = None
    online: Days | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    nearly_full: str | None = None
    classes: tuple[str, ...] = ()
    notice: str | None = None


_OPEN = {"open": True, "max_subjects": 3, "self_printing": True}
SITES = (
    SitePlan(
        code="990701",
        name="地市七考点一",
        address="测试省地市七学府路1号 实训楼",
        windows=_REGISTERING,
        total=400,
        capacity={"14": 60, "15": 40, "24": 80, "65": 80, "66": 40, "67": 40, "35": 30, "41": 20},
        day_quota=120,
        online=(-10, 14),
        settings={
            **_OPEN,
            "collective_registration": True,
            "collective_payment": True,
            "review_required": True,
            "preference_allowed": True,
        },
        nearly_full="66",
        classes=("会计一班", "会计二班", "计算机一班", "计算机二班", "其他"),
        notice="<p>本考点在<strong>主校区实训楼</strong>考试，请提前 30 分钟到场。</p>",
    ),
    SitePlan(
        code="990702",
        name="地市七考点二",
        address="测试省地市七人民路22号 信息中心",
        windows=_PAID_UP,
        total=300,
        capacity={"14": 60, "24": 60, "65": 60, "66": 60, "35": 60},
        day_quota=90,
        online=(-38, -12),
        settings={**_OPEN, "preference_allowed": True},
        notice="<p>报名和缴费已经结束，请等待编排。</p>",
    ),
    SitePlan(
        code="990703",
        name="地市七考点三",
        address="测试省地市七滨江大道300号 第二教学楼",
        windows=_ARRANGED,
        total=300,
        capacity={"14": 80, "24": 80, "65": 80, "66": 80, "42": 80},
        online=(-38, -25),
        settings={**_OPEN, "review_required": True, "class_required": True},
        classes=("一班", "二班", "三班"),
        notice="<p>准考证已可打印，请核对考试时间和地点。</p>",
    ),
    SitePlan(code="990704", name="地市七考点四", address=None, windows=_SETTING_UP),
    SitePlan(
        code="990801",
        name="地市八考点一",
        address="测试省地市八解放路8号",
        windows=_REGISTERING,
        total=200,
        capacity={"14": 60, "15": 60, "65": 60, "66": 60},
        online=(-10, 16),
        settings={**_OPEN},
    ),
    SitePlan(
        code="990802",
        name="地市八考点二",
        address="测试省地市八东风路66号",
        windows=_REGISTERING,
        total=100,
        capacity={"14": 60, "65": 40},
        settings={
            **_OPEN,
            "collective_registration": True,
            "collective_payment": True,
            "self_printing": False,
        },
    ),
)
PROVINCE_NOTICE = (
    "<p>请在网上报名时间内完成报名和缴费，逾期不补。</p>"
    "<ul><li>报名信息须与身份证件一致；</li><li>照片须为近期免冠证件照。</li></ul>"
)


def title_of(calendar: Calendar) -> str:
    """“2026年9月全国计算机等级考试”, by the first exam day."""
    first = calendar.exam_days[0]
    return f"{first.year}年{first.month}月全国计算机等级考试"
