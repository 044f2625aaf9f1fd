"""JSON that somebody sent: a body, or a hidden value of a form."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.exceptions import BadRequest


def decoded(text: str | bytes) -> Any:
    """The value of a JSON text. Raises BadRequest, also for one that is nested too deeply to be
    read and for numbers of thousands of digits."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequest() from None


__all__ = ["decoded"]
