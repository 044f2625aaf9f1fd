"""开考科目 (chapter 11): which subjects a province and a site may offer, and what holds them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.database import locks
from app.database.policy import elevated
from app.metadata.errors import N_, Duplicate, InvalidInput, KaowuError, NotFound
from app.metadata.vocabulary import Verb
from app.models.capacity import CapacityPool
from app.models.exam import ExamSubject
from app.models.organisation import Organisation
from app.models.registration import HOLDING, Entry
from app.models.settings import (
    ProvinceSubject,
    SiteSubject,
)
from app.rules import capacity
from app.rules.crud import Context, before

#: so many names stand in a refusal
NAMED = 3


class BeyondProvince(KaowuError):
    """R11.2, R11.3."""

    code = "settings.beyond_province"
    template = N_("科目{subject}的考试时间应在省设置的 {first} 至 {last} 之内。")


class NotOfferedByProvince(KaowuError):
    """R11.2."""

    code = "settings.not_offered_by_province"
    template = N_("省未开考科目{subject}，不能添加。")


class NotInSession(KaowuError):
    """A subject that the centre has taken out of the session."""

    code = "settings.not_in_session"
    template = N_("本考次没有科目{subject}，不能添加。如需开考，请联系考试中心。")


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


class SitesBeyond(KaowuError):
    """The province's days cannot be shortened while sites hold the subject outside them."""

    code = "settings.sites_beyond"
    template = N_(
        "科目{subject}：{sites} 等 {count} 个考点的考试时间超出 {first} 至 {last}，"
        "涉及 {entries} 科次报考。请考点先删除该科目后重新添加。"
    )
    status = 409


class OfferedBySites(KaowuError):
    """A subject that sites offer stays in the province's list."""

    code = "settings.offered_by_sites"
    template = N_(
        "科目{subject}已有 {sites} 等 {count} 个考点开考，涉及 {entries} 科次报考，不能删除。"
    )
    status = 409


class OfferedByProvinces(KaowuError):
    """A subject that provinces offer stays in the session."""

    code = "settings.offered_by_provinces"
    template = N_("科目{subject}已有 {count} 个省开考，不能从本考次删除。")
    status = 409


# Who builds on a list (a site on its province's, a province on the session's) shares its lock and
# only then looks at it; who takes something out of the list waits for them, and counts them.


def _provinces_list(row: ProvinceSubject | SiteSubject) -> str:
    return f"subjects of province {row.province_id}"


def _sessions_list(row: ProvinceSubject | ExamSubject) -> str:
    return f"subjects of session {row.exam_id}"


@before("province_subject", Verb.ADD)
def _stays_in_session(row: ProvinceSubject, context: Context) -> None:
    locks.share(context.session, (_sessions_list(row),))
    known = select(ExamSubject.id).where(
        ExamSubject.exam_id == row.exam_id, ExamSubject.subject_code == row.subject_code
    )
    if context.session.scalar(known) is None:
        raise NotInSession(subject=row.subject_code)


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
    locks.share(session, (_provinces_list(row),))
    with elevated(session, "read the province's subjects", ProvinceSubject):
        offered = session.execute(
            select(ProvinceSubject.first_day, ProvinceSubject.last_day).where(
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
    limit = _locked_limit(session, row)
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
    if limit:
        raise CapacitySet(subject=row.subject_code, capacity=limit)


def _locked_limit(session: Session, row: SiteSubject) -> int | None:
    """The seats of the subject, which stay as they are until it is gone.

    The subject is locked first, as by who sets limits (`capacity.set_limits`): he sees it gone,
    or the delete sees what he has set. Raises NotFound where somebody else has deleted it.
    """
    subject = select(SiteSubject.id).where(SiteSubject.id == row.id).with_for_update()
    if session.scalar(subject) is None:
        raise NotFound()
    pool = select(CapacityPool.capacity).where(
        CapacityPool.site_id == row.site_id,
        CapacityPool.pool == capacity.subject_pool(row.subject_code),
    )
    return session.scalar(pool.with_for_update())


# ---------------------------------------------------------------- what is refused by how much


def _offering(session: Session, row: ProvinceSubject, *conditions: Any) -> list[Organisation]:
    """The sites of the province that offer the subject, by code."""
    statement = (
        select(Organisation)
        .join(SiteSubject, SiteSubject.site_id == Organisation.id)
        .where(
            SiteSubject.exam_id == row.exam_id,
            SiteSubject.province_id == row.province_id,
            SiteSubject.subject_code == row.subject_code,
            *conditions,
        )
        .order_by(Organisation.code)
    )
    return list(session.scalars(statement))


def _facts(session: Session, row: ProvinceSubject, sites: list[Organisation]) -> dict[str, Any]:
    held = select(func.count(Entry.id)).where(
        Entry.site_id.in_([site.id for site in sites]),
        Entry.subject_code == row.subject_code,
        Entry.state.in_([state.value for state in HOLDING]),
    )
    return {
        "subject": row.subject_code,
        "sites": [site.display for site in sites[:NAMED]],
        "count": len(sites),
        "entries": session.scalar(held) or 0,
    }


@before("province_subject", Verb.EDIT)
def _keep_sites_inside(row: ProvinceSubject, context: Context) -> None:
    locks.take(context.session, (_provinces_list(row),))
    outside = (SiteSubject.first_day < row.first_day) | (SiteSubject.last_day > row.last_day)
    sites = _offering(context.session, row, outside)
    if sites:
        facts = _facts(context.session, row, sites)
        raise SitesBeyond(first=row.first_day, last=row.last_day, **facts)


@before("province_subject", Verb.DELETE)
def _keep_offered(row: ProvinceSubject, context: Context) -> None:
    locks.take(context.session, (_provinces_list(row),))
    sites = _offering(context.session, row)
    if sites:
        raise OfferedBySites(**_facts(context.session, row, sites))


@before("exam_subject", Verb.DELETE)
def _keep_in_session(row: ExamSubject, context: Context) -> None:
    locks.take(context.session, (_sessions_list(row),))
    count = context.session.scalar(
        select(func.count())
        .select_from(ProvinceSubject)
        .where(
            ProvinceSubject.exam_id == row.exam_id,
            ProvinceSubject.subject_code == row.subject_code,
        )
    )
    if count:
        raise OfferedByProvinces(subject=row.display, count=count)
