"""Jobs (任务) and generated files (生成文件): the truth of long work is in the database."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database.base import (
    PLUMBING,
    AdministratorsOnly,
    Base,
    OrganisationPath,
    Stamped,
    UtcDateTime,
)
from app.database.types import Big, Json
from app.metadata.errors import N_
from app.metadata.fields import Search, col
from app.metadata.vocabulary import Personal


class JobState(StrEnum):
    """queued → running → done | failed | rejected | cancelled."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    #: an import with errors: nothing (or only the good rows) was written
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"


JOB_STATES = {
    "queued": N_("排队中"),
    "running": N_("进行中"),
    "done": N_("已完成"),
    "rejected": N_("有错误，未导入"),
    "failed": N_("失败，可重试"),
    "cancelled": N_("已取消"),
}
JOB_KINDS = {
    "import": N_("导入"),
    "document": N_("生成文件"),
    "operation": N_("批量操作"),
    "export": N_("导出"),
}


class JobRun(Base, OrganisationPath, AdministratorsOnly, Stamped):
    """One run of an import, document, export or large operation (architecture §4.8)."""

    __tablename__ = "job_run"
    __table_args__ = (
        Index(None, "exam_id", "declaration", "id"),
        Index(None, "state", "heartbeat_at"),
    )
    __unguarded__ = True

    kind: Mapped[str] = mapped_column(
        String(10),
        info=col(N_("类型"), Personal.NONE, choices=JOB_KINDS, listed=True, search=Search.CHOICE),
    )
    declaration: Mapped[str] = mapped_column(
        String(60), info=col(N_("任务"), Personal.NONE, listed=True, search=Search.EXACT)
    )
    #: the actor, re-loaded and re-checked when the job runs
    passport_id: Mapped[int | None] = mapped_column(Big, info=PLUMBING)
    actor_level: Mapped[str] = mapped_column(String(10), info=PLUMBING)
    actor_name: Mapped[str] = mapped_column(
        String(60), info=col(N_("操作人"), Personal.PERSONAL, listed=True)
    )
    organisation_code: Mapped[str] = mapped_column(
        String(6), default="", info=col(N_("机构"), Personal.NONE, listed=True)
    )
    on_behalf_of: Mapped[str | None] = mapped_column(String(6), info=PLUMBING)
    parameters: Mapped[dict[str, Any]] = mapped_column(Json, default=dict, info=PLUMBING)
    state: Mapped[str] = mapped_column(
        String(10),
        default=JobState.QUEUED.value,
        info=col(
            N_("状态"),
            Personal.NONE,
            choices=JOB_STATES,
            listed=True,
            search=Search.CHOICE,
            badges={
                "queued": "info",
                "running": "info",
                "done": "ok",
                "rejected": "bad",
                "failed": "bad",
                "cancelled": "off",
            },
        ),
    )
    progress: Mapped[int] = mapped_column(
        Integer, default=0, info=col(N_("已处理"), Personal.NONE, listed=True)
    )
    total: Mapped[int | None] = mapped_column(
        Integer, info=col(N_("总数"), Personal.NONE, listed=True)
    )
    attempt: Mapped[int] = mapped_column(
        Integer, default=0, info=col(N_("次数"), Personal.NONE, listed=True)
    )
    cancel_requested: Mapped[bool] = mapped_column(default=False, info=PLUMBING)
    heartbeat_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime, info=PLUMBING)
    started_at: Mapped[dt.datetime | None] = mapped_column(
        UtcDateTime, info=col(N_("开始时间"), Personal.NONE, listed=True)
    )
    finished_at: Mapped[dt.datetime | None] = mapped_column(
        UtcDateTime, info=col(N_("结束时间"), Personal.NONE, listed=True)
    )
    #: token of the worker that holds it
    token: Mapped[str | None] = mapped_column(String(40), info=PLUMBING)
    sent_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime, info=PLUMBING)
    #: counts and notes for the page
    result: Mapped[dict[str, Any]] = mapped_column(Json, default=dict, info=PLUMBING)
    #: the first 1,000 errors (R38.5): [{sheet, row, column, value, message}]
    errors: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list, info=PLUMBING)
    error: Mapped[str | None] = mapped_column(
        String(300), info=col(N_("错误"), Personal.NONE, listed=True)
    )
    #: digest of the uploaded file, to recognise the same file
    file_digest: Mapped[str | None] = mapped_column(String(64), info=PLUMBING)
    source_file_id: Mapped[int | None] = mapped_column(ForeignKey("stored_file.id"), info=PLUMBING)
    report_file_id: Mapped[int | None] = mapped_column(ForeignKey("stored_file.id"), info=PLUMBING)


class StoredFile(Base, OrganisationPath, AdministratorsOnly, Stamped):
    """A file in the store: random key outside the web root, served through a rule only."""

    __tablename__ = "stored_file"
    __unguarded__ = True

    key: Mapped[str] = mapped_column(String(100), unique=True, info=PLUMBING)
    name: Mapped[str] = mapped_column(String(150), info=PLUMBING)
    media_type: Mapped[str] = mapped_column(String(80), info=PLUMBING)
    size: Mapped[int] = mapped_column(Big, info=PLUMBING)
    sha256: Mapped[str] = mapped_column(String(64), info=PLUMBING)
    passport_id: Mapped[int | None] = mapped_column(Big, info=PLUMBING)
    expires_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime, info=PLUMBING)


class DocumentFile(Base, OrganisationPath, AdministratorsOnly, Stamped):
    """生成文件 of a document declaration for one organisation and parameters."""

    __tablename__ = "document"
    __table_args__ = (Index(None, "exam_id", "declaration", "organisation_id", "id"),)
    __unguarded__ = True

    declaration: Mapped[str] = mapped_column(String(60), info=PLUMBING)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), info=PLUMBING)
    parameters: Mapped[dict[str, Any]] = mapped_column(Json, default=dict, info=PLUMBING)
    #: of the data it was made from; differs from the present one -> stale
    fingerprint: Mapped[str] = mapped_column(String(64), info=PLUMBING)
    file_id: Mapped[int] = mapped_column(ForeignKey("stored_file.id"), info=PLUMBING)
    job_id: Mapped[int] = mapped_column(ForeignKey("job_run.id"), info=PLUMBING)
    downloads: Mapped[int] = mapped_column(Integer, default=0, info=PLUMBING)
