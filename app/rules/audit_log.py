"""审计日志 as people read it: who may see which entries (§5), and its words in Chinese.

`AuditEntry` has no scope mixin, because entries outlive what they tell of; the row filter below
is the only thing that bounds a reader.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import false, or_, true

from app.database.base import Base
from app.metadata import registry
from app.metadata.actor import Actor
from app.metadata.declarations import Declaration, Grid, Operation, Place, Resource, Statistic
from app.metadata.errors import BRACKETED, COMMA, N_, Message
from app.metadata.fields import Computed, Field, Kind, fields_of
from app.metadata.tasks import actor_label
from app.metadata.text import LOCAL_ZONE, fen_to_yuan
from app.metadata.vocabulary import ADMINISTRATORS, LEVEL_LABELS, Area, Level, Personal, Verb
from app.models.audit import AuditEntry
from app.rules.audit import area_of
from app.rules.reveal import masked_names

Translate = Callable[[str], str]
VERBS = frozenset({Verb.LIST, Verb.EXPORT})

#: what an object is called in the log, where its page has another name or it has no page
OBJECTS = {
    "AdminBinding": N_("管理员"),
    "ArrangementRun": N_("编排任务"),
    "CapacityPool": N_("考点容量"),
    "ClassOption": N_("班级选项"),
    "DefaultSettings": N_("综合设置默认值"),
    "DocumentFile": N_("生成的文件"),
    "Entry": N_("报考科目"),
    "Exam": N_("考次"),
    "ExamProvince": N_("参加省份"),
    "Fee": N_("考点费用"),
    "GatewayTransaction": N_("支付流水"),
    "Grid": N_("设置表格"),
    "JobRun": N_("后台任务"),
    "Notice": N_("报名通告"),
    "OperationWindow": N_("操作时间"),
    "Organisation": N_("考试机构"),
    "OutboxMessage": N_("邮件与短信"),
    "Passport": N_("通行证"),
    "PasswordHistory": N_("历史密码"),
    "PaymentOrder": N_("缴费订单"),
    "PersonClaim": N_("证件号占用"),
    "Photo": N_("考生照片"),
    "Registration": N_("报名信息"),
    "Role": N_("角色"),
    "RoleGrant": N_("角色权限"),
    "Room": N_("考场"),
    "RosterAllowedSite": N_("可报考考点"),
    "RosterMove": N_("学籍变动"),
    "RosterPolicy": N_("学籍报考设置"),
    "Seat": N_("座位"),
    "Sitting": N_("考场批次"),
    "Statistic": N_("统计"),
    "StoredFile": N_("文件"),
    "StudentRecord": N_("学籍"),
}
#: verbs of the log beside those of the matrix
WORDS = {
    "admission": N_("核对报考资格"),
    "autoload": N_("载入学籍信息"),
    "cancel": N_("取消"),
    "hand_out": N_("发放激活码"),
    "log_in": N_("登录"),
    "log_out": N_("退出"),
    "look_up": N_("查找"),
    "moved": N_("转到其他考点"),
    "retry": N_("重试"),
    "reveal": N_("查看完整信息"),
    "sync": N_("按代码更新"),
    "take_over": N_("转入学籍"),
}
#: columns without a label of their own that matter to a reader; keys and counters do not
PLAIN = {
    "extra_roles": N_("附加角色"),
    "is_super": N_("系统管理员"),
    "level": N_("级别"),
    "must_change": N_("须修改密码"),
    "password_hash": N_("密码"),
    "totp_confirmed": N_("二次验证"),
}
#: actions that no model and no declaration leads to
FURTHER = (
    ("account.activation_code.hand_out", "AdminBinding"),
    ("account.passport.log_in", "Passport"),
    ("account.passport.log_out", "Passport"),
    ("account.passport.look_up", "Passport"),
    ("account.role.add", "Role"),
    ("account.role.delete", "Role"),
    ("account.role_grant.edit", "RoleGrant"),
    ("account.role_grant.sync", "RoleGrant"),
    ("job.document.download", "DocumentFile"),
    ("job.document.generate", "DocumentFile"),
    ("roster.student_record_import.run", "StudentRecord"),
    ("roster.studentrecord.admission", "StudentRecord"),
    ("roster.studentrecord.autoload", "StudentRecord"),
    ("roster.studentrecord.moved", "StudentRecord"),
    ("roster.studentrecord.take_over", "StudentRecord"),
    ("system.repair.run", "Organisation"),
)
OUTCOMES = {"done": N_("完成"), "refused": N_("被拒绝"), "locked": N_("账号锁定")}


def visible_to(actor: Actor) -> Any:
    """SQL condition: the entries of the actor's session and place (§5, row 审计日志).

    The centre reads its whole session and what belongs to none (code tables, roles, log-ins).
    """
    if actor.is_system:
        return true() if actor.exam_id is None else AuditEntry.exam_id == actor.exam_id
    in_exam = AuditEntry.exam_id == actor.exam_id
    if actor.level is Level.CENTER:
        return or_(in_exam, AuditEntry.exam_id.is_(None))
    if actor.level not in ADMINISTRATORS or actor.organisation_id is None:
        return false()
    own = getattr(AuditEntry, f"{actor.level.value}_id") == actor.organisation_id
    return in_exam & own


# ---------------------------------------------------------------- words


@lru_cache(maxsize=1)
def _models() -> dict[str, type]:
    return {
        mapper.class_.__name__: mapper.class_
        for mapper in Base.registry.mappers
        if mapper.class_.metadata is Base.metadata
    }


def object_label(name: str) -> str:
    """“报名信息” for "Registration"; 其他 for an object that the code no longer knows."""
    if name in OBJECTS:
        return OBJECTS[name]
    model = _models().get(name)
    resource = registry.resource_of(model) if model is not None else None
    return resource.label if resource is not None else N_("其他")


def action_label(action: str) -> str:
    """“修改” for "registration.registration.edit"; an operation's own name for its run."""
    _, _, rest = action.partition(".")
    name, _, word = rest.rpartition(".")
    declaration = registry.find(name, Declaration)
    if word == Verb.RUN.value and declaration is not None:
        return declaration.label
    if word in set(Verb):
        return Verb(word).label
    return WORDS.get(word, N_("其他"))


