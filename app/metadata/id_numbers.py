"""Numbers of identity cards as text: the check digit, the old form, and what a search looks for
(domain §3.6). What a number says of its holder is read in `rules.identity`."""

from __future__ import annotations

import operator
import re

from app.metadata.text import normalise_code, unify_dots

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"
OLD_NUMBER = re.compile(r"[1-9][0-9]{14}")


def check_digit(seventeen: str) -> str:
    """Return the 18th character for the first 17 digits (GB 11643, MOD 11-2)."""
    total = sum(map(operator.mul, map(int, seventeen), _WEIGHTS))
    return _CHECK_DIGITS[total % 11]


def upgrade_number(fifteen: str) -> str:
    """Return the 18-digit form of an old number: the century 19 and the check digit are added."""
    seventeen = f"{fifteen[:6]}19{fifteen[6:]}"
    return seventeen + check_digit(seventeen)


def searched_numbers(text: str) -> tuple[str, ...]:
    """The forms in which a number that somebody looks for may be stored (N6, N7).

    15 digits are an identity card in its old form, stored as 18, or the number of another
    document, stored as it is: which one is known only from the row. Raises `Bad` for what a
    worksheet has spoilt ("1.1E+17").
    """
    number = unify_dots(normalise_code(text))
    return (number, upgrade_number(number)) if OLD_NUMBER.fullmatch(number) else (number,)
