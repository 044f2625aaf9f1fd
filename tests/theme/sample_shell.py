"""What the shell asks of the application: who is logged in, and the menu."""

from __future__ import annotations

from typing import Any

Context = dict[str, Any]

MENU: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("基本信息设置", "fa-building", (("用户与机构管理", "master_detail"), ("角色权限", "matrix"))),
    ("操作时间设置", "fa-clock", (("考点操作时间设置", "windows"),)),
    ("报名前设置", "fa-sliders", (("考点报名综合设置", "settings"), ("考点费用设置", "empty"))),
    ("学籍库管理", "fa-id-card", (("学籍数据导入", "message"),)),
    (
        "报名管理",
        "fa-user-pen",
        (
            ("集体报名信息导入", "import"),
            ("考生照片导入", "import_run"),
            ("考生管理", "list"),
            ("报名信息批量审核", "operation"),
            ("报考统计", "statistics"),
        ),
    ),
    ("编排管理", "fa-table-cells", (("考场管理", "form"),)),
    ("准考证管理", "fa-ticket", (("考点小版准考证下载", "documents"),)),
    ("违规管理", "fa-triangle-exclamation", (("违规信息管理", "show"),)),
    ("成绩管理", "fa-award", (("成绩信息管理", "list"),)),
    ("分账管理", "fa-building-columns", (("分账账户管理", "list"),)),
    ("机考数据管理", "fa-desktop", (("机考数据下载", "documents"),)),
    ("报表管理", "fa-print", (("考场签到表下载", "documents"),)),
    ("数据统计", "fa-chart-column", (("通用统计", "statistics"),)),
    ("系统管理", "fa-gears", (("操作日志", "audit"), ("任务监控", "job"))),
)
ANONYMOUS = {"login", "entries", "totp", "password", "unsupported"}


def header() -> Context:
    """``kw_header()`` of a site's administrator."""
    title = "(72) 2026年9月全国计算机等级考试"
    return {
        "session_no": 72,
        "session_title": title,
        "sessions": [
            {"no": 72, "title": title, "url": "/", "current": True, "historic": False},
            {
                "no": 71,
                "title": "(71) 2026年3月全国计算机等级考试",
                "url": "/list",
                "current": False,
                "historic": True,
            },
        ],
        "user_name": "狄七一",
        "role": "考点管理员",
        "organisation": "(990701)地市七考点一",
        "read_only": False,
        "demo": False,
        "urls": {"home": "/", "logout": "/login", "profile": "/show", "password": "/password"},
        "languages": [],
    }


def menu(path: str) -> list[Context]:
    """``kw_menu()``: the two levels, the open group and the current entry."""
    seen = False
    groups = []
    for label, icon, entries in MENU:
        children = []
        for text, name in entries:
            on = not seen and path == f"/{name}"
            seen = seen or on
            reason = "省未开启学籍库功能" if text == "学籍数据导入" else None
            children.append({"label": text, "url": f"/{name}", "on": on, "disabled_reason": reason})
        groups.append(
            {
                "label": label,
                "icon": icon,
                "on": any(c["on"] for c in children),
                "children": children,
            }
        )
    return groups
