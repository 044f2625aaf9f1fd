"""Texts of rules and declarations in the user's language."""

from __future__ import annotations

from flask_babel import gettext

from app.metadata.errors import KaowuError, Message


def text(value: object) -> str:
    """A Chinese msgid, a message with parameters, or an error, translated."""
    if isinstance(value, (Message, KaowuError)):
        return value.message(gettext)
    return gettext(str(value)) if value else ""
