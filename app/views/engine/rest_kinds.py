"""What REST says of the imports, documents and grids that the caller may look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from flask_babel import gettext

from app.metadata import registry
from app.metadata.declarations import Declaration
from app.metadata.fields import Field
from app.metadata.vocabulary import Verb
from app.rules.crud import choices_for
from app.rules.policy import granted
from app.views import request as context
from app.views.engine.rights import reason_against

D = TypeVar("D", bound=Declaration)


def visible(kind: type[D]) -> list[D]:
    """The declarations of a kind that the caller may look at."""
    actor = context.actor()
    return [item for item in registry.declared(kind) if granted(item, Verb.VIEW, actor)]


def described(declaration: Declaration, verb: Verb, address: str) -> dict[str, Any]:
    """Name and label, and why `verb` cannot be done here and now (null where it can)."""
    return {
        "name": declaration.name,
        "label": gettext(declaration.label),
        "help": gettext(declaration.help) if declaration.help else "",
        "address": address,
        "refusal": reason_against(context.read_session(), declaration, verb, context.clock()),
    }


def fields_of(fields: Iterable[Field]) -> list[dict[str, Any]]:
    """Fields with their choices, living ones too: the page offers the same to the same reader."""
    fields = tuple(fields)
    living = choices_for(context.read_session(), fields, context.actor())
    return [field_of(field, living.get(field.name)) for field in fields]


def field_of(field: Field, living: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A field as JSON. `choices` are {code: name}, null where anything is taken."""
    choices = living if living is not None else field.choices
    return {
        "name": field.name,
        "label": gettext(field.label),
        "kind": field.kind.value,
        "required": field.required,
        "help": gettext(field.help) if field.help else "",
        "choices": None if choices is None else {str(k): gettext(v) for k, v in choices.items()},
    }


__all__ = ["described", "field_of", "fields_of", "visible"]
