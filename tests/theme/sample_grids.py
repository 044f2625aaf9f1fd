"""Made-up contexts of the welcome page and of the pages that are grids or two panes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

Page = tuple[str, dict[str, Any]]

RUNNING = {"text": "进行中", "tone": "ok"}
LATER = {"text": "未开始", "tone": "off"}
OPEN = "2026-07-23 15:51 至 2026-08-31 21:00"


def _home() -> Page:
    entries = [
        ("机构名称", "(990701)地市七考点一", None),
        ("角色", "考点管理员", None),
        ("当前考次", "(72) 2026年9月全国计算机等级考试", None),
        ("是否开考", True, None),
        ("报名前设置时间", OPEN, RUNNING),
        ("报名资格管理时间", OPEN, RUNNING),
        ("报名管理时间", OPEN, RUNNING),
        (
            "考生个人网报时间",
            "2026-07-23 15:57 至 2026-08-29 08:00",
            {"text": "今日截止", "tone": "warn"},
        ),
        ("编排时间", "2026-09-01 08:00 至 2026-09-10 18:00", LATER),
        ("准考证打印开始时间", "2026-09-12 08:00", LATER),
        ("缺考违纪管理时间", "2026-09-19 08:00 至 2026-09-30 21:00", LATER),
        ("考前资料下载时间", "2026-09-10 08:00 至 2026-09-18 21:00", LATER),
        ("考后资料下载时间", "未设置", None),
        ("考点报名通告", "未设置", None),
        ("注册考生年龄区间", "6-80周岁", None),
    ]
    steps = [
        ("done", "报名前设置", "综合、科目、容量、网报时间", "已完成 8/8", "ok"),
        ("now", "报名管理", "报名、照片、审核、缴费", "23 人待审核", "info"),
        ("later", "编排管理", "考场、编排、准考证号", "09-01 开始", "off"),
        ("later", "准考证管理", "下载、预生成", "09-12 开始", "off"),
        ("later", "机考与报表", "照片包、机考数据、签到表", "09-10 开始", "off"),
        ("later", "违规与成绩", "缺考违纪、成绩、证书", "09-19 开始", "off"),
    ]
    return "kw/pages/home.html", {
        "figures": [
            {"label": "报名考生", "value": "328"},
            {"label": "已缴费", "value": "199"},
            {"label": "待审核", "value": "64", "url": "/list"},
            {"label": "容量使用率", "value": "62%"},
        ],
        "entries": [{"label": a, "value": b, "badge": c} for a, b, c in entries],
        "steps": [
            {"state": s, "label": a, "text": t, "badge": {"text": b, "tone": tone}}
            for s, a, t, b, tone in steps
        ],
        "cards": [
            {
                "title": "省报名通告",
                "text": "2026年9月考试本省网上报名时间为7月23日至8月29日，"
                "请各考点核对开考科目、容量与收费标准。",
            }
        ],
    }


def _matrix(preview: bool = False) -> Page:
    verbs = [
        ("view", "查看"),
        ("add", "新增"),
        ("edit", "修改"),
        ("delete", "删除"),
        ("load", "导入"),
        ("export", "导出"),
        ("review", "审核"),
    ]
    names = {
        "操作时间设置": ["考点操作时间设置"],
        "报名前设置": ["考点报名综合设置", "考点开考科目设置", "考点费用设置", "考点容量设置"],
        "学籍库管理": ["学籍数据导入", "学籍库信息管理"],
        "报名管理": ["集体报名信息导入", "考生照片导入", "考生管理", "报考统计", "支付统计"],
    }
    groups = []
    for number, (group, pages) in enumerate(names.items()):
        rows = []
        for page in pages:
            legal = ("view", "load", "export") if "导入" in page else ("view", "export")
            cells = {
                verb: {
                    "value": f"{page}:{verb}",
                    "checked": (len(page) + len(verb)) % 3 > 0,
                    "disabled": page == "考生管理" and verb == "review",
                }
                for verb, _ in verbs
                if verb in legal or ("导入" not in page and "统计" not in page and verb != "load")
            }
            rows.append({"label": page, "cells": cells})
        groups.append({"label": group, "name": f"g{number}", "pages": rows})
    changes = [
        {"page": "考点费用设置", "verb": "删除", "before": True, "after": False},
        {"page": "考生管理", "verb": "导出", "before": False, "after": True},
    ]
    roles = ["考试中心管理员", "省级管理员", "地市管理员", "考点管理员", "考点查询员", "财务人员"]
    return "kw/pages/matrix.html", {
        "title": "角色权限",
        "roles": [{"label": r, "url": "/matrix", "current": r == "考点管理员"} for r in roles],
        "add_action": {"label": "新增", "icon": "fa-plus", "url": "/form", "kind": "dialog"},
        "role_title": "考点管理员",
        "verbs": [{"name": name, "label": label} for name, label in verbs],
        "groups": groups,
        "form": {"action": "/matrix_preview", "hidden": [("token", "x")], "readonly": False},
        "copy_from": [("1", "考点查询员")],
        "preview": {"changes": changes, "action": "/matrix", "hidden": []} if preview else None,
        "conflict": preview,
    }


def _audit() -> Page:
    return "kw/pages/audit.html", {
        "title": "操作日志",
        "tools": [{"label": "导出", "icon": "fa-file-export", "url": "/job"}],
        "search": {
            "fields": [
                {"name": "who", "label": "操作人", "kind": "text"},
                {
                    "name": "from",
                    "label": "时间",
                    "kind": "range",
                    "name_to": "to",
                    "picker": "datetime",
                },
                {"name": "object", "label": "对象", "kind": "text"},
            ]
        },
        "entries": [
            {
                "time": dt.datetime(2026, 8, 28, 16, 20, n, tzinfo=dt.UTC),
                "who": "狄七一",
                "organisation": "(990701)地市七考点一",
                "on_behalf": "(990702)地市七考点二" if n == 2 else None,
                "action": "修改报名信息",
                "object": "报名 李测试",
                "reason": "考生申请" if n == 2 else None,
                "source": "页面",
                "address": "192.0.2.17",
                "changes": [
                    {"label": "手机", "before": "138****1177", "after": "139****2208"},
                    {"label": "院系", "before": None, "after": "机电工程系"},
                ][: n + 1],
            }
            for n in range(3)
        ],
        "paging": {
            "page": 3,
            "size": 50,
            "total": 10000,
            "bounded": True,
            "url_pattern": "?page={page}&size={size}",
        },
    }


def _windows() -> Page:
    windows = [
        {"name": "W1", "label": "报名前设置时间", "edges": ["开始", "截止"]},
        {"name": "W3", "label": "报名管理时间", "edges": ["开始", "结束"]},
        {"name": "W6", "label": "准考证打印开始时间", "edges": ["开始"]},
    ]
    start = dt.datetime(2026, 7, 23, 15, 51, tzinfo=dt.UTC)
    end = dt.datetime(2026, 8, 31, 21, tzinfo=dt.UTC)
    cells = {
        "W1": {"at": [start, end], "state": RUNNING},
        "W3": {"at": [start, end], "state": RUNNING, "warning": "3 天后结束"},
        "W6": {"at": [None], "state": {"text": "未设置", "tone": "warn"}},
    }
    edit = {"label": "修改", "url": "/form", "kind": "dialog"}
    extend = {"label": "延长", "url": "/operation", "kind": "dialog"}
    return "kw/pages/windows.html", {
        "title": "考点操作时间设置",
        "windows": windows,
        "bounds": {"label": "上级（测试市七）", "cells": cells},
        "rows": [
            {
                "id": n,
                "label": f"(9907{n:02})地市七考点{n}",
                "cells": cells,
                "actions": [edit, extend],
            }
            for n in range(1, 6)
        ],
        "selectable": True,
        "query_token": "signed",
        "search": {"fields": [{"name": "site", "label": "考点", "kind": "text"}]},
        "toolbar": {"batch": [{"label": "批量设置", "icon": "fa-clock", "url": "/operation"}]},
        "paging": {"page": 1, "size": 20, "total": 124, "url_pattern": "?page={page}&size={size}"},
    }


def _master_detail() -> Page:
    sites = [
        {"label": f"(9907{n:02})地市七考点{n}", "url": "/master_detail", "current": n == 1}
        for n in range(1, 6)
    ]
    city = {
        "label": "(9907)测试市七",
        "url": "/master_detail",
        "open": True,
        "children": sites,
        "badge": {"text": "已审核", "tone": "ok"},
    }
    rows = [
        {
            "id": n,
            "cells": {
                "name": name,
                "organisation": "(990701)地市七考点一",
                "role": "考点管理员",
                "email": f"user{n}@example.cn",
            },
            "actions": [
                {"label": "修改", "url": "/form", "kind": "dialog"},
                {
                    "label": "删除",
                    "url": "/confirm",
                    "kind": "dialog",
                    "danger": True,
                    "disabled_reason": "不能删除自己" if n == 0 else None,
                },
            ],
        }
        for n, name in enumerate(["狄七一", "高英艳", "何磊涛"])
    ]
    return "kw/pages/master_detail.html", {
        "title": "用户与机构管理",
        "left": {
            "title": "考试机构管理",
            "search": {"name": "q", "value": "", "label": "代码或名称"},
            "nodes": [
                {"label": "(99)测试省", "url": "/master_detail", "open": True, "children": [city]}
            ],
        },
        "right_title": "地市七考点一的用户管理",
        "record": {
            "title": "机构信息",
            "level": 3,
            "sections": [
                {
                    "entries": [
                        {"label": "机构代码", "value": "990701"},
                        {"label": "信息审核", "value": {"text": "未审核", "tone": "info"}},
                        {"label": "联系人", "value": "狄七一"},
                        {"label": "启用", "value": True},
                    ]
                }
            ],
        },
        "record_actions": [{"label": "修改机构信息", "url": "/form", "kind": "dialog"}],
        "toolbar": {
            "primary": [{"label": "新增", "icon": "fa-plus", "url": "/form", "kind": "dialog"}]
        },
        "table": {
            "columns": [
                {"name": "name", "label": "姓名"},
                {"name": "organisation", "label": "所属机构"},
                {"name": "role", "label": "角色"},
                {"name": "email", "label": "邮箱"},
            ],
            "rows": rows,
        },
    }


PAGES: dict[str, Callable[[], Page]] = {
    "home": _home,
    "matrix": _matrix,
    "matrix_preview": lambda: _matrix(True),
    "audit": _audit,
    "windows": _windows,
    "master_detail": _master_detail,
}
