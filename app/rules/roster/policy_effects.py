"""What a change of 学籍报考设置 (R19.1) touches: records, registrations, and how many of these the
new settings would refuse. Told before it is saved; registrations that exist stay."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from app.database.policy import elevated
from app.metadata.errors import N_, Message
from app.models.organisation import Organisation
from app.models.registration import LIVE, Registration
from app.models.roster import RosterPolicy, StudentRecord
from app.rules.roster import admission

#: columns of the flags, and what the truth table calls them
DOOR = {
    "roster_enabled": "enabled",
    "own_province_only": "own_province_only",
    "own_site_only": "own_site_only",
}


@dataclass(frozen=True, slots=True)
class NewSettings:
    """What is about to change at some sites: flags by the names of their columns, and 可报考考点 by
    site (none of them = unlimited)."""

    flags: Mapping[str, bool] = field(default_factory=dict)
    allowed: Mapping[int, frozenset[int]] = field(default_factory=dict)


def touched(
    session: Session, policies: Sequence[RosterPolicy], new: NewSettings | None = None
) -> list[str]:
    """Sentences on the policies as they are, with these changes: records, registrations, and how
    many of these would not be admitted now. Registrations that exist stay."""
    codes = site_codes(session, [policy.site_id for policy in policies])
    records = _count(session, StudentRecord, StudentRecord.site_code.in_(codes.values()))
    sentences: list[str] = []
    if records:
        sentences.append(Message(N_("涉及学籍库中的 {count} 条学籍信息。"), count=records))
    groups = _registered(session, codes)
    if groups:
        total = sum(group.people for group in groups)
        refused = _refused(session, policies, new or NewSettings(), groups)
        text = N_(
            "涉及已报名的 {count} 名考生，其中 {refused} 名按新设置不能报考该考点；"
            "已有报名不受影响。"
        )
        sentences.append(Message(text, count=total, refused=refused))
    return sentences


def site_codes(session: Session, site_ids: Sequence[int | None]) -> dict[int, str]:
    rows = session.execute(
        select(Organisation.id, Organisation.code).where(Organisation.id.in_(site_ids))
    )
    return {site_id: code for site_id, code in rows}  # noqa: C416 - dict() of rows has no types


def _count(session: Session, model: type, condition: Any) -> int:
    return session.scalar(select(func.count()).select_from(model).where(condition)) or 0


@dataclass(frozen=True, slots=True)
class _Group:
    """How many live registrations of a site are of students of one other (or none)."""

    site_id: int
    home_id: int | None
    home_province_id: int | None
    people: int


def _registered(session: Session, site_ids: Collection[int]) -> list[_Group]:
    """The live registrations of these sites, counted by the database: there may be a million."""
    record_of = and_(
        StudentRecord.id_digest == Registration.id_digest, StudentRecord.name == Registration.name
    )
    home = and_(
        Organisation.code == StudentRecord.site_code,
        Organisation.exam_id == Registration.exam_id,
    )
    key = (Registration.site_id, Organisation.id, Organisation.province_id)
    with elevated(session, "R19.4 where are the records", StudentRecord):
        rows = session.execute(
            select(*key, func.count())
            .select_from(Registration)
            .outerjoin(StudentRecord, record_of)
            .outerjoin(Organisation, home)
            .where(Registration.site_id.in_(site_ids), Registration.life.in_(LIVE))
            .group_by(*key)
        ).all()
    return [_Group(site_id or 0, home, province, n) for site_id, home, province, n in rows]


def _refused(
    session: Session,
    policies: Sequence[RosterPolicy],
    new: NewSettings,
    groups: Sequence[_Group],
) -> int:
    changes = {DOOR[name]: value for name, value in new.flags.items()}
    doors = {row.site_id or 0: replace(admission.door_of(row), **changes) for row in policies}
    homes = {group.home_id for group in groups if group.home_id is not None}
    enabled = _enabled(session, homes - doors.keys())
    enabled |= {site_id for site_id, door in doors.items() if door.enabled}
    allowed = {**admission.allowed_sites(session, homes), **new.allowed}
    refused = 0
    for group in groups:
        student = None
        if group.home_id in enabled:
            sites = allowed.get(group.home_id, frozenset())
            student = admission.Student(group.home_id, group.home_province_id, sites)
        if admission.refusal(doors[group.site_id], student) is not None:
            refused += group.people
    return refused


def _enabled(session: Session, site_ids: Collection[int]) -> set[int]:
    """Those of the sites that have 启用学籍库."""
    with elevated(session, "R19.4 where records count", RosterPolicy):
        return {
            site_id
            for site_id in session.scalars(
                select(RosterPolicy.site_id).where(
                    RosterPolicy.site_id.in_(site_ids), RosterPolicy.roster_enabled.is_(True)
                )
            )
            if site_id is not None
        }


__all__ = ["DOOR", "NewSettings", "site_codes", "touched"]
