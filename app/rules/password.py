"""Passwords: what is strong enough, and how they are kept (domain §8.3).

Pure functions. Hashes are scrypt; a text is brought into one Unicode form first, so that a
full-width or composed letter of another keyboard does not lock its owner out.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache
from importlib import resources

from werkzeug.security import check_password_hash, generate_password_hash

from app.metadata.errors import N_, KaowuError

#: The password of imported accounts. It opens nothing but the change-password page (R5.4, §8.3).
INITIAL_PASSWORD = "123456"  # noqa: S105 - published by the manual, grants no access
CANDIDATE_LENGTH = 10
ADMINISTRATOR_LENGTH = 12
#: Longer texts are refused, so that nobody can keep the hasher busy with megabytes.
MAXIMUM_LENGTH = 128
HISTORY = 5
ADMINISTRATOR_LIFETIME = timedelta(days=90)

_METHOD = "scrypt:32768:8:1"
# Never matches: 128 zeros is no scrypt output that anybody could find a password for.
_UNKNOWN_USER_HASH = f"{_METHOD}$0000000000000000${'0' * 128}"
_CLASSES = ("[a-z]", "[A-Z]", "[0-9]", "[^a-zA-Z0-9]")
_PART_LENGTH = 4
_RUNS = (
    *("qwertyuiop", "asdfghjkl", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz"),
    *("01234567890", "!@#$%^&*()", "~!@#$%^&*()_+"),
)
_SEQUENCES = _RUNS + tuple(row[::-1] for row in _RUNS)
_LEET = str.maketrans("@4301!5$7", "aaeoiisst")
_YEAR = re.compile("(?:19|20)[0-9]{2}")
#: What remains when words and runs are taken out; see `_strength`.
_MINIMUM_STRENGTH = 8


class PasswordError(KaowuError):
    """The password is refused; the sentence says what to change."""


class PasswordTooShort(PasswordError):
    code = "password.too_short"
    template = N_("密码至少需要{minimum}位。请加长后重试。")


class PasswordTooLong(PasswordError):
    code = "password.too_long"
    template = N_("密码不能超过{maximum}位。请缩短后重试。")


class PasswordTooPlain(PasswordError):
    code = "password.classes"
    template = N_("密码须包含大写字母、小写字母、数字、其他符号中的至少三类。")


class PasswordHoldsIdentity(PasswordError):
    code = "password.identity"
    template = N_("密码中不能包含本人的邮箱、手机号码或姓名。")


class PasswordCommon(PasswordError):
    code = "password.common"
    template = N_("密码过于常见，容易被猜到。请避免常用词、连续或重复的字符和键盘顺序。")


class PasswordUsedBefore(PasswordError):
    code = "password.used_before"
    template = N_("不能使用最近{count}次用过的密码。请换一个新密码。")


def password_problems(
    password: str,
    *,
    administrator: bool,
    identifiers: Iterable[str] = (),
    used_before: Callable[[str], bool] | None = None,
) -> list[PasswordError]:
    """Return everything that is wrong with a new password; empty means good.

    `identifiers` are the owner's e-mail, mobile and name. `used_before` tells whether it is one of
    the last five (`matches_any`); it is costly and asked only when all else is right.
    """
    text = _canonical(password)
    problems = list(_plain_problems(text, administrator, identifiers))
    if not problems and used_before is not None and used_before(password):
        problems.append(PasswordUsedBefore(count=HISTORY))
    return problems


def check_password(
    password: str,
    *,
    administrator: bool,
    identifiers: Iterable[str] = (),
    used_before: Callable[[str], bool] | None = None,
) -> None:
    """Raise the first of `password_problems`, if any."""
    for problem in password_problems(
        password, administrator=administrator, identifiers=identifiers, used_before=used_before
    ):
        raise problem


def _plain_problems(
    text: str, administrator: bool, identifiers: Iterable[str]
) -> Iterator[PasswordError]:
    minimum = ADMINISTRATOR_LENGTH if administrator else CANDIDATE_LENGTH
    if len(text) > MAXIMUM_LENGTH:
        yield PasswordTooLong(maximum=MAXIMUM_LENGTH)
        return
    if len(text) < minimum:
        yield PasswordTooShort(minimum=minimum)
    if sum(re.search(group, text) is not None for group in _CLASSES) < 3:
        yield PasswordTooPlain()
    folded = text.casefold()
    if any(part in folded for value in identifiers for part in _identity_parts(value)):
        yield PasswordHoldsIdentity()
    if _strength(text) < _MINIMUM_STRENGTH:
        yield PasswordCommon()


def _canonical(password: str) -> str:
    """Return the one form that is hashed; half characters from broken JSON become "?"."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace").decode()


