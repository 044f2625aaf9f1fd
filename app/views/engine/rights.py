"""What the actor may do on a resource's page now: which buttons, and why not.

Decided once per request for the actor's own place; the server decides again when it is done.
"""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_babel import gettext
from sqlalchemy.orm import Session

from app.metadata import registry
from app.metadata.actor import Actor
from app.metadata.declarations import Declaration, On, Operation, Resource
from app.metadata.errors import PolicyDenied
from app.metadata.vocabulary import WRITING, Verb
from app.rules import availability
from app.rules.clock import Clock
from app.rules.policy import (
    Decision,
    NoVerb,
    Target,
    WindowClosed,
    check,
    decide,
    remember_exam,
    target_for,
)
from app.rules.window_setting import WINDOWS
from app.views import request as context
from app.views.texts import text


class Rights:
    """Decisions on a resource and its operations, each made once."""

    def __init__(self, session: Session, resource: Resource, actor: Actor, clock: Clock) -> None:
        if (exam := context.exam()) is not None:
            remember_exam(session, exam)
        self.resource = resource
        self.actor = actor
        self.reason = availability.reason_for(session, resource.name, actor)
        self._at = clock()
        self._session = session
        self._targets: dict[str | None, Target] = {}
        self._made: dict[tuple[str, Verb], Decision] = {}

    def _target(self, declaration: Declaration) -> Target:
        """The facts do not differ between declarations, but without a window none are read."""
        key = "gated" if declaration.window is not None else None
        if key not in self._targets:
            self._targets[key] = target_for(self._session, self.actor, declaration)
        return self._targets[key]

    def decision(self, declaration: Declaration, verb: Verb) -> Decision:
        key = (declaration.name, verb)
        if key not in self._made:
            target = self._target(declaration)
            self._made[key] = decide(declaration, verb, self.actor, target, self._at)
        return self._made[key]

    def may(self, verb: Verb) -> bool:
        """Is the verb allowed on the resource here and now?"""
        return self.reason is None and self.decision(self.resource, verb).allowed

    def operations(self, *places: On) -> list[Operation]:
        """The allowed operations that work on one of these, in the order of declaration."""
        if self.reason is not None:
            return []
        return [
            operation
            for operation in registry.operations_of(self.resource)
            if operation.on & set(places) and self.decision(operation, Verb.RUN).allowed
        ]

    def notices(self, *, without_window: bool = False) -> list[dict[str, Any]]:
        """Why there are no buttons: not used here, history, before or after the window (which
        some pages show in a line of its own)."""
        if self.reason is not None:
            return [{"text": text(self.reason), "tone": "warn"}]
        asked: list[tuple[Declaration, Verb]] = [
            (self.resource, verb) for verb in Verb if verb in WRITING & self.resource.legal_verbs
        ]
        asked += [(op, Verb.RUN) for op in registry.operations_of(self.resource)]
        found: dict[str, dict[str, Any]] = {}
        for declaration, verb in asked:
            refusal = self.decision(declaration, verb).refusal
            if without_window and isinstance(refusal, WindowClosed):
                continue
            if refusal is not None and not isinstance(refusal, NoVerb):
                found.setdefault(text(refusal), refusal_notice(refusal))
        return list(found.values())


def refusal_notice(refusal: PolicyDenied) -> dict[str, Any]:
    """Why nothing can be done here; outside a window with the way to the page of the windows."""
    found: dict[str, Any] = {"text": text(refusal), "tone": "warn"}
    if isinstance(refusal, WindowClosed):
        found |= {"url": url_for(f"{WINDOWS.name}.index"), "link": gettext(WINDOWS.label)}
    return found


def notice_against(
    session: Session, declaration: Declaration, verb: Verb, clock: Clock
) -> dict[str, Any] | None:
    """Why the session's actor cannot do it here by this clock: the page is not used, no right,
    outside the window, history. None where he can."""
    actor = context.actor()
    if reason := availability.reason_for(session, declaration.name, actor):
        return {"text": text(reason), "tone": "warn"}
    refusal = check(session, declaration, verb, actor, clock).refusal
    return refusal_notice(refusal) if refusal is not None else None


def reason_against(
    session: Session, declaration: Declaration, verb: Verb, clock: Clock
) -> str | None:
    """The sentence alone, in the actor's language."""
    found = notice_against(session, declaration, verb, clock)
    return str(found["text"]) if found is not None else None
