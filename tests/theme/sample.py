"""Made-up contexts of every page archetype (all persons of province 99 and generated)."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from typing import Any

from tests.theme import sample_grids, sample_pages

Context = dict[str, Any]
Page = tuple[str, Context]

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


NAMES = "李测试 郭玉 孙洋欣 张玉欣 王涛磊 朱子明 马静涵 徐芳敏 高英艳 何磊涛 罗秀欣 胡轩军".split()
PAID = (("全部支付", "ok"), ("部分支付", "warn"), ("全未支付", "off"))
REVIEW = (("已通过", "ok"), ("待审核", "info"), ("未通过", "bad"))


def candidates(count: int = 20) -> list[Context]:
    """Rows of the candidate list."""
    chance = random.Random(7)
    rows = []
    for number in range(count):
        born = dt.date(1998 + number % 12, 1 + number % 12, 1 + number)
        paid, review = chance.choice(PAID), chance.choice(REVIEW)
        cells = {
            "name": {
                "text": NAMES[number % len(NAMES)],
                "url": "/show",
                "dialog": True,
            },
            "id_number": f"990101{born:%Y%m%d}{1000 + number}",
            "paid": {"text": paid[0], "tone": paid[1]},
            "review": {"text": review[0], "tone": review[1]},
            "locked": number % 3 == 0,
            "way": "集体报名" if number % 4 == 0 else "考生注册",
            "gender": "女" if number % 2 else "男",
            "born": born.isoformat(),
            "id_type": "居民身份证",
            "site": "(990701)地市七考点一",
            "entries": 1 + number % 3,
            "subjects": ["14", "26", "66"][: 1 + number % 3],
            "day": None if number % 3 == 1 else "2026-09-21",
            "college": "机电工程系",
            "created": dt.datetime(2026, 7, 25, 9, number),
        }
        actions = [
            {"label": "查看", "url": "/show", "kind": "dialog"},
            {"label": "修改", "url": "/form", "kind": "dialog"},
            {"label": "删除", "url": "/confirm", "kind": "dialog", "danger": True},
        ]
        rows.append({"id": 1000 + number, "cells": cells, "actions": actions})
    return rows


COLUMNS: tuple[Context, ...] = (
    {"name": "name", "label": "姓名", "sticky": True, "sort_url": "?sort=name"},
    {"name": "id_number", "label": "证件号码", "sticky": True},
    {"name": "paid", "label": "支付状态", "sort_url": "?sort=paid"},
    {"name": "review", "label": "报名信息审核"},
    {"name": "locked", "label": "报名信息锁定"},
    {"name": "way", "label": "报名方式"},
    {"name": "gender", "label": "性别"},
    {"name": "born", "label": "出生日期", "sort_url": "?sort=born", "sort": "desc"},
    {"name": "id_type", "label": "证件类型"},
    {"name": "site", "label": "考点"},
    {"name": "entries", "label": "报考科目数", "align": "num"},
    {"name": "subjects", "label": "报考科目"},
    {"name": "day", "label": "意向考试日期"},
    {"name": "college", "label": "院系"},
    {"name": "created", "label": "报名时间"},
)


def _search() -> Context:
    states = [(text, text) for text, _ in PAID]
    return {
        "basic": 3,
        "open": False,
        "reset_url": "/list",
        "hidden": [("size", 20)],
        "fields": [
            {"name": "name", "label": "姓名", "kind": "text"},
            {"name": "id_number", "label": "证件号码", "kind": "text", "placeholder": "完整号码"},
            {"name": "paid", "label": "支付状态", "kind": "select", "choices": states},
            {
                "name": "review",
                "label": "报名信息审核",
                "kind": "select",
                "choices": [(text, text) for text, _ in REVIEW],
            },
            {"name": "subject", "label": "报考科目", "kind": "text"},
            {"name": "day_from", "label": "意向考试日期", "kind": "range", "name_to": "day_to"},
            {"name": "mobile", "label": "手机", "kind": "text"},
        ],
    }


def list_page() -> Page:
    """Archetype 1 with a window line, batch buttons and 328 results."""
    batch = [
        ("取消考试", "fa-ban"),
        ("锁定报名信息", "fa-lock"),
        ("解锁报名信息", "fa-lock-open"),
        ("更新非关键信息", "fa-pen"),
    ]
    return "kw/pages/list.html", {
        "title": "考生管理",
        "notices": [],
        "search": _search(),
        "toolbar": {
            "primary": [{"label": "新增", "icon": "fa-plus", "url": "/form", "kind": "dialog"}],
            "batch": [{"label": b, "icon": icon, "url": "/operation"} for b, icon in batch],
            "tools": [{"label": "导出查询结果", "icon": "fa-file-export", "url": "/job"}],
        },
        "table": {
            "label": "考生列表，可左右滚动",
            "columns": COLUMNS,
            "rows": candidates(),
            "selectable": True,
            "first_number": 1,
            "query_token": "signed-query",
        },
        "paging": {"page": 1, "size": 20, "total": 328, "url_pattern": "?page={page}&size={size}"},
    }


def empty_list() -> Page:
    """A list without rows, outside its window."""
    _, context = list_page()
    context.update(
        title="考点费用设置",
        toolbar={"tools": []},
        notices=[
            {
                "tone": "warn",
                "text": "报名前设置时间为 2026-06-01 08:00 至 2026-07-01 18:00，现在只能查询。"
                "需要修改请联系上级机构延长时间。",
            }
        ],
        table={"columns": COLUMNS, "rows": [], "empty_hint": "请放宽查询条件后重试"},
        paging=None,
    )
    return "kw/pages/list.html", context


def _fields(bad: bool) -> list[Context]:
    basic = [
        {
            "name": "name",
            "label": "姓名",
            "kind": "text",
            "required": True,
            "value": "" if bad else "李测试",
            "errors": ["请填写姓名"] if bad else [],
        },
        {
            "name": "gender",
            "label": "性别",
            "kind": "radio",
            "required": True,
            "choices": [("m", "男"), ("f", "女")],
            "value": "f",
        },
        {"name": "born", "label": "出生日期", "kind": "date", "value": "2000-07-21"},
        {
            "name": "id_number",
            "label": "证件号码",
            "kind": "text",
            "value": "990101200007215563",
            "readonly": True,
            "help": "实名信息不能修改",
        },
    ]
    entries = [
        {
            "name": "site",
            "label": "考点",
            "kind": "select",
            "required": True,
            "choices": [(str(n), f"(9907{n:02})地市七考点{n}") for n in range(1, 20)],
            "value": "1",
        },
        {
            "name": "subjects",
            "label": "报考科目",
            "kind": "select",
            "multiple": True,
            "choices": [("14", "(14)计算机基础及WPS Office应用"), ("26", "(26)C++语言程序设计")],
            "value": ["14"],
            "help": "最多 3 科",
        },
        {
            "name": "created",
            "label": "报名时间",
            "kind": "datetime",
            "value": "2026-07-25 09:00",
        },
        {"name": "fee", "label": "考试费", "kind": "money", "value": "80.00", "unit": "元"},
        {"name": "group", "label": "集体报名", "kind": "checkbox", "value": True},
        {"name": "photo", "label": "照片", "kind": "photo", "accept": ".jpg", "preview": None},
        {
            "name": "memo",
            "label": "备注",
            "kind": "textarea",
            "max_length": 200,
            "value": "需要无障碍座位",
        },
    ]
    return [{"title": "基本信息", "fields": basic}, {"title": "报考信息", "fields": entries}]


def form_page(bad: bool = False) -> Page:
    """Add and edit."""
    return "kw/pages/form.html", {
        "title": "修改报名信息",
        "form": {
            "action": "/form_errors",
            "hidden": [("version", "3")],
            "fieldsets": _fields(bad),
            "errors": [],
            "cancel_url": "/list",
            "conflict": [{"label": "备注", "theirs": None, "mine": "需要无障碍座位"}]
            if bad
            else None,
        },
    }


def show_page() -> Page:
    """One record with a related table."""
    return "kw/pages/show.html", {
        "title": "查看报名信息",
        "back_url": "/list",
        "actions": [
            {"label": "修改", "url": "/form", "kind": "dialog"},
            {
                "label": "通过审核",
                "url": "/list",
                "kind": "post",
                "confirm": "确定通过李测试的报名信息审核？",
            },
        ],
        "record": {
            "sections": [
                {
                    "title": "基本信息",
                    "entries": [
                        {"label": "姓名", "value": "李测试"},
                        {"label": "证件号码", "value": "990101200007215563"},
                        {"label": "审核状态", "value": {"text": "待审核", "tone": "info"}},
                        {"label": "手机", "value": None},
                        {
                            "label": "照片",
                            "value": "/photo.jpg",
                            "kind": "image",
                            "span": "full",
                        },
                        {
                            "label": "备注",
                            "value": "第一行\n第二行",
                            "kind": "text",
                            "span": "full",
                        },
                    ],
                }
            ],
            "related": [
                {
                    "title": "报考科目",
                    "table": {
                        "columns": [
                            {"name": "subject", "label": "科目"},
                            {"name": "fee", "label": "费用", "align": "num"},
                            {"name": "state", "label": "状态"},
                        ],
                        "rows": [
                            {
                                "id": 1,
                                "cells": {
                                    "subject": "(14)计算机基础及WPS Office应用",
                                    "fee": "80.00",
                                    "state": {"text": "已支付", "tone": "ok"},
                                },
                            }
                        ],
                    },
                },
                {"title": "违规记录", "table": {"columns": [], "rows": []}},
            ],
        },
    }


def confirm_page() -> Page:
    """The question before a deletion."""
    return "kw/pages/confirm.html", {
        "title": "删除报名信息",
        "text": "确定删除考生李测试的报名信息？删除后不能恢复。",
        "details": [{"label": "报考科目", "value": "14、26"}, {"label": "已支付", "value": False}],
        "form": {
            "action": "/list",
            "danger": True,
            "submit_label": "删除",
            "cancel_url": "/list",
            "hidden": [],
        },
    }


PAGES: dict[str, Callable[[], Page]] = {
    "list": list_page,
    "empty": empty_list,
    "form": form_page,
    "form_errors": lambda: form_page(True),
    "show": show_page,
    "confirm": confirm_page,
    **sample_grids.PAGES,
    **sample_pages.PAGES,
}