def action_word(action: str) -> str:
    """What was done, whatever it was done to: "edit", or "<operation>.run"."""
    stem, _, word = action.rpartition(".")
    return f"{stem.rpartition('.')[2]}.{word}" if word == Verb.RUN.value else word


def action_choices() -> dict[str, str]:
    """{word: label} of the verbs and operations that the code writes, for the filter.

    What they are done to is a filter of its own: pairs would be many, and most of them empty.
    """
    labels = {action_word(action): action_label(action) for action in _actions()}
    told = Counter(labels.values())
    apart = {word: _with_page(word, label) for word, label in labels.items() if told[label] > 1}
    return dict(sorted((labels | apart).items(), key=lambda item: item[1]))


def _with_page(word: str, label: str) -> str:
    """“复制上一考次（考点费用设置）”: an operation whose name several pages use."""
    operation = registry.find(word.removesuffix(f".{Verb.RUN.value}"), Operation)
    resource = registry.find(operation.resource, Resource) if operation is not None else None
    return label if resource is None else Message(BRACKETED, name=label, detail=resource.label)


def _actions() -> set[str]:
    """Every action that the code writes."""
    found: dict[str, str] = dict(FURTHER)
    for name, model in _models().items():
        if not getattr(model, "__unguarded__", True):
            for verb in (Verb.ADD, Verb.EDIT, Verb.DELETE):
                found[f"{area_of(model)}.{name.lower()}.{verb.value}"] = name
    for declaration in registry.all_declarations():
        found |= _declared_actions(declaration)
    return set(found)


def _declared_actions(declaration: Declaration) -> dict[str, str]:
    """{action: object} of exports, looks in full and operations."""
    if isinstance(declaration, Resource):
        name = declaration.model.__name__
        stem = f"{area_of(declaration.model)}.{name.lower()}"
        found = {f"{stem}.export": name}
        return found | ({f"{stem}.reveal": name} if masked_names(declaration) else {})
    if isinstance(declaration, Statistic):
        return {f"statistics.{declaration.name}.export": "Statistic"}
    if isinstance(declaration, Grid):
        return {f"grid.{declaration.name}.export": "Grid"}
    if isinstance(declaration, Operation):
        resource = registry.find(declaration.resource, Resource)
        if resource is not None:
            model = resource.model
            return {f"{area_of(model)}.{declaration.name}.run": model.__name__}
    return {}


