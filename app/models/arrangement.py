"""Rooms (考场), sittings (批次), seats and ticket numbers."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Time,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database.base import (
    PLUMBING,
    AdministratorsOnly,
    Base,
    OwnedByPassport,
    SiteScoped,
    Stamped,
    UtcDateTime,
    Versioned,
)
from app.database.types import Json
from app.metadata.errors import N_
from app.metadata.fields import Search, col
from app.metadata.vocabulary import Personal
from app.models.registration import Entry


class Room(Base, SiteScoped, AdministratorsOnly, Stamped, Versioned):
    """考场 01-99 of a site; its sittings may lie on several days (ch. 31 sample)."""

    __tablename__ = "room"
    __table_args__ = (UniqueConstraint("exam_id", "site_id", "number"),)

    number: Mapped[str] = mapped_column(
        String(2),
        info=col(
            N_("考场号"),
            Personal.NONE,
            listed=True,
            search=Search.EXACT,
            immutable=True,
            help=N_("两位数字，01–99"),
        ),
    )
    address: Mapped[str] = mapped_column(
        String(60), info=col(N_("考场地址"), Personal.NONE, listed=True, search=Search.PREFIX)
    )

    sittings: Mapped[list[Sitting]] = relationship(
        back_populates="room", order_by="(Sitting.day, Sitting.start)"
    )


class Sitting(Base, SiteScoped, AdministratorsOnly, Stamped, Versioned):
    """批次 of a room: one period on an exam day, in local time (R30.3, R30.5)."""

    __tablename__ = "sitting"
    __table_args__ = (
        UniqueConstraint("room_id", "day", "start"),
        CheckConstraint('start < "end"', name="period"),
        CheckConstraint("arranged >= 0 AND arranged <= capacity", name="not_oversold"),
        CheckConstraint("capacity BETWEEN 1 AND 999", name="capacity"),
    )

    room_id: Mapped[int] = mapped_column(ForeignKey("room.id"), info=PLUMBING)
    #: order within the room by start; renumbering never changes issued ticket numbers
    number: Mapped[int] = mapped_column(
        Integer, info=col(N_("批次"), Personal.NONE, listed=True, form=False)
    )
    day: Mapped[dt.date] = mapped_column(
        Date, info=col(N_("考试日期"), Personal.NONE, listed=True, search=Search.RANGE)
    )
    start: Mapped[dt.time] = mapped_column(
        Time, info=col(N_("开始时间"), Personal.NONE, listed=True)
    )
    end: Mapped[dt.time] = mapped_column(Time, info=col(N_("结束时间"), Personal.NONE, listed=True))
    capacity: Mapped[int] = mapped_column(
        Integer, info=col(N_("总容量"), Personal.NONE, listed=True, minimum=1, maximum=999)
    )
    arranged: Mapped[int] = mapped_column(
        Integer, default=0, info=col(N_("已编排"), Personal.NONE, listed=True, form=False)
    )

    room: Mapped[Room] = relationship(back_populates="sittings")

    @property
    def display(self) -> str:
        """“07#1”."""
        return f"{self.room.number}#{self.number}"


class Seat(Base, SiteScoped, OwnedByPassport):
    """An entry sits in a sitting; one seat per entry, one entry per seat."""

    __tablename__ = "seat"
    __table_args__ = (
        UniqueConstraint("entry_id"),
        UniqueConstraint("sitting_id", "number"),
        Index(None, "exam_id", "site_id"),
    )

    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), info=PLUMBING)
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"), info=PLUMBING)
    number: Mapped[int] = mapped_column(
        Integer, info=col(N_("座位号"), Personal.NONE, listed=True, form=False)
    )

    entry: Mapped[Entry] = relationship()


class ArrangementRun(Base, SiteScoped, AdministratorsOnly, Stamped):
    """One click on 编排: mode, seed, what came out, and the proof (arrangement.md)."""

    __tablename__ = "arrangement_run"

    mode: Mapped[str] = mapped_column(String(20), info=PLUMBING)
    seed: Mapped[int] = mapped_column(Integer, info=PLUMBING)
    placed: Mapped[int] = mapped_column(Integer, info=PLUMBING)
    unplaced: Mapped[list[dict[str, object]]] = mapped_column(Json, default=list, info=PLUMBING)
    bound: Mapped[int | None] = mapped_column(Integer, info=PLUMBING)
    proven: Mapped[bool] = mapped_column(default=False, info=PLUMBING)


class AdmissionTicket(Base, SiteScoped, OwnedByPassport, Stamped):
    """准考证号 of an entry (§3.12, R32.4). A void ticket keeps its number for ever."""

    __tablename__ = "admission_ticket"
    __table_args__ = (
        UniqueConstraint("exam_id", "number"),
        Index(
            "uq_admission_ticket_live_entry",
            "entry_id",
            unique=True,
            postgresql_where=text("voided_at IS NULL"),
            sqlite_where=text("voided_at IS NULL"),
        ),
        Index(None, "exam_id", "site_id", "room_number", "serial"),
    )

    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), info=PLUMBING)
    number: Mapped[str] = mapped_column(
        String(16),
        info=col(N_("准考证号"), Personal.PERSONAL, listed=True, search=Search.EXACT, form=False),
    )
    room_number: Mapped[str] = mapped_column(String(2), info=PLUMBING)
    serial: Mapped[int] = mapped_column(Integer, info=PLUMBING)
    voided_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime, info=PLUMBING)
    first_downloaded_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime, info=PLUMBING)
    downloads: Mapped[int] = mapped_column(Integer, default=0, info=PLUMBING)

    entry: Mapped[Entry] = relationship()
