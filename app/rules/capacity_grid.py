"""《考点容量设置》 (R13): sites × 总科次数 and the seats of each subject.

`capacity.set_limits` is the only writer. The site edits its row inside W1; the province edits
rows of its sites on their behalf inside its own (P4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.policy import elevated
from app.metadata.actor import Actor
from app.metadata.declarations import (
    FILL_IN,
    ONLY_VIEW,
    Grid,
    GridCell,
    GridChange,
    GridColumn,
    Place,
    StoredCells,
)
from app.metadata.errors import N_, Message
from app.metadata.fields import Field, Kind
from app.metadata.registry import register
from app.metadata.vocabulary import Area, Level, Personal, Verb, Window
from app.models.capacity import UNLIMITED, CapacityPool
from app.models.exam import Exam
from app.models.organisation import Organisation
from app.models.settings import SETTERS, SiteSettings
from app.rules import capacity
from app.rules.capacity import TOTAL, subject_pool
from app.rules.offered import subjects_in_scope, subjects_of

WORDS = {UNLIMITED: N_("不限")}
#: R13.3a
UNLIMITED_QUESTION = N_("尽量不要设置成不限，确定？")


def _column(name: str, label: str, help: str, group: str = "") -> GridColumn:
    cell = Field(
        name=name,
        label=label,
        personal=Personal.NONE,
        kind=Kind.INTEGER,
        required=True,
        minimum=0,
        maximum=UNLIMITED,
        help=help,
    )
    return GridColumn(cell=cell, group=group, unset=N_("未设置"), words=WORDS)


def columns(session: Session, actor: Actor) -> list[GridColumn]:
    """总科次数, then every subject that is offered within the scope."""
    subjects = subjects_in_scope(session, actor)
    total = _column(TOTAL, N_("总科次数"), N_("不小于 100；99999 表示不限"))
    return [
        total,
        *(
            _column(
                subject_pool(code),
                name,
                N_("0 表示不开考；99999 表示不限"),
                N_("科目人数"),
            )
            for code, name in subjects.items()
        ),
    ]


# ---------------------------------------------------------------- reading


def pools_of(
    session: Session, sites: Sequence[Organisation], *, lock: bool = False
) -> dict[int, dict[str, CapacityPool]]:
    """{site id: {pool: row}}, days included; locked site by site in the pools' one order."""
    statement = (
        select(CapacityPool)
        .where(CapacityPool.site_id.in_([site.id for site in sites]))
        .order_by(CapacityPool.site_id, CapacityPool.pool)
    )
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    found: dict[int, dict[str, CapacityPool]] = {site.id: {} for site in sites}
    for row in session.scalars(statement):
        found[row.site_id or 0][row.pool] = row
    return found


def note_of(pool: CapacityPool | None) -> str:
    """“已报 80，剩余 20”; nothing where no limit is set."""
    if pool is None:
        return ""
    if pool.capacity == UNLIMITED:
        return Message(N_("已报 {used}"), used=pool.used)
    return Message(N_("已报 {used}，剩余 {left}"), used=pool.used, left=pool.capacity - pool.used)


def read(
    session: Session, sites: Sequence[Organisation], _columns: object, lock: bool
) -> dict[int, dict[str, GridCell]]:
    """The limits; a subject that the site offers without a limit counts as 0 (R13.3a)."""
    if lock:
        capacity.with_days(session, [site.id for site in sites], lock=True)
    found: dict[int, dict[str, GridCell]] = {}
    offered = subjects_of(session, sites, lock=lock)
    for site_id, pools in pools_of(session, sites, lock=lock).items():
        names = [TOTAL, *(subject_pool(code) for code in sorted(offered[site_id]))]
        found[site_id] = {name: _cell(pools.get(name)) for name in names}
    return found


def _cell(pool: CapacityPool | None) -> GridCell:
    return GridCell(pool.capacity if pool is not None else None, note=note_of(pool))


# ---------------------------------------------------------------- checking, saving


def check(session: Session, changes: Sequence[GridChange]) -> dict[tuple[int, str], Message]:
    """R13.3, R13.5, R13.6, R13.8: every refusal of `capacity`, in its cell."""
    found: dict[tuple[int, str], Message] = {}
    pools = pools_of(session, [change.site for change in changes])
    days = capacity.with_days(session, [change.site.id for change in changes])
    for change in changes:
        present = {name: (row.capacity, row.used) for name, row in pools[change.site.id].items()}
        refusals = capacity.refusals(present, change.after, days_count=change.site.id in days)
        for pool, error in refusals.items():
            found[change.site.id, pool] = error.as_message()
        if change.value(TOTAL) is None:
            found[change.site.id, TOTAL] = Message(N_("请先设置总科次数"))
    return found