def object_choices() -> dict[str, str]:
    """{object type: label} of the objects in the log, by label."""
    names = {name for name, model in _models().items() if not getattr(model, "__unguarded__", True)}
    names |= {name for _, name in FURTHER} | {"JobRun", "Statistic"}
    labels = {name: object_label(name) for name in names}
    return dict(sorted(labels.items(), key=lambda item: item[1]))


# ---------------------------------------------------------------- old and new


@dataclass(frozen=True, slots=True)
class Change:
    """One value of an entry, for people; None where there was none."""

    label: str
    before: str | None
    after: str | None


def changes_of(entry: AuditEntry, translate: Translate = str) -> list[Change]:
    """The values that an entry tells of, with labels; personal ones as they were masked.

    Columns that only the software understands (keys, versions) are left out.
    """
    model = _models().get(entry.object_type)
    fields = fields_of(model) if model is not None else {}
    found = []
    for name, change in entry.changes.items():
        field = fields.get(name)
        said = change.get("label") or name
        label = PLAIN.get(name, said) if said == name else said
        if label == name:
            continue
        label = translate(label)
        before, after = (_words(change.get(key), field, translate) for key in ("old", "new"))
        if before is not None or after is not None:
            found.append(Change(label, before, after))
    return found


def _words(value: Any, field: Field | None, translate: Translate) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, Mapping):
        return str(value.get("masked", ""))
    if isinstance(value, bool):
        return translate("是") if value else translate("否")
    if isinstance(value, (list, tuple)):
        return translate(COMMA).join(_words(item, field, translate) or "" for item in value)
    if field is not None and field.choices:
        return translate(field.choices.get(str(value), str(value)))
    if field is not None and field.kind is Kind.MONEY and isinstance(value, int):
        return fen_to_yuan(value)
    if field is not None and field.kind is Kind.DATETIME:
        return _moment(str(value))
    return str(value)


def _moment(text: str) -> str:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.astimezone(LOCAL_ZONE).strftime("%Y-%m-%d %H:%M:%S")


def who(entry: AuditEntry) -> str:
    """The person, or the task of the system; candidates are not named in the log."""
    if entry.actor_name:
        return actor_label(entry.actor_level, entry.actor_name)
    return LEVEL_LABELS[Level.CANDIDATE] if entry.actor_level == Level.CANDIDATE.value else ""


def _changes_text(entry: AuditEntry) -> str | None:
    parts = [f"{c.label}：{c.before or '空'} → {c.after or '空'}" for c in changes_of(entry)]
    return "；".join(parts) or None


AUDIT_LOG = registry.register(
    Resource(
        name="audit_entry",
        label=N_("审计日志"),
        menu=Place(Area.SYSTEM, 20),
        model=AuditEntry,
        verbs=dict.fromkeys(ADMINISTRATORS, VERBS),
        super_verbs=VERBS,
        row_filter=visible_to,
        legal_verbs=VERBS,
        computed=(
            Computed("who", N_("操作人"), who, personal=Personal.PERSONAL),
            Computed("action_name", N_("操作"), lambda row: action_label(row.action)),
            Computed("object_name", N_("对象"), lambda row: object_label(row.object_type)),
            Computed("changes_text", N_("改动"), _changes_text),
            Computed("outcome_name", N_("结果"), lambda row: OUTCOMES.get(row.outcome)),
        ),
        columns=(
            "at",
            "who",
            "organisation_code",
            "on_behalf_of",
            "action_name",
            "object_name",
            "object_title",
            "changes_text",
            "reason",
            "outcome_name",
        ),
        help=N_("日志只增不改，定期封存，可用命令校验。个人信息以遮盖形式保存。"),
    )
)

__all__ = [
    "AUDIT_LOG",
    "Change",
    "action_choices",
    "action_label",
    "action_word",
    "changes_of",
    "object_choices",
    "object_label",
    "visible_to",
    "who",
]
