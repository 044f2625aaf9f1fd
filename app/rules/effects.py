"""What a change does to what exists already, told before it is saved (R10.2, R11.7, R18.4).

A rule returns sentences (“涉及 123 名考生、98 科次”). Page, dialog, grid and REST show them, and
save or delete only when exactly these were confirmed (over REST also whatever they are). Where it
returns none, nobody is asked. What is not allowed at all is refused by `crud.before` rules, which
come first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import inspect

from app.metadata.errors import N_, KaowuError
from app.metadata.vocabulary import Verb

#: who changes things by a program has read the rules: nothing is asked. It is no text that a
#: request may send (`named`)
ALL = "*"
#: (row with its new values, or the chosen rows of an operation; context) -> sentences
Rule = Callable[[Any, Any], Iterable[str]]
_rules: dict[tuple[str, Verb], list[Rule]] = {}


class Unconfirmed(KaowuError):
    """The change has effects that nobody has confirmed; nothing was saved.

    `effects` are the sentences; `token` confirms exactly these.
    """

    code = "effects.unconfirmed"
    template = N_("此操作会影响已有的数据，请核对后确认。")
    status = 409

    def __init__(self, effects: Sequence[str]) -> None:
        super().__init__()
        self.effects = list(effects)
        self.token = token_of(effects)


def effects(declaration: str, *verbs: Verb) -> Callable[[Rule], Rule]:
    """Register a rule for a resource (ADD, EDIT, DELETE) or an operation (RUN).

    For a resource it is called `rule(row, crud.Context)` after the values were set and checked;
    for an operation `rule(rows, OperationContext)` with the cleaned values in `context.values`.
    """

    def register(rule: Rule) -> Rule:
        for verb in verbs:
            _rules.setdefault((declaration, verb), []).append(rule)
        return rule

    return register


def has_rules(declaration: str, verb: Verb) -> bool:
    """Is there anything to compute?"""
    return (declaration, verb) in _rules


def found(declaration: str, verb: Verb, subject: Any, context: Any) -> list[str]:
    """The sentences of all rules, in the order of their registration."""
    return [
        sentence
        for rule in _rules.get((declaration, verb), ())
        for sentence in rule(subject, context)
    ]


def token_of(sentences: Iterable[str]) -> str:
    """What a form sends back to confirm these sentences and no others."""
    return hashlib.sha256("\n".join(sentences).encode()).hexdigest()[:16]


def named(text: str) -> str:
    """What a request sent as its confirmation: it names certain sentences, never all of them."""
    return "" if text == ALL else text


def require(sentences: Sequence[str], confirmed: str) -> None:
    """Raises Unconfirmed unless there are none, or they were confirmed."""
    if sentences and confirmed not in (ALL, token_of(sentences)):
        raise Unconfirmed(sentences)


def changed(row: Any, name: str) -> tuple[Any, Any] | None:
    """(old, new) of a column that the pending change alters; None where it stays."""
    history = inspect(row).attrs[name].history
    if not history.has_changes():
        return None
    old = history.deleted[0] if history.deleted else None
    new = history.added[0] if history.added else None
    return None if old == new else (old, new)


__all__ = [
    "ALL",
    "Unconfirmed",
    "changed",
    "effects",
    "found",
    "has_rules",
    "named",
    "require",
    "token_of",
]
