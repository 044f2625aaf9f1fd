"""Settings: one frozen value, read once from the environment.

``Settings.from_environment(os.environ)`` is the only reader of environment variables in Kaowu.
Every field below declares its variable, its default and its meaning; ``docs/operations.md`` lists
the same table. Neither this module nor ``config_values`` imports anything from ``app``, so that
every layer may be handed a ``Settings`` without importing the others.

Run as a command, it prints a fresh set of the four secrets that production needs::

    python config.py >> /etc/kaowu/env
"""

# ruff: noqa: RUF009 -- _setting() is dataclasses.field() with our metadata

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from config_values import (
    DataKey,
    HostSet,
    InitialPassword,
    Mode,
    RateLimit,
    embedded_redis_url,
    embedded_socket,
    fresh_secrets,
    parse_data_keys,
    parse_database_url,
    parse_directory,
    parse_files_url,
    parse_flag,
    parse_host_set,
    parse_initial_password,
    parse_key_bytes,
    parse_languages,
    parse_log_level,
    parse_mode,
    parse_rate,
    parse_redis_url,
    parse_secret_text,
    parse_whole,
    parse_word,
    secret_default,
)

__all__ = [
    "DataKey",
    "HostSet",
    "InitialPassword",
    "Mode",
    "RateLimit",
    "Settings",
    "SettingsError",
    "embedded_socket",
]


class Variable(NamedTuple):
    """How one field is read: the environment variable, its default text and its meaning."""

    name: str
    default: str | Callable[[Mapping[str, Any]], str]
    parse: Callable[[str], Any]
    meaning: str
    secret: bool


def _setting(
    name: str,
    default: str | Callable[[Mapping[str, Any]], str],
    parse: Callable[[str], Any],
    meaning: str,
    *,
    secret: bool = False,
) -> Any:
    """Declare a field. A secret one stays out of ``repr`` and may come from ``NAME_FILE``."""
    variable = Variable(name, default, parse, meaning, secret)
    return dataclasses.field(repr=not secret, metadata={"variable": variable})


