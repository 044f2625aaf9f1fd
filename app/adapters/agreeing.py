"""Translated sentences whose words agree with their numbers, for both web applications."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_babel import Domain, get_domain
from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup

from app.metadata.agreement import agreed


class Agreeing(Domain):  # type: ignore[misc] # untyped
    """`gettext` of the code: “%(n)s [n: change|changes]”."""

    def gettext(self, string: str, **variables: Any) -> str:
        """The text in the reader's language, filled in where there is anything to fill in."""
        text: str = self.get_translations().ugettext(string)
        return agreed(text, variables) % variables if variables else text


@pass_eval_context
def _of_template(evaluation: EvalContext, message: str, /, **variables: Any) -> str:
    """`_()` of the templates: as Jinja's own, every text is filled in, its values escaped."""
    text = agreed(get_domain().get_translations().ugettext(message), variables)
    return (Markup(text) if evaluation.autoescape else text) % variables  # noqa: S704 - a msgid


def install(app: Flask) -> None:
    """Put it in place of what Flask-Babel has installed; call it when that is done."""
    babel = app.extensions["babel"]
    babel.instance.domain_instance = Agreeing(domain=babel.default_domain)
    app.jinja_env.globals["gettext"] = _of_template


__all__ = ["Agreeing", "install"]
