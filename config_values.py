"""The kinds of value that settings have: types, parsers, defaults and generated secrets.

``config.py`` declares the settings; this module knows how their texts are read. A parser takes
the text of a variable and raises ``ValueError`` that says what it expects.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

ROOT = Path(__file__).resolve().parent
"""The directory that holds ``app/``, ``migrations/`` and, by default, ``instance/``."""

_MINIMUM_SECRET_LENGTH = 32
_KEY_BYTES = 32  # AES-256 and HMAC-SHA-256
_SOCKET_PATH_BYTES = 100  # sockaddr_un takes 107 on Linux and 103 on macOS


class Mode(StrEnum):
    """How Kaowu runs: what is generated, what is refused."""

    DEVELOPMENT = "development"
    TESTING = "testing"
    PRODUCTION = "production"


class DataKey(NamedTuple):
    """One key for encrypted columns; the identifier is stored in front of each cipher text."""

    identifier: str
    secret: bytes


class RateLimit(NamedTuple):
    """At most ``attempts`` within ``seconds``."""

    attempts: int
    seconds: int


class HostSet(NamedTuple):
    """The three entries (R2.1) on one network, as absolute addresses that end in a slash."""

    portal: str
    passport: str
    admin: str


class InitialPassword(StrEnum):
    """How people whose accounts were imported get in for the first time."""

    DEFAULT = "default123456"
    LINK = "random_link"


# --- parsers: each takes the text of a variable and raises ValueError with what it expects --------


def parse_whole(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers from ``low`` to ``high``, both allowed."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def parse_flag(text: str) -> bool:
    """``1`` or ``0``, and their usual synonyms."""
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off"}:
        return False
    raise ValueError("must be 1 or 0")


def parse_mode(text: str) -> Mode:
    """One of the three modes."""
    try:
        return Mode(text)
    except ValueError:
        raise ValueError("must be development, testing or production") from None


def parse_directory(text: str) -> Path:
    """An absolute path; a relative one counts from the project, not from the caller's folder."""
    return (ROOT / text).resolve()


def parse_database_url(text: str) -> str:
    """``postgres://`` and ``postgresql://`` mean psycopg 3, the driver that Kaowu installs."""
    text = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", text)
    if not re.match(r"(sqlite|postgresql\+psycopg)://", text):
        raise ValueError("must begin with postgresql:// or sqlite://")
    return text


def parse_redis_url(text: str) -> str:
    """The address of a Redis or Valkey server."""
    if not re.match(r"(redis|rediss|unix)://", text):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    return text


def parse_files_url(text: str) -> str:
    """An fsspec address; whether the driver is installed shows at the first use."""
    if not re.match(r"[a-z0-9+]+://", text):
        raise ValueError("must be an fsspec address such as file:///srv/kaowu/files or s3://bucket")
    return text


def parse_host_set(text: str) -> HostSet | None:
    """One base address, or the candidate, passport and admin addresses with commas between."""
    if not text:
        return None
    addresses = [part.strip().rstrip("/") + "/" for part in text.split(",")]
    for parts in map(urlsplit, addresses):
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            raise ValueError("must be an absolute address such as https://kaowu.example.org/")
    if len(addresses) == 1:
        base = addresses[0]
        return HostSet(base, f"{base}passport/", f"{base}admin/")
    if len(addresses) != len(HostSet._fields):
        raise ValueError("must be one address, or three: candidate,passport,admin")
    return HostSet(*addresses)


def parse_initial_password(text: str) -> InitialPassword:
    """``default123456`` or ``random_link``."""
    try:
        return InitialPassword(text)
    except ValueError:
        raise ValueError("must be default123456 or random_link") from None


