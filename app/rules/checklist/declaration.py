"""报前检查 as a page: who may look at it, and the lists that it shows."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from app.database.policy import actor_of
from app.metadata.declarations import Declaration, Place
from app.metadata.errors import N_, Message, NotFound
from app.metadata.registry import register
from app.metadata.vocabulary import ADMINISTRATORS, Area, Level, Verb, Window
from app.models.organisation import Organisation, below
from app.models.settings import Notice, ProvinceSubject
from app.rules import windows
from app.rules.checklist import facts, findings
from app.rules.checklist.findings import Finding, Item, Weight
from app.rules.exam import days_of
from app.rules.grids import EVERY_SITE, Choice, sites_of

CHECKLIST = register(
    Declaration(
        name="setup_checklist",
        label=N_("报名前检查"),
        menu=Place(Area.SETUP, 1),
        verbs=dict.fromkeys(ADMINISTRATORS, frozenset({Verb.VIEW})),
        super_verbs=frozenset({Verb.VIEW}),
        help=N_("开放报名前逐项核对：缺少的设置、互相矛盾的设置，点击名称前往处理。"),
    )
)


def of_site(session: Session, code: str) -> tuple[Organisation, list[Item]]:
    """The list of one site at or below the actor. Raises NotFound."""
    found = facts.load(session, sites_of(actor_of(session)).where(Organisation.code == code))
    if not found:
        raise NotFound()
    return found[0].site, findings.items(found[0])


def of_sites(
    session: Session, choice: Choice = EVERY_SITE
) -> list[tuple[Organisation, list[Item]]]:
    """The lists of the enabled sites below the actor that are chosen, by code."""
    chosen = sites_of(actor_of(session), choice).where(Organisation.enabled.is_(True))
    return [(found.site, findings.items(found)) for found in facts.load(session, chosen)]


def provinces(session: Session) -> list[tuple[Organisation, int]]:
    """The enabled provinces of the session by code, each with the number of its enabled sites."""
    site = aliased(Organisation)
    sites = (
        select(func.count(site.id))
        .where(
            site.province_id == Organisation.id,
            site.level == Level.SITE.value,
            site.enabled.is_(True),
        )
        .scalar_subquery()
    )
    statement = select(Organisation, sites).where(
        below(actor_of(session)),
        Organisation.level == Level.PROVINCE.value,
        Organisation.enabled.is_(True),
    )
    rows = session.execute(statement.order_by(Organisation.code))
    return [(province, count) for province, count in rows]


def of_province(session: Session, sites: Iterable[list[Item]]) -> list[Item]:
    """What a province itself has to set; `sites` are the lists of its sites."""
    actor = actor_of(session)
    lists = list(sites)
    unset = sum(_has(items, "fee", Weight.MUST) for items in lists)
    closed = sum(_has(items, "operation_window", Weight.MUST) for items in lists)
    fee = Message(N_("{count} 个考点的费用没有设置完整"), count=unset)
    window = Message(N_("{count} 个考点的操作时间没有设置完整"), count=closed)
    return [
        Item(
            "operation_window",
            N_("考点操作时间设置"),
            (*_own_windows(session), *([Finding(window)] if closed else ())),
        ),
        Item("province_subject", N_("省开考科目设置"), tuple(_offered(session))),
        Item("fee", N_("考点费用设置"), (Finding(fee),) if unset else ()),
        Item(
            "province_notice",
            N_("省报名通告设置"),
            () if _notice(session, actor.province_id) else (_NOTICE,),
        ),
    ]


_NOTICE = Finding(findings.PROVINCE_NOTICE_EMPTY, Weight.SHOULD)


def _has(items: Iterable[Item], page: str, weight: Weight) -> bool:
    return any(item.page == page and item.weight is weight for item in items)


def _own_windows(session: Session) -> list[Finding]:
    """Those of the province bound those of its sites (R0.3)."""
    own = windows.load(session, actor_of(session).province_id)
    needed = (Window.SETUP, Window.REGISTRATION, Window.ONLINE)
    return [
        Finding(Message(N_("“{window}”未设置，由上级设置"), window=window.label))
        for window in needed
        if own[window].start is None or own[window].end is None
    ]


def _offered(session: Session) -> list[Finding]:
    actor = actor_of(session)
    rows = session.scalars(select(ProvinceSubject).order_by(ProvinceSubject.subject_code)).all()
    if not rows:
        return [Finding(N_("没有开考科目，考点无法选择"))]
    days = days_of(session, actor.exam_id or 0, actor.province_id)
    idle = [
        row.subject_code
        for row in rows
        if days and not any(row.first_day <= day <= row.last_day for day in days)
    ]
    if not days:
        return [Finding(N_("考次没有考试日期，由考试中心设置"))]
    text = Message(N_("科目{codes}：考试时间内没有考试日"), codes="、".join(idle))
    return [Finding(text)] if idle else []


def _notice(session: Session, organisation_id: int | None) -> bool:
    statement = select(Notice.id).where(
        Notice.organisation_id == organisation_id, Notice.html != ""
    )
    return session.scalar(statement) is not None
