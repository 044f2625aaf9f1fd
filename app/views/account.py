"""The person's own account inside the shell: profile, password, second factor."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext
from flask_login import current_user

from app.metadata.errors import KaowuError
from app.metadata.masking import mask_email, mask_mobile
from app.models.account import Passport
from app.models.organisation import Organisation
from app.rules.account import second_factor
from app.views import account_access
from app.views import request as context
from app.views.entry import change_password, password_rules, totp_setup
from app.views.exam_prefix import plain_root
from app.views.preview import Preview


class Account(BaseView):
    """Everybody's own pages; they need no grant."""

    route_base = "/account"
    default_view = "profile"

    @expose("/")
    def profile(self) -> Any:
        acting, database = context.actor(), context.read_session()
        passport = account_access.access().read(
            lambda session: _passport_entries(session.get(Passport, acting.passport_id))
        )
        organisation = database.get(Organisation, acting.organisation_id)
        entries = [
            (gettext("姓名"), acting.name),
            *passport,
            (gettext("所属机构"), organisation.display if organisation else ""),
            (gettext("角色"), gettext(acting.level.role_label)),
        ]
        return self.render_template(
            "kw/pages/show.html",
            title=gettext("个人信息"),
            record={"sections": [{"entries": [{"label": k, "value": v} for k, v in entries]}]},
            actions=[
                {"label": gettext("修改密码"), "url": url_for("Account.password")},
                {"label": gettext("修改邮箱或手机"), "url": "/passport/me"},
            ],
            back_url=f"{plain_root()}/",
        )

    @expose("/password", methods=["GET", "POST"])
    def password(self) -> Any:
        context.actor()
        errors: dict[str, list[str]] = {}
        if request.method == "POST":
            errors = change_password()
            if not errors:
                flash(gettext("密码已修改，其他设备上的登录已失效。"), "success")
                return redirect(url_for("Account.profile"))
        return self.render_template(
            "kw/pages/password.html",
            title=gettext("修改密码"),
            form={"action": url_for("Account.password"), "errors": errors},
            rules=password_rules(),
        ), (422 if errors else 200)

    @expose("/second-factor", methods=["GET", "POST"])
    def totp(self) -> Any:
        context.actor()
        if current_user.has_totp:
            flash(gettext("两步验证已开启。如需更换手机，请联系上级管理员重置。"), "info")
            return redirect(url_for("Account.profile"))
        access, errors = account_access.access(), []
        if request.method == "POST":
            code = request.form.get("code", "")
            try:
                second_factor.confirm_totp(access, current_user.passport_id, code)
            except KaowuError as refusal:
                errors = [context.message_of(refusal)]
            else:
                flash(gettext("两步验证已开启。"), "success")
                return redirect(url_for("Account.profile"))
        return self.render_template(
            "kw/pages/totp.html",
            title=gettext("两步验证"),
            form={"action": url_for("Account.totp"), "errors": errors},
            **totp_setup(access),
        ), (422 if errors else 200)


def _passport_entries(passport: Passport | None) -> list[tuple[str, str]]:
    """(label, value) of the pass; read while its session is open, personal data masked."""
    if passport is None:
        return []
    return [
        (gettext("通行证ID"), passport.number),
        (gettext("邮箱"), mask_email(passport.email) if passport.email else ""),
        (gettext("手机"), mask_mobile(passport.mobile) if passport.mobile else ""),
        (gettext("两步验证"), gettext("已开启") if passport.totp_confirmed else gettext("未开启")),
    ]


def register(builder: Any) -> None:
    builder.add_view_no_menu(Account)
    builder.add_view_no_menu(Preview)
