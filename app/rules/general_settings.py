"""考点报名综合设置 (chapter 10): who may switch what, what it does to those who are registered,
and 停考 by the province (R10.4a)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.database.policy import elevated
from app.metadata.declarations import ONLY_RUN, On, Operation, RowOutcome
from app.metadata.errors import N_, KaowuError, Message
from app.metadata.fields import Field, Kind
from app.metadata.registry import register
from app.metadata.vocabulary import Level, Personal, Verb
from app.models.organisation import Organisation
from app.models.registration import Entry, EntryState, Mode, Registration, Review
from app.models.settings import GENERAL, SiteSettings
from app.rules import affected
from app.rules.crud import Context, before
from app.rules.effects import changed, effects
from app.rules.operations import OperationContext
from app.rules.preference_switch import outgrown


class SiteInUse(KaowuError):
    """R10.4a: candidates are registered."""

    code = "settings.site_in_use"
    template = N_(
        "考点已有 {count} 名考生报名，不能关闭“考点开考”。如遇紧急情况，请联系省办理停考。"
    )
    status = 409


class Suspended(KaowuError):
    """R10.4a: what the province has stopped, the province alone takes up again."""

    code = "settings.suspended"
    template = N_(
        "考点已被省停考（{reason}），不能修改“考点开考”。如需恢复，请联系省办理恢复开考。"
    )
    status = 409


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


@before("site_settings", Verb.EDIT)
def _general(row: SiteSettings, context: Context) -> None:
    """R10.4a: 考点开考 is switched off without registrations only, and on never against 停考.

    Whoever saves it has decided, be it to leave it off; a change of other items alone has not.
    """
    if "open" in context.values:
        row.opening_decided = True
    switched = changed(row, "open")
    if switched is None:
        return
    if row.suspension_reason is not None:
        raise Suspended(reason=row.suspension_reason)
    if row.open:
        return
    # candidates who are registering hold the row (`site.hold_site`); they are counted as well
    context.session.scalar(
        select(SiteSettings.id).where(SiteSettings.id == row.id).with_for_update()
    )
    count = affected.registrations(context.session, row.site_id)
    if count:
        raise SiteInUse(count=count)


# ---------------------------------------------------------------- effects (R10.2, R10.4)


@effects("site_settings", Verb.EDIT)
def _effects(row: SiteSettings, context: Context) -> Iterator[Message]:
    altered = {name: change for name in GENERAL if (change := changed(row, name)) is not None}
    if not altered:
        return
    session = context.session
    yield from affected.during_registration(session, row.site_id, context.clock())
    for name, (_old, new) in altered.items():
        yield from of_switch(session, [row.site_id], name, new)


def of_switch(
    session: Session, site_ids: Sequence[int | None], name: str, new: Any
) -> Iterator[Message]:
    """What the new value of one item does to those who are registered at these sites already."""
    if name == "open" and not new:
        yield Message(N_("不开考后，考点容量、意向考试、考生报名时间和班级选项的设置无效。"))
        return
    if name == "preference_allowed" and not new:
        yield from affected.preferences_kept(session, site_ids)
        return
    rule = _COUNTED.get((name, bool(new)) if name != "max_subjects" else (name, True))
    if rule is None:
        return
    template, conditions = rule
    count = affected.registrations_at(session, site_ids, *conditions(new))
    if count:
        yield Message(template, count=count, number=new)


def _unsubmitted(_new: Any) -> tuple[Any, ...]:
    return (
        Registration.review.in_([Review.NONE.value, Review.OPEN.value]),
        Registration.payment.in_(["unpaid", "partly"]),
    )


def _pending(_new: Any) -> tuple[Any, ...]:
    return (Registration.review.in_([Review.PENDING.value, Review.REJECTED.value]),)


def _more_than(new: Any) -> tuple[Any, ...]:
    return (Registration.subject_count > new,)


def _without_class(_new: Any) -> tuple[Any, ...]:
    return (or_(Registration.class_name.is_(None), Registration.class_name == ""),)


def _collective(_new: Any) -> tuple[Any, ...]:
    return (Registration.mode == Mode.COLLECTIVE.value,)


def _unpaid_collective(_new: Any) -> tuple[Any, ...]:
    return (*_collective(_new), Registration.payment.in_(["unpaid", "partly"]))


def _everybody(_new: Any) -> tuple[Any, ...]:
    return ()


#: (item, switched on) -> (sentence, conditions of the registrations that it touches)
_COUNTED: dict[tuple[str, bool], tuple[str, Any]] = {
    ("max_subjects", True): (
        N_("{count} 名考生的报考科次已超过 {number}：已报科目保留，只限制新的报考。"),
        _more_than,
    ),
    ("review_required", True): (
        N_("{count} 名未缴清的考生须先通过审核才能缴费；已支付的科目不受影响。"),
        _unsubmitted,
    ),
    ("review_required", False): (
        N_("{count} 名待审核或未通过的考生将不经审核即可缴费。"),
        _pending,
    ),
    ("class_required", True): (
        N_("{count} 名考生没有填写班级：已有的报名不变，下次修改信息时必须填写。"),
        _without_class,
    ),
    ("collective_registration", False): (
        N_("{count} 名集体报名考生保留，但不能再导入或修改。"),
        _collective,
    ),
    ("collective_payment", False): (
        N_("{count} 名集体报名考生尚未缴清，以后只能个人缴费。"),
        _unpaid_collective,
    ),
    ("self_printing", False): (
        N_("{count} 名考生将不能自己下载准考证，须由考点下发。"),
        _everybody,
    ),
}


# ---------------------------------------------------------------- 停考 and 恢复开考 (R10.4a)


def suspend(session: Session, row: SiteSettings, reason: str) -> None:
    """The province stops a site: no new registration, no payment; what exists stays."""
    row.open, row.suspension_reason, row.opening_decided = False, reason, True
    session.flush()


def resume(session: Session, row: SiteSettings) -> None:
    """Take up again what was stopped."""
    row.open, row.suspension_reason = True, None
    session.flush()


def _title(row: SiteSettings) -> str:
    return row.site.display if row.site else ""


def _apply_suspend(
    session: Session, rows: Sequence[SiteSettings], _values: Any, context: OperationContext
) -> list[RowOutcome]:
    for row in rows:
        suspend(session, row, context.reason or "")
    return [RowOutcome(row.id, _title(row), True) for row in rows]


def _apply_resume(
    session: Session, rows: Sequence[SiteSettings], _values: Any, _context: OperationContext
) -> list[RowOutcome]:
    for row in rows:
        resume(session, row)
    return [RowOutcome(row.id, _title(row), True) for row in rows]


SUSPEND = register(
    Operation(
        name="site_suspend",
        label=N_("停考"),
        resource="site_settings",
        on=frozenset({On.ROW, On.SELECTION}),
        apply=_apply_suspend,
        verbs={Level.PROVINCE: ONLY_RUN},
        writes=(SiteSettings,),
        reason_required=True,
        danger=True,
        icon="fa-ban",
        allowed=lambda row: None if row.open else N_("考点未开考"),
        confirm=N_(
            "停考后，{count} 个考点不能再报名和缴费，考生将看到“考点已停考”和原因；"
            "已有的报名保留，须由省取消或退费。"
        ),
    )
)
RESUME = register(
    Operation(
        name="site_resume",
        label=N_("恢复开考"),
        resource="site_settings",
        on=frozenset({On.ROW, On.SELECTION}),
        apply=_apply_resume,
        verbs={Level.PROVINCE: ONLY_RUN},
        writes=(SiteSettings,),
        reason_required=True,
        icon="fa-play",
        allowed=lambda row: N_("考点没有停考") if row.suspension_reason is None else None,
        confirm=N_("恢复 {count} 个考点开考？恢复后考生可以在网报时间内报名和缴费。"),
    )
)


@effects("site_suspend", Verb.RUN)
def _effects_of_suspension(rows: Sequence[SiteSettings], context: Context) -> Iterator[Message]:
    session = context.session
    for row in rows:
        if not row.open:
            continue
        people = affected.registrations(session, row.site_id)
        if not people:
            continue
        unpaid = affected.entries(
            session,
            row.site_id,
            Entry.state.in_(
                [EntryState.UNPAID.value, EntryState.PAYING.value, EntryState.BATCH_LOCKED.value]
            ),
        )
        yield Message(
            N_("{site}：涉及 {people} 名考生、{entries} 科次，其中 {unpaid} 科次未支付。"),
            site=_title(row),
            people=people,
            entries=affected.entries(session, row.site_id),
            unpaid=unpaid,
        )


# ---------------------------------------------------------------- the province's intention switch


def _apply_preference(
    session: Session, rows: Sequence[SiteSettings], values: Any, _context: OperationContext
) -> list[RowOutcome]:
    allowed = values["allowed"] == "1"
    refused = outgrown(session, [row.site_id for row in rows]) if allowed else {}
    outcomes = []
    for row in rows:
        reason: str = N_("设置没有变化") if row.preference_allowed == allowed else ""
        if not reason and row.site_id in refused:
            reason = refused[row.site_id].as_message()
        if not reason:
            row.preference_allowed = allowed
        outcomes.append(RowOutcome(row.id, _title(row), not reason, reason))
    session.flush()
    return outcomes


PREFERENCE = register(
    Operation(
        name="site_preference",
        label=N_("意向考试开关"),
        resource="site_settings",
        on=frozenset({On.SELECTION, On.QUERY}),
        apply=_apply_preference,
        # the province's own business, like fees and notices (§5): no window binds it
        verbs={Level.PROVINCE: ONLY_RUN},
        writes=(SiteSettings,),
        fields=(
            Field(
                name="allowed",
                label=N_("允许考生选择意向考试日期"),
                personal=Personal.NONE,
                kind=Kind.CHOICE,
                required=True,
                choices={"1": N_("允许"), "0": N_("不允许")},
                help=N_("允许后，考点须设置意向考试日期的人数，考生才能选择。"),
            ),
        ),
        confirm=N_("为 {count} 个考点设置是否允许考生选择意向考试日期？"),
    )
)


@effects("site_preference", Verb.RUN)
def _effects_of_preference(rows: Sequence[SiteSettings], context: Context) -> Iterator[Message]:
    if context.values.get("allowed") != "0":
        return
    sites = [row.site_id for row in rows if row.preference_allowed]
    yield from affected.preferences_kept(context.session, sites)


__all__ = [
    "PREFERENCE",
    "RESUME",
    "SUSPEND",
    "SiteInUse",
    "Suspended",
    "of_switch",
    "resume",
    "site_settings_of",
    "suspend",
]
