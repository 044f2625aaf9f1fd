"""开考科目 (chapter 11): what a province offers of the session's subjects, what a site offers of
the province's; many at once, and from the last session (R0.6b)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.policy import actor_of, elevated
from app.metadata.actor import Actor
from app.metadata.declarations import ONLY_RUN, On, Operation, Resource, RowOutcome
from app.metadata.errors import N_, InvalidInput, KaowuError, Message, NotFound
from app.metadata.fields import Field, Kind, Options
from app.metadata.registry import register
from app.metadata.vocabulary import Level, Personal, Verb, Window
from app.models.organisation import Organisation
from app.models.settings import (
    SETTERS,
    ProvinceSubject,
    SiteSubject,
    national_subjects,
    provincial_subjects,
)
from app.rules import affected, crud
from app.rules.clock import Clock
from app.rules.crud import SITE, SITE_FIELD, Context, site_below
from app.rules.effects import effects
from app.rules.exam import days_of
from app.rules.former import NothingToCopy, of_province, of_site
from app.rules.operations import OperationContext
from app.rules.settings import NotOfferedByProvince

_SITE_SUBJECT: Resource = SiteSubject.__admin__
_PROVINCE_SUBJECT: Resource = ProvinceSubject.__admin__


@effects("site_subject", Verb.ADD, Verb.DELETE)
def _effects(row: SiteSubject, context: Context) -> Iterator[Message]:
    """R11.7."""
    yield from affected.during_registration(context.session, row.site_id, context.clock())


# ---------------------------------------------------------------- many at once


def _days(session: Session, actor: Actor) -> tuple[dt.date | None, dt.date | None]:
    """First and last exam day of the actor's province."""
    days = days_of(session, actor.exam_id or 0, actor.province_id)
    return (days[0], days[-1]) if days else (None, None)


def _subjects(session: Session, options: Options) -> Field:
    """The subjects that may be added; where there are none, that is said."""
    left = options(session, actor_of(session))
    return Field(
        name="subjects",
        label=N_("科目"),
        personal=Personal.NONE,
        kind=Kind.CHOICES,
        required=True,
        options=options,
        help="" if left else N_("没有可添加的科目"),
    )


def _edges(
    first: dt.date | None, last: dt.date | None, *, required: bool, remark: str
) -> tuple[Field, Field]:
    common: dict[str, Any] = {
        "personal": Personal.NONE,
        "kind": Kind.DATE,
        "required": required,
        "help": remark,
    }
    return (
        Field(name="first_day", label=N_("考试开始日期"), default=first, **common),
        Field(name="last_day", label=N_("考试结束日期"), default=last, **common),
    )


def _each(
    codes: Iterable[str], names: Mapping[str, str], add: Callable[[str], Any]
) -> list[RowOutcome]:
    """Add every subject by the rules of the page; what is refused is told, the others are added.

    Raises InvalidInput where nothing of what was given is right for any.
    """
    outcomes = []
    for code in codes:
        reason: str = ""
        try:
            add(code)
        except InvalidInput:
            raise
        except KaowuError as refusal:
            reason = refusal.as_message()
        outcomes.append(RowOutcome(0, names.get(code, code), not reason, reason))
    return outcomes


def _site_of(session: Session, values: Mapping[str, Any]) -> Organisation:
    """The actor's own site, or the one that he chose to act for (P3)."""
    actor = actor_of(session)
    if actor.level is not Level.SITE:
        return site_below(session, actor, values.get(SITE) or "")
    site = session.get(Organisation, actor.site_id)
    if site is None:  # pragma: no cover - the actor's own organisation exists
        raise NotFound()
    return site


def _whose(actor: Actor) -> tuple[Field, ...]:
    return () if actor.level is Level.SITE else (SITE_FIELD,)


def _offered(session: Session, province_id: int | None) -> dict[str, ProvinceSubject]:
    """{code: row} of what a province offers, whoever asks (R11.2)."""
    statement = select(ProvinceSubject).where(
        ProvinceSubject.exam_id == actor_of(session).exam_id,
        ProvinceSubject.province_id == province_id,
    )
    with elevated(session, "read the province's subjects", ProvinceSubject):
        return {row.subject_code: row for row in session.scalars(statement)}


def not_yet_offered(session: Session, actor: Actor) -> dict[str, str]:
    """Subjects that the actor's site may still add; for superiors, those of the province."""
    found = provincial_subjects(session, actor)
    if actor.level is Level.SITE:
        present = select(SiteSubject.subject_code).where(SiteSubject.site_id == actor.site_id)
        for code in session.scalars(present):
            found.pop(code, None)
    return found


def _site_fields(session: Session, _row: object) -> tuple[Field, ...]:
    actor = actor_of(session)
    ranges = {
        (row.first_day, row.last_day) for row in _offered(session, actor.province_id).values()
    }
    first, last = ranges.pop() if len(ranges) == 1 else (None, None)
    remark = N_("不填为省设置的时间")
    return (
        *_whose(actor),
        _subjects(session, not_yet_offered),
        *_edges(first, last, required=False, remark=remark),
    )


def _add_to_site(
    session: Session,
    site: Organisation,
    code: str,
    days: tuple[dt.date | None, dt.date | None],
    offered: Mapping[str, ProvinceSubject],
    *,
    clock: Clock,
) -> None:
    """One subject; days that were not given are those of the province."""
    known = offered.get(code)
    if known is None:
        raise NotOfferedByProvince(subject=code)
    first, last = days[0] or known.first_day, days[1] or known.last_day
    values = {"subject_code": code, "first_day": first, "last_day": last}
    path = {name: getattr(site, name) for name in ("province_id", "city_id", "site_id")}
    crud.create(session, _SITE_SUBJECT, values, preset=path, clock=clock)


