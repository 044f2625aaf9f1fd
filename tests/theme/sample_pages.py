"""Made-up contexts of the pages beyond list, form and show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

Page = tuple[str, dict[str, Any]]

NOW = dt.datetime(2026, 8, 28, 16, 20, 31, tzinfo=dt.UTC)
SUBJECTS = (
    ("14", "计算机基础及WPS Office应用", 42, 20, 100),
    ("15", "计算机基础及MS Office应用", 39, 27, 100),
    ("16", "计算机基础及Photoshop应用", 37, 21, 100),
    ("24", "C语言程序设计", 38, 22, 70),
    ("26", "C++语言程序设计", 39, 22, 62),
    ("29", "MySQL数据库程序设计", 40, 24, 100),
    ("35", "网络技术", 35, 18, 100),
    ("66", "Python语言程序设计", 25, 19, 100),
)


def _operation(outcome: dict[str, Any] | None = None) -> Page:
    return "kw/pages/operation.html", {
        "title": "取消考试",
        "text": "确定取消选中的 5 名考生的考试？取消后座位立即释放，已支付的费用转入退费处理。",
        "outcome": outcome,
        "close_url": "/list",
        "form": {
            "action": "/outcome",
            "danger": True,
            "submit_label": "取消考试",
            "cancel_url": "/list",
            "hidden": [("ids", 1), ("ids", 2)],
            "fieldsets": [
                {
                    "fields": [
                        {
                            "name": "reason",
                            "label": "原因",
                            "kind": "textarea",
                            "required": True,
                            "max_length": 100,
                        }
                    ]
                }
            ],
        },
    }


def _outcome() -> Page:
    return _operation(
        {
            "done": 3,
            "refused": 2,
            "report_url": "/list",
            "rows": [
                {"label": "李测试", "text": "已取消", "tone": "ok"},
                {"label": "郭玉", "text": "已编排考场，请先清除编排结果", "tone": "bad"},
                {"label": "孙洋欣", "text": "不在本考点", "tone": "bad"},
            ],
        }
    )


def _statistics() -> Page:
    rows = [
        {
            "code": code,
            "name": name,
            "total": paid + unpaid,
            "paid": paid,
            "unpaid": unpaid,
            "capacity": capacity,
            "left": {
                "text": f"{capacity - paid - unpaid}"
                + (" 紧张" if capacity - paid - unpaid < 5 else ""),
                "tone": "bad" if capacity - paid - unpaid < 5 else "ok",
            },
        }
        for code, name, paid, unpaid, capacity in SUBJECTS
    ]
    number = {"align": "num"}
    return "kw/pages/statistics.html", {
        "title": "报考统计",
        "as_of": NOW,
        "refresh_url": "/statistics",
        "export_url": "/job",
        "search": {
            "fields": [
                {
                    "name": "site",
                    "label": "考点",
                    "kind": "select",
                    "choices": [("1", "(990701)地市七考点一")],
                    "value": "1",
                },
                {"name": "level", "label": "级别", "kind": "select", "choices": [("1", "一级")]},
            ]
        },
        "chart": {
            "title": "各科目报考情况",
            "kind": "stacked",
            "categories": [f"{code} {name}" for code, name, *_ in SUBJECTS],
            "series": [
                {"name": "已支付", "values": [row[2] for row in SUBJECTS]},
                {"name": "未支付", "values": [row[3] for row in SUBJECTS]},
            ],
            "unit": "人次",
            "description": "各科目已支付与未支付人次柱状图，数据见下表",
        },
        "columns": [
            {"name": "code", "label": "科目代码", "sticky": True},
            {"name": "name", "label": "科目名称"},
            {
                "label": "报考人次",
                "children": [
                    {"name": "total", "label": "合计", **number},
                    {"name": "paid", "label": "已支付", **number},
                    {"name": "unpaid", "label": "未支付", **number},
                ],
            },
            {
                "label": "容量",
                "children": [
                    {"name": "capacity", "label": "总容量", **number},
                    {"name": "left", "label": "剩余容量", **number},
                ],
            },
        ],
        "rows": [{"cells": row} for row in rows],
        "totals": {
            "total": sum(row[2] + row[3] for row in SUBJECTS),
            "paid": sum(row[2] for row in SUBJECTS),
            "unpaid": sum(row[3] for row in SUBJECTS),
            "capacity": sum(row[4] for row in SUBJECTS),
        },
    }


def _settings() -> Page:
    return "kw/pages/settings.html", {
        "title": "考点报名综合设置",
        "saved_by": "上次保存：狄七一 2026-07-25 09:00",
        "actions": [{"label": "修改记录", "url": "/audit"}],
        "notices": [
            {"text": "报名前设置时间：2026-07-23 15:51 至 2026-08-31 21:00，请在截止前完成设置。"}
        ],
        "form": {
            "action": "/settings",
            "cancel_url": "/",
            "hidden": [("version", 4)],
            "fieldsets": [
                {
                    "title": "报名方式",
                    "fields": [
                        {
                            "name": "online",
                            "label": "开启个人网报",
                            "kind": "radio",
                            "choices": [("1", "开启"), ("0", "关闭")],
                            "value": "1",
                            "current": {"text": "开启", "tone": "ok"},
                        },
                        {
                            "name": "limit",
                            "label": "科目上限",
                            "kind": "number",
                            "value": "2",
                            "unit": "科",
                            "current": "3 科",
                            "note": "省规定不超过 3 科",
                            "required": True,
                            "errors": ["已有考生报考 3 科，不能改为 2 科"],
                        },
                        {
                            "name": "contact",
                            "label": "咨询电话",
                            "kind": "tel",
                            "value": "0999-1234567",
                            "current": None,
                            "help": "显示在考生报名页面",
                        },
                    ],
                }
            ],
        },
    }


def _message() -> Page:
    return "kw/pages/message.html", {
        "title": "学籍数据导入",
        "kind": "closed",
        "text": "本省未开启学籍库功能，本页暂不可用。如需开启请联系省级管理员。",
        "actions": [{"label": "返回欢迎页", "url": "/"}],
    }


def _unsupported() -> Page:
    return "kw/pages/message.html", {
        "title": "请更换浏览器",
        "text": "本系统不支持 IE 浏览器。请使用 Chrome、Edge、火狐或 360 浏览器（极速模式）。",
    }


def _error() -> Page:
    return "kw/pages/message.html", {
        "title": "系统错误",
        "kind": "error",
        "text": "操作没有完成，数据没有改变。请稍后重试；仍不成功时请把编号告诉技术支持。",
        "code": "9f2c-71aa",
        "actions": [{"label": "返回", "url": "/"}],
    }


def _login() -> Page:
    return "kw/pages/login.html", {
        "title": "登录",
        "entries": None,
        "entry": {"code": "99", "title": "(99)测试省", "change_url": "/entries"},
        "form": {"action": "/login", "account": "", "errors": {"password": ["密码不正确"]}},
        "links": {"register": "/login", "forgot": "/login"},
    }


def _entries() -> Page:
    provinces = [
        "北京",
        "天津",
        "河北",
        "山西",
        "内蒙古",
        "辽宁",
        "吉林",
        "黑龙江",
        "上海",
        "江苏",
        "浙江",
        "测试省",
    ]
    return "kw/pages/login.html", {
        "title": "后台管理入口",
        "entries": [
            {"code": str(n), "title": f"({n:02}){name}", "url": "/login"}
            for n, name in enumerate(provinces, 11)
        ],
    }


def _totp() -> Page:
    return "kw/pages/totp.html", {
        "title": "两步验证",
        "qr": "/photo.jpg",
        "secret": "ABCD EFGH IJKL MNOP",
        "form": {"action": "/totp", "errors": ["验证码不正确或已过期"]},
        "logout_url": "/login",
    }


def _password() -> Page:
    return "kw/pages/password.html", {
        "title": "修改密码",
        "reason": "首次登录须修改密码。",
        "rules": ["至少 10 位", "包含字母和数字", "不能与最近 5 次使用的密码相同"],
        "form": {"action": "/password", "errors": {"old": ["原密码不正确"]}},
    }


PAGES: dict[str, Callable[[], Page]] = {
    "operation": _operation,
    "outcome": _outcome,
    "statistics": _statistics,
    "settings": _settings,
    "message": _message,
    "unsupported": _unsupported,
    "error": _error,
    "login": _login,
    "entries": _entries,
    "totp": _totp,
    "password": _password,
}
