"""Personal values as lists, exports, logs and error reports show them (domain §8.1, R25.18).

Each mask takes and returns a string; the empty string stays empty. Whatever the input, at least
half of a value that a mask covers stays hidden, except in the two public forms
`110101********0034` and `138****1234`.
"""

from __future__ import annotations

import re

from app.metadata.errors import N_
from app.metadata.text import Bad

STAR = "*"
_ID_NUMBER = re.compile(r"[0-9]{17}[0-9Xx]")
_MOBILE = re.compile(r"[0-9]{11}")


def _cover(value: str, head: int, tail: int) -> str:
    """Hide all but the first `head` and the last `tail` characters, keeping the length."""
    hidden = len(value) - head - tail
    return value[:head] + STAR * hidden + value[len(value) - tail :]


def _cover_short(value: str) -> str:
    """Hide at least half of a value of any shape: one sign in front, up to four at the end."""
    length = len(value)
    return _cover(value, 1 if length >= 6 else 0, min(4, length // 3))


def mask_id(value: str) -> str:
    """`110101********0034`; other documents show less: `E12345678` -> `E*****678`."""
    return _cover(value, 6, 4) if _ID_NUMBER.fullmatch(value) else _cover_short(value)


def mask_mobile(value: str) -> str:
    """`138****1234`; landlines and the like show the last digits only."""
    return _cover(value, 3, 4) if _MOBILE.fullmatch(value) else _cover_short(value)


def mask_email(value: str) -> str:
    """`z***@example.com`; the star count says nothing about the length of the name."""
    name, at, host = value.rpartition("@")
    if not value:
        return ""
    if not at:
        return STAR * 3
    return f"{name[0] if len(name) > 1 else ''}{STAR * 3}@{host}"


def mask_address(value: str) -> str:
    """`江苏省苏州市****`: the town at most; the star count says nothing about the length."""
    return value[: min(6, len(value) // 2)] + STAR * 4 if value else ""


def unmasked(value: str) -> str:
    """Check of a value that forms and exports show masked: refuses one that still is, as when
    part of it was typed over. Raises `Bad` (mask.kept)."""
    if STAR * 3 in value:
        raise Bad("mask.kept", N_("内容含有遮盖用的“***”，请填写完整内容；不修改时请保持原样"))
    return value


def mask_account(value: str) -> str:
    """Bank account: only the last four digits, `************1234`."""
    return _cover(value, 0, min(4, len(value) // 3))


def last_four(value: str) -> str:
    """Last four characters for exports; the whole value if it is shorter (R25.18, "666")."""
    return value[-4:]
