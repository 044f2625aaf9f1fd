"""Sentences that are kept: a message with its parameters as JSON, and back.

What a job has to say is written once, by a worker without a language, and read in the language
of whoever looks at it. Plain texts (msgids, names) stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.metadata.errors import KaowuError, Message

_TEMPLATE, _PARAMETERS = "template", "parameters"


def kept(value: Any) -> Any:
    """JSON of a sentence, or of a parameter of one."""
    if isinstance(value, (Message, KaowuError)):
        if not value.parameters:
            return value.template
        parameters = {name: kept(item) for name, item in value.parameters.items()}
        return {_TEMPLATE: value.template, _PARAMETERS: parameters}
    if isinstance(value, (list, tuple)):
        return [kept(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


def told(value: Any) -> Any:
    """The sentence again: a `Message`, or the plain text (also of what was kept before sentences
    had parameters)."""
    if isinstance(value, Mapping):
        parameters = value.get(_PARAMETERS, {})
        return Message(value[_TEMPLATE], **{name: told(item) for name, item in parameters.items()})
    if isinstance(value, list):
        return [told(item) for item in value]
    return value
