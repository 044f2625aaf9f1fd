"""Dialogs on a row of 《用户与机构管理》: activation code, lost second factor, extra roles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from flask import request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext

from app.database.session import KaowuSession
from app.jobs.invitations import link
from app.metadata.cleaning import load
from app.metadata.errors import N_, KaowuError
from app.metadata.fields import Field, Kind
from app.metadata.vocabulary import Personal, Verb
from app.models.account import AdminBinding
from app.rules import organisation as organisations
from app.rules.account import bindings, subordinates
from app.rules.account.activation import token_of
from app.rules.account.declarations import BINDING
from app.rules.permissions import MATRIX
from app.rules.policy import granted
from app.views import request as context
from app.views.engine import answers
from app.views.engine.answers import verb
from app.views.engine.dialogs import FormDialog
from config import InitialPassword

T = TypeVar("T")
_PAGE = organisations.USER_ORGANISATION
_ENDPOINT = "user_access"
_ROLES = Field(
    name="roles",
    label=N_("附加角色"),
    kind=Kind.CHOICES,
    personal=Personal.NONE,
    help=N_("在机构级别自身的权限之外再给予的角色；角色在《角色权限》中新增"),
)


def row_actions(binding: AdminBinding) -> list[dict[str, Any]]:
    """The entries of a user's row that the actor may use."""
    acting, actions = context.actor(), []
    own = binding.passport_id == acting.passport_id
    if granted(BINDING, Verb.EDIT, acting) and binding.passport.totp_confirmed:
        actions.append(
            {
                "label": gettext("移除动态口令"),
                "url": url_for(f"{_ENDPOINT}.second_factor", binding_id=binding.id),
                "kind": "dialog",
                "danger": True,
                "disabled_reason": gettext("不能移除自己的动态口令") if own else None,
            }
        )
    if granted(BINDING, Verb.EDIT, acting) and binding.passport.must_change and not own:
        url = url_for(f"{_ENDPOINT}.activation", binding_id=binding.id)
        actions.append({"label": _words().title, "url": url, "kind": "dialog"})
    if granted(MATRIX, Verb.EDIT, acting):
        url = url_for(f"{_ENDPOINT}.roles", binding_id=binding.id)
        actions.append({"label": gettext("附加角色"), "url": url, "kind": "dialog"})
    return actions


@dataclass(frozen=True, slots=True)
class _Words:
    """What is handed out to somebody without a password: a code to type beside 123456, or the
    link that stands in its place (§8.3). `shown` makes its text from 通行证ID and code."""

    title: str
    question: str
    once: str
    shown: Callable[[str, str], str]
    is_link: bool


def _words() -> _Words:
    settings = context.runtime().settings
    if settings.initial_password_mode is InitialPassword.LINK:
        return _Words(
            gettext("激活链接"),
            gettext("为用户“%(name)s”生成一次性激活链接，用于首次设置密码？原有的链接随即失效。"),
            gettext(
                "链接只显示这一次，14 天内有效，只能使用一次。请核实身份后发给本人，勿转他人。"
            ),
            lambda number, code: link(settings, token_of(number, code)),
            is_link=True,
        )
    return _Words(
        gettext("激活码"),
        gettext("为用户“%(name)s”生成一次性激活码，用于首次设置密码？原有的激活码随即失效。"),
        gettext("激活码只显示这一次，14 天内有效。请核实本人身份后当面或电话告知。"),
        lambda _number, code: code,
        is_link=False,
    )


class UserAccess(BaseView):
    """What a superior does for a user besides binding him."""

    route_base = "/user-access"
    class_permission_name = _PAGE.name
    default_view = "roles"
    declaration = _PAGE

    @expose("/second-factor/<int:binding_id>", methods=["GET", "POST"])
    @verb(Verb.VIEW)
    def second_factor(self, binding_id: int) -> Any:
        binding, back = _find(binding_id)
        title = gettext("移除动态口令")
        form: dict[str, Any] = {
            "action": url_for(f"{_ENDPOINT}.second_factor", binding_id=binding_id),
            "fieldsets": [],
            "danger": True,
            "submit_label": gettext("移除"),
            "cancel_url": back,
        }
        question = gettext(
            "确定移除用户“%(name)s”的动态口令？请先核实本人身份。"
            "该用户会退出登录，下次登录时重新设置。",
            name=binding.name,
        )
        if request.method == "POST":
            work = _at_now(subordinates.reset_second_factor, binding_id)
            try:
                context.run(work)
            except KaowuError as error:
                form["errors"] = [context.message_of(error)]
                return answers.page(
                    "operation", error.status, title=title, text=question, form=form, notices=[]
                )
            return answers.saved(gettext("已移除"), back)
        return answers.page("operation", title=title, text=question, form=form, notices=[])

    @expose("/activation/<int:binding_id>", methods=["GET", "POST"])
    @verb(Verb.VIEW)
    def activation(self, binding_id: int) -> Any:
        """A POST makes a new code, or link, and shows it, this once."""
        binding, back = _find(binding_id)
        words, number = _words(), binding.passport.number
        values: dict[str, Any] = {
            "title": words.title,
            "text": words.question % {"name": binding.name},
            "notices": [],
            "form": {
                "action": url_for(f"{_ENDPOINT}.activation", binding_id=binding_id),
                "fieldsets": [],
                "submit_label": gettext("生成"),
                "cancel_url": back,
            },
        }
        if request.method == "GET":
            return answers.page("operation", **values)
        hand_out = partial(subordinates.hand_out_activation_code, link=words.is_link)
        code = context.run(_at_now(hand_out, binding_id))
        row = {"label": binding.name, "text": words.shown(number, code)}
        values |= {
            "notices": [{"text": words.once, "tone": "warn"}],
            "outcome": {"done": 1, "refused": 0, "rows": [row]},
            "close_url": back,
        }
        return answers.page("operation", **values)

    @expose("/roles/<int:binding_id>", methods=["GET", "POST"])
    @verb(Verb.VIEW)
    def roles(self, binding_id: int) -> Any:
        binding, back = _find(binding_id)
        offered = subordinates.roles_for(context.read_session(), binding.level)
        empty = gettext("还没有适用于该级别的角色，请先在《角色权限》中新增。")
        dialog = FormDialog(
            title=gettext("附加角色"),
            fields=[_ROLES],
            action=url_for(f"{_ENDPOINT}.roles", binding_id=binding_id),
            back=back,
            notices=[] if offered else [{"text": empty, "tone": "info"}],
            choices={"roles": offered},
        )
        if request.method == "GET":
            return dialog.show({"roles": binding.extra_roles})
        raw = dialog.read()
        try:
            names = load(dialog.fields, raw, choices=dialog.choices)["roles"] or []
            context.run(_at_now(subordinates.assign_roles, binding_id, names))
        except KaowuError as error:
            return dialog.refused(error, raw)
        return answers.saved(gettext("保存成功"), back)


def _find(binding_id: int) -> tuple[AdminBinding, str]:
    session = context.read_session()
    binding = bindings.binding_in_scope(session, binding_id)
    row = organisations.by_code(session, binding.organisation_code)
    return binding, url_for(f"{_PAGE.name}.index", id=row.id)


def _at_now(rule: Callable[..., T], *arguments: Any) -> Callable[[KaowuSession], T]:
    return lambda database: rule(database, *arguments, clock=context.clock())


def register(builder: Any) -> None:
    """Register the dialogs."""
    builder.add_view_no_menu(UserAccess, endpoint=_ENDPOINT)
