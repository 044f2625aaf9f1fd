"""Student records that have passed from one site to another (R20.5): 学籍变动记录."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import ForeignKey, Index, String, or_, true
from sqlalchemy.orm import Mapped, mapped_column, object_session

from app.database.base import (
    PLUMBING,
    AdministratorsOnly,
    Base,
    Encrypted,
    UtcDateTime,
    utc_now,
)
from app.database.policy import actor_of
from app.metadata.actor import Actor
from app.metadata.declarations import LOOK, Place, Resource
from app.metadata.errors import N_
from app.metadata.fields import Computed, Field, Kind, Search, Sought, col
from app.metadata.id_numbers import searched_numbers
from app.metadata.masking import mask_id
from app.metadata.vocabulary import Area, Level, Personal
from app.models.codes import EDUCATIONS

#: the two sides of a move, as the names of its columns begin
FROM, TO = "from", "to"
#: whose organisations a side names
_LEVELS = (Level.PROVINCE, Level.CITY, Level.SITE)
#: what is searched by, as elsewhere (`PersonalData.name`)
_NAME = Field(
    name="name", label=N_("姓名"), personal=Personal.PERSONAL, max_length=30, search=Search.PREFIX
)


def _held_by(actor: Actor, side: str) -> Any:
    """SQL condition: this side's site is the actor's, or below him."""
    if actor.level not in _LEVELS:
        return true()
    return getattr(RosterMove, f"{side}_{actor.level.value}_code") == actor.organisation_code


def _moves_of(actor: Actor) -> Any:
    """SQL condition: moves out of and into the actor's organisation and those below it."""
    return or_(_held_by(actor, FROM), _held_by(actor, TO))


def _known_names(actor: Actor) -> list[tuple[Any, Any]]:
    """The rows in which the actor reads the name that a side has written, and its column: he
    finds by it what he reads (`_known_name`), and never what only the other side knows."""
    return [(_held_by(actor, side), getattr(RosterMove, f"{side}_name")) for side in (FROM, TO)]


def _holds(actor: Actor, row: RosterMove, side: str) -> bool:
    """Is this side's site the actor's, or below him?"""
    if actor.level not in _LEVELS:
        return True
    code: str | None = getattr(row, f"{side}_{actor.level.value}_code")
    return code == actor.organisation_code


def _known_name(row: RosterMove) -> str | None:
    """The person's name as the reader's own side has it: what the other side has written in the
    record is not his to read. Who stands above both sees how it was and is, where it differs."""
    session = object_session(row)
    if session is None:
        return None
    actor = actor_of(session)
    names = [getattr(row, f"{side}_name") for side in (FROM, TO) if _holds(actor, row, side)]
    return " → ".join(dict.fromkeys(names)) or None


