"""The pages of the passport (通行证): log-in, registration, forgotten passwords (ch. 5, 6).

What a logged-in visitor does with his account is in `passport_own`; what must be done before a
log-in is complete, in `passport_pending`.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.database.unit_of_work import reading
from app.metadata.actor import system
from app.metadata.errors import KaowuError
from app.portal import addresses, context, responses
from app.portal.forms import Form
from app.rules import messages
from app.rules.account import codes, login, passports, passwords
from app.rules.account.codes import Purpose
from app.rules.account.errors import CodeTooSoon, FieldErrors, PasswordsDiffer
from app.rules.account.login import Identity, Totp
from app.rules.account.visitor import own_passport

blueprint = Blueprint("passport", __name__, url_prefix="/passport")


# ---------------------------------------------------------------- helpers


def enter(identity: Identity) -> ResponseReturnValue:
    """Begin the session of a proved account and lead on to what comes next."""
    stage = ""
    if identity.totp is Totp.REQUIRED:
        stage = "totp"
    elif identity.first:
        stage = "first"
    elif identity.must_change:
        stage = "expired"
    context.sign_in(identity.passport_id, identity.session_version, stage)
    return context.to_login() if stage else redirect(addresses.after_login())


def send(form: Form, page: str, purpose: Purpose, field: str, **values: Any) -> ResponseReturnValue:
    """Answer the button 获取验证码: to a script in JSON, else the page again with its values."""
    return answer_code(
        form,
        page,
        field,
        lambda: codes.send_code(context.access(), purpose, target_of(form, field)),
        **values,
    )


def answer_code(form: Form, page: str, field: str, call: Any, **values: Any) -> ResponseReturnValue:
    """Run `call` (which sends a code) and tell how it went; refusals stand beside `field`."""
    try:
        form.wait = call().wait
    except KaowuError as error:
        if isinstance(error, CodeTooSoon):
            form.wait = error.parameters["seconds"]
        form.take(error, [field])
        sentence = form.errors_of(field)[0]
        if responses.wants_json():
            return jsonify(message=sentence, wait=form.wait), error.status
        return render_template(page, form=form, **values), error.status
    sentence = _("验证码已发送，10分钟内有效。没有收到的，请核对号码或查看垃圾邮件。")
    if responses.wants_json():
        return jsonify(message=sentence, wait=form.wait)
    flash(sentence, "success")
    return render_template(page, form=form, **values)


def target_of(form: Form, field: str) -> str:
    """The normalised e-mail or mobile in a field. Raises FieldErrors."""
    return codes.read_target(form[field], field)


def repeated(form: Form) -> None:
    """Both passwords must be the same. Raises FieldErrors."""
    if form["password"] != form["password_again"]:
        raise FieldErrors({"password_again": [PasswordsDiffer()]})


# ---------------------------------------------------------------- log-in


@blueprint.get("/login", endpoint="login")
def login_page() -> ResponseReturnValue:
    """Two tabs: password, and code."""
    if context.current_visitor() is not None:
        return redirect(addresses.after_login())
    return render_template(_login_template(), form=Form())


def _login_template() -> str:
    by_code = request.values.get("way") == "code"
    return "passport/login_code.html" if by_code else "passport/login.html"


@blueprint.post("/login")
def log_in() -> ResponseReturnValue:
    """Log in by password or by code; the failure is told in one sentence for all causes."""
    form = Form.sent()
    if form["way"] == "code":
        return _log_in_by_code(form)
    try:
        identity = login.authenticate(context.access(), form["login"], form["password"])
    except KaowuError as error:
        form.take(error)
        return render_template("passport/login.html", form=form), error.status
    return enter(identity)


def _log_in_by_code(form: Form) -> ResponseReturnValue:
    page = "passport/login_code.html"
    if form["send"]:
        return send(form, page, Purpose.LOGIN, "target")
    try:
        identity = login.authenticate_by_code(
            context.access(), target_of(form, "target"), form["code"]
        )
    except KaowuError as error:
        form.take(error, ["code"])
        return render_template(page, form=form), error.status
    return enter(identity)


@blueprint.post("/logout")
def log_out() -> ResponseReturnValue:
    """End all sessions of the passport, also those of copied cookies."""
    found = context.person()
    if found is not None:
        login.log_out(context.access(), found.passport_id)
    context.sign_out()
    flash(_("已退出登录。"), "success")
    return redirect(url_for("passport.login"))


# ---------------------------------------------------------------- registration


@blueprint.get("/register")
def register() -> ResponseReturnValue:
    """R5.1."""
    return render_template("passport/register.html", form=Form({"prove": "mobile"}))


@blueprint.post("/register")
def do_register() -> ResponseReturnValue:
    """Send a code, or make the passport."""
    form = Form.sent()
    page = "passport/register.html"
    prove = "email" if form["prove"] == "email" else "mobile"
    if form["send"]:
        return send(form, page, Purpose.REGISTER, prove)
    try:
        repeated(form)
        identity = passports.register_passport(
            context.access(),
            passports.NewPassport(
                email=form["email"],
                mobile=form["mobile"],
                password=form["password"],
                code=form["code"],
                consent=form["consent"] == "1",
                prove=prove,
            ),
        )
    except KaowuError as error:
        form.take(error)
        return render_template(page, form=form), error.status
    context.sign_in(identity.passport_id, identity.session_version)
    return redirect(url_for("passport.registered", next=addresses.origin() or None))


@blueprint.get("/registered")
@context.login_required
def registered() -> ResponseReturnValue:
    """Success, with a link back to the page of origin (R5.0)."""
    visitor = context.this_visitor()
    passport = context.access().read(lambda database: own_passport(database, visitor.passport_id))
    return render_template("passport/done.html", passport=passport, target=addresses.after_login())


@blueprint.get("/terms")
def terms() -> ResponseReturnValue:
    """What a visitor consents to."""
    return render_template("passport/terms.html", version=passports.TERMS_VERSION)


# ---------------------------------------------------------------- forgotten password


@blueprint.get("/forgot")
def forgot() -> ResponseReturnValue:
    """Reset by e-mail or SMS code (§8.3)."""
    return render_template("passport/forgot.html", form=Form())


@blueprint.post("/forgot")
def do_forgot() -> ResponseReturnValue:
    """Send a code, or set the new password."""
    form = Form.sent()
    page = "passport/forgot.html"
    if form["send"]:
        return send(form, page, Purpose.RESET, "target")
    try:
        repeated(form)
        passwords.reset_password(
            context.access(), target_of(form, "target"), form["code"], form["password"]
        )
    except KaowuError as error:
        form.take(error)
        return render_template(page, form=form), error.status
    context.sign_out()
    flash(_("密码已重设，请用新密码登录。"), "success")
    return redirect(url_for("passport.login", next=addresses.origin() or None))


# ---------------------------------------------------------------- development


@blueprint.get("/outbox")
def outbox() -> ResponseReturnValue:
    """The last messages, so that codes can be read where nothing is sent. Never in production."""
    if context.portal().settings.is_production:
        abort(404)
    with reading(context.portal().factory, system("development outbox")) as database:
        return render_template("passport/outbox.html", messages=messages.latest(database))
