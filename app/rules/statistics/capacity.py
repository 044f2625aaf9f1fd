"""科目容量统计 (chapter 29): limit and seats left per site, in all and per subject."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from app.metadata.actor import Actor
from app.metadata.declarations import (
    ONLY_VIEW,
    Chart,
    ColumnGroup,
    Place,
    Statistic,
    StatisticTable,
)
from app.metadata.errors import N_
from app.metadata.registry import register
from app.metadata.vocabulary import ADMINISTRATORS, Area, Level
from app.models.capacity import UNLIMITED, CapacityPool
from app.models.exam import ExamSubject
from app.models.organisation import Organisation, below
from app.rules.capacity import TOTAL, subject_pool
from app.rules.statistics.engine import Filters, within

COLUMNS = (N_("总容量"), N_("剩余容量"))
NO_LIMIT = N_("不限")
#: pool -> (capacity, used)
Pools = dict[str, tuple[int, int]]


def tone(capacity: int, left: int) -> str:
    """Colour of a remaining number (R29.1): red 0, amber up to 20 %, green above; grey 不开考."""
    if capacity == 0:
        return "off"
    if left == 0:
        return "bad"
    return "warn" if left * 5 <= capacity else "ok"


def compute(session: Session, actor: Actor, filters: Filters) -> StatisticTable:
    """One row per site, a site without capacity included; two statements (R29.1)."""
    sites = _sites(session, actor, filters)
    names = _subject_names(session, sites.values())
    groups = [ColumnGroup(N_("(SS) 总科次数"), COLUMNS)]
    groups += [ColumnGroup(f"({code}) {name}", COLUMNS) for code, name in names.items()]
    pools = [TOTAL, *(subject_pool(code) for code in names)]
    rows = [(site, _cells([own], pools)) for site, own in sites.items()]
    return StatisticTable(
        row_label=N_("考点名称"),
        groups=groups,
        rows=rows,
        total=_cells(sites.values(), pools) if len(rows) > 1 else None,
        notes=[N_("剩余容量：绿色为 20% 以上，橙色为 20% 及以下，红色为已满；灰色为不开考。")],
        drawn=_chart(sites.values(), names),
    )


def _sites(session: Session, actor: Actor, filters: Filters) -> dict[str, Pools]:
    """{“(990701)地市七考点一”: its pools} in the order of codes."""
    counted = or_(CapacityPool.pool == TOTAL, CapacityPool.pool.startswith("S:"))
    statement = (
        select(
            Organisation.code,
            Organisation.name,
            CapacityPool.pool,
            CapacityPool.capacity,
            CapacityPool.used,
        )
        .select_from(Organisation)
        .outerjoin(CapacityPool, and_(CapacityPool.site_id == Organisation.id, counted))
        .where(
            below(actor),
            Organisation.level == Level.SITE.value,
            or_(Organisation.enabled.is_(True), CapacityPool.id.is_not(None)),
            within(Organisation, filters.organisation),
        )
        .order_by(Organisation.code)
    )
    found: dict[str, Pools] = {}
    for code, name, pool, capacity, used in session.execute(statement):
        own = found.setdefault(f"({code}){name}", {})
        if pool is not None:
            own[pool] = (capacity, used)
    return found


def _subject_names(session: Session, sites: Iterable[Pools]) -> dict[str, str]:
    """{code: name} of the subjects that any of the sites has a pool for, in order."""
    codes = sorted({pool[2:] for own in sites for pool in own if pool != TOTAL})
    rows = session.execute(
        select(ExamSubject.subject_code, ExamSubject.name).where(
            ExamSubject.subject_code.in_(codes)
        )
    )
    names = {row.subject_code: row.name for row in rows}
    return {code: names.get(code, "") for code in codes}


def _cells(sites: Iterable[Pools], pools: Sequence[str]) -> list[Any]:
    """总容量 and 剩余容量 of each pool, summed over the sites."""
    sites = list(sites)
    cells: list[Any] = []
    for pool in pools:
        found = [own[pool] for own in sites if pool in own]
        if not found:
            cells += [None, None]
        elif any(capacity == UNLIMITED for capacity, _ in found):
            cells += [NO_LIMIT, NO_LIMIT]
        else:
            capacity = sum(capacity for capacity, _ in found)
            left = capacity - sum(used for _, used in found)
            cells += [capacity, (left, tone(capacity, left))]
    return cells


def _chart(sites: Iterable[Pools], names: Mapping[str, str]) -> Chart:
    """Seats taken and left per subject; pools without a limit count with what is taken."""
    taken: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for own in sites:
        for pool, (capacity, used) in own.items():
            taken[pool] += used
            left[pool] += capacity - used if capacity != UNLIMITED else 0
    pools = [subject_pool(code) for code in names]
    return Chart(
        title=N_("各科目容量使用情况"),
        categories=[f"{code} {name}" for code, name in names.items()],
        series=(
            (N_("已报"), [taken[pool] for pool in pools]),
            (N_("剩余"), [left[pool] for pool in pools]),
        ),
        unit=N_("科次"),
    )


CAPACITY_STATISTICS = register(
    Statistic(
        name="capacity_statistics",
        label=N_("科目容量统计"),
        menu=Place(Area.REGISTRATION, 100),
        verbs=dict.fromkeys(ADMINISTRATORS, ONLY_VIEW),
        super_verbs=ONLY_VIEW,
        compute=compute,
        chart="stacked",
    )
)
