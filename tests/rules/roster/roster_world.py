"""Student records and 学籍报考设置 for tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.database.keys import digest
from app.models.organisation import Organisation
from app.models.roster import RosterAllowedSite, RosterPolicy, StudentRecord
from app.models.roster_moves import RosterMove
from tests.factories import Tree, id_number, seeding


def set_policy(
    session: Session,
    tree: Tree,
    site: Organisation,
    *,
    enabled: bool = True,
    own_province_only: bool = False,
    own_site_only: bool = False,
    allowed: Sequence[Organisation] | None = None,
) -> RosterPolicy:
    """学籍报考设置 of a site; `allowed` None is the default (its own site), () is unlimited."""
    path = {**tree.path(site), "province_id": site.province_id}
    with seeding(session):
        row = session.scalars(select(RosterPolicy).where(RosterPolicy.site_id == site.id)).first()
        row = row or RosterPolicy(**path)
        row.roster_enabled = enabled
        row.own_province_only = own_province_only
        row.own_site_only = own_site_only
        session.add(row)
        session.execute(delete(RosterAllowedSite).where(RosterAllowedSite.site_id == site.id))
        for place in (site,) if allowed is None else allowed:
            session.add(RosterAllowedSite(**path, allowed_site_id=place.id))
    return row


def add_record(
    session: Session, tree: Tree, site: Organisation | None = None, **values: Any
) -> StudentRecord:
    """A record of the site, with a valid number of its own and the name of all test candidates."""
    site = site or tree.site
    number = values.pop("id_number", None) or id_number()
    row = StudentRecord(
        province_code=site.code[:2],
        city_code=tree.city.code if site.city_id else None,
        site_code=site.code,
        id_number=number,
        id_digest=str(digest(number)),
        **{
            "name": "测试考生",
            "sex": "1",
            "birth": dt.date(2001, 2, 3),
            "id_type": "1",
            "ethnic": "02",
            "education": "20",
            "occupation": "01",
            "department": "信息学院",
            "major": "软件工程",
            "class_name": "一班",
            "student_number": "2026000001",
        }
        | values,
    )
    with seeding(session):
        session.add(row)
    return row


def add_move(session: Session, from_site: str, to_site: str, **values: Any) -> RosterMove:
    """A record that `to_site` has taken over; both are codes of sites."""
    number = values.pop("id_number", None) or id_number()
    row = RosterMove(
        **{
            "from_name": "王二",
            "to_name": "王二",
            "id_number": number,
            "id_digest": str(digest(number)),
            "from_province_code": from_site[:2],
            "from_city_code": from_site[:4],
            "from_site_code": from_site,
            "to_province_code": to_site[:2],
            "to_city_code": to_site[:4],
            "to_site_code": to_site,
            "from_education": "20",
            "to_education": "10",
        }
        | values
    )
    with seeding(session):
        session.add(row)
    return row
