"""A small Flask app that renders every page archetype with made-up data at ``/<name>``.

Run it to look at the pages: ``python -m tests.theme.gallery`` and open ``/list``. It knows nothing
of the product's Python code; it is the reference for the globals and the filter that the templates
rely on (``app/templates/kw/README.md``).
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, g, render_template, request, send_from_directory
from jinja2 import ChoiceLoader, FileSystemLoader
from markupsafe import Markup, escape

from tests.theme import sample, sample_shell

ROOT = Path(__file__).resolve().parents[2]
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'nonce-{nonce}'; frame-ancestors 'self'"
)


def cell(value: object) -> object:
    """One value of a table or a description list as text or markup (rules in kw/README.md)."""
    if value is None or value == "" or value == []:
        return Markup('<span class="kw-muted">—</span>')
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, Mapping):
        return _cell_of_mapping(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Markup("、").join(escape(cell(item)) for item in value)
    return value


def _cell_of_mapping(value: Mapping[str, Any]) -> Markup:
    if "url" in value:
        dialog = Markup(' data-kw="dialog"') if value.get("dialog") else ""
        return Markup('<a href="{}"{}>{}</a>').format(value["url"], dialog, value["text"])
    return Markup('<span class="kw-tag kw-tag-{}">{}</span>').format(
        value.get("tone", "off"), value["text"]
    )


def nonce() -> str:
    """The script nonce of this answer."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    return str(g.nonce)


def create_app() -> Flask:
    """The gallery: pages at ``/<name>``, a strict CSP as in production."""
    app = Flask(__name__, static_folder=str(ROOT / "app" / "static"))
    app.url_map.redirect_defaults = False
    app.secret_key = "gallery"
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
    app.jinja_loader = ChoiceLoader([FileSystemLoader(ROOT / "app" / "templates")])
    app.jinja_env.filters["cell"] = cell
    app.jinja_env.globals.update(
        csp_nonce=nonce,
        csrf_token=lambda: "token",
        kw_header=lambda: (
            None if request.path.strip("/") in sample_shell.ANONYMOUS else sample_shell.header()
        ),
        kw_menu=lambda: sample_shell.menu(request.path),
        kw_url_static=lambda path: f"/static/{path}",
    )

    @app.after_request
    def policy(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY.format(nonce=nonce())
        response.headers["Vary"] = "HX-Request"
        return response

    @app.get("/favicon.ico")
    def icon() -> Response:
        return Response(status=204)

    @app.get("/photo.jpg")
    def photo() -> Response:
        return send_from_directory(Path(__file__).parent, "photo.svg", mimetype="image/svg+xml")

    @app.route("/", defaults={"name": "home"}, methods=["GET", "POST"])
    @app.route("/<name>", methods=["GET", "POST"])
    def page(name: str) -> str | tuple[str, int]:
        if name not in sample.PAGES:
            abort(404)
        template, context = sample.PAGES[name]()
        return render_template(template, **{"tab_key": name, **context})

    return app


if __name__ == "__main__":
    create_app().run(port=5055, debug=False)
