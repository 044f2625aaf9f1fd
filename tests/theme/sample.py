"""Made-up contexts of every page archetype (all persons of province 99 and generated)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from tests.theme import sample_grids, sample_jobs, sample_pages

Context = dict[str, Any]
Page = tuple[str, Context]

NAMES = [
    "李测试",
    "郭玉",
    "孙洋欣",
    "张玉欣",
    "王涛磊",
    "朱子明",
    "马静涵",
    "徐芳敏",
    "高英艳",
    "何磊涛",
    "罗秀欣",
    "胡轩军",
]
PAID = (("全部支付", "ok"), ("部分支付", "warn"), ("全未支付", "off"))
REVIEW = (("已通过", "ok"), ("待审核", "info"), ("未通过", "bad"))


def candidates(count: int = 20) -> list[Context]:
    """Rows of the candidate list."""
    rows = []
    for number in range(count):
        born = dt.date(1998 + number % 12, 1 + number % 12, 1 + number)
        paid, review = PAID[number * 7 % 3], REVIEW[number * 5 % 11 % 3]
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
            "created": dt.datetime(2026, 7, 25, 9, number, tzinfo=dt.UTC),
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
    **sample_jobs.PAGES,
    **sample_pages.PAGES,
}
