"""Keys of rows as an address carries them: 64-bit numbers. Anything larger is no key, so it is
not found rather than an error of the driver."""

from __future__ import annotations

from typing import Any

from werkzeug.routing import IntegerConverter

LARGEST = 2**63 - 1


class KeyConverter(IntegerConverter):
    """`<int:…>` of every address of the administration, bounded to what a key can be."""

    def __init__(self, *positional: Any, **named: Any) -> None:
        super().__init__(*positional, **({"max": LARGEST} | named))


def key_of(text: str) -> int:
    """The key that a query or form names. Raises ValueError for what cannot be one."""
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > LARGEST:
        raise ValueError("no key")
    return int(text)
