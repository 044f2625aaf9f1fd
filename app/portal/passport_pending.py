"""What must be done before a log-in is complete: the second factor, the first password (§8.3).

The cookie names the stage; until it is done, no other page knows the visitor.
"""

from __future__ import annotations

from typing import cast

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.metadata.errors import KaowuError
from app.portal import addresses, context
from app.portal.forms import Form
from app.portal.passport import answer_code, blueprint, repeated
from app.rules.account import activation, handover, passwords, second_factor
from app.rules.account.errors import FieldErrors, LinkRefused, ProofRefused
from app.rules.account.passwords import Channel, Proof, ProofOptions


def _pending(stage: str) -> int | None:
    """The passport that stands at this stage."""
    found = context.person()
    return found.passport_id if found is not None and context.stage() == stage else None


# ---------------------------------------------------------------- second factor


@blueprint.get("/totp")
def totp() -> ResponseReturnValue:
    """Asks for the code of the authenticator."""
    if _pending("totp") is None:
        return context.elsewhere()
    return render_template("passport/totp.html", form=Form())


@blueprint.post("/totp")
def do_totp() -> ResponseReturnValue:
    """Takes it, once."""
    passport_id, found = _pending("totp"), context.person()
    if passport_id is None or found is None:
        return context.elsewhere()
    form = Form.sent()
    try:
        second_factor.verify_totp(context.access(), passport_id, form["totp"])
    except KaowuError as error:
        form.take(error, ["totp"])
        return render_template("passport/totp.html", form=form), error.status
    context.sign_in(passport_id, context.version(), "expired" if found.must_change else "")
    return context.to_login() if found.must_change else redirect(addresses.after_login())


# ---------------------------------------------------------------- first password


def _options(passport_id: int) -> ProofOptions:
    return passwords.proof_options(context.access(), passport_id)


@blueprint.get("/first/enter")
def enter_first() -> ResponseReturnValue:
    """Whoever gave the initial password at the administration goes on without typing it again."""
    found = handover.unseal(
        context.portal().settings.portal_secret_key, request.args.get("token", "")
    )
    target = addresses.origin() or None
    if found is None or not passwords.awaits_first_password(context.access(), found[0]):
        flash(_("链接已失效，请用初始密码登录，登录后设置新密码。"), "warning")
        return redirect(url_for("passport.login", next=target))
    context.sign_in(*found, "first")
    flash(_("请先设置新密码，设置后再登录后台。"), "warning")
    return redirect(url_for("passport.first", next=target))


@blueprint.get("/first")
def first() -> ResponseReturnValue:
    """The imported account's 123456 opens this page and nothing else (R5.4)."""
    passport_id = _pending("first")
    if passport_id is None:
        return context.elsewhere()
    options = _options(passport_id)
    form = Form({"way": next(iter(_ways(options)), "")})
    return render_template("passport/first.html", form=form, options=options)


@blueprint.get("/activate")
def activate() -> ResponseReturnValue:
    """The link that opens an imported account in place of 123456 (§8.3); used up by the POST."""
    token = request.args.get("token", "")
    facts = activation.opened_by(context.access(), token)
    if facts is None:
        flash(LinkRefused().message(_), "warning")
        return redirect(url_for("passport.login"))
    return _activation_page(Form({"token": token}), facts.administrator)


@blueprint.post("/activate")
def do_activate() -> ResponseReturnValue:
    """Set the first password; whoever is not logged in by it stays outside."""
    form = Form.sent()
    facts = activation.opened_by(context.access(), form["token"])
    try:
        repeated(form)
        identity = activation.set_password_by_link(
            context.access(), form["token"], form["password"]
        )
    except KaowuError as error:
        form.take(error)
        shown = _activation_page(form, facts is not None and facts.administrator)
        return shown, error.status
    context.sign_in(identity.passport_id, identity.session_version)
    flash(_("密码已设置。"), "success")
    return redirect(url_for("passport.me"))


def _activation_page(form: Form, administrator: bool) -> str:
    return render_template("passport/activate.html", form=form, administrator=administrator)


def _ways(options: ProofOptions) -> list[str]:
    """What the visitor may choose from, in this order."""
    ways: list[str] = list(options.targets)
    if options.activation:
        ways.append("activation")
    if options.id_number:
        ways.append("id_number")
    return ways


@blueprint.post("/first")
def do_first() -> ResponseReturnValue:
    """Send the code, or set the first password with the second proof."""
    passport_id = _pending("first")
    if passport_id is None:
        return context.elsewhere()
    form, options = Form.sent(), _options(passport_id)
    way = form["way"]
    if form["send"]:
        channel = cast(Channel, way)
        return answer_code(
            form,
            "passport/first.html",
            "proof",
            lambda: passwords.send_first_code(context.access(), passport_id, channel),
            options=options,
        )
    try:
        repeated(form)
        if way not in _ways(options):
            raise FieldErrors({"proof": [ProofRefused()]})
        identity = passwords.set_first_password(
            context.access(), passport_id, form["password"], _proof(way, form["proof"])
        )
    except KaowuError as error:
        form.take(error, ["proof"])
        return render_template("passport/first.html", form=form, options=options), error.status
    context.sign_in(identity.passport_id, identity.session_version)
    flash(_("密码已设置。"), "success")
    return redirect(addresses.origin() or url_for("passport.me"))


def _proof(way: str, text: str) -> Proof:
    if way == "activation":
        return Proof("activation", text)
    if way == "id_number":
        return Proof("id_number", text)
    return Proof("code", text, cast(Channel, way))
