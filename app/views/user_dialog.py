"""新增用户 and 修改用户 (R8.6): which passport becomes a user, found by its e-mail or its ID."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import request
from flask_babel import gettext

from app.database.session import KaowuSession
from app.metadata.errors import N_
from app.metadata.fields import Field
from app.metadata.vocabulary import Personal
from app.rules.account import bindings
from app.rules.account.errors import AccountError
from app.views import request as context
from app.views.engine.dialogs import FormDialog

_BOUND = N_(
    "一个通行证ID只能绑定一个机构, 通行证ID为空时可以进行查找通行证, "
    "不为空时可以进行查看该通行证的信息。"
)


def user_dialog(title: str, action: str, back: str) -> FormDialog:
    """The form, with 查找 and 查看 below the passport's ID."""
    return FormDialog(
        title=title,
        fields=_fields(),
        action=action,
        back=back,
        notices=[{"text": gettext(_BOUND), "tone": "info"}],
        buttons_after={
            "number": {
                "label": gettext("查找通行证ID:"),
                "buttons": [("do", "find", gettext("查找")), ("do", "look", gettext("查看"))],
            }
        },
    )


def _fields() -> list[Field]:
    return [
        Field(
            name="number",
            label=N_("通行证ID"),
            personal=Personal.NONE,
            required=True,
            max_length=32,
            placeholder=N_("请输入通行证ID"),
            help=N_("通行证ID要求唯一性"),
        ),
        Field(
            name="name",
            label=N_("姓名"),
            personal=Personal.PERSONAL,
            required=True,
            max_length=30,
            placeholder=N_("请输入姓名"),
        ),
        Field(
            name="email",
            label=N_("邮箱"),
            personal=Personal.PERSONAL,
            max_length=200,
            help=N_("填写邮箱并点“查找”得到通行证ID；填写通行证ID并点“查看”得到邮箱"),
        ),
    ]


def look_up(dialog: FormDialog, raw: Mapping[str, Any], own: int | None) -> Any:
    """查找: 邮箱 → ID; 查看: ID → 邮箱; and what hinders the binding, before anybody saves.

    `own` is the passport that the user has already. Raises PassportNotFound, TooMany.
    """
    by_mail = request.form.get("do") == "find"
    question = {"email": raw.get("email", "")} if by_mail else {"number": raw.get("number", "")}

    def work(database: KaowuSession) -> tuple[bindings.PassportCard, AccountError | None]:
        card = bindings.find_passport(database, **question)
        if card.passport_id == own:
            return card, None
        return card, bindings.binding_obstacle(database, card.passport_id)

    card, obstacle = context.run(work)
    if obstacle is not None:
        note = {"text": context.message_of(obstacle), "tone": "bad"}
        dialog = replace(dialog, notices=[*dialog.notices, note])
    name = raw.get("name") or card.name
    return dialog.show({**raw, "number": card.number, "email": card.email, "name": name})


def save_user(
    database: KaowuSession, values: Mapping[str, Any], code: str, binding_id: int | None
) -> None:
    """Bind the passport to the organisation of this code, or change the binding."""
    card = bindings.find_passport(database, number=values["number"])
    name, clock = values["name"], context.clock()
    if binding_id is None:
        bindings.bind_administrator(database, card.passport_id, code, name, clock=clock)
    else:
        bindings.change_binding(database, binding_id, card.passport_id, name, clock=clock)
