"""Test-only declarations: everything that the engines can do, on tables of their own.

Their tables are in metadata of their own, so that no migration sees them, and their declarations
are known only while `declared()` is open.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Boolean, Date, ForeignKey, Integer, MetaData, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database.base import (
    NAMING,
    PLUMBING,
    Base,
    Encrypted,
    Fen,
    SiteScoped,
    Stamped,
    UtcDateTime,
    Versioned,
)
from app.database.keys import digest
from app.metadata import registry
from app.metadata.declarations import (
    LOOK,
    MANAGE,
    ONLY_RUN,
    On,
    Operation,
    Place,
    Resource,
    RowOutcome,
)
from app.metadata.fields import Computed, Field, Kind, Search, col
from app.metadata.id_numbers import searched_numbers
from app.metadata.masking import mask_id
from app.metadata.vocabulary import Area, Level, Personal, Verb, Window
from app.models.organisation import Organisation
from app.rules import crud

METADATA = MetaData(naming_convention=NAMING)
for _name in ("exam", "organisation"):
    Base.metadata.tables[_name].to_metadata(METADATA)

COLOURS = {"red": "红", "green": "绿", "blue": "蓝"}


class Sample(Base):
    """Base of the test tables."""

    __abstract__ = True
    metadata = METADATA


class Hall(Sample, SiteScoped, Stamped, Versioned):
    """A hall of a site: one column of every kind."""

    __tablename__ = "test_hall"
    __table_args__ = (UniqueConstraint("exam_id", "site_id", "name"),)
    __admin__ = Resource(
        name="test_hall",
        label="测试考场",
        menu=Place(Area.ARRANGEMENT, 901),
        verbs={
            Level.CENTER: LOOK,
            Level.PROVINCE: LOOK,
            Level.CITY: MANAGE,
            Level.SITE: MANAGE,
        },
        window=Window.SETUP,
        api=True,
        organisation_column=True,
        sticky=2,
        order=(("name", "asc"),),
        computed=(Computed("double", "双倍座位", lambda row: row.seats * 2, numeric=True),),
        fieldsets=(("基本信息", ("name", "seats", "colour", "day")),),
    )

    name: Mapped[str] = mapped_column(
        String(30), info=col("名称", Personal.NONE, listed=True, search=Search.PREFIX)
    )
    seats: Mapped[int] = mapped_column(
        Integer, info=col("座位数", Personal.NONE, listed=True, minimum=1, maximum=500)
    )
    colour: Mapped[str] = mapped_column(
        String(10),
        default="red",
        info=col(
            "颜色",
            Personal.NONE,
            choices=COLOURS,
            listed=True,
            search=Search.CHOICE,
            badges={"red": "bad", "green": "ok", "blue": "info"},
        ),
    )
    day: Mapped[dt.date | None] = mapped_column(
        Date, info=col("日期", Personal.NONE, listed=True, search=Search.RANGE, more=True)
    )
    open: Mapped[bool] = mapped_column(
        Boolean,
        default=False,
        info=col("开放", Personal.NONE, listed=True, search=Search.CHOICE, more=True),
    )
    price: Mapped[int | None] = mapped_column(Fen, info=col("费用", Personal.NONE, listed=True))
    opened_at: Mapped[dt.datetime | None] = mapped_column(
        UtcDateTime, info=col("开放时间", Personal.NONE)
    )
    keeper: Mapped[str | None] = mapped_column(
        Encrypted(30),
        info=col(
            "管理员证件号",
            Personal.SENSITIVE,
            mask=mask_id,
            listed=True,
            search=Search.EXACT,
            digest_column="keeper_id_digest",
            searched_as=searched_numbers,
        ),
    )
    keeper_id_digest: Mapped[str | None] = mapped_column(String(64), info=PLUMBING)
    quota: Mapped[int] = mapped_column(
        Integer,
        default=0,
        info=col("上级配额", Personal.NONE, editable_from=Level.CITY, minimum=0),
    )
    remark: Mapped[str | None] = mapped_column(
        String(200), info=col("备注", Personal.NONE, kind=Kind.MULTILINE)
    )
    neighbour_id: Mapped[int | None] = mapped_column(
        ForeignKey("test_hall.id"),
        info=col("邻场", Personal.NONE, options=lambda s, a: halls(s), shown_as="neighbour"),
    )

    neighbour: Mapped[Hall | None] = relationship(remote_side="Hall.id")

    @property
    def display(self) -> str:
        return self.name


class Word(Sample, Versioned):
    """A code table: no exam, no organisation."""

    __tablename__ = "test_word"
    __admin__ = Resource(
        name="test_word",
        label="测试词表",
        menu=Place(Area.SYSTEM, 902),
        verbs={Level.CENTER: MANAGE, Level.PROVINCE: LOOK},
        per_exam=False,
        dialog=False,
    )

    code: Mapped[str] = mapped_column(
        String(10), info=col("代码", Personal.NONE, listed=True, search=Search.EXACT)
    )


def halls(session: Any) -> dict[str, str]:
    """Choices: the halls in scope."""
    from sqlalchemy import select

    return {str(number): name for number, name in session.execute(select(Hall.id, Hall.name))}


@crud.before("test_hall", Verb.ADD, Verb.EDIT)
def _digest_keeper(row: Hall, _context: crud.Context) -> None:
    row.keeper_id_digest = digest(row.keeper) if row.keeper else None


def _close(session: Any, rows: list[Hall], values: dict[str, Any], _context: Any) -> Any:
    outcomes = []
    for row in rows:
        if not row.open:
            outcomes.append(RowOutcome(row.id, row.name, False, "已经关闭"))
            continue
        row.open = False
        row.remark = values.get("note")
        outcomes.append(RowOutcome(row.id, row.name, True))
    return outcomes


def _purge(session: Any, rows: list[Hall], _values: dict[str, Any], _context: Any) -> Any:
    for row in rows:
        session.delete(row)
    return [RowOutcome(row.id, row.name, True) for row in rows]


def _open_all(session: Any, _rows: Any, values: dict[str, Any], context: Any) -> None:
    actor = context.actor
    session.add(
        Hall(
            exam_id=actor.exam_id,
            province_id=actor.province_id,
            city_id=actor.city_id,
            site_id=actor.site_id,
            name=values["name"],
            seats=1,
        )
    )


_RUN = {Level.CITY: ONLY_RUN, Level.SITE: ONLY_RUN}
CLOSE = Operation(
    name="test_hall_close",
    label="关闭考场",
    resource="test_hall",
    verbs=_RUN,
    window=Window.SETUP,
    on=frozenset({On.ROW, On.SELECTION, On.QUERY}),
    apply=_close,
    fields=(Field(name="note", label="说明", personal=Personal.NONE, max_length=50),),
    confirm="确定关闭选中的 {count} 个考场？",
    allowed=lambda row: None if row.open else "已经关闭",
    icon="fa-lock",
)
PURGE = Operation(
    name="test_hall_purge",
    label="删除所有查询结果",
    resource="test_hall",
    verbs=_RUN,
    window=Window.SETUP,
    on=frozenset({On.QUERY}),
    apply=_purge,
    danger=True,
    limit=30,
    inline_up_to=20,
    reason_required=True,
    reauthenticate=True,
)
OPEN = Operation(
    name="test_hall_open",
    label="批量开放",
    resource="test_hall",
    verbs=_RUN,
    window=Window.SETUP,
    on=frozenset({On.PAGE}),
    apply=_open_all,
    fields=(
        Field(name="name", label="名称", personal=Personal.NONE, required=True, max_length=30),
    ),
)
DECLARATIONS = (Hall.__admin__, Word.__admin__, CLOSE, PURGE, OPEN)
for _declaration in DECLARATIONS:
    registry._declarations.pop(_declaration.name, None)


@contextmanager
def declared() -> Iterator[None]:
    """The test declarations are part of the registry."""
    for declaration in DECLARATIONS:
        registry.register(declaration)
    try:
        yield
    finally:
        for declaration in DECLARATIONS:
            registry._declarations.pop(declaration.name, None)


def create_tables(connection: Any) -> None:
    """Make the test tables beside the product's."""
    tables: Any = [Hall.__table__, Word.__table__]
    METADATA.create_all(connection, tables=tables)


__all__ = ["CLOSE", "DECLARATIONS", "OPEN", "PURGE", "Hall", "Organisation", "Word", "declared"]
