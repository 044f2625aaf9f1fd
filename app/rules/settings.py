"""What a site and its province set before registration (chapters 10-15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.database.policy import actor_of, elevated
from app.metadata.declarations import ONLY_RUN, On, Operation, RowOutcome
from app.metadata.errors import N_, Duplicate, InvalidInput, KaowuError
from app.metadata.fields import Field, Kind
from app.metadata.registry import register
from app.metadata.vocabulary import Level, Personal, Verb, Window
from app.models.capacity import UNLIMITED, CapacityPool
from app.models.organisation import Organisation
from app.models.registration import HOLDING, Entry, Registration
from app.models.settings import (
    PERSON_FEE,
    SETTERS,
    Fee,
    ProvinceSubject,
    SiteSettings,
    SiteSubject,
    national_subjects,
)
from app.rules import capacity, windows
from app.rules.crud import Context, before
from app.rules.windows import Interval


class SiteInUse(KaowuError):
    """R10.4a: candidates are registered."""

    code = "settings.site_in_use"
    template = N_(
        "考点已有 {count} 名考生报名，不能关闭“考点开考”。如遇紧急情况，请联系省办理停考。"
    )
    status = 409


class BeyondProvince(KaowuError):
    """R11.2, R11.3."""

    code = "settings.beyond_province"
    template = N_("科目{subject}的考试时间应在省设置的 {first} 至 {last} 之内。")


class NotOfferedByProvince(KaowuError):
    """R11.2."""

    code = "settings.not_offered_by_province"
    template = N_("省未开考科目{subject}，不能添加。")


class CapacitySet(KaowuError):
    """R11.5, R13.4."""

    code = "settings.capacity_set"
    template = N_("科目{subject}已设置容量 {capacity}，请先把容量改为 0（不开考）再删除。")
    status = 409


class SubjectInUse(KaowuError):
    """R11.6."""

    code = "settings.subject_in_use"
    template = N_("科目{subject}已有 {count} 科次报考，不能删除。")
    status = 409


class OutsideBounds(KaowuError):
    """R15.3: within W4."""

    code = "settings.outside_bounds"
    template = N_("网报时间应在上级设置的最早、最晚时间之内（{interval}）。")


def site_settings_of(session: Session, site: Organisation) -> SiteSettings:
    """The settings row of a site, made with the defaults if it is missing."""
    with elevated(session, "read site settings", SiteSettings):
        row = session.scalars(select(SiteSettings).where(SiteSettings.site_id == site.id)).first()
    if row is None:
        row = SiteSettings(
            exam_id=site.exam_id,
            province_id=site.province_id,
            city_id=site.city_id,
            site_id=site.id,
        )
        session.add(row)
    return row


def live_registrations(session: Session, site_id: int) -> int:
    """How many registrations hold seats or may still get one."""
    statement = (
        select(func.count())
        .select_from(Registration)
        .where(Registration.site_id == site_id, Registration.life.in_(("draft", "active")))
    )
    return session.scalar(statement) or 0


@before("site_settings", Verb.EDIT)
def _general(row: SiteSettings, context: Context) -> None:
    if context.values.get("open") is False and "open" in context.values:
        count = live_registrations(context.session, row.site_id or 0)
        if count:
            raise SiteInUse(count=count)


@before("online_time", Verb.EDIT)
def _online_time(row: SiteSettings, context: Context) -> None:
    """R15.3: both required when on, start before end, within W4."""
    if not row.online_enabled:
        return
    errors = {
        name: [N_("{label}：必填").format(label=label)]
        for name, label in (
            ("online_start", N_("网报开始时间")),
            ("online_end", N_("网报截止时间")),
        )
        if getattr(row, name) is None
    }
    if errors:
        raise InvalidInput(errors)
    if row.online_start is None or row.online_end is None or row.online_start >= row.online_end:
        raise InvalidInput({"online_end": [N_("网报截止时间：应晚于开始时间")]})
    bounds = windows.load(context.session, row.site_id)[Window.ONLINE]
    outside = (
        bounds.start is None
        or bounds.end is None
        or row.online_start < bounds.start
        or row.online_end > bounds.end
    )
    if outside:
        raise OutsideBounds(interval=bounds.show())


@before("province_subject", Verb.ADD, Verb.EDIT)
def _province_subject(row: ProvinceSubject, context: Context) -> None:
    if row.first_day > row.last_day:
        raise InvalidInput({"last_day": [N_("考试结束日期：不能早于开始日期")]})
    if context.verb is Verb.ADD and context.session.scalar(
        select(ProvinceSubject.id).where(ProvinceSubject.subject_code == row.subject_code)
    ):
        raise Duplicate(label=N_("该科目"))


@before("site_subject", Verb.ADD)
def _site_subject(row: SiteSubject, context: Context) -> None:
    session = context.session
    with elevated(session, "read the province's subjects", ProvinceSubject):
        offered = session.scalars(
            select(ProvinceSubject).where(
                ProvinceSubject.exam_id == row.exam_id,
                ProvinceSubject.province_id == row.province_id,
                ProvinceSubject.subject_code == row.subject_code,
            )
        ).first()
    if offered is None:
        raise NotOfferedByProvince(subject=row.subject_code)
    if row.first_day > row.last_day:
        raise InvalidInput({"last_day": [N_("考试结束日期：不能早于开始日期")]})
    if row.first_day < offered.first_day or row.last_day > offered.last_day:
        raise BeyondProvince(
            subject=row.subject_code, first=offered.first_day, last=offered.last_day
        )
    if session.scalar(
        select(SiteSubject.id).where(
            SiteSubject.site_id == row.site_id, SiteSubject.subject_code == row.subject_code
        )
    ):
        raise Duplicate(label=N_("该科目"))


@before("site_subject", Verb.DELETE)
def _drop_site_subject(row: SiteSubject, context: Context) -> None:
    session = context.session
    count = session.scalar(
        select(func.count())
        .select_from(Entry)
        .where(
            Entry.site_id == row.site_id,
            Entry.subject_code == row.subject_code,
            Entry.state.in_([state.value for state in HOLDING]),
        )
    )
    if count:
        raise SubjectInUse(subject=row.subject_code, count=count)
    limit = session.scalar(
        select(CapacityPool.capacity).where(
            CapacityPool.site_id == row.site_id,
            CapacityPool.pool == capacity.subject_pool(row.subject_code),
        )
    )
    if limit:
        raise CapacitySet(subject=row.subject_code, capacity=limit)


# ---------------------------------------------------------------- 修改人数 (chapter 13)


def _limit_fields(session: Session, _row: Any) -> tuple[Field, ...]:
    """总科次数, and one field per subject that the site offers, with the present limits."""
    site_id = actor_of(session).site_id
    pools = {
        row.pool: row.capacity
        for row in session.scalars(select(CapacityPool).where(CapacityPool.site_id == site_id))
    }
    names = national_subjects(session, actor_of(session))
    codes = session.scalars(
        select(SiteSubject.subject_code)
        .where(SiteSubject.site_id == site_id)
        .order_by(SiteSubject.subject_code)
    ).all()
    total = Field(
        name="TOTAL",
        label=N_("总科次数"),
        personal=Personal.NONE,
        kind=Kind.INTEGER,
        required=True,
        minimum=1,
        maximum=UNLIMITED,
        default=pools.get(capacity.TOTAL),
        help=N_("不小于 100；99999 表示不限，尽量不要设置成不限"),
    )
    subjects = [
        Field(
            name=capacity.subject_pool(code),
            label=names.get(code, code),
            personal=Personal.NONE,
            kind=Kind.INTEGER,
            required=True,
            minimum=0,
            maximum=UNLIMITED,
            default=pools.get(capacity.subject_pool(code), 0),
            help=N_("0 表示不开考"),
        )
        for code in codes
    ]
    return (total, *subjects)


def _apply_limits(
    session: Session, _rows: object, values: Mapping[str, int], _context: object
) -> list[RowOutcome]:
    actor = actor_of(session)
    site = session.get(Organisation, actor.site_id)
    if site is None:  # pragma: no cover - the actor's own organisation exists
        return []
    capacity.set_limits(session, site, values)
    return [RowOutcome(site.id, site.display, True)]


SET_LIMITS = register(
    Operation(
        name="capacity_limits",
        label=N_("修改人数"),
        resource="capacity",
        on=frozenset({On.PAGE}),
        apply=_apply_limits,
        living_fields=_limit_fields,
        verbs={Level.SITE: ONLY_RUN},
        window=Window.SETUP,
        writes=(CapacityPool,),
        icon="fa-pen",
    )
)


# ---------------------------------------------------------------- fees (chapter 12)


def set_fees(session: Session, site: Any, person: int | None, subject: int | None) -> int:
    """Set 人次费 and the fee of every subject the site offers (fen); None leaves it as it is.

    Returns how many fees changed. Orders keep the fees they were made with (R12.5).
    """
    codes = session.scalars(
        select(SiteSubject.subject_code).where(SiteSubject.site_id == site.site_id)
    ).all()
    wanted = {PERSON_FEE: person} | dict.fromkeys(codes, subject)
    rows = {
        row.subject_code: row
        for row in session.scalars(select(Fee).where(Fee.site_id == site.site_id))
    }
    changed = 0
    for code, amount in wanted.items():
        if amount is None or (code in rows and rows[code].amount == amount):
            continue
        changed += 1
        if code in rows:
            rows[code].amount = amount
            continue
        session.add(
            Fee(
                exam_id=site.exam_id,
                province_id=site.province_id,
                city_id=site.city_id,
                site_id=site.site_id,
                subject_code=code,
                amount=amount,
            )
        )
    session.flush()
    return changed


def _apply_fees(
    session: Session, rows: list[SiteSettings], values: Mapping[str, int | None], _context: object
) -> list[RowOutcome]:
    for row in rows:
        set_fees(session, row, values.get("person"), values.get("subject"))
    return [RowOutcome(row.id, row.site.display if row.site else "", True) for row in rows]


SET_FEES = register(
    Operation(
        name="site_fees",
        label=N_("设置费用"),
        resource="site_settings",
        on=frozenset({On.ROW, On.SELECTION, On.QUERY}),
        apply=_apply_fees,
        verbs={Level.PROVINCE: ONLY_RUN},
        window=Window.SETUP,
        binds=SETTERS,
        writes=(Fee,),
        fields=(
            Field(
                name="person",
                label=N_("人次费（元）"),
                personal=Personal.NONE,
                kind=Kind.MONEY,
                minimum=0,
                help=N_("每名考生收一次；不填为不更改"),
            ),
            Field(
                name="subject",
                label=N_("科目费（元）"),
                personal=Personal.NONE,
                kind=Kind.MONEY,
                minimum=0,
                help=N_("应用于考点开考的全部科目；不填为不更改"),
            ),
        ),
        confirm=N_("为 {count} 个考点设置费用？已生成的订单不受影响。"),
    )
)


def online_interval(settings: SiteSettings) -> Interval:
    """The site's own 网报 time, unset when it is switched off."""
    if not settings.online_enabled:
        return Interval()
    return Interval(settings.online_start, settings.online_end)