def parse_word(text: str) -> str:
    """The name of an adapter: one lower-case word."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", text):
        raise ValueError("must be one lower-case word")
    return text


def parse_log_level(text: str) -> str:
    """A level of the standard logging module."""
    if text not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
    return text


def parse_languages(text: str) -> tuple[str, ...]:
    """Language codes with commas between; the first is the default."""
    languages = tuple(part.strip() for part in text.split(",") if part.strip())
    if not languages or not all(re.fullmatch(r"[a-z]{2}(_[A-Z]{2})?", item) for item in languages):
        raise ValueError("must be language codes with commas between, such as zh_CN,en")
    return languages


def parse_rate(text: str) -> RateLimit:
    """``attempts/seconds``."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", text)
    if not found:
        raise ValueError("must be attempts/seconds, such as 10/60")
    return RateLimit(int(found[1]), int(found[2]))


def parse_secret_text(text: str) -> str:
    """A signing secret long enough not to be guessed; '' stays empty."""
    if text and len(text) < _MINIMUM_SECRET_LENGTH:
        raise ValueError(f"must have at least {_MINIMUM_SECRET_LENGTH} characters")
    return text


def parse_key_bytes(text: str) -> bytes:
    """32 bytes written in base64; '' stays empty."""
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b"?"
    if text and len(key) != _KEY_BYTES:
        raise ValueError(f"must be {_KEY_BYTES} bytes written in base64")
    return key


def parse_data_keys(text: str) -> tuple[DataKey, ...]:
    """``id:base64`` with commas between; the first one encrypts, all of them decrypt."""
    keys = []
    for part in filter(None, text.split(",")):
        identifier, _, encoded = part.strip().partition(":")
        if not re.fullmatch(r"[a-z0-9]{1,8}", identifier) or not encoded:
            raise ValueError("must be id:key pairs with commas between; an id is 1-8 of a-z, 0-9")
        keys.append(DataKey(identifier, parse_key_bytes(encoded)))
    if len({key.identifier for key in keys}) != len(keys):
        raise ValueError("must not use one key id twice")
    return tuple(keys)


# --- defaults that follow from other fields -------------------------------------------------------


def embedded_socket(instance: Path) -> Path:
    """The socket of the private queue server of ``instance``.

    A path too long for a socket address moves to a hashed name in a folder of the user's own
    below the temporary directory.
    """
    socket = instance / "valkey" / "valkey.sock"
    if len(os.fsencode(socket)) <= _SOCKET_PATH_BYTES:
        return socket
    digest = hashlib.sha256(os.fsencode(instance)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"kaowu-{os.getuid()}" / f"{digest}.sock"


def embedded_redis_url(instance: Path) -> str:
    """The address of the private queue server of ``instance``."""
    return f"unix://{quote(str(embedded_socket(instance)))}"


def fresh_secrets() -> dict[str, str]:
    """New random values for the four secret variables, as they are written in the environment."""

    def key() -> str:
        return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()

    return {
        "ADMIN_SECRET_KEY": secrets.token_urlsafe(_KEY_BYTES),
        "PORTAL_SECRET_KEY": secrets.token_urlsafe(_KEY_BYTES),
        "DATA_KEYS": f"k1:{key()}",
        "DIGEST_KEY": key(),
    }


def generated_secrets(instance: Path) -> dict[str, str]:
    """The secrets of ``instance/secrets.json``, made (mode 0600) when they are not there yet.

    The file is locked while it is read: web, worker and command may start at the same moment.
    """
    instance.mkdir(mode=0o700, parents=True, exist_ok=True)  # photos and ID numbers lie below it
    handle = os.open(instance / "secrets.json", os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(handle, "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        stored: dict[str, str] = json.loads(file.read() or "{}")
        complete = fresh_secrets() | stored
        if complete != stored:
            file.seek(0)
            json.dump(complete, file, indent=1)
            file.truncate()
    return complete


def secret_default(name: str) -> Callable[[Mapping[str, Any]], str]:
    """Generated in development and tests; empty in production (``check_production`` names it)."""

    def default(values: Mapping[str, Any]) -> str:
        if values["mode"] is Mode.PRODUCTION:
            return ""
        return generated_secrets(values["instance"])[name]

    return default
