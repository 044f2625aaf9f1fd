"""Entry to the administration: province, log-in, second factor, expired password, log-out.

A passport without a binding, or whose organisation is not enabled in the current session, is
refused with the reason (R3.3, R3.5). An imported account sets its first password in the passport
application (R5.4, §8.3), which has the second proof.
"""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import urlencode

import segno
from flask import flash, make_response, redirect, request, session, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext
from flask_login import current_user, login_user, logout_user

from app.metadata.errors import KaowuError, NotFound
from app.models.account import Passport
from app.models.codes import PROVINCES
from app.rules import actors
from app.rules.account import handover, login, passwords, second_factor, sole
from app.rules.account.access import Access
from app.rules.account.errors import FieldErrors, LoginRefused
from app.rules.account.login import Identity, Totp
from app.rules.exam import participating
from app.views import account_access
from app.views import request as context
from app.views.exam_prefix import plain_root
from app.views.security import CHANGE_KEY, SINCE_KEY, TOTP_KEY, VERSION_KEY, Administrator

PROVINCE_COOKIE = "kaowu_province"
CENTER = "00"
_LOCAL_PATH = re.compile(r"/(?![/\\])[^\x00-\x20\\\x7f]*")


def local_path(text: str) -> str:
    """The path if it stays on this host, else an empty text."""
    return text if len(text) < 500 and _LOCAL_PATH.fullmatch(text) else ""


def password_rules() -> list[str]:
    """The rules of §8.3 in words."""
    return [
        gettext("至少 12 位，含大写字母、小写字母、数字、符号中的三种"),
        gettext("不含邮箱、手机号或姓名，不是常见密码"),
        gettext("不能与最近 5 次使用的密码相同"),
    ]


class Entry(BaseView):
    """Pages without the shell, for people who are not (fully) logged in."""

    route_base = ""
    default_view = "login"

    # ------------------------------------------------------------ province and log-in

    @expose("/login/", methods=["GET", "POST"])
    def login(self) -> Any:
        if current_user.is_authenticated and request.method == "GET":
            return redirect(f"{plain_root()}/")
        code = request.values.get("province", request.cookies.get(PROVINCE_COOKIE, ""))
        if request.values.get("choose"):
            code = ""
        if request.method == "POST":
            return self._log_in(code)
        entries = self._entries()
        known = {entry["code"]: entry for entry in entries}
        if code not in known and entries:
            return self._choice(entries)
        return _remember(make_response(self._form(code, {})), code)

    def _entries(self) -> list[dict[str, str]]:
        database = context.read_session()
        exam = actors.entrance_exam(database)
        if exam is None:
            return []
        pairs = [(CENTER, gettext("考试中心")), *participating(database, exam.id)]
        target = local_path(request.values.get("next", ""))
        return [
            {
                "code": code,
                "title": name,
                "url": url_for("Entry.login", province=code, next=target or None),
            }
            for code, name in pairs
        ]

    def _choice(self, entries: list[dict[str, str]]) -> Any:
        return self.render_template(
            "kw/pages/login.html", title=gettext("后台管理入口"), entries=entries
        )

    def _form(self, code: str, errors: dict[str, list[str]], account: str = "") -> Any:
        target = local_path(request.values.get("next", ""))
        title = gettext("考试中心") if code == CENTER else PROVINCES.choices.get(code, "")
        change = url_for("Entry.login", choose=1, next=target or None)
        return self.render_template(
            "kw/pages/login.html",
            title=gettext("后台管理登录"),
            entry={"code": code, "title": title, "change_url": change} if title else None,
            form={
                "action": url_for("Entry.login"),
                "hidden": [("next", target), ("province", code)],
                "account": account,
                "errors": errors,
            },
            links={
                "register": "/passport/register?next=/admin/",
                "forgot": "/passport/forgot?next=/admin/",
            },
        )

    def _log_in(self, code: str) -> Any:
        name = request.form.get("account", "").strip()
        access = account_access.access()
        try:
            identity = login.authenticate(access, name, request.form.get("password", ""))
            if identity.first and identity.must_change:
                return _to_first_password(identity)
            administrator, province = self._administrator(access, identity.passport_id)
        except LoginRefused as refusal:
            errors = {"password": [context.message_of(refusal)]}
            return self._form(code, errors, name), refusal.status
        except KaowuError as refusal:
            return self._form(code, {"all": [context.message_of(refusal)]}, name), refusal.status
        self._sign_in(administrator, identity)
        if identity.totp is Totp.NONE and not identity.must_change:
            self._complete(identity.passport_id)
        return _to_own_entry(self._onward(), code, province)

    @staticmethod
    def _administrator(access: Access, passport_id: int) -> tuple[Administrator, str]:
        """The bound passport and the code of its province, which is empty for the centre; raises
        NotBound, OrganisationDisabled."""

        def work(database: Any) -> tuple[Administrator, str]:
            exam = actors.entrance_exam(database)
            if exam is None:
                raise NotFound()
            acting = actors.load_administrator(database, passport_id, exam)
            passport = database.get(Passport, passport_id)
            return Administrator(passport, acting.name), acting.province_code

        return access.read(work)

    @staticmethod
    def _sign_in(administrator: Administrator, identity: Identity) -> None:
        """Nothing of the former session survives; the factor that is missing is remembered."""
        locale = session.get("locale")
        target = local_path(request.form.get("next", ""))
        session.clear()
        session.permanent = True
        if locale:
            session["locale"] = locale
        session[VERSION_KEY] = identity.session_version
        session[SINCE_KEY] = int(time.time())
        if identity.totp is not Totp.NONE:
            session[TOTP_KEY] = identity.totp.value
        if identity.must_change:
            session[CHANGE_KEY] = True
        session["next"] = target
        login_user(administrator)

    @staticmethod
    def _complete(passport_id: int) -> None:
        """Nothing is missing any more: this is the administrator's one session."""
        known = session[VERSION_KEY]
        session[VERSION_KEY] = sole.take_over(account_access.access(), passport_id, known)

    @staticmethod
    def _onward() -> Any:
        return redirect(local_path(session.pop("next", "")) or f"{plain_root()}/")

    @expose("/logout/", methods=["POST"])
    def logout(self) -> Any:
        """End every session of the passport: a copied cookie is dead as well."""
        if current_user.is_authenticated:
            login.log_out(account_access.access(), current_user.passport_id)
        logout_user()
        session.clear()
        return redirect(url_for("Entry.login"))

    # ------------------------------------------------------------ second factor

    @expose("/second-factor/", methods=["GET", "POST"])
    def totp(self) -> Any:
        stage = session.get(TOTP_KEY)
        if not current_user.is_authenticated or stage not in ("required", "setup"):
            return redirect(f"{plain_root()}/")
        access, errors = account_access.access(), []
        if request.method == "POST":
            use = second_factor.confirm_totp if stage == "setup" else second_factor.verify_totp
            try:
                use(access, current_user.passport_id, request.form.get("code", ""))
            except KaowuError as refusal:
                errors = [context.message_of(refusal)]
            else:
                session.pop(TOTP_KEY)
                if not session.get(CHANGE_KEY):
                    self._complete(current_user.passport_id)
                return self._onward()
        return self.render_template(
            "kw/pages/totp.html",
            title=gettext("两步验证"),
            form={"action": url_for("Entry.totp"), "errors": errors},
            logout_url=url_for("Entry.logout"),
            **(totp_setup(access) if stage == "setup" else {}),
        ), (422 if errors else 200)

    # ------------------------------------------------------------ expired password

    @expose("/password/", methods=["GET", "POST"])
    def password(self) -> Any:
        if not current_user.is_authenticated or not session.get(CHANGE_KEY):
            return redirect(f"{plain_root()}/")
        errors: dict[str, list[str]] = {}
        if request.method == "POST":
            errors = change_password()
            if not errors:
                session.pop(CHANGE_KEY, None)
                return self._onward()
        return self.render_template(
            "kw/pages/password.html",
            title=gettext("修改密码"),
            reason=gettext("密码已超过 90 天，须修改后才能继续。"),
            form={"action": url_for("Entry.password"), "errors": errors},
            rules=password_rules(),
        ), (422 if errors else 200)


