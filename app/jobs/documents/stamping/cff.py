"""The one fact about a CFF font that embedding depends on: which CIDs are glyph numbers?

Pages are written before the font is subset, so a glyph is named on the page by its number in the
whole font. A PDF reader looks a CFF glyph up by CID. The two agree only for CID-keyed fonts whose
charset is the identity, as in the Noto CJK families.
"""

from __future__ import annotations

_CHARSET = 15
_ROS = (12, 30)


def identity_limit(table: bytes) -> int:
    """Return the largest N such that glyphs 1 to N of a whole `CFF ` table have CID = number.

    0 when the font is not CID-keyed. Zero is the safe answer: the caller then keeps every glyph
    number when it subsets.
    """
    names = _skip_index(table, table[2])
    operators = _operators(_first_entry(table, names))
    offset = operators.get(_CHARSET, [0])[-1]
    if _ROS not in operators or offset <= 2 or table[offset] not in (1, 2):
        return 0
    width = table[offset]  # format 1: one byte of "left over" glyphs in the range, format 2: two
    first = int.from_bytes(table[offset + 1 : offset + 3], "big")
    left = int.from_bytes(table[offset + 3 : offset + 3 + width], "big")
    return 1 + left if first == 1 else 0


def _count(table: bytes, start: int) -> int:
    return int.from_bytes(table[start : start + 2], "big")


def _offset(table: bytes, start: int, entry: int) -> int:
    size = table[start + 2]
    at = start + 3 + size * entry
    return int.from_bytes(table[at : at + size], "big")


def _skip_index(table: bytes, start: int) -> int:
    """Return the position after the INDEX at `start`."""
    count = _count(table, start)
    if not count:
        return start + 2
    return start + 2 + table[start + 2] * (count + 1) + _offset(table, start, count)


def _first_entry(table: bytes, start: int) -> bytes:
    """Return the first entry of the INDEX at `start`."""
    base = start + 2 + table[start + 2] * (_count(table, start) + 1)
    return table[base + _offset(table, start, 0) : base + _offset(table, start, 1)]


def _operators(dictionary: bytes) -> dict[int | tuple[int, int], list[int]]:
    """Read a DICT: operator -> integer operands (a real number counts as 0)."""
    found: dict[int | tuple[int, int], list[int]] = {}
    operands: list[int] = []
    at = 0
    while at < len(dictionary):
        byte = dictionary[at]
        if byte <= 21:
            operator: int | tuple[int, int] = byte
            if byte == 12:
                at += 1
                operator = (12, dictionary[at])
            found[operator] = operands
            operands = []
            at += 1
        else:
            value, at = _operand(dictionary, at)
            operands.append(value)
    return found


def _operand(dictionary: bytes, at: int) -> tuple[int, int]:
    """Read one operand; return it and the position after it."""
    byte = dictionary[at]
    if byte == 28:
        return int.from_bytes(dictionary[at + 1 : at + 3], "big", signed=True), at + 3
    if byte == 29:
        return int.from_bytes(dictionary[at + 1 : at + 5], "big", signed=True), at + 5
    if byte == 30:  # a real number: nibbles up to 0xF
        at += 1
        while dictionary[at] & 0x0F != 0x0F:
            at += 1
        return 0, at + 1
    if byte <= 246:
        return byte - 139, at + 1
    if byte <= 250:
        return (byte - 247) * 256 + dictionary[at + 1] + 108, at + 2
    return -(byte - 251) * 256 - dictionary[at + 1] - 108, at + 2