class RosterMove(Base, AdministratorsOnly):
    """A student record passed from one site to another by an import (R20.5); both see it.

    The names of the sites are those of that day; those of the person are what each side has
    written, of which neither reads or finds the other's: they are one column and one search.

    Who is told marks it as read for his own side alone: the losing site (`acknowledged_at`), and
    of a move between provinces each of the two.
    """

    __tablename__ = "roster_move"
    __table_args__ = (
        Index(None, "from_site_code", "at"),
        Index(None, "to_site_code", "at"),
        Index(None, "id_digest"),
        Index(None, "from_name"),
        Index(None, "to_name"),
    )
    __admin__ = Resource(
        name="roster_move",
        label=N_("学籍变动记录"),
        menu=Place(Area.ROSTER, 30),
        verbs=dict.fromkeys((Level.CENTER, Level.PROVINCE, Level.CITY, Level.SITE), LOOK),
        per_exam=False,
        row_filter=_moves_of,
        sought=(Sought(_NAME, _known_names),),
        order=(("at", "desc"),),
        computed=(
            Computed(_NAME.name, _NAME.label, _known_name, personal=_NAME.personal),
            Computed("from_site", N_("原考点"), lambda row: row.from_site),
            Computed("to_site", N_("新考点"), lambda row: row.to_site),
        ),
        columns=(
            "at",
            "name",
            "id_number",
            "from_site",
            "from_education",
            "to_site",
            "to_education",
            "acknowledged_at",
            "from_province_read_at",
            "to_province_read_at",
        ),
        help=N_("其他考点导入同一证件号码的学籍时，学籍转到新考点；原考点和新考点都可以在此查看。"),
    )

    at: Mapped[dt.datetime] = mapped_column(
        UtcDateTime,
        default=utc_now,
        info=col(
            N_("变动时间"),
            Personal.NONE,
            kind=Kind.DATETIME,
            listed=True,
            search=Search.RANGE,
            form=False,
        ),
    )
    from_name: Mapped[str] = mapped_column(String(30), info=PLUMBING)
    to_name: Mapped[str] = mapped_column(String(30), info=PLUMBING)
    id_number: Mapped[str] = mapped_column(
        Encrypted(30),
        info=col(
            N_("证件号码"),
            Personal.SENSITIVE,
            listed=True,
            sortable=False,
            search=Search.EXACT,
            mask=mask_id,
            digest_column="id_digest",
            searched_as=searched_numbers,
        ),
    )
    id_digest: Mapped[str] = mapped_column(String(64), info=PLUMBING)
    from_province_code: Mapped[str] = mapped_column(String(6), info=PLUMBING)
    from_city_code: Mapped[str | None] = mapped_column(String(6), info=PLUMBING)
    from_site_code: Mapped[str] = mapped_column(
        String(6),
        info=col(N_("原考点代码"), Personal.NONE, search=Search.EXACT, more=True, shown=False),
    )
    from_site_name: Mapped[str] = mapped_column(String(60), default="", info=PLUMBING)
    to_province_code: Mapped[str] = mapped_column(String(6), info=PLUMBING)
    to_city_code: Mapped[str | None] = mapped_column(String(6), info=PLUMBING)
    to_site_code: Mapped[str] = mapped_column(
        String(6),
        info=col(N_("新考点代码"), Personal.NONE, search=Search.EXACT, more=True, shown=False),
    )
    to_site_name: Mapped[str] = mapped_column(String(60), default="", info=PLUMBING)
    from_education: Mapped[str] = mapped_column(
        String(2),
        info=col(N_("原文化程度"), Personal.PERSONAL, choices=EDUCATIONS.choices, listed=True),
    )
    to_education: Mapped[str] = mapped_column(
        String(2),
        info=col(N_("新文化程度"), Personal.PERSONAL, choices=EDUCATIONS.choices, listed=True),
    )
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job_run.id"), info=PLUMBING)
    acknowledged_at: Mapped[dt.datetime | None] = mapped_column(
        UtcDateTime,
        info=col(N_("原考点已阅"), Personal.NONE, kind=Kind.DATETIME, listed=True, form=False),
    )
    from_province_read_at: Mapped[dt.datetime | None] = mapped_column(
        UtcDateTime,
        info=col(N_("原省已阅"), Personal.NONE, kind=Kind.DATETIME, listed=True, form=False),
    )
    to_province_read_at: Mapped[dt.datetime | None] = mapped_column(
        UtcDateTime,
        info=col(N_("新省已阅"), Personal.NONE, kind=Kind.DATETIME, listed=True, form=False),
    )

    @property
    def from_site(self) -> str:
        """“(990701)地市七考点一”, as it was called that day."""
        return f"({self.from_site_code}){self.from_site_name}"

    @property
    def to_site(self) -> str:
        """Likewise."""
        return f"({self.to_site_code}){self.to_site_name}"

    @property
    def display(self) -> str:
        """What the log calls it: no personal name."""
        return f"{self.from_site_code} → {self.to_site_code}"
