"""How the engine answers: pages, dialogs, saved, refused (templates/kw/README.md)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import quote

from flask import flash, g, make_response, redirect, render_template, request, url_for
from flask_appbuilder.security.decorators import permission_name
from flask_login import current_user
from werkzeug.exceptions import Unauthorized

from app.metadata.errors import PolicyDenied
from app.metadata.vocabulary import Verb
from app.rules.policy import NoVerb

F = TypeVar("F", bound=Callable[..., Any])
DIALOG = "kw-dialog-body"


def in_dialog() -> bool:
    """Is the answer shown in the dialog (htmx names the target)?"""
    return request.headers.get("HX-Target") == DIALOG


def is_htmx() -> bool:
    """Was the request made by htmx? It is answered with fragments and triggers."""
    return request.headers.get("HX-Request") == "true"


def verb(needed: Verb) -> Callable[[F], F]:
    """Guard a view's method: somebody is logged in, and the matrix grants him `needed` on the
    view's declaration. Windows, scope and session state are asked by the rules."""

    def decorate(method: F) -> F:
        @wraps(method)
        def guarded(view: Any, *arguments: Any, **named: Any) -> Any:
            if not current_user.is_authenticated or g.get("actor") is None:
                return _ask_to_log_in()
            declaration = view.declaration
            if not view.appbuilder.sm.has_access(f"can_{needed.value}", declaration.name):
                raise NoVerb(label=declaration.label, verb=needed.label)
            return method(view, *arguments, **named)

        return cast(F, permission_name(needed.value)(guarded))

    return decorate


def administrator(method: F) -> F:
    """Guard a view's method that belongs to no declaration: an administrator is logged in. What
    he is shown is asked of the matrix, one declaration after the other."""

    @wraps(method)
    def guarded(view: Any, *arguments: Any, **named: Any) -> Any:
        if not current_user.is_authenticated or g.get("actor") is None:
            return _ask_to_log_in()
        return method(view, *arguments, **named)

    return cast(F, guarded)


def _ask_to_log_in() -> Any:
    if request.path.startswith("/api/"):
        raise Unauthorized()
    if current_user.is_authenticated:
        raise PolicyDenied()
    here = request.full_path if request.query_string else request.path
    return redirect(url_for("Entry.login", next=f"{request.script_root}{here}"))


def page(template: str, status: int = 200, **values: Any) -> Any:
    """A page (or, asked for by htmx, its content alone)."""
    return render_template(f"kw/pages/{template}.html", **values), status


def saved(message: str, url: str, *, follow: bool = False) -> Any:
    """A deed is done: close the dialog and reload, or go to `url`. With `follow` a dialog goes
    there as well (the page of a job)."""
    if not is_htmx():
        flash(message, "success")
        return redirect(url)
    answer = make_response("", 204)
    told = {"message": message, "url": url if follow else None}
    answer.headers["HX-Trigger"] = json.dumps({"kw:saved": told})
    return answer


def download_name(name: str) -> str:
    """The file name for a Content-Disposition header, RFC 6266."""
    return f"attachment; filename*=UTF-8''{quote(name)}"
