"""What a new session takes over from the last one (R0.6b), row by row."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.identifiers import new_id
from app.metadata.vocabulary import Level
from app.models.default_settings import DefaultSettings
from app.models.organisation import Organisation
from app.models.roster import RosterAllowedSite, RosterPolicy
from app.models.settings import GENERAL, SiteSettings
from app.rules.default_settings import defaults_for

_COPIED = (
    "level",
    "code",
    "name",
    "short_name",
    "address",
    "postcode",
    "principal",
    "contact",
    "telephone",
    "mobile",
    "fax",
    "email",
    "remark",
    "enabled",
    "reviewed",
)


def copy_organisations(session: Session, source: int, target: int) -> dict[int, int]:
    """Copies all rows; returns {old id: new id}. Parents first, so that keys exist."""
    rows = session.scalars(select(Organisation).where(Organisation.exam_id == source)).all()
    ids: dict[int, int] = {row.id: new_id() for row in rows}
    depth = {level.value: level.rank for level in Level}
    for rank in range(4):
        for row in (row for row in rows if depth[row.level] == rank):
            session.add(
                Organisation(
                    id=ids[row.id],
                    exam_id=target,
                    parent_id=ids.get(row.parent_id) if row.parent_id else None,
                    province_id=ids.get(row.province_id) if row.province_id else None,
                    city_id=ids.get(row.city_id) if row.city_id else None,
                    site_id=ids.get(row.site_id) if row.site_id else None,
                    **{name: getattr(row, name) for name in _COPIED},
                )
            )
        session.flush()
    return ids


def copy_roster_policies(session: Session, source: int, target: int, ids: dict[int, int]) -> None:
    """The 学籍报考设置 of all organisations; `ids` are {old: new}."""

    def moved(row: RosterPolicy | RosterAllowedSite) -> dict[str, int | None]:
        return {
            "exam_id": target,
            "province_id": ids.get(row.province_id or 0),
            "city_id": ids.get(row.city_id or 0),
            "site_id": ids.get(row.site_id or 0),
        }

    for policy in session.scalars(select(RosterPolicy).where(RosterPolicy.exam_id == source)).all():
        session.add(
            RosterPolicy(
                roster_enabled=policy.roster_enabled,
                own_province_only=policy.own_province_only,
                own_site_only=policy.own_site_only,
                **moved(policy),
            )
        )
    for allowed in session.scalars(
        select(RosterAllowedSite).where(RosterAllowedSite.exam_id == source)
    ).all():
        session.add(
            RosterAllowedSite(allowed_site_id=ids[allowed.allowed_site_id], **moved(allowed))
        )


def copy_defaults(session: Session, source: int, target: int, ids: dict[int, int]) -> None:
    """综合设置默认值 of the centre and the provinces; `ids` are {old: new}."""
    statement = select(DefaultSettings).where(DefaultSettings.exam_id == source)
    for row in session.scalars(statement).all():
        session.add(
            DefaultSettings(
                exam_id=target,
                organisation_id=ids[row.organisation_id],
                province_id=ids.get(row.province_id or 0),
                cities_entrusted=row.cities_entrusted,
                **{name: getattr(row, name) for name in GENERAL},
            )
        )
    session.flush()


def add_settings(session: Session, target: int) -> None:
    """综合设置 of every site, with the defaults: settings themselves are not copied (R0.6b)."""
    sites = select(Organisation).where(
        Organisation.exam_id == target, Organisation.level == Level.SITE.value
    )
    rows = session.scalars(sites).all()
    defaults = {
        province: defaults_for(session, target, province)
        for province in {site.province_id for site in rows}
    }
    for site in rows:
        session.add(
            SiteSettings(
                exam_id=target,
                province_id=site.province_id,
                city_id=site.city_id,
                site_id=site.id,
                **defaults[site.province_id],
            )
        )
