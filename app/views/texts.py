"""Texts of rules and declarations in the user's language."""

from __future__ import annotations

from collections.abc import Iterable

from flask_babel import get_domain, gettext

from app.metadata.errors import COMMA, LABELLED, KaowuError, Message
from app.metadata.presenting import Translate


def text(value: object) -> str:
    """A Chinese msgid, a message with parameters, or an error, translated."""
    if isinstance(value, (Message, KaowuError)):
        return value.message(gettext)
    return gettext(str(value)) if value else ""


def translator() -> Translate:
    """`gettext` of this request's language, for a table full of words: `gettext` itself asks for
    the language at every call, which costs more than the cells."""
    translate: Translate = get_domain().get_translations().ugettext
    return translate


def texts(values: Iterable[object]) -> list[str]:
    """Several of them."""
    return [text(value) for value in values]


def joined(values: Iterable[object]) -> str:
    """A list in one line, with the comma of the language; the members as they are."""
    comma: str = gettext(COMMA)
    return comma.join(map(str, values))


def without_label(message: object, label: str) -> str:
    """The message alone: beside its field the label in front would be said twice."""
    if isinstance(message, Message) and message.template == LABELLED:
        return text(message.parameters["message"])
    head = text(Message(LABELLED, label=label, message=""))
    return text(message).removeprefix(head)
