"""Counted attempts per key and window of time, shared by all processes (quality.md, Security).

A bucket names what is counted ("login:<digest>", "write:<passport>"); windows are aligned to the
clock. Keys that are personal go in as digests (`secret_bucket`).
"""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any

from sqlalchemy import CursorResult, bindparam, delete, select, update
from sqlalchemy.orm import Session

from app.database import direct
from app.database.bulk import count_up
from app.database.keys import keyring
from app.metadata.errors import N_, KaowuError
from app.models.account import RateLimit

Rate = tuple[int, int]
#: attempts of `bucket` in the window that begins at `window_start`; NULL where there are none
MADE = (
    select(RateLimit.count)
    .where(
        RateLimit.bucket == bindparam("bucket"), RateLimit.window_start == bindparam("window_start")
    )
    .scalar_subquery()
)


class TooMany(KaowuError):
    """The limit is reached; the sentence says when to come back."""

    code = "rate.too_many"
    template = N_("操作过于频繁。请在{minutes}分钟后重试。")
    status = 429


def secret_bucket(kind: str, text: str) -> str:
    """The bucket of a personal key: `kind` and a keyed digest of the text."""
    return f"{kind}:{keyring().digest(text)[:48]}"


def window_start(now: dt.datetime, seconds: int) -> dt.datetime:
    """Begin of the window of `seconds` that holds `now`, aware UTC."""
    return dt.datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, dt.UTC)


def hit(session: Session, bucket: str, seconds: int, now: dt.datetime) -> int:
    """Count one attempt and return how many there are in this window, this one included.

    One statement. On PostgreSQL the row stays locked until the transaction ends: attempts on one
    bucket queue.
    """
    return count_up(session, RateLimit, key_of(bucket, seconds, now))


def key_of(bucket: str, seconds: int, now: dt.datetime) -> dict[str, Any]:
    """The columns that name the counter; the parameters of `MADE`."""
    return {"bucket": bucket, "window_start": window_start(now, seconds)}


def require(session: Session, bucket: str, rate: Rate, now: dt.datetime) -> None:
    """Count one attempt; raise TooMany above `rate` = (attempts, seconds)."""
    refuse_above(hit(session, bucket, rate[1], now), rate, now)


def require_along(session: Session, bucket: str, rate: Rate, now: dt.datetime) -> None:
    """As `require`, but the attempt is counted with what is written next (`direct.write`), or by
    `direct.settle`: TooMany comes from there, when the work has been done and is undone again. So
    the caller looks first whether anything of `rate` is left."""
    key = key_of(bucket, rate[1], now)
    told = partial(refuse_above, rate=rate, now=now)
    direct.count_along(session, direct.Count(RateLimit, key, told))


def refuse_above(made: int, rate: Rate, now: dt.datetime, refusal: type[TooMany] = TooMany) -> None:
    """Raise TooMany, or one that tells more, where more attempts were made than `rate` allows."""
    attempts, seconds = rate
    if made > attempts:
        raise refusal(minutes=minutes_left(now, seconds))


def require_left(session: Session, bucket: str, rate: Rate, now: dt.datetime) -> None:
    """Raise TooMany where `rate` is used up; count nothing. For attempts that count only when
    they are refused, and after that."""
    made = session.scalar(select(MADE), key_of(bucket, rate[1], now))
    refuse_above((made or 0) + 1, rate, now)


def give_back(session: Session, bucket: str, rate: Rate, now: dt.datetime) -> int:
    """Undo one attempt that was counted at `now` and was none after all; how many are left."""
    key = key_of(bucket, rate[1], now)
    left = session.scalar(
        update(RateLimit)
        .where(*(getattr(RateLimit, name) == value for name, value in key.items()))
        .values(count=RateLimit.count - 1)
        .returning(RateLimit.count)
        .execution_options(synchronize_session=False)
    )
    return left or 0


def minutes_left(now: dt.datetime, seconds: int) -> int:
    """Whole minutes until the window ends, at least one."""
    left = window_start(now, seconds) + dt.timedelta(seconds=seconds) - now
    return max(1, -(-int(left.total_seconds()) // 60))


def sweep(session: Session, now: dt.datetime, keep: dt.timedelta = dt.timedelta(days=2)) -> int:
    """Delete windows that nobody asks for any more; for the upkeep. Returns how many."""
    result: CursorResult[Any] = session.execute(  # type: ignore[assignment] # typed as rows
        delete(RateLimit)
        .where(RateLimit.window_start < now - keep)
        .execution_options(synchronize_session=False)
    )
    return result.rowcount
