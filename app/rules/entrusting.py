"""Whether the cities of a province are entrusted with the settings of their sites (§5 “V/E cfg”).

The province decides by its row of 《综合设置默认值》, the centre for provinces without one.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.policy import elevated
from app.models.default_settings import DefaultSettings


def are_cities_entrusted(session: Session, exam_id: int | None, province_id: int | None) -> bool:
    """What is stored, for the cities of this province; without a province, what the centre says."""
    province = DefaultSettings.province_id
    statement = (
        select(DefaultSettings.cities_entrusted)
        .where(
            DefaultSettings.exam_id == exam_id,
            province.is_(None) | (province == province_id),
        )
        .order_by(province.is_(None))
        .limit(1)
    )
    with elevated(session, "§5 are cities entrusted", DefaultSettings):
        return bool(session.scalar(statement))


__all__ = ["are_cities_entrusted"]