def save(session: Session, change: GridChange) -> None:
    """Write the changed limits of one site inside the caller's permit."""
    capacity.set_limits(session, change.site, change.after)


def effects(_session: Session, changes: Sequence[GridChange]) -> list[Message]:
    """What lowered limits leave, and which subjects are no longer offered."""
    lowered = closed = 0
    for change in changes:
        for name, new in change.after.items():
            old = change.before[name]
            closed += bool(old) and new == 0
            lowered += old is not None and 0 < new < old
    found = []
    if lowered:
        text = N_("{count} 项容量被调低：已报名的考生不受影响，剩余名额相应减少。")
        found.append(Message(text, count=lowered))
    if closed:
        text = N_("{count} 个科目的容量改为 0：考生不能再报考这些科目。")
        found.append(Message(text, count=closed))
    return found


def questions(changes: Sequence[GridChange]) -> list[str]:
    """R13.3a: 不限 is asked for once more."""
    unlimited = any(value == UNLIMITED for change in changes for value in change.after.values())
    return [UNLIMITED_QUESTION] if unlimited else []


def copy(
    session: Session, sites: Sequence[Organisation], _columns: object, exam: Exam
) -> dict[str, dict[str, int]]:
    """The limits of an earlier session by organisation code (R0.6b); days are not those of now."""
    return {
        code: {pool: limit for pool, limit in pools.items() if not pool.startswith("D:")}
        for code, pools in former_limits(session, sites, exam).items()
    }


def former_limits(
    session: Session, sites: Sequence[Organisation], exam: Exam
) -> dict[str, dict[str, int]]:
    """{site code: {pool: limit}} of an earlier session, for the codes of these sites."""
    found: dict[str, dict[str, int]] = {}
    with elevated(session, "copy capacities of the last session", CapacityPool):
        rows = session.execute(
            select(Organisation.code, CapacityPool.pool, CapacityPool.capacity)
            .join(Organisation, Organisation.id == CapacityPool.site_id)
            .where(
                CapacityPool.exam_id == exam.id,
                Organisation.code.in_([site.code for site in sites]),
            )
        ).all()
    for code, pool, limit in rows:
        found.setdefault(code, {})[pool] = limit
    return found


def notices(
    session: Session, actor: Actor, rows: Sequence[Mapping[str, GridCell]]
) -> list[Message | str]:
    """R13.2, R13.3a: what stands in the way of registration."""
    found: list[Message | str] = []
    if actor.level is Level.SITE:
        is_open = session.scalar(
            select(SiteSettings.open).where(SiteSettings.site_id == actor.site_id)
        )
        if not is_open:
            found.append(N_("考点未开考，本页设置暂不生效。请先在《考点报名综合设置》中开考。"))
    unset = sum(row[TOTAL].value is None for row in rows if TOTAL in row)
    if actor.level is Level.SITE and all(set(row) <= {TOTAL} for row in rows):
        found.append(N_("本考点还没有开考科目，请先在《考点开考科目设置》中添加，再设置科目人数。"))
    if unset and actor.level is Level.SITE:
        found.append(N_("总科次数未设置，设置之前考生不能报名。"))
    elif unset:
        text = N_("本页有 {count} 个考点未设置总科次数，设置之前考生不能报名。")
        found.append(Message(text, count=unset))
    closed = sum(not cell.value for row in rows for name, cell in row.items() if name != TOTAL)
    if closed:
        text = N_("本页有 {count} 个科目容量为 0 或未设置，视为不开考。")
        found.append(Message(text, count=closed))
    return found


CAPACITY = register(
    Grid(
        name="capacity",
        label=N_("考点容量设置"),
        menu=Place(Area.SETUP, 40),
        verbs={
            Level.CENTER: ONLY_VIEW,
            Level.PROVINCE: FILL_IN,
            Level.CITY: ONLY_VIEW,
            Level.SITE: FILL_IN,
        },
        entrusted=frozenset({Verb.EDIT}),
        window=Window.SETUP,
        binds=SETTERS,
        writes=(CapacityPool,),
        columns=columns,
        read=read,
        check=check,
        save=save,
        effects=effects,
        questions=questions,
        copy=copy,
        notices=notices,
        stored=(StoredCells(CapacityPool, key="pool"),),
        row_label=N_("修改人数"),
        help=N_("总科次数不小于 100；科目容量为 0 表示不开考；99999 表示不限。"),
    )
)
