"""What a logged-in visitor does with his own passport: look, change contacts and password."""

from __future__ import annotations

from collections.abc import Callable

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.metadata.errors import KaowuError
from app.portal import addresses, context
from app.portal.forms import Form
from app.portal.passport import blueprint, repeated, send, target_of
from app.rules.account import contacts, passwords
from app.rules.account.codes import Purpose
from app.rules.account.visitor import OwnPassport, own_log_ins, own_passport
from app.rules.audit_log import OUTCOMES


def _own_passport() -> OwnPassport:
    """Also shown to who has registered just now: which contact is still to be confirmed."""
    passport_id = context.this_visitor().passport_id
    return context.access().read(lambda session: own_passport(session, passport_id))


@blueprint.get("/me")
@context.login_required
def me() -> ResponseReturnValue:
    """通行证ID, contacts (masked), and what can be changed."""
    return render_template("passport/me.html", passport=_own_passport())


@blueprint.get("/log-ins")
@context.login_required
def log_ins() -> ResponseReturnValue:
    """The owner's last log-ins: who finds one that was not his changes his password."""
    passport_id = context.this_visitor().passport_id
    found = context.access().read(lambda session: own_log_ins(session, passport_id))
    return render_template("passport/log_ins.html", log_ins=found, outcomes=OUTCOMES)


# ---------------------------------------------------------------- password


@blueprint.get("/password")
def password() -> ResponseReturnValue:
    """Also where an administrator lands whose password has expired (§8.3)."""
    if context.person() is None or context.stage() not in ("", "expired"):
        return context.elsewhere()
    return _password_page(Form())


def _password_page(form: Form) -> str:
    found = context.person()
    administrator = found is not None and found.administrator
    return render_template("passport/password.html", form=form, administrator=administrator)


@blueprint.post("/password")
def do_password() -> ResponseReturnValue:
    """Change it; every other session of the passport ends."""
    found = context.person()
    if found is None or context.stage() not in ("", "expired"):
        return context.elsewhere()
    form = Form.sent()
    try:
        repeated(form)
        identity = passwords.change_password(
            context.access(), found.passport_id, form["old_password"], form["password"]
        )
    except KaowuError as error:
        form.take(error)
        return _password_page(form), error.status
    context.sign_in(identity.passport_id, identity.session_version)
    flash(_("密码已修改，其他设备上的登录已退出。"), "success")
    return redirect(addresses.origin() or url_for("passport.me"))


# ---------------------------------------------------------------- contacts (R5.1a)


@blueprint.route("/email", methods=["GET", "POST"])
@context.login_required
def email() -> ResponseReturnValue:
    """Code to the new address."""
    return _contact("email", Purpose.EMAIL, contacts.change_email)


@blueprint.route("/mobile", methods=["GET", "POST"])
@context.login_required
def mobile() -> ResponseReturnValue:
    """Code to the new number."""
    return _contact("mobile", Purpose.MOBILE, contacts.change_mobile)


def _contact(field: str, purpose: Purpose, change: Callable[..., None]) -> ResponseReturnValue:
    page = f"passport/{field}.html"
    if request.method == "GET":
        passport = _own_passport()
        pending = passport.pending_email if field == "email" else passport.pending_mobile
        return render_template(page, form=Form({field: pending}), passport=passport)
    form = Form.sent()
    if form["send"]:
        return send(form, page, purpose, field, passport=_own_passport())
    try:
        new = target_of(form, field)
        own = context.this_visitor().passport_id
        change(context.access(), own, new, code=form["code"], password=form["password"])
    except KaowuError as error:
        form.take(error)
        return render_template(page, form=form, passport=_own_passport()), error.status
    flash(_("修改成功。"), "success")
    return redirect(url_for("passport.me"))
