"""Files with a row: who owns them, how long they are kept. (`adapters.files` keeps the bytes.)"""

from __future__ import annotations

import datetime as dt
from typing import Any, BinaryIO, TypeVar, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.adapters.files import safe_name
from app.database.policy import actor_of
from app.database.unit_of_work import run_unit
from app.jobs.machine import Machine
from app.metadata.actor import Actor
from app.models.job import StoredFile

Row = TypeVar("Row")

#: uploads and reports are deleted after this time (residual data, §8.2)
KEEP_UPLOADS = dt.timedelta(days=30)
#: a file that a job made, until the job has ended well
UNCONFIRMED = dt.timedelta(days=1)


def row_by_id(session: Session, model: type[Row], row_id: int | None) -> Row | None:
    """A row of the session's scope, or None. (`Session.get` would look past the scope.)"""
    condition = cast(Any, model).id == row_id
    return session.scalars(select(model).where(condition)).one_or_none()


def store(
    machine: Machine,
    actor: Actor,
    content: bytes | BinaryIO,
    *,
    folder: str,
    name: str,
    suffix: str,
    media_type: str,
    keep: dt.timedelta,
    request_id: str = "",
) -> StoredFile:
    """Put content into the store and write its row in a short transaction of its own.

    The row comes at once, with an end: if whoever wanted the file dies before he has taken note
    of it, the upkeep deletes both.
    """
    put = machine.files.put(content, folder=folder, suffix=suffix)

    def write(session: Session) -> StoredFile:
        owner = actor_of(session)
        row = StoredFile(
            exam_id=owner.exam_id,
            province_id=owner.province_id,
            city_id=owner.city_id,
            site_id=owner.site_id,
            passport_id=owner.passport_id,
            key=put.key,
            size=put.size,
            sha256=put.sha256,
            name=safe_name(name),
            media_type=media_type,
            expires_at=machine.clock() + keep,
        )
        session.add(row)
        session.flush()
        return row

    return run_unit(machine.factory, actor, write, request_id=request_id)