class SettingsError(ValueError):
    """Settings that cannot be used. ``mistakes`` holds one English sentence per mistake."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__(
            "\n".join(["The settings have mistakes:", *(f"  - {m}" for m in mistakes)])
        )


def _text_of(variable: Variable, environ: Mapping[str, str], values: Mapping[str, Any]) -> str:
    """The text of a variable: as given, from the file that ``NAME_FILE`` names, or its default."""
    given = environ.get(variable.name, "").strip()
    if given:
        return given
    path = environ.get(f"{variable.name}_FILE", "")
    if variable.secret and path:
        return Path(path).read_text(encoding="utf-8").strip()
    return variable.default if isinstance(variable.default, str) else variable.default(values)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one process, read in this order: later defaults follow from earlier ones."""

    # --- how and where it runs
    mode: Mode = _setting(
        "KAOWU_MODE", "development", parse_mode, "development, testing or production"
    )
    instance: Path = _setting(
        "INSTANCE", "instance", parse_directory, "folder of everything embedded"
    )
    host: str = _setting("HOST", "127.0.0.1", str, "address that `make run` listens on")
    port: int = _setting("PORT", "5000", parse_whole(1, 65535), "port that `make run` listens on")
    web_threads: int = _setting(
        "WEB_THREADS", "16", parse_whole(1, 256), "threads of a web process"
    )
    workers: int = _setting(
        "WORKERS", "1", parse_whole(0, 32), "job workers that `make run` starts"
    )
    job_dead_seconds: int = _setting(
        "JOB_DEAD_SECONDS",
        "60",
        parse_whole(1, 600),
        "silence after which a job's worker counts as dead and the job is handed on",
    )
    upkeep_seconds: int = _setting(
        "UPKEEP_SECONDS", "5", parse_whole(1, 600), "seconds between two rounds of the upkeep"
    )
    log_level: str = _setting("LOG_LEVEL", "INFO", parse_log_level, "DEBUG, INFO, WARNING or ERROR")

    # --- the servers behind it
    database_url: str = _setting(
        "DATABASE_URL",
        lambda values: f"sqlite:///{values['instance']}/kaowu.sqlite3",
        parse_database_url,
        "database; PostgreSQL 15 or newer in production",
        secret=True,
    )
    redis_url: str = _setting(
        "REDIS_URL",
        lambda values: embedded_redis_url(values["instance"]),
        parse_redis_url,
        "queue, rate limits and caches; the default is the private server of `make run`",
        secret=True,
    )
    files_url: str = _setting(
        "FILES_URL",
        lambda values: f"file://{values['instance']}/files",
        parse_files_url,
        "where photos, uploads and documents are kept (fsspec address)",
    )
    files_accel_prefix: str = _setting(
        "FILES_ACCEL_PREFIX",
        "",
        str,
        "internal nginx location for X-Accel-Redirect of local files; empty: the app sends them",
    )

    # --- secrets: from the environment; generated into instance/secrets.json outside production
    admin_secret_key: str = _setting(
        "ADMIN_SECRET_KEY",
        secret_default("ADMIN_SECRET_KEY"),
        parse_secret_text,
        "signs the cookies and tokens of the admin app",
        secret=True,
    )
    portal_secret_key: str = _setting(
        "PORTAL_SECRET_KEY",
        secret_default("PORTAL_SECRET_KEY"),
        parse_secret_text,
        "signs the cookies and tokens of the candidate app",
        secret=True,
    )
    data_keys: tuple[DataKey, ...] = _setting(
        "DATA_KEYS",
        secret_default("DATA_KEYS"),
        parse_data_keys,
        "id:base64,…: keys of encrypted columns; the first encrypts, all decrypt",
        secret=True,
    )
    digest_key: bytes = _setting(
        "DIGEST_KEY",
        secret_default("DIGEST_KEY"),
        parse_key_bytes,
        "base64: key of the digests by which ID numbers and mobiles are found; never changes",
        secret=True,
    )

    # --- money and messages
    payment_gateway: str = _setting(
        "PAYMENT_GATEWAY",
        "sandbox",
        parse_word,
        "adapter that takes payments; sandbox is a practice page",
    )
    mail_url: str = _setting(
        "MAIL_URL", "outbox:", str, "outbox: or smtp://user:password@host:port", secret=True
    )
    mail_sender: str = _setting("MAIL_SENDER", "kaowu@localhost", str, "sender of all mail")
    sms_url: str = _setting(
        "SMS_URL", "outbox:", str, "outbox: or an adapter's address", secret=True
    )
    pay_timeout_hours: int = _setting(
        "PAY_TIMEOUT_HOURS", "24", parse_whole(1, 8760), "hours until an unpaid order expires"
    )
    submit_timeout_hours: int = _setting(
        "SUBMIT_TIMEOUT_HOURS",
        "72",
        parse_whole(1, 8760),
        "hours until an unsubmitted choice expires",
    )

    # --- the two networks (R2.1): one address, or three where the entries have hosts of their own
    public: HostSet = _setting(
        "PUBLIC_URL",
        lambda values: f"http://127.0.0.1:{values['port']}/",
        parse_host_set,
        "address(es) on the public network (公网): base, or candidate,passport,admin",
    )
    edu: HostSet | None = _setting(
        "EDU_URL", "", parse_host_set, "address(es) on the education network (教育网), likewise"
    )
    trusted_proxies: int = _setting(
        "TRUSTED_PROXIES",
        "0",
        parse_whole(0, 5),
        "proxies in front whose X-Forwarded-* are believed",
    )

    # --- people
    totp_required: bool = _setting(
        "TOTP_REQUIRED",
        lambda values: "1" if values["mode"] is Mode.PRODUCTION else "0",
        parse_flag,
        "administrators need a second factor; compulsory in production",
    )
    initial_password_mode: InitialPassword = _setting(
        "INITIAL_PASSWORD_MODE",
        "default123456",
        parse_initial_password,
        "how imported accounts are opened: default123456, or random_link (one-time links)",
    )
    session_idle_minutes: int = _setting(
        "SESSION_IDLE_MINUTES",
        "30",
        parse_whole(1, 1440),
        "minutes of rest after which one is logged out",
    )
    languages: tuple[str, ...] = _setting(
        "LANGUAGES", "zh_CN,en", parse_languages, "languages offered; the first is the default"
    )

    # --- limits
    import_max_rows: int = _setting(
        "IMPORT_MAX_ROWS",
        "20000",
        parse_whole(1, 50_000),
        "rows of one import sheet, at most 50,000",
    )
    import_max_bytes: int = _setting(
        "IMPORT_MAX_BYTES",
        str(20 * 1024 * 1024),
        parse_whole(1024, 1024**3),
        "bytes of one upload",
    )
    import_max_memory: int = _setting(
        "IMPORT_MAX_MEMORY",
        str(180 * 1024 * 1024),
        parse_whole(64 * 1024**2, 16 * 1024**3),
        "bytes of memory for the reading of one upload; the worker takes up to 120 MB beside it",
    )
    rate_login_account: RateLimit = _setting(
        "RATE_LOGIN_ACCOUNT",
        "10/900",
        parse_rate,
        "failed log-ins of one account (attempts/seconds)",
    )
    rate_login_address: RateLimit = _setting(
        "RATE_LOGIN_ADDRESS", "300/60", parse_rate, "log-ins from one address; schools share one"
    )
    rate_code: RateLimit = _setting(
        "RATE_CODE", "5/3600", parse_rate, "codes sent to one mobile or mail address"
    )
    rate_lookup: RateLimit = _setting(
        "RATE_LOOKUP", "60/60", parse_rate, "full personal values shown to one administrator"
    )
    rate_write: RateLimit = _setting(
        "RATE_WRITE", "60/60", parse_rate, "writes of one candidate in the candidate app"
    )

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Field name -> how it is read, in the order of reading."""
        return {item.name: item.metadata["variable"] for item in dataclasses.fields(cls)}

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read all settings; raises ``SettingsError`` that names every variable with a mistake.

        An empty variable counts as not set. Outside production, missing secrets are generated
        into ``instance/secrets.json`` (0600) and stay the same from then on.
        """
        values: dict[str, Any] = {}
        mistakes: list[str] = []
        for field, variable in cls.variables().items():
            try:
                values[field] = variable.parse(_text_of(variable, environ, values))
            except KeyError:
                continue  # its default follows from a field that already is a mistake
            except (ValueError, OSError) as error:
                mistakes.append(f"{variable.name} {error}")
        if mistakes:
            raise SettingsError(mistakes)
        return cls(**values)

    @property
    def is_production(self) -> bool:
        """Whether real people and real money depend on this process."""
        return self.mode is Mode.PRODUCTION

    @property
    def redis_is_embedded(self) -> bool:
        """Whether the queue is the private server that `make run` keeps."""
        return self.redis_url == embedded_redis_url(self.instance)

    @property
    def host_names(self) -> frozenset[str]:
        """Every host name under which the entries are reached; requests for others are refused."""
        addresses = [*self.public, *(self.edu or ())]
        return frozenset(filter(None, (urlsplit(address).hostname for address in addresses)))

    def check_production(self) -> None:
        """Raise ``SettingsError`` with all that makes these settings unfit for production."""
        mistakes = [*self._unfit_servers(), *self._unfit_secrets()]
        if self.payment_gateway == "sandbox":
            mistakes.append("PAYMENT_GATEWAY is sandbox: it would take no money")
        if self.mail_url.startswith("outbox:"):
            mistakes.append("MAIL_URL is the outbox page: nobody would receive mail")
        if not self.totp_required:
            mistakes.append("TOTP_REQUIRED is 0: administrators need a second factor")
        if mistakes:
            raise SettingsError(mistakes)

    def _unfit_servers(self) -> list[str]:
        mistakes = []
        if self.database_url.startswith("sqlite"):
            mistakes.append("DATABASE_URL is SQLite: PostgreSQL is needed")
        if self.redis_is_embedded:
            mistakes.append("REDIS_URL is the embedded queue: a Redis or Valkey server is needed")
        if any(not address.startswith("https:") for address in [*self.public, *(self.edu or ())]):
            mistakes.append("PUBLIC_URL and EDU_URL must be https: log-in cookies are sent over it")
        return mistakes

    def _unfit_secrets(self) -> list[str]:
        given = {
            "ADMIN_SECRET_KEY": self.admin_secret_key,
            "PORTAL_SECRET_KEY": self.portal_secret_key,
            "DATA_KEYS": self.data_keys,
            "DIGEST_KEY": self.digest_key,
        }
        mistakes = [f"{name} is not set" for name, value in given.items() if not value]
        demo = self.instance / "secrets.json"
        generated = json.loads(demo.read_text(encoding="utf-8")) if demo.exists() else {}
        parse = {item.name: item.parse for item in self.variables().values()}
        for name, value in given.items():
            if value and name in generated and value == parse[name](generated[name]):
                mistakes.append(f"{name} is the one generated for development in {demo}")
        if self.admin_secret_key and self.admin_secret_key == self.portal_secret_key:
            mistakes.append("ADMIN_SECRET_KEY and PORTAL_SECRET_KEY must differ")
        return mistakes


if __name__ == "__main__":
    sys.stdout.writelines(f"{name}={value}\n" for name, value in fresh_secrets().items())
