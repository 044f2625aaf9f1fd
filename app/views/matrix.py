"""《角色权限》: the living matrix as a grid; preview of the difference, then save (§4.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask import request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest

from app.metadata import registry
from app.metadata.cleaning import load
from app.metadata.declarations import Declaration, Operation, Resource
from app.metadata.errors import N_, InvalidInput, KaowuError
from app.metadata.fields import Field, Kind
from app.metadata.vocabulary import ADMINISTRATORS, Area, Level, Personal, Verb
from app.models.account import Role
from app.rules import permissions
from app.rules.living_matrix import SUPER
from app.rules.permissions import MATRIX, MatrixChanged
from app.rules.policy import check, granted
from app.views import request as context
from app.views.engine import answers, forms
from app.views.engine.answers import verb
from app.views.texts import text

Context = dict[str, Any]
Cells = set[tuple[str, Verb]]
_VERBS = set(Verb)


class Matrix(BaseView):
    """Roles on the left, pages × verbs on the right; nothing is saved without a preview."""

    route_base = "/permission-matrix"
    class_permission_name = MATRIX.name
    default_view = "index"
    declaration = MATRIX

    @expose("/", methods=["GET", "POST"])
    @verb(Verb.VIEW)
    def index(self) -> Any:
        session = context.read_session()
        role = permissions.role_named(session, request.args.get("role") or Level.SITE.value)
        if request.method == "GET":
            return _page(session, role, permissions.grants_of(session, role.name))
        check(session, MATRIX, Verb.EDIT, context.actor(), context.clock()).require()
        source = request.form.get("copy_from", "")
        if request.form.get("step") == "copy" and source:
            wanted = permissions.copied(session, source, role)
            wanted |= _kept(session, role)
        else:
            wanted = _sent() | _kept(session, role)
        if request.form.get("token") != permissions.token_of(session, role.name):
            return _conflict(session, role)
        try:
            return _page(session, role, wanted, preview=_preview(session, role, wanted))
        except KaowuError as error:
            return _page(session, role, wanted, refusal=error)

    @expose("/apply", methods=["POST"])
    @verb(Verb.EDIT)
    def apply(self) -> Any:
        """Save what was previewed; 409 when somebody else has saved meanwhile."""
        session = context.read_session()
        name = permissions.role_named(session, request.args.get("role", "")).name
        wanted, token = _sent(), request.form.get("token", "")
        try:
            changed = context.run(
                lambda unit: permissions.save(unit, name, wanted, token, clock=context.clock())
            )
        except MatrixChanged:
            session = context.read_session()
            return _conflict(session, permissions.role_named(session, name))
        message = gettext("已保存 %(n)s 处改动，立即生效。", n=changed)
        return answers.saved(message, _address(name))

    # ------------------------------------------------------------ roles

    @expose("/role/add", methods=["GET", "POST"])
    @verb(Verb.EDIT)
    def add_role(self) -> Any:
        session = context.read_session()
        fields = _role_fields(_roles(session))
        if request.method == "GET":
            return _role_form(fields, {"copy_from": request.args.get("copy_from", "")})
        raw = forms.read_form(fields, request.form, request.files)
        try:
            values = load(fields, raw)
            context.run(
                lambda unit: permissions.create_role(
                    unit, values["name"], values["label"], values["level"], values["copy_from"]
                )
            )
        except InvalidInput as error:
            own, others = forms.split_errors(error, fields)
            return _role_form(fields, raw, own, others, status=422)
        except KaowuError as error:
            return _role_form(fields, raw, {}, [context.message_of(error)], status=422)
        return answers.saved(gettext("角色已添加"), _address(values["name"]), follow=True)

    @expose("/role/<name>/delete", methods=["GET", "POST"])
    @verb(Verb.EDIT)
    def delete_role(self, name: str) -> Any:
        row = permissions.role_named(context.read_session(), name)
        errors: list[str] = []
        if request.method == "POST":
            try:
                context.run(lambda unit: permissions.delete_role(unit, name))
                home = url_for(f"{MATRIX.name}.index")
                return answers.saved(gettext("角色已删除"), home, follow=True)
            except KaowuError as error:
                errors = [context.message_of(error)]
        form = {
            "action": url_for(f"{MATRIX.name}.delete_role", name=name),
            "submit_label": gettext("删除"),
            "cancel_url": _address(name),
            "danger": True,
            "errors": errors,
        }
        question = gettext("确定删除角色“%(label)s”？删除后不能恢复。", label=text(row.label))
        return answers.page(
            "confirm",
            422 if errors else 200,
            title=gettext("删除角色"),
            text=question,
            form=form,
            **_tab(),
        )


# ---------------------------------------------------------------- what was sent


def _sent() -> Cells:
    """The ticked cells of the form: "declaration:verb"."""
    found: Cells = set()
    for value in request.form.getlist("cell"):
        name, _, word = value.rpartition(":")
        if word not in _VERBS:
            raise BadRequest()
        found.add((name, Verb(word)))
    return found


def _kept(session: Session, role: Role) -> Cells:
    """Granted cells whose boxes are greyed out: a browser does not send them."""
    return {
        (name, word)
        for name, word in permissions.grants_of(session, role.name)
        if (page := registry.find(name, Declaration)) and permissions.is_locked(page, role)
    }


def _address(role: str) -> str:
    return url_for(f"{MATRIX.name}.index", role=role)


def _tab() -> Context:
    return {"tab_key": f"{MATRIX.name}.index", "tab_title": gettext(MATRIX.label)}


# ---------------------------------------------------------------- the page


def _page(
    session: Session,
    role: Role,
    ticked: Cells,
    *,
    preview: Context | None = None,
    conflict: bool = False,
    refusal: KaowuError | None = None,
) -> Any:
    roles = _roles(session)
    may_edit = granted(MATRIX, Verb.EDIT, context.actor())
    status = 409 if conflict else refusal.status if refusal else 200
    notices = [{"text": gettext("保存后立即生效，已登录的用户也不例外。每处改动都记入审计日志。")}]
    if refusal is not None:
        notices.insert(0, {"text": context.message_of(refusal), "tone": "bad"})
    others = [(other.name, text(other.label)) for other in roles if other.name != role.name]
    return answers.page(
        "matrix",
        status,
        title=gettext(MATRIX.label),
        notices=notices,
        roles=[
            {"label": text(row.label), "url": _address(row.name), "current": row.name == role.name}
            for row in roles
        ],
        add_action=_add_action() if may_edit else None,
        delete_action=_delete_action(role) if may_edit and not role.built_in else None,
        role_title=text(role.label),
        verbs=[{"name": word.value, "label": text(word.label)} for word in _columns()],
        groups=_groups(role, ticked),
        form={
            "action": _address(role.name),
            "hidden": [("token", permissions.token_of(session, role.name))],
            "readonly": not may_edit,
        },
        copy_from=others,
        preview=preview,
        conflict=conflict,
        tab_url=_address(role.name),
        **_tab(),
    )


def _conflict(session: Session, role: Role) -> Any:
    return _page(session, role, permissions.grants_of(session, role.name), conflict=True)


def _preview(session: Session, role: Role, wanted: Cells) -> Context:
    """What saving would change. Raises IllegalCell, SuperKeepsMatrix."""
    added, removed = permissions.difference(session, role.name, wanted)
    changes = [(cell, True) for cell in added] + [(cell, False) for cell in removed]
    token = permissions.token_of(session, role.name)
    return {
        "changes": [
            {
                "page": _label(registry.get(name)),
                "verb": text(word.label),
                "before": not after,
                "after": after,
            }
            for (name, word), after in sorted(changes)
        ],
        "action": url_for(f"{MATRIX.name}.apply", role=role.name),
        "hidden": [("token", token), *(("cell", f"{n}:{w.value}") for n, w in sorted(wanted))],
    }


def _add_action() -> Context:
    url = url_for(f"{MATRIX.name}.add_role")
    return {"label": gettext("新增"), "url": url, "kind": "dialog", "icon": "fa-plus"}


def _delete_action(role: Role) -> Context:
    url = url_for(f"{MATRIX.name}.delete_role", name=role.name)
    return {"label": gettext("删除角色"), "url": url, "kind": "dialog", "icon": "fa-trash"}


def _roles(session: Session) -> list[Role]:
    """Built-in roles from the top, then those that superusers made, by name."""
    order = {level.value: level.rank for level in ADMINISTRATORS}
    rows = session.scalars(select(Role))

    def key(row: Role) -> tuple[bool, bool, int, str]:
        return (
            not row.built_in,
            row.name == SUPER,
            order.get(row.level or "", 9),
            row.label,
        )

    return sorted(rows, key=key)


# ---------------------------------------------------------------- the grid


def _columns() -> list[Verb]:
    """The verbs that any page has."""
    used = {word for page in registry.all_declarations() for word in permissions.legal_verbs(page)}
    return [word for word in Verb if word in used]


def _arranged() -> Iterable[tuple[str, list[Declaration]]]:
    """(area, its pages each followed by its operations), then what has no place in the menu."""
    left = dict.fromkeys(registry.all_declarations())
    for area, pages in registry.menu():
        found: list[Declaration] = []
        for page in pages:
            found.append(page)
            if isinstance(page, Resource):
                found += registry.operations_of(page)
        for page in found:
            left.pop(page, None)
        yield area.value, found
    yield "", list(left)


def _groups(role: Role, ticked: Cells) -> list[Context]:
    groups = []
    for area, pages in _arranged():
        rows = [
            {"label": _label(page), "cells": cells}
            for page in pages
            if (cells := _cells_of(page, role, ticked))
        ]
        if rows:
            label = text(Area(area).label) if area else gettext("其他")
            groups.append({"label": label, "name": area or "other", "pages": rows})
    return groups


def _label(page: Declaration) -> str:
    """The page's name; an operation's stands behind that of its page."""
    if isinstance(page, Operation):
        return f"{text(registry.get(page.resource).label)} · {text(page.label)}"
    return text(page.label)


def _cells_of(page: Declaration, role: Role, ticked: Cells) -> Context:
    locked = permissions.is_locked(page, role)
    return {
        word.value: {
            "value": f"{page.name}:{word.value}",
            "checked": (page.name, word) in ticked,
            "disabled": locked,
        }
        for word in permissions.offered_verbs(page, role)
    }


# ---------------------------------------------------------------- a new role


def _role_fields(roles: Iterable[Role]) -> list[Field]:
    return [
        Field(
            name="name",
            label=N_("角色代码"),
            personal=Personal.NONE,
            required=True,
            max_length=30,
            help=N_("3–30 位小写字母、数字或下划线，字母开头；添加后不能修改"),
        ),
        Field(
            name="label", label=N_("角色名称"), personal=Personal.NONE, required=True, max_length=30
        ),
        Field(
            name="level",
            label=N_("适用级别"),
            personal=Personal.NONE,
            kind=Kind.CHOICE,
            required=True,
            choices={level.value: level.label for level in ADMINISTRATORS},
            help=N_("只能授予这一级别机构的用户"),
        ),
        Field(
            name="copy_from",
            label=N_("复制权限自"),
            personal=Personal.NONE,
            kind=Kind.CHOICE,
            choices={role.name: role.label for role in roles},
        ),
    ]


def _role_form(
    fields: list[Field],
    texts: Mapping[str, Any],
    errors: Any = None,
    others: Iterable[str] = (),
    status: int = 200,
) -> Any:
    form = {
        "action": url_for(f"{MATRIX.name}.add_role"),
        "fieldsets": forms.fieldsets(fields, texts, errors=errors),
        "errors": list(others),
        "cancel_url": url_for(f"{MATRIX.name}.index"),
    }
    return answers.page("form", status, title=gettext("新增角色"), form=form, notices=[], **_tab())


def register(builder: Any) -> None:
    builder.add_view_no_menu(Matrix, endpoint=MATRIX.name)
