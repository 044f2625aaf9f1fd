"""《用户与机构管理》 (chapters 7 and 8): the tree of organisations beside its administrators."""

from __future__ import annotations

from typing import Any

from flask import request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext
from sqlalchemy import select

from app.database.session import KaowuSession
from app.metadata.cleaning import load
from app.metadata.declarations import Resource
from app.metadata.errors import BRACKETED, N_, KaowuError, Message
from app.metadata.masking import mask_email
from app.metadata.registry import find
from app.metadata.vocabulary import Level, Verb
from app.models.account import AdminBinding
from app.models.organisation import REVIEWED_STATES, Organisation
from app.rules import crud
from app.rules import organisation as organisations
from app.rules.account import bindings
from app.rules.account.declarations import BINDING
from app.rules.policy import check, granted
from app.views import request as context
from app.views import user_access, user_dialog
from app.views.engine import answers, forms
from app.views.engine.answers import verb
from app.views.engine.dialogs import FormDialog
from app.views.keys import key_of
from app.views.texts import text

PAGE = organisations.USER_ORGANISATION


class OrganisationPage(BaseView):
    """Two panes: R8.1."""

    route_base = "/user-organisation"
    class_permission_name = PAGE.name
    default_view = "index"
    declaration = PAGE

    @expose("/")
    @verb(Verb.VIEW)
    def index(self) -> Any:
        session, acting = context.read_session(), context.actor()
        chosen_id = request.args.get("id", type=key_of) or acting.organisation_id
        chosen = organisations.by_id(session, chosen_id or 0)
        return answers.page(
            "master_detail",
            title=gettext(PAGE.label),
            notices=[],
            left={"title": gettext("考试机构管理"), "nodes": [self._tree(session, chosen)]},
            right_title=gettext("%(name)s的用户管理", name=chosen.name),
            guide=_guide(),
            record=_record(chosen),
            record_actions=self._record_actions(session, chosen),
            toolbar=self._toolbar(session, chosen),
            table=self._table(session, chosen),
            paging=None,
        )

    def _tree(self, session: KaowuSession, chosen: Organisation) -> dict[str, Any]:
        """The actor's own organisation and, along the way to the chosen one, what lies below."""
        acting = context.actor()
        root = session.get(Organisation, acting.organisation_id)
        way = {chosen.id, chosen.city_id, chosen.province_id, acting.organisation_id}
        return self._node(session, root, chosen, way)

    def _node(self, session: Any, row: Any, chosen: Any, way: set[Any]) -> dict[str, Any]:
        children = None
        if row.level != Level.SITE.value:
            children = (
                [
                    self._node(session, child, chosen, way)
                    for child in organisations.children_of(session, row)
                ]
                if row.id in way
                else []
            )
        node: dict[str, Any] = {
            "label": row.display,
            "url": url_for(f"{PAGE.name}.index", id=row.id),
            "current": row.id == chosen.id,
            "open": row.id in way,
        }
        if children:
            node["children"] = children
        if not row.enabled:
            node["badge"] = {"text": gettext("停用"), "tone": "off"}
        return node

    def _record_actions(self, session: KaowuSession, row: Organisation) -> list[dict[str, Any]]:
        acting, resource = context.actor(), find("organisation", Resource)
        if resource is None:  # pragma: no cover - declared with the model
            return []
        actions = [
            {
                "label": gettext("查看"),
                "url": url_for("organisation.show", row_id=row.id),
                "kind": "dialog",
            }
        ]
        if check(session, resource, Verb.EDIT, acting, context.clock()).allowed:
            url = url_for("organisation.edit", row_id=row.id)
            actions.append({"label": gettext("修改机构"), "url": url, "kind": "dialog"})
        may_add = check(session, resource, Verb.ADD, acting, context.clock()).allowed
        if may_add and row.level != Level.SITE.value:
            url = url_for(f"{PAGE.name}.add_organisation", parent_id=row.id)
            actions.append({"label": gettext("新增下级机构"), "url": url, "kind": "dialog"})
        may_delete = check(session, resource, Verb.DELETE, acting, context.clock()).allowed
        if may_delete and row.id != acting.organisation_id:
            url = url_for("organisation.delete", row_id=row.id)
            actions.append(
                {"label": gettext("删除机构"), "url": url, "kind": "dialog", "danger": True}
            )
        return actions

    def _toolbar(self, session: KaowuSession, row: Organisation) -> dict[str, Any]:
        primary = []
        if granted(BINDING, Verb.ADD, context.actor()):
            url = url_for(f"{PAGE.name}.add_user", organisation_id=row.id)
            primary.append(
                {"label": gettext("新增用户"), "url": url, "kind": "dialog", "icon": "fa-plus"}
            )
        return {
            "primary": primary,
            "refresh_url": url_for(f"{PAGE.name}.index", id=row.id),
            "tools": [],
        }

    def _table(self, session: KaowuSession, row: Organisation) -> dict[str, Any]:
        acting = context.actor()
        rows = session.scalars(
            select(AdminBinding)
            .where(AdminBinding.organisation_code == row.code)
            .order_by(AdminBinding.name, AdminBinding.id)
        ).all()
        return {
            "label": gettext("用户"),
            "columns": [
                {"name": "name", "label": gettext("姓名")},
                {"name": "organisation", "label": gettext("所属机构")},
                {"name": "role", "label": gettext("角色")},
                {"name": "email", "label": gettext("邮箱")},
            ],
            "rows": [self._user_row(binding, row, acting) for binding in rows],
            "empty_text": gettext("该机构还没有用户"),
        }

    @staticmethod
    def _user_row(binding: AdminBinding, row: Organisation, acting: Any) -> dict[str, Any]:
        passport = binding.passport
        actions = []
        if granted(BINDING, Verb.EDIT, acting):
            url = url_for(f"{PAGE.name}.edit_user", binding_id=binding.id)
            actions.append({"label": gettext("修改"), "url": url, "kind": "dialog"})
        actions += user_access.row_actions(binding)
        if granted(BINDING, Verb.DELETE, acting):
            own = binding.passport_id == acting.passport_id
            actions.append(
                {
                    "label": gettext("删除"),
                    "url": url_for(f"{PAGE.name}.delete_user", binding_id=binding.id),
                    "kind": "dialog",
                    "danger": True,
                    "disabled_reason": gettext("不能删除自己") if own else None,
                }
            )
        return {
            "id": str(binding.id),
            "cells": {
                "name": binding.name,
                "organisation": row.display,
                "role": gettext(Level(binding.level).role_label),
                "email": mask_email(passport.email) if passport.email else "",
            },
            "actions": actions,
        }

    # ------------------------------------------------------------ organisations

    @expose("/add/<int:parent_id>", methods=["GET", "POST"])
    @verb(Verb.VIEW)
    def add_organisation(self, parent_id: int) -> Any:
        session, acting = context.read_session(), context.actor()
        resource = find("organisation", Resource)
        parent = organisations.by_id(session, parent_id)
        if resource is None or not granted(resource, Verb.ADD, acting):
            return answers.page("message", 403, title=gettext("没有权限"), text="", kind="denied")
        fields = crud.form_fields(resource, Verb.ADD, acting)
        dialog = FormDialog(
            title=text(Message(BRACKETED, name=N_("新增下级机构"), detail=parent.display)),
            fields=fields,
            action=url_for(f"{PAGE.name}.add_organisation", parent_id=parent_id),
            back=url_for(f"{PAGE.name}.index", id=parent_id),
            groups=resource.fieldsets,
        )
        if request.method == "GET":
            return dialog.show(forms.texts_of(fields, crud.defaults_of(resource)))
        raw = dialog.read()
        try:
            context.run(
                lambda database: crud.create(
                    database,
                    resource,
                    raw,
                    clock=context.clock(),
                    preset={"parent_id": parent_id},
                )
            )
        except KaowuError as error:
            return dialog.refused(error, raw)
        return answers.saved(gettext("保存成功"), dialog.back)

    # ------------------------------------------------------------ users

    @expose("/user/add/<int:organisation_id>", methods=["GET", "POST"])
    @verb(Verb.VIEW)
    def add_user(self, organisation_id: int) -> Any:
        row = organisations.by_id(context.read_session(), organisation_id)
        action = url_for(f"{PAGE.name}.add_user", organisation_id=organisation_id)
        back = url_for(f"{PAGE.name}.index", id=organisation_id)
        return self._user_dialog(gettext("新增用户"), action, back, row.code, None)

    @expose("/user/edit/<int:binding_id>", methods=["GET", "POST"])
    @verb(Verb.VIEW)
    def edit_user(self, binding_id: int) -> Any:
        session = context.read_session()
        binding = bindings.binding_in_scope(session, binding_id)
        row = organisations.by_code(session, binding.organisation_code)
        action = url_for(f"{PAGE.name}.edit_user", binding_id=binding_id)
        back = url_for(f"{PAGE.name}.index", id=row.id)
        return self._user_dialog(gettext("修改用户"), action, back, row.code, binding)

    def _user_dialog(
        self, title: str, action: str, back: str, code: str, binding: AdminBinding | None
    ) -> Any:
        dialog = user_dialog.user_dialog(title, action, back)
        if request.method == "GET":
            known = binding and {"number": binding.passport.number, "name": binding.name}
            return dialog.show(known or {})
        raw = dialog.read()
        try:
            if request.form.get("do") in ("find", "look"):
                return user_dialog.look_up(dialog, raw, binding.passport_id if binding else None)
            values = load(dialog.fields, raw)
            binding_id = binding.id if binding else None
            context.run(lambda database: user_dialog.save_user(database, values, code, binding_id))
        except KaowuError as error:
            return dialog.refused(error, raw)
        return answers.saved(gettext("保存成功"), back)

    @expose("/user/delete/<int:binding_id>", methods=["GET", "POST"])
    @verb(Verb.VIEW)
    def delete_user(self, binding_id: int) -> Any:
        session = context.read_session()
        binding = bindings.binding_in_scope(session, binding_id)
        row = organisations.by_code(session, binding.organisation_code)
        back = url_for(f"{PAGE.name}.index", id=row.id)
        form = {
            "action": url_for(f"{PAGE.name}.delete_user", binding_id=binding_id),
            "fieldsets": [],
            "danger": True,
            "submit_label": gettext("删除"),
            "cancel_url": back,
        }
        text = gettext(
            "确定删除用户“%(name)s”？该通行证将不再是“%(organisation)s”的管理员。",
            name=binding.name,
            organisation=row.name,
        )
        if request.method == "POST":
            try:
                context.run(
                    lambda database: bindings.unbind(database, binding_id, clock=context.clock())
                )
            except KaowuError as error:
                form["errors"] = [context.message_of(error)]
                return answers.page(
                    "operation", 422, title=gettext("删除用户"), text=text, form=form, notices=[]
                )
            return answers.saved(gettext("已删除"), back)
        return answers.page(
            "operation", title=gettext("删除用户"), text=text, form=form, notices=[]
        )


