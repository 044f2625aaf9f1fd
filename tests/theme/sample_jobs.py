"""Made-up contexts of imports, jobs and documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.theme.sample_pages import NOW

Page = tuple[str, dict[str, Any]]


def _run(state: str) -> dict[str, Any]:
    failed = state == "refused"
    problems = [
        ("7", "证件号码", "99010519491231002", "证件号码位数不正确，应为 18 位"),
        ("12", "姓名", "", "姓名不能为空"),
        ("19", "出生日期", "2009-02-30", "日期不存在"),
        ("31", "报考科目", "88", "科目代码不在本考点开考科目范围内"),
        ("58", "证件号码", "990101200007215563", "系统内已存在该证件号码，请勾选“覆盖”后重新导入"),
    ]
    return {
        "state": state,
        "title": "导入结果" if failed else "正在校验…",
        "n": 1240 if failed else 607,
        "total": 1240,
        "poll_url": "/import_run",
        "verdict": {"text": "校验未通过，未导入任何数据", "tone": "bad"} if failed else None,
        "counts": [{"label": "读取", "n": 1240}, {"label": "正确", "n": 1235}] if failed else None,
        "problems": [
            {"sheet": "报名信息", "row": r, "column": c, "text": t, "message": m}
            for r, c, t, m in problems
        ]
        if failed
        else None,
        "problem_count": 7,
        "problem_rows": 7,
        "report_url": "/list" if failed else None,
        "actions": []
        if failed
        else [
            {
                "label": "取消任务",
                "url": "/import",
                "kind": "post",
                "confirm": "确定取消正在进行的导入？",
                "danger": True,
            }
        ],
    }


def _import() -> Page:
    return "kw/pages/import.html", {
        "title": "集体报名信息导入",
        "template_url": "/list",
        "template_label": "下载集体报名模板",
        "help": [
            "将集体报名文件打成 .zip 压缩包（不支持 .rar）。",
            "任一行有错时全部不导入，可下载报告修改后重新提交。",
        ],
        "form": {
            "action": "/import",
            "fields": [
                {
                    "name": "site",
                    "label": "机构",
                    "kind": "select",
                    "blank": False,
                    "choices": [("1", "(990701)地市七考点一")],
                    "value": "1",
                },
                {"name": "file", "label": "导入文件", "kind": "file", "accept": ".zip"},
                {
                    "name": "overwrite",
                    "label": "覆盖已有未锁定考生的报名信息",
                    "kind": "checkbox",
                    "value": False,
                },
            ],
        },
        "run": _run("refused"),
    }


def _import_run() -> Page:
    return "kw/pages/import_run.html", {
        "title": "考生照片导入",
        "back_url": "/import",
        "run": _run("running"),
    }


def _job() -> Page:
    return "kw/pages/job.html", {
        "title": "导出查询结果",
        "back_url": "/list",
        "run": {
            "state": "done",
            "n": 328,
            "total": 328,
            "poll_url": "/job",
            "verdict": {"text": "已完成", "tone": "ok"},
            "result_url": "/list",
            "result_label": "下载 考生管理.xlsx（48 KB）",
        },
        "entries": [
            {"label": "发起人", "value": "狄七一"},
            {"label": "开始时间", "value": NOW},
            {"label": "尝试次数", "value": 1},
            {"label": "最近心跳", "value": NOW},
        ],
    }


def _documents() -> Page:
    again = {
        "label": "重新生成",
        "url": "/documents",
        "kind": "post",
        "confirm": "重新生成将替换现有文件，确定继续？",
    }
    download = {"label": "下载", "url": "/list", "kind": "download"}
    return "kw/pages/documents.html", {
        "title": "考点小版准考证下载",
        "notices": [
            {
                "tone": "warn",
                "text": "12 名考生没有照片，生成的准考证上照片位置为空。",
                "url": "/list",
                "link": "查看名单",
            }
        ],
        "generate": {
            "fields": [
                {
                    "name": "order",
                    "label": "排序方式",
                    "kind": "select",
                    "value": "room",
                    "choices": [("room", "按考场座位"), ("class", "按院系班级")],
                    "required": True,
                }
            ],
            "label": "全部生成",
            "icon": "fa-gears",
            "url": "/documents",
            "kind": "post",
            "confirm": "确定生成全部 3 个文件？",
        },
        "documents": [
            {
                "label": "09-19 小版准考证",
                "hint": "6 张一页，600 名考生",
                "state": {"text": "已生成", "tone": "ok"},
                "generated_at": NOW,
                "size": "12.4 MB",
                "pages": 100,
                "actions": [again, download],
            },
            {
                "label": "09-20 小版准考证",
                "state": {"text": "已生成", "tone": "ok"},
                "generated_at": NOW,
                "size": "8.1 MB",
                "pages": 64,
                "stale_reason": "生成后 3 名考生的考场有变化",
                "actions": [again, download],
            },
            {
                "label": "09-21 小版准考证",
                "state": {"text": "正在生成", "tone": "info"},
                "progress": {"n": 120, "total": 412, "unit": "人"},
                "actions": [],
            },
        ],
    }


PAGES: dict[str, Callable[[], Page]] = {
    "import": _import,
    "import_run": _import_run,
    "job": _job,
    "documents": _documents,
}