def _identity_parts(value: str) -> Iterator[str]:
    """Yield the forms of an e-mail, mobile or name that a password must not contain.

    Parts shorter than four letters are left out: they occur in any text by chance.
    """
    folded = _canonical(value).casefold().strip()
    compact = re.sub(r"[\s\u00b7]", "", folded)
    local = folded.partition("@")[0]
    for part in (folded, compact, local, *re.split(r"[\s\u00b7@._+-]", folded)):
        if len(part) >= (_PART_LENGTH if part.isascii() else 2):
            yield part


@cache
def _common_words() -> tuple[str, ...]:
    """Return the words of the list, longest first so that the longest one is found."""
    lines = resources.files("app.rules").joinpath("common_passwords.txt").read_text("utf-8")
    return tuple(sorted(lines.split(), key=len, reverse=True))


def _strength(text: str) -> int:
    """Return a measure of what cannot be guessed: single characters, and two for each chunk.

    A chunk is a common word (also with @ for a and the like), a year, or a run of at least three
    along the keyboard, the alphabet or one repeated character. Few distinct characters count as
    one each, however often they return.
    """
    # One character for one, so that positions in both forms agree.
    lower = "".join(sign.lower() if len(sign.lower()) == 1 else sign for sign in text)
    rest, chunks = lower, 0
    for word in _common_words():
        rest, found = _take(rest, word)
        chunks += found
    for pattern in [*_YEAR.findall(rest), *_runs(rest)]:
        rest, found = _take(rest, pattern)
        chunks += found
    remaining = [sign for sign in rest if sign != "\0"]
    return min(len(remaining) + 2 * chunks, 2 * len(set(lower)))


def _take(text: str, chunk: str) -> tuple[str, int]:
    """Return `text` with each `chunk` blanked out by NUL, and how many there were."""
    count = 0
    for form in (text, text.translate(_LEET)):
        start = form.find(chunk)
        while start >= 0:
            end = start + len(chunk)
            if "\0" not in text[start:end]:
                text = text[:start] + "\0" * len(chunk) + text[end:]
                count += 1
            start = form.find(chunk, end)
    return text, count


def _runs(text: str) -> list[str]:
    """Return the longest runs of three or more: "1234", "lkjh", "aaaa"; left to right."""
    runs, start = [], 0
    while start < len(text):
        end = start + 1
        while end < len(text) and _is_run(text[start : end + 1]):
            end += 1
        if end - start >= 3 and text[start] != "\0":
            runs.append(text[start:end])
        start = end if end - start >= 3 else start + 1
    return runs


def _is_run(text: str) -> bool:
    return len(set(text)) == 1 or any(text in row for row in _SEQUENCES)


def hash_password(password: str) -> str:
    """Return a salted scrypt hash (32 MiB, about 0.1 s of one core)."""
    return generate_password_hash(_canonical(password), method=_METHOD)


def verify_password(stored: str | None, password: str) -> bool:
    """Whether `password` is the one hashed in `stored`.

    The work is the same for an unknown user (None), a locked hash ("!") and an overlong text, so
    that the time of an answer tells nobody which accounts exist.
    """
    usable = stored is not None and stored.startswith("scrypt:") and stored.count("$") == 2
    text = _canonical(password[: MAXIMUM_LENGTH + 1])
    matches = check_password_hash(stored if usable and stored else _UNKNOWN_USER_HASH, text)
    return matches and usable and len(password) <= MAXIMUM_LENGTH


def needs_rehash(stored: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return not stored.startswith(f"{_METHOD}$")


def matches_any(password: str, recent_hashes: Iterable[str]) -> bool:
    """Whether the password is one of the last five; `recent_hashes` come newest first."""
    newest = list(recent_hashes)[:HISTORY]
    return any(verify_password(stored, password) for stored in newest)


def is_initial_password(password: str) -> bool:
    """Whether this is the password of imported accounts, for the change-password page only."""
    return hmac.compare_digest(_canonical(password).encode(), INITIAL_PASSWORD.encode())


def is_expired(changed_at: datetime, now: datetime, *, administrator: bool) -> bool:
    """Whether it must be changed: administrators after 90 days, candidates never."""
    return administrator and now - changed_at >= ADMINISTRATOR_LIFETIME
