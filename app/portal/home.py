"""The portal's home, health checks, the choice of language, and the page for old browsers."""

from __future__ import annotations

from flask import Blueprint, jsonify, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from app.database.unit_of_work import reading
from app.metadata.actor import system
from app.portal import addresses, context
from app.portal.progress import Standing, next_step
from app.rules import site as sites
from app.rules.actors import current_exam
from app.rules.registration import eligibility

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """What is open now, and the visitor's next step: exactly one primary action."""
    visitor = context.current_visitor()
    if visitor is not None and not visitor.administrator and visitor.exam_id is not None:
        return _own()
    with reading(context.portal().factory, system("portal home")) as database:
        return render_template("portal/home.html", exam=current_exam(database), next=None)


def _own() -> str:
    """The candidate's registration as a card; who has none may learn why."""
    database = context.read_session()
    exam = current_exam(database)
    row = eligibility.live_registration(database)
    if row is None:
        expired = eligibility.last_expired(database)
        return render_template(
            "portal/home.html", exam=exam, row=None, next=next_step(None), expired=expired
        )
    site = sites.load_site(database, row.site_id or 0)
    standing = Standing(row, site, context.portal().clock())
    return render_template(
        "portal/home.html",
        exam=exam,
        row=row,
        standing=standing,
        names=sites.subject_names(database, site.exam_id),
        next=next_step(standing),
    )


@blueprint.get("/healthz")
def healthy() -> ResponseReturnValue:
    """The process answers; asked by the supervisor."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def ready() -> ResponseReturnValue:
    """Everything behind the process answers too; asked by the load balancer."""
    checks = {"database": _database_answers()}
    readiness = context.portal().readiness
    if readiness is not None and checks["database"]:
        checks.update(readiness())
    status = 200 if all(checks.values()) else 503
    return jsonify(status="ok" if status == 200 else "not ready", checks=checks), status


def _database_answers() -> bool:
    try:
        with reading(context.portal().factory, system("health check")) as database:
            return database.scalar(select(1)) == 1
    except SQLAlchemyError:
        return False


@blueprint.get("/language/<code>")
def language(code: str) -> ResponseReturnValue:
    """Choose a language; anything that is not offered leaves it as it is."""
    if code in context.portal().settings.languages:
        session["language"] = code
    return redirect(addresses.origin() or url_for("home.index"))


@blueprint.get("/unsupported")
def unsupported() -> ResponseReturnValue:
    """R1.2: which browsers work. Plain enough for those that do not."""
    return render_template("portal/unsupported.html")
