"""The line above a list, a grid or an import: the window that governs it for its reader and until
when; for a reader who only looks, who fills it in (kw/components.html, `governed`)."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_babel import gettext
from sqlalchemy.orm import Session

from app.database.base import SiteCodeScoped, SiteScoped
from app.metadata import registry
from app.metadata.actor import Actor
from app.metadata.declarations import Declaration, Operation, Resource
from app.metadata.vocabulary import WRITING, Level, Verb, Window
from app.rules import windows
from app.rules.living_matrix import holders
from app.rules.operations import resource_of
from app.rules.policy import granted
from app.rules.window_setting import WINDOWS
from app.rules.windows import WindowState
from app.views import request as context
from app.views.texts import joined, text, texts

Context = dict[str, Any]
_OF_SITES = (SiteScoped, SiteCodeScoped)
_TONES = {WindowState.OPEN: "ok", WindowState.BEFORE: "info"}


def line_of(
    session: Session, window: Window, organisation_id: int | None, label: str = ""
) -> tuple[Context, WindowState]:
    """One organisation's window: when it is, and its state now in a word."""
    interval = windows.load(session, organisation_id)[window]
    state = interval.state(context.shown_clock()())
    tag = {"text": gettext(state.label), "tone": _TONES.get(state, "off")}
    return {"label": label, "interval": text(interval.show()), "state": tag}, state


def governing(session: Session, declaration: Declaration, actor: Actor) -> Context | None:
    """What stands above the page; None where no window binds the reader, and where nobody fills
    the page in. That it is closed, and what to do, is a notice of the page."""
    if _fills_in(declaration, actor):
        if declaration.window is None or actor.level not in declaration.binds:
            return None
        label = "" if actor.level is Level.SITE else gettext("本级")
        found, _ = line_of(session, declaration.window, actor.organisation_id, label)
        return {
            "label": gettext(declaration.window.label),
            "lines": [found],
            "url": url_for(f"{WINDOWS.name}.index"),
        }
    people = texts(holders(session, declaration, WRITING))
    if not people:
        return None
    return {"label": gettext("办理权限"), "lines": [{"interval": joined(people)}]}


def behalf_note(declaration: Declaration, verb: Verb, actor: Actor) -> str | None:
    """What a superior reads before he does what the site could do itself (P3, P4); None where it
    is his own business. The log decides by itself (`audit.behalf_of`)."""
    own = declaration.default_verbs(Level.SITE.value) | declaration.entrusted
    if actor.level is Level.SITE or verb not in own:
        return None
    page = resource_of(declaration) if isinstance(declaration, Operation) else declaration
    if isinstance(page, Resource) and not issubclass(page.model, _OF_SITES):
        return None
    sentence: str = gettext("您将代考点办理，操作记录中注明“上级代改”。")
    return sentence


def _fills_in(declaration: Declaration, actor: Actor) -> bool:
    """May the reader write here at all, windows aside?"""
    if any(granted(declaration, verb, actor) for verb in WRITING & declaration.legal_verbs):
        return True
    return isinstance(declaration, Resource) and any(
        granted(operation, Verb.RUN, actor) for operation in registry.operations_of(declaration)
    )


__all__ = ["behalf_note", "governing", "line_of"]
