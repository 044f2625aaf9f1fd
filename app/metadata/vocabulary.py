"""Levels, verbs, windows, kinds of personal data: the closed lists of words."""

from __future__ import annotations

from enum import StrEnum

from app.metadata.errors import N_


class Level(StrEnum):
    """Who acts: four levels of administrators, and the candidate (domain.md R3.1)."""

    CENTER = "center"
    PROVINCE = "province"
    CITY = "city"
    SITE = "site"
    CANDIDATE = "candidate"

    @property
    def rank(self) -> int:
        """0 is the highest level."""
        return _RANK[self]

    @property
    def label(self) -> str:
        """Chinese name of the level of an organisation (R7: 机构级别)."""
        return LEVEL_LABELS[self]

    @property
    def role_label(self) -> str:
        """Chinese name of the role of a person at this level (R6.4: 角色)."""
        return ROLE_LABELS[self]


_RANK = {level: number for number, level in enumerate(Level)}
LEVEL_LABELS = {
    Level.CENTER: N_("考试中心级"),
    Level.PROVINCE: N_("省级"),
    Level.CITY: N_("地市级"),
    Level.SITE: N_("考点级"),
    Level.CANDIDATE: N_("考生"),
}
ROLE_LABELS = {
    Level.CENTER: N_("考试中心管理员"),
    Level.PROVINCE: N_("省管理员"),
    Level.CITY: N_("地市管理员"),
    Level.SITE: N_("考点管理员"),
    Level.CANDIDATE: N_("考生"),
}
ADMINISTRATORS = (Level.CENTER, Level.PROVINCE, Level.CITY, Level.SITE)


class Verb(StrEnum):
    """What may be granted on a declaration."""

    LIST = "list"
    SHOW = "show"
    ADD = "add"
    EDIT = "edit"
    DELETE = "delete"
    EXPORT = "export"
    #: run an operation or an import
    RUN = "run"
    #: open the page of a statistic, import or document
    VIEW = "view"
    GENERATE = "generate"
    DOWNLOAD = "download"

    @property
    def label(self) -> str:
        return VERB_LABELS[self]


VERB_LABELS = {
    Verb.LIST: N_("查询"),
    Verb.SHOW: N_("查看"),
    Verb.ADD: N_("新增"),
    Verb.EDIT: N_("修改"),
    Verb.DELETE: N_("删除"),
    Verb.EXPORT: N_("导出"),
    Verb.RUN: N_("执行"),
    Verb.VIEW: N_("浏览"),
    Verb.GENERATE: N_("生成"),
    Verb.DOWNLOAD: N_("下载"),
}
#: Verbs that change nothing: allowed in a history session and outside windows (R0.2, R0.4).
READING = frozenset({Verb.LIST, Verb.SHOW, Verb.VIEW, Verb.EXPORT})
#: Verbs on files: no exam data changes, so a history session allows them too (R0.4 exception 2).
FILING = frozenset({Verb.GENERATE, Verb.DOWNLOAD})
WRITING = frozenset(Verb) - READING - FILING


class Window(StrEnum):
    """The operation windows W1-W9 (R0.1). The value is the stem of the window's columns."""

    SETUP = "setup"
    ELIGIBILITY = "eligibility"
    REGISTRATION = "registration"
    ONLINE = "online"
    ARRANGEMENT = "arrangement"
    TICKET = "ticket"
    DISCIPLINE = "discipline"
    PRE_EXAM = "pre_exam"
    POST_EXAM = "post_exam"

    @property
    def label(self) -> str:
        return WINDOW_LABELS[self]

    @property
    def number(self) -> str:
        """W1 … W9, as in the manual's master table."""
        return f"W{list(Window).index(self) + 1}"

    @property
    def open_ended(self) -> bool:
        """W6 has a start only."""
        return self is Window.TICKET


WINDOW_LABELS = {
    Window.SETUP: N_("报名前设置时间"),
    Window.ELIGIBILITY: N_("报名资格管理时间"),
    Window.REGISTRATION: N_("报名管理时间"),
    Window.ONLINE: N_("考生网上报名时间"),
    Window.ARRANGEMENT: N_("编排时间"),
    Window.TICKET: N_("准考证打印开始时间"),
    Window.DISCIPLINE: N_("缺考违纪管理时间"),
    Window.PRE_EXAM: N_("考前资料下载时间"),
    Window.POST_EXAM: N_("考后资料下载时间"),
}


class ExamState(StrEnum):
    """Life of an exam session (R0.4, R0.4a; exactly one is current)."""

    PREPARING = "preparing"
    CURRENT = "current"
    HISTORY = "history"

    @property
    def label(self) -> str:
        return EXAM_STATE_LABELS[self]


EXAM_STATE_LABELS = {
    ExamState.PREPARING: N_("筹备"),
    ExamState.CURRENT: N_("当前考次"),
    ExamState.HISTORY: N_("历史考次"),
}


class Personal(StrEnum):
    """How personal a column is; compulsory on every managed column (domain.md §8.1)."""

    NONE = "none"
    PERSONAL = "personal"
    SENSITIVE = "sensitive"


class Area(StrEnum):
    """First level of the menu, in the order of the work flow (domain.md, Menu)."""

    BASIC = "basic"
    WINDOWS = "windows"
    SETUP = "setup"
    ROSTER = "roster"
    REGISTRATION = "registration"
    ARRANGEMENT = "arrangement"
    TICKET = "ticket"
    DISCIPLINE = "discipline"
    SCORE = "score"
    SETTLEMENT = "settlement"
    EXAM_DATA = "exam_data"
    REPORT = "report"
    STATISTICS = "statistics"
    SYSTEM = "system"

    @property
    def label(self) -> str:
        return AREA_LABELS[self][0]

    @property
    def icon(self) -> str:
        return AREA_LABELS[self][1]


AREA_LABELS = {
    Area.BASIC: (N_("基本信息设置"), "fa-building"),
    Area.WINDOWS: (N_("操作时间设置"), "fa-clock"),
    Area.SETUP: (N_("报名前设置"), "fa-sliders"),
    Area.ROSTER: (N_("学籍库管理"), "fa-id-card"),
    Area.REGISTRATION: (N_("报名管理"), "fa-user-pen"),
    Area.ARRANGEMENT: (N_("编排管理"), "fa-table-cells"),
    Area.TICKET: (N_("准考证管理"), "fa-ticket"),
    Area.DISCIPLINE: (N_("违规管理"), "fa-triangle-exclamation"),
    Area.SCORE: (N_("成绩管理"), "fa-award"),
    Area.SETTLEMENT: (N_("分账管理"), "fa-building-columns"),
    Area.EXAM_DATA: (N_("机考数据管理"), "fa-desktop"),
    Area.REPORT: (N_("报表管理"), "fa-print"),
    Area.STATISTICS: (N_("数据统计"), "fa-chart-column"),
    Area.SYSTEM: (N_("系统管理"), "fa-gears"),
}
