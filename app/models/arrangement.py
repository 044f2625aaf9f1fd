"""Rooms (考场), sittings (批次), seats and ticket numbers."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Time,
    UniqueConstraint,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

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
from app.metadata.actor import Actor
from app.metadata.declarations import LOOK, MANAGE, Place, Resource
from app.metadata.errors import N_
from app.metadata.fields import Computed, Search, col
from app.metadata.masking import mask_id
from app.metadata.vocabulary import Area, Level, Personal, Window
from app.models.organisation import Organisation
from app.models.registration import Entry

LOOKERS = {Level.CENTER: LOOK, Level.PROVINCE: LOOK, Level.CITY: LOOK}


def _site_name(row: Any) -> str:
    return row.site.display if row.site else ""


SITE = Computed("site_name", N_("考点"), _site_name, loads=("site",))


def rooms_of_site(session: Session, actor: Actor) -> dict[str, str]:
    """Rooms that a sitting may be added to: {id: “07 实训楼 301”}."""
    rows = session.scalars(select(Room).order_by(Room.number))
    return {str(row.id): f"{row.number} {row.address}" for row in rows}


class Room(Base, SiteScoped, AdministratorsOnly, Stamped, Versioned):
    """考场 01-99 of a site; its sittings may lie on several days (ch. 31 sample)."""

    __tablename__ = "room"
    __table_args__ = (UniqueConstraint("exam_id", "site_id", "number"),)
    __admin__ = Resource(
        name="room",
        label=N_("考场管理"),
        noun=N_("考场"),
        menu=Place(Area.ARRANGEMENT, 10),
        verbs=LOOKERS | {Level.SITE: MANAGE},
        window=Window.ARRANGEMENT,
        order=(("number", "asc"),),
        computed=(
            SITE,
            Computed(
                "sitting_count",
                N_("批次数"),
                lambda row: len(row.sittings),
                numeric=True,
                loads=("sittings",),
            ),
            Computed(
                "seat_count",
                N_("总容量"),
                lambda row: sum(sitting.capacity for sitting in row.sittings),
                numeric=True,
                loads=("sittings",),
            ),
        ),
        columns=("site_name", "number", "address", "sitting_count", "seat_count"),
        help=N_("已编排的考场和批次不能删除，须先清除编排结果。"),
    )

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
    site: Mapped[Organisation | None] = relationship(
        primaryjoin="foreign(Room.site_id) == Organisation.id", viewonly=True
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
    __admin__ = Resource(
        name="sitting",
        label=N_("考场批次管理"),
        noun=N_("考场批次"),
        menu=Place(Area.ARRANGEMENT, 15),
        verbs=LOOKERS | {Level.SITE: MANAGE},
        window=Window.ARRANGEMENT,
        order=(("day", "asc"), ("start", "asc"), ("room_id", "asc")),
        computed=(
            SITE,
            Computed("title", N_("批次"), lambda row: row.display, loads=("room",)),
            Computed("left", N_("剩余"), lambda row: row.capacity - row.arranged, numeric=True),
        ),
        columns=(
            "site_name",
            "title",
            "day",
            "start",
            "end",
            "capacity",
            "arranged",
            "left",
        ),
        help=N_("批次须在考试日的 8:00–20:00 之内，同一考场的批次不能重叠。"),
    )

    room_id: Mapped[int] = mapped_column(
        ForeignKey("room.id"),
        info=col(N_("考场"), Personal.NONE, immutable=True, options=rooms_of_site),
    )
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
    site: Mapped[Organisation | None] = relationship(
        primaryjoin="foreign(Sitting.site_id) == Organisation.id", viewonly=True
    )

    @property
    def display(self) -> str:
        """“07#1”."""
        return f"{self.room.number}#{self.number}"

    @property
    def period(self) -> str:
        """“2026-03-28 09:00–11:00”."""
        return f"{self.day} {self.start:%H:%M}–{self.end:%H:%M}"


class Seat(Base, SiteScoped, OwnedByPassport):
    """An entry sits in a sitting; one seat per entry, one entry per seat."""

    __tablename__ = "seat"
    __table_args__ = (
        UniqueConstraint("entry_id"),
        UniqueConstraint("sitting_id", "number"),
        Index(None, "exam_id", "site_id"),
    )
    __admin__ = Resource(
        name="seat",
        label=N_("考场编排管理"),
        noun=N_("考场编排"),
        menu=Place(Area.ARRANGEMENT, 20),
        verbs=LOOKERS | {Level.SITE: LOOK},
        order=(("sitting_id", "asc"), ("number", "asc")),
        computed=(
            SITE,
            Computed(
                "name",
                N_("姓名"),
                lambda row: row.entry.registration.name,
                personal=Personal.PERSONAL,
                loads=("entry", "entry.registration"),
            ),
            Computed(
                "id_number",
                N_("证件号码"),
                lambda row: row.entry.registration.id_number,
                personal=Personal.SENSITIVE,
                mask=mask_id,
                loads=("entry", "entry.registration"),
            ),
            Computed("subject", N_("科目"), lambda row: row.entry.subject_code, loads=("entry",)),
            Computed(
                "sitting",
                N_("考场批次"),
                lambda row: row.sitting.display,
                loads=("sitting", "sitting.room"),
            ),
            Computed("period", N_("考试时间"), lambda row: row.sitting.period),
        ),
        columns=("site_name", "name", "id_number", "subject", "sitting", "period", "number"),
        help=N_("报考多科目考生每科间隔大于15分钟；须全部支付且考点地址不为空才能编排。"),
    )

    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), info=PLUMBING)
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"), info=PLUMBING)
    number: Mapped[int] = mapped_column(
        Integer, info=col(N_("座位号"), Personal.NONE, listed=True, form=False)
    )

    entry: Mapped[Entry] = relationship()
    sitting: Mapped[Sitting] = relationship()
    site: Mapped[Organisation | None] = relationship(
        primaryjoin="foreign(Seat.site_id) == Organisation.id", viewonly=True
    )


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
    __admin__ = Resource(
        name="admission_ticket",
        label=N_("准考证号生成"),
        noun=N_("准考证"),
        menu=Place(Area.ARRANGEMENT, 30),
        verbs=LOOKERS | {Level.SITE: LOOK},
        order=(("number", "asc"),),
        computed=(
            SITE,
            Computed(
                "name",
                N_("姓名"),
                lambda row: row.entry.registration.name,
                personal=Personal.PERSONAL,
                loads=("entry", "entry.registration"),
            ),
            Computed(
                "state",
                N_("状态"),
                lambda row: N_("已作废") if row.voided_at else N_("有效"),
                badges={N_("已作废"): "off", N_("有效"): "ok"},
            ),
        ),
        columns=("site_name", "number", "name", "state", "downloads"),
        help=N_("全部编排完成后才能生成；重新编排的考生原准考证号作废。"),
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
    downloads: Mapped[int] = mapped_column(
        Integer, default=0, info=col(N_("下载次数"), Personal.NONE, listed=True, form=False)
    )

    entry: Mapped[Entry] = relationship()
    site: Mapped[Organisation | None] = relationship(
        primaryjoin="foreign(AdmissionTicket.site_id) == Organisation.id", viewonly=True
    )
