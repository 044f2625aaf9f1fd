"""Column types: UTC moments, encrypted text, money, JSON, 64-bit keys."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Integer, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from app.database.keys import IDENTIFIER_LENGTH, keyring

#: Snowflake keys: BIGINT on PostgreSQL, INTEGER (64 bit as well) on SQLite.
Big = BigInteger().with_variant(Integer(), "sqlite")
Json = JSON().with_variant(JSONB(), "postgresql")


class UtcDateTime(TypeDecorator[dt.datetime]):
    """Aware UTC in Python; TIMESTAMPTZ on PostgreSQL, naive UTC text on SQLite."""

    impl = DateTime
    cache_ok = True
    kind = "datetime"

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime: times are stored in UTC and must say their zone")
        value = value.astimezone(dt.UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        moment: dt.datetime = value
        return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


class Encrypted(TypeDecorator[str]):
    """Text sealed with AES-GCM. `length` is that of the plain text, for forms and imports."""

    impl = String
    cache_ok = True
    encrypted = True

    def __init__(self, length: int) -> None:
        # identifier, colon, base64 of (nonce + text in UTF-8 + tag)
        super().__init__(IDENTIFIER_LENGTH + 1 + (12 + 16 + 4 * length) * 4 // 3 + 4)
        self.length = length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else keyring().seal(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else keyring().open(value)


class Fen(TypeDecorator[int]):
    """Money in fen; yuan with two decimals on screen only."""

    impl = Integer
    cache_ok = True
    kind = "money"