def _apply_site(
    session: Session, _rows: object, values: Mapping[str, Any], context: OperationContext
) -> list[RowOutcome]:
    site = _site_of(session, values)
    offered = _offered(session, site.province_id)
    days = values.get("first_day"), values.get("last_day")
    return _each(
        values["subjects"],
        national_subjects(session, actor_of(session)),
        lambda code: _add_to_site(session, site, code, days, offered, clock=context.clock),
    )


def _copy_site(
    session: Session, _rows: object, values: Mapping[str, Any], context: OperationContext
) -> list[RowOutcome]:
    """The subjects of the last session that the province offers now, with its days."""
    site = _site_of(session, values)
    offered = _offered(session, site.province_id)
    present = set(
        session.scalars(select(SiteSubject.subject_code).where(SiteSubject.site_id == site.id))
    )
    codes = sorted({row.subject_code for row in of_site(session, SiteSubject, site.id)} - present)
    if not codes:
        raise NothingToCopy(label=N_("科目"))
    return _each(
        codes,
        national_subjects(session, actor_of(session)),
        lambda code: _add_to_site(session, site, code, (None, None), offered, clock=context.clock),
    )


def _site_operation(name: str, label: str, **more: Any) -> Operation:
    made: Operation = register(
        Operation(
            name=name,
            label=label,
            resource=_SITE_SUBJECT.name,
            on=frozenset({On.PAGE}),
            verbs={Level.PROVINCE: ONLY_RUN, Level.SITE: ONLY_RUN},
            entrusted=ONLY_RUN,
            window=Window.SETUP,
            binds=SETTERS,
            writes=(SiteSubject,),
            **more,
        )
    )
    return made


SITE_ADD = _site_operation(
    "site_subject_add",
    N_("批量添加"),
    apply=_apply_site,
    living_fields=_site_fields,
    icon="fa-list-check",
)
SITE_COPY = _site_operation(
    "site_subject_copy",
    N_("复制上一考次"),
    apply=_copy_site,
    living_fields=lambda session, _row: _whose(actor_of(session)),
    icon="fa-copy",
)


@effects("site_subject_add", Verb.RUN)
@effects("site_subject_copy", Verb.RUN)
def _effects_of_many(_rows: object, context: Context) -> Iterator[Message]:
    """R11.7."""
    site = _site_of(context.session, context.values)
    yield from affected.during_registration(context.session, site.id, context.clock())


# ---------------------------------------------------------------- the province's list


def not_in_province(session: Session, actor: Actor) -> dict[str, str]:
    """Subjects of the session that the province does not offer yet."""
    found = national_subjects(session, actor)
    for code in _offered(session, actor.province_id):
        found.pop(code, None)
    return found


def _province_days(session: Session, _row: object) -> tuple[Field, ...]:
    first, last = _days(session, actor_of(session))
    return _edges(first, last, required=True, remark="")


def _province_fields(session: Session, row: object) -> tuple[Field, ...]:
    return (_subjects(session, not_in_province), *_province_days(session, row))


def _add_to_province(session: Session, code: str, values: Mapping[str, Any], clock: Clock) -> None:
    days = {name: values[name] for name in ("first_day", "last_day")}
    crud.create(session, _PROVINCE_SUBJECT, {"subject_code": code} | days, clock=clock)


def _apply_province(
    session: Session, _rows: object, values: Mapping[str, Any], context: OperationContext
) -> list[RowOutcome]:
    return _each(
        values["subjects"],
        national_subjects(session, actor_of(session)),
        lambda code: _add_to_province(session, code, values, context.clock),
    )


def _copy_province(
    session: Session, _rows: object, values: Mapping[str, Any], context: OperationContext
) -> list[RowOutcome]:
    """The province's subjects of the last session that this session has."""
    actor = actor_of(session)
    names = national_subjects(session, actor)
    former = {row.subject_code for row in of_province(session, ProvinceSubject, actor.province_id)}
    gone = sorted(former - set(names))
    refused = N_("本考次没有该科目")
    outcomes = [RowOutcome(0, code, False, refused) for code in gone]
    codes = sorted(former & set(not_in_province(session, actor)))
    if not codes:
        raise NothingToCopy(label=N_("科目"))
    return outcomes + _each(
        codes, names, lambda code: _add_to_province(session, code, values, context.clock)
    )


def _province_operation(name: str, label: str, **more: Any) -> Operation:
    made: Operation = register(
        Operation(
            name=name,
            label=label,
            resource=_PROVINCE_SUBJECT.name,
            on=frozenset({On.PAGE}),
            verbs={Level.PROVINCE: ONLY_RUN},
            writes=(ProvinceSubject,),
            **more,
        )
    )
    return made


PROVINCE_ADD = _province_operation(
    "province_subject_add",
    N_("批量添加"),
    apply=_apply_province,
    living_fields=_province_fields,
    icon="fa-list-check",
)
PROVINCE_COPY = _province_operation(
    "province_subject_copy",
    N_("复制上一考次"),
    apply=_copy_province,
    living_fields=_province_days,
    icon="fa-copy",
)


__all__ = [
    "PROVINCE_ADD",
    "PROVINCE_COPY",
    "SITE_ADD",
    "SITE_COPY",
    "not_in_province",
    "not_yet_offered",
]