def _remember(answer: Any, code: str) -> Any:
    """Remember the province for the next time."""
    answer.set_cookie(
        PROVINCE_COOKIE, code, max_age=31_536_000, path="/admin", samesite="Lax", httponly=True
    )
    return answer


def _to_own_entry(answer: Any, chosen: str, own: str) -> Any:
    """R6.2: each province has its entry; whoever came through another's learns it, and is led to
    his own from now on. The centre belongs to no province."""
    if not own or own == chosen:
        return answer
    if chosen:
        name = PROVINCES.choices.get(own, "")
        words = gettext("您属于（%(code)s）%(name)s，已转到本省入口", code=own, name=name)
        flash(words, "info")
    return _remember(answer, own)


def _to_first_password(identity: Identity) -> Any:
    """R5.4: to the page that sets the first password, without typing the initial one again; a
    second factor comes before it."""
    if identity.totp is Totp.REQUIRED:
        return redirect("/passport/login?next=/admin/")
    key = context.runtime().settings.portal_secret_key
    token = handover.seal(key, identity.passport_id, identity.session_version)
    return redirect("/passport/first/enter?" + urlencode({"token": token, "next": "/admin/"}))


def totp_setup(access: Access) -> dict[str, str]:
    """QR code and secret of the second factor that is being set up."""
    setup = second_factor.begin_totp(access, current_user.passport_id)
    secret = " ".join(setup.secret[i : i + 4] for i in range(0, len(setup.secret), 4))
    return {"qr": segno.make(setup.uri).svg_data_uri(scale=5, border=2), "secret": secret}


def change_password() -> dict[str, list[str]]:
    """Change the person's own password from the posted form; errors by field, empty when done."""
    form = request.form
    if form.get("new") != form.get("again"):
        return {"again": [gettext("两次输入的密码不一致")]}
    access = account_access.access()
    try:
        identity = passwords.change_password(
            access, current_user.passport_id, form.get("old", ""), form.get("new", "")
        )
    except FieldErrors as refusal:
        names = {"old_password": "old", "password": "new"}
        return {
            names.get(field, "all"): [problem.message(gettext) for problem in problems]
            for field, problems in refusal.problems.items()
        }
    except KaowuError as refusal:
        return {"all": [context.message_of(refusal)]}
    session[VERSION_KEY] = identity.session_version
    return {}


def register(builder: Any) -> None:
    """Add the entry pages; they stay open while a factor or a new password is missing."""
    builder.add_view_no_menu(Entry)
    builder.kaowu_free_endpoints = frozenset(
        {"Entry.totp", "Entry.logout", "Entry.password", "Entry.login", "LocaleView.index"}
    )


__all__ = ["Entry", "change_password", "password_rules", "register", "totp_setup"]