def _guide() -> dict[str, Any]:
    """R8.5: what the manual shows as an animation."""
    return {
        "title": gettext("操作演示：如何添加用户"),
        "steps": [
            gettext("在左边选择机构，右边列出该机构的用户。"),
            gettext("对方没有通行证的，请他先在通行证管理网站注册。"),
            gettext("点击“新增用户”，填写对方通行证的邮箱，点击“查找”得到通行证ID。"),
            gettext("核对姓名后保存；对方即可用自己的通行证登录后台。"),
        ],
    }


def _record(row: Organisation) -> dict[str, Any]:
    empty = organisations.empty_fields(row)
    entries = [
        {"label": gettext("机构名称"), "value": row.name},
        {"label": gettext("机构代码"), "value": row.code},
        {"label": gettext("机构级别"), "value": gettext(Level(row.level).label)},
        {
            "label": gettext("是否启用"),
            "value": gettext("启用") if row.enabled else gettext("停用"),
        },
        {"label": gettext("信息审核"), "value": gettext(REVIEWED_STATES[row.reviewed])},
        {"label": gettext("考点地址"), "value": row.address},
    ]
    if empty:
        hint = gettext("建议全部填写、正确填写，方便联系（%(count)s 项为空）", count=empty)
        entries.append({"label": gettext("提示"), "value": hint})
    return {"sections": [{"entries": entries}]}


def register(builder: Any) -> None:
    builder.add_view_no_menu(OrganisationPage, endpoint=PAGE.name)
