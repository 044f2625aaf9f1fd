"""The welcome page, tab 欢迎 (R6.4)."""

from __future__ import annotations

from typing import Any

from flask_appbuilder import IndexView, expose
from flask_babel import gettext
from flask_login import current_user
from markupsafe import Markup
from werkzeug.utils import redirect

from app.metadata import registry
from app.metadata.vocabulary import Verb
from app.rules import home
from app.rules.policy import granted
from app.rules.window_setting import unset_reminders
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
        page = home.welcome(session, context.clock())
        return self.render_template(
            "kw/pages/home.html",
            figures=[{"label": text(label), "value": value} for label, value in page.figures],
            entries=[_entry(line) for line in page.lines],
            steps=[_step(step) for step in page.steps],
            cards=_cards(page, acting),
            notices=[
                {
                    "text": gettext("离考试不足十天，以下考点尚有操作时间未设置："),
                    "tone": "warn",
                    "lines": reminders,
                }
            ]
            if (reminders := unset_reminders(session, context.clock()))
            else [],
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


def _cards(page: home.Welcome, acting: Any) -> list[dict[str, Any]]:
    cards: list[dict[str, Any]] = []
    lines = []
    for sentence, name in page.waiting:
        declaration = registry.get(name)
        may = granted(declaration, Verb.LIST, acting)
        url = chrome.address_of(declaration) if may else None
        lines.append({"label": text(sentence), "url": url})
    if lines:
        cards.append({"title": gettext("待办事项"), "lines": lines})
    if page.province_notice:
        plain = Markup(page.province_notice).striptags()  # noqa: S704 - tags are taken off
        cards.append({"title": gettext("省报名通告"), "text": plain})
    return cards
