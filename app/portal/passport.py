"""The pages of the passport (通行证): ch. 5, 6."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

blueprint = Blueprint("passport", __name__, url_prefix="/passport")


@blueprint.get("/terms")
def terms() -> ResponseReturnValue:
    """What a visitor consents to."""
    return render_template("passport/terms.html")


@blueprint.get("/login")
def login() -> ResponseReturnValue:
    return terms()


@blueprint.get("/register")
def register() -> ResponseReturnValue:
    return terms()


@blueprint.get("/me")
def me() -> ResponseReturnValue:
    return terms()
