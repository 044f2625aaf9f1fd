"""The welcome page, tab 欢迎 (R6.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from flask_appbuilder import IndexView, expose
from flask_babel import gettext
from flask_login import current_user
from markupsafe import Markup
from werkzeug.utils import redirect

from app.metadata import registry
from app.metadata.actor import Actor
from app.metadata.vocabulary import Verb
from app.rules import availability, home
from app.rules.policy import granted
from app.views import chrome
from app.views import request as context
from app.views.exam_prefix import plain_root
from app.views.texts import text


class Home(IndexView):
    """What a person sees first in a session."""

    default_view = "index"

    @expose("/")
    def index(self) -> Any:
        if not current_user.is_authenticated:
            return redirect(f"{plain_root()}/login/")
        acting = context.actor()
        session = context.read_session()
        page = home.welcome(session, context.shown_clock())
        return self.render_template(
            "kw/pages/home.html",
            figures=[
                {
                    "label": text(figure.label),
                    "value": figure.value,
                    "url": _address(figure.page, figure.filters, acting),
                }
                for figure in page.figures
            ],
            entries=[_entry(line) for line in page.lines],
            steps=[_step(step) for step in page.steps],
            cards=_cards(page, acting),
            notices=[],
        )


def _entry(line: home.Line) -> dict[str, Any]:
    badge = line.badge and {"text": text(line.badge[0]), "tone": line.badge[1]}
    return {"label": text(line.label), "value": text(line.value), "badge": badge}


def _step(step: home.Step) -> dict[str, Any]:
    return {
        "label": text(step.label),
        "text": text(step.text),
        "badge": {"text": text(step.badge[0]), "tone": step.badge[1]},
        "state": step.state,
    }


def _address(name: str, filters: Mapping[str, str], acting: Actor) -> str | None:
    """Address of a list with these filters; None where he cannot open it or it is not used."""
    declaration = registry.get(name)
    may = any(granted(declaration, verb, acting) for verb in (Verb.LIST, Verb.VIEW))
    if not may or availability.reason_for(context.read_session(), name, acting) is not None:
        return None
    address = chrome.address_of(declaration)
    return f"{address}?{urlencode(filters)}" if filters else address


def _cards(page: home.Welcome, acting: Actor) -> list[dict[str, Any]]:
    cards: list[dict[str, Any]] = []
    lines = [
        {"label": text(item.text), "url": _address(item.page, item.filters, acting)}
        for item in page.waiting
    ]
    if lines:
        cards.append({"title": gettext("待办事项"), "lines": lines})
    if page.province_notice:
        plain = Markup(page.province_notice).striptags()  # noqa: S704 - tags are taken off
        cards.append({"title": gettext("省报名通告"), "text": plain})
    return cards
