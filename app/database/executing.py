"""For whom the statement at hand is executed. Set by the session's listener before every ORM
statement, whichever its session; read by the bound values of the criteria."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from sqlalchemy import Boolean, bindparam

from app.metadata.actor import Actor

Models = frozenset[type]
#: the actor, and the models that he sees without scope just now
_executing: ContextVar[tuple[Actor | None, Models]] = ContextVar(
    "kaowu_executing", default=(None, frozenset())
)


def execute_as(actor: Actor | None, elevated: Models) -> None:
    """Set for whom the next statement is executed."""
    _executing.set((actor, elevated))


def executing_actor() -> Actor | None:
    """Who asks."""
    return _executing.get()[0]


def elevation(model: type) -> Any:
    """The parameter that lifts a model's scope while it is elevated: true or false when the
    statement executes."""
    return bindparam(
        f"kaowu_elevated_{model.__name__}",
        callable_=lambda: model in _executing.get()[1],
        type_=Boolean,
    )
