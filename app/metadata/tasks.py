"""What the tasks of the system are called where people read who acted (audit log, jobs).

The log keeps the task's own name, which is stable; its label is looked up when it is shown.
"""

from __future__ import annotations

from app.metadata.errors import N_, Message

_SYSTEM = N_("系统：{task}")
#: {task of `metadata.actor.system`: label}; a test holds this table against the code
TASKS = {
    "account look-up": N_("查找账号"),
    "audit verify": N_("校验审计日志"),
    "change email": N_("修改邮箱"),
    "change mobile": N_("修改手机号"),
    "check": N_("检查数据"),
    "command line": N_("命令行"),
    "count proofs": N_("核对身份"),
    "delete old codes": N_("清理过期验证码"),
    "delete old counters": N_("清理过期计数"),
    "delete old messages": N_("清理过期消息"),
    "demo data": N_("演示数据"),
    "development outbox": N_("开发环境发件箱"),
    "expire unpaid entries": N_("取消超时未缴费的报考"),
    "health check": N_("健康检查"),
    "jobs": N_("后台任务"),
    "log-in": N_("登录"),
    "log-in by code": N_("验证码登录"),
    "log-out": N_("退出"),
    "one session": N_("结束其他登录"),
    "passport registration": N_("注册通行证"),
    "payment call-back": N_("支付通知"),
    "payment query": N_("查询支付结果"),
    "permissions sync": N_("更新权限表"),
    "portal home": N_("报名网站首页"),
    "portal visitor": N_("报名网站访问"),
    "sandbox bank": N_("模拟银行"),
    "seal audit log": N_("封存审计日志"),
    "open by link": N_("通过激活链接设置密码"),
    "second factor": N_("两步验证"),
    "send activation links": N_("发送激活链接"),
    "send messages": N_("发送邮件与短信"),
    "session numbers": N_("读取考次"),
    "set password": N_("设置密码"),
    "set up second factor": N_("设置两步验证"),
    "verify password": N_("核对密码"),
}
#: tasks that are named with what they are for
_FAMILIES = {"code for ": N_("发送验证码"), "check code for ": N_("核对验证码")}


def task_label(task: str) -> str:
    """“系统：演示数据” for "demo data"; a task that the code no longer knows keeps its name."""
    label = TASKS.get(task)
    if label is None:
        found = (text for start, text in _FAMILIES.items() if task.startswith(start))
        label = next(found, task)
    return Message(_SYSTEM, task=label)


def actor_label(level: str, name: str) -> str:
    """Who acted, from the columns `actor_level` and `actor_name` of a log entry or a job."""
    return task_label(name) if level == "system" else name
