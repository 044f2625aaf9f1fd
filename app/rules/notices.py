"""省报名通告 (chapter 16) and 考点报名通告 (chapter 17): what is in force and what follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.policy import actor_of, elevated
from app.metadata import rich_text
from app.metadata.cleaning import load
from app.metadata.declarations import CHANGE, LOOK, Declaration, Place, Resource
from app.metadata.errors import N_, Message, StaleRow
from app.metadata.fields import Computed, Field, Kind
from app.metadata.registry import register
from app.metadata.vocabulary import Area, Level, Personal, Verb, Window
from app.models.organisation import Organisation, below
from app.models.settings import SETTERS, SITE_COLUMN, SITE_ORDER, Notice, SiteSettings
from app.rules import affected, effects
from app.rules.clock import Clock, system_clock
from app.rules.crud import Context, before
from app.rules.former import of_organisation
from app.rules.policy import permit

#: characters as a reader sees them (R17 inf)
LENGTH = 5_000
NEW = "new_notice"
NEW_NOTICE = Field(
    name=NEW,
    label=N_("新通告"),
    personal=Personal.NONE,
    kind=Kind.HTML,
    max_length=LENGTH,
    help=N_("最多 5000 字；保存后替换当前通告，留空保存将清除当前通告"),
)
_SET, _UNSET = N_("已设置"), N_("未设置")


def former_notice(session: Session, row: SiteSettings) -> Mapping[str, str]:
    """The site's notice in the last session of the exam (R0.6b), for the form."""
    return notice_before(session, row.site_id)


def notice_before(session: Session, organisation_id: int | None) -> Mapping[str, str]:
    """{field: text} of the organisation's notice in the last session; empty without one."""
    rows = of_organisation(session, Notice, organisation_id)
    return {NEW: rows[0].html} if rows and rows[0].html else {}


def _excerpt(row: SiteSettings) -> str:
    return rich_text.plain(row.notice.html)[:40] if row.notice is not None else ""


SITE_NOTICE = register(
    Resource(
        name="site_notice",
        label=N_("考点报名通告设置"),
        noun=N_("考点报名通告"),
        menu=Place(Area.SETUP, 80),
        model=SiteSettings,
        searches=("open",),
        verbs={
            Level.CENTER: LOOK,
            Level.PROVINCE: CHANGE,
            Level.CITY: LOOK,
            Level.SITE: CHANGE,
        },
        entrusted=frozenset({Verb.EDIT}),
        window=Window.SETUP,
        binds=SETTERS,
        single=frozenset({Level.SITE}),
        order=SITE_ORDER,
        writes=(Notice,),
        virtual=(NEW_NOTICE,),
        computed=(
            SITE_COLUMN,
            Computed(
                "notice_state",
                N_("当前通告"),
                lambda row: _SET if row.notice is not None and row.notice.html else _UNSET,
                badges={_SET: "ok", _UNSET: "off"},
                loads=("notice",),
            ),
            Computed("notice_excerpt", N_("内容"), _excerpt, loads=("notice",)),
        ),
        columns=("site_name", "notice_state", "notice_excerpt"),
        shown=("notice_state",),
        version="notice_version",
        former=former_notice,
        dialog=False,
        help=N_("考点通告展示在报考本考点考生的报名信息采集页和报名信息详细页。"),
    )
)
_READERS = frozenset({Verb.VIEW})
PROVINCE_NOTICE = register(
    Declaration(
        name="province_notice",
        label=N_("省报名通告设置"),
        menu=Place(Area.SETUP, 70),
        verbs={
            Level.CENTER: _READERS,
            Level.PROVINCE: _READERS | {Verb.EDIT},
            Level.CITY: _READERS,
            Level.SITE: _READERS,
        },
        super_verbs=_READERS,
        writes=(Notice,),
        help=N_("省通告展示在报考本省考生的报名信息采集页和报名信息详细页。"),
    )
)


def notice_of(session: Session, organisation_id: int | None) -> Notice | None:
    """The notice of an organisation, also of the province above the reader (R16.1)."""
    statement = select(Notice).where(Notice.organisation_id == organisation_id)
    with elevated(session, "notices are public", Notice):
        return session.scalars(statement).first()


def provinces(session: Session) -> list[tuple[Organisation, bool]]:
    """The provinces of the actor's session by code, and whether each has a notice."""
    rows = session.execute(
        select(Organisation, Notice.html)
        .outerjoin(Notice, Notice.organisation_id == Organisation.id)
        .where(
            below(actor_of(session)),
            Organisation.level == Level.PROVINCE.value,
            Organisation.enabled,
        )
        .order_by(Organisation.code)
    )
    return [(province, bool(html)) for province, html in rows]


def _write(session: Session, path: Mapping[str, Any], organisation_id: int, html: str) -> None:
    """Replace the notice of an organisation; its versions are in the log."""
    row = session.scalars(select(Notice).where(Notice.organisation_id == organisation_id)).first()
    if row is None:
        session.add(Notice(**path, organisation_id=organisation_id, html=html))
    elif row.html != html:
        row.html = html


@before("site_notice", Verb.EDIT)
def _store(row: SiteSettings, context: Context) -> None:
    if NEW in context.values and row.site_id is not None:
        names = ("exam_id", "province_id", "city_id", "site_id")
        path = {name: getattr(row, name) for name in names}
        _write(context.session, path, row.site_id, context.values[NEW] or "")
        context.session.expire(row, ["notice"])


@effects.effects("site_notice", Verb.EDIT)
def _effects(row: SiteSettings, context: Context) -> Iterator[Message]:
    if NEW in context.values:
        yield from _clearing(context.session, row.site_id, context.values[NEW])
        people = affected.registrations(context.session, row.site_id)
        now = context.clock()
        if people and affected.running(context.session, row.site_id, now) is not None:
            yield Message(
                N_("考生正在网上报名：已报名的 {count} 名考生也将看到新通告。"), count=people
            )


def _clearing(session: Session, organisation_id: int | None, html: str | None) -> Iterator[Message]:
    present = session.scalar(select(Notice.html).where(Notice.organisation_id == organisation_id))
    if present and not html:
        yield Message(N_("新通告为空：保存后将清除当前通告，考生不再看到。"))


def set_province_notice(
    session: Session,
    province: Organisation,
    values: Mapping[str, Any],
    *,
    version: int | None = None,
    clock: Clock = system_clock,
    confirmed: str = effects.ALL,
) -> None:
    """省报名通告 of the actor's province becomes `values[NEW]` (R16.1). Empty clears it.

    Raises InvalidInput, StaleRow, Unconfirmed, and what the policy refuses.
    """
    cleaned = load([NEW_NOTICE], values, {})
    with permit(session, PROVINCE_NOTICE, Verb.EDIT, clock=clock):
        stored = notice_of(session, province.id)
        if version is not None and version != (stored.version if stored is not None else 0):
            raise StaleRow(difference={})
        html = cleaned[NEW] or ""
        if confirmed != effects.ALL:
            effects.require(list(_clearing(session, province.id, html)), confirmed)
        path = {"exam_id": province.exam_id, "province_id": province.id}
        _write(session, path, province.id, html)


__all__ = [
    "LENGTH",
    "NEW",
    "NEW_NOTICE",
    "PROVINCE_NOTICE",
    "SITE_NOTICE",
    "former_notice",
    "notice_before",
    "notice_of",
    "provinces",
    "set_province_notice",
]
