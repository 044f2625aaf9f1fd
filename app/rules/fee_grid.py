"""《考点费用设置》 (R12): sites × 人次费 and the fee of each subject, set by the province.

No window binds it: chapter 12 is not among those of W1 (R0.1), and fees are the province's own.

An empty cell is 未设置: the subject can be neither registered for online nor paid (R12.5, N21).
0 is a fee like any other, and has to be entered. Orders keep the fees they were made with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

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
from app.metadata.text import Bad
from app.metadata.vocabulary import Area, Level, Personal
from app.models.exam import Exam
from app.models.organisation import Organisation
from app.models.payment import OrderState, PaymentOrder
from app.models.registration import PAID_STATES, Entry, EntryState
from app.models.settings import PERSON_FEE, Fee
from app.rules.offered import subjects_in_scope, subjects_of

UNSET = N_("未设置")
SUBJECT_FEES = N_("科目费（元）")
#: fen; a slip of the finger rather than a fee
HIGHEST = 1_000_000
#: states of entries that an order holds or has held to its payment
_ORDERED = tuple(
    state.value for state in (EntryState.PAYING, EntryState.BATCH_LOCKED, *PAID_STATES)
)


def _not_absurd(amount: int) -> int:
    if amount > HIGHEST:
        raise Bad("fee.too_high", N_("不能大于 {yuan} 元"), yuan=HIGHEST // 100)
    return amount


def _column(name: str, label: str, group: str = "") -> GridColumn:
    cell = Field(
        name=name,
        label=label,
        personal=Personal.NONE,
        kind=Kind.MONEY,
        minimum=0,
        checks=(_not_absurd,),
        editable_from=Level.PROVINCE,
    )
    return GridColumn(cell=cell, group=group, unset=UNSET)


def columns(session: Session, actor: Actor) -> list[GridColumn]:
    """人次费, then every subject that is offered within the scope (R12.4)."""
    subjects = subjects_in_scope(session, actor)
    return [
        _column(PERSON_FEE, N_("人次费（元）")),
        *(_column(code, name, SUBJECT_FEES) for code, name in subjects.items()),
    ]


def read(
    session: Session, sites: Sequence[Organisation], _columns: object, lock: bool
) -> dict[int, dict[str, GridCell]]:
    """The fees in fen. A site has a cell for each subject that it offers, and no other."""
    statement = (
        select(Fee)
        .where(Fee.site_id.in_([site.id for site in sites]))
        .order_by(Fee.site_id, Fee.subject_code)
    )
    if lock:
        statement = statement.with_for_update()
    fees = {(row.site_id, row.subject_code): row.amount for row in session.scalars(statement)}
    return {
        site_id: {
            code: GridCell(fees.get((site_id, code))) for code in (PERSON_FEE, *sorted(offered))
        }
        for site_id, offered in subjects_of(session, sites).items()
    }


def check(_session: Session, _changes: object) -> dict[tuple[int, str], Any]:
    """Nothing beyond what each cell's own bounds say: amounts do not depend on each other."""
    return {}


def save(session: Session, change: GridChange) -> None:
    """Write the changed fees of one site inside the caller's permit."""
    set_fees(session, change.site, change.after)


def set_fees(session: Session, site: Any, amounts: Mapping[str, int | None]) -> int:
    """Set fees of a site ({PERSON_FEE or subject code: fen}); None makes one 未设置 again.

    Returns how many changed. Orders keep the fees that they were made with (R12.5).
    """
    statement = select(Fee).where(Fee.site_id == site.site_id, Fee.subject_code.in_(amounts))
    rows = {row.subject_code: row for row in session.scalars(statement)}
    changed = 0
    for code, amount in amounts.items():
        row = rows.get(code)
        if amount == (row.amount if row is not None else None):
            continue
        changed += 1
        if row is None:
            session.add(_fee(site, code, amount))
        elif amount is None:
            session.delete(row)
        else:
            row.amount = amount
    session.flush()
    return changed


def _fee(site: Any, code: str, amount: int | None) -> Fee:
    return Fee(
        exam_id=site.exam_id,
        province_id=site.province_id,
        city_id=site.city_id,
        site_id=site.site_id,
        subject_code=code,
        amount=amount,
    )


# ---------------------------------------------------------------- effects


def orders_keeping_fees(session: Session, site_ids: Sequence[int]) -> tuple[int, int]:
    """(open, paid) orders of these sites: they keep the fees they were made with (R12.5)."""
    rows = session.execute(
        select(PaymentOrder.state, func.count())
        .where(PaymentOrder.site_id.in_(site_ids))
        .group_by(PaymentOrder.state)
    )
    counts = {state: number for state, number in rows}  # noqa: C416 - rows are not pairs to mypy
    return counts.get(OrderState.OPEN.value, 0), counts.get(OrderState.PAID.value, 0)


def entries_without_order(session: Session, subjects: Mapping[int, Sequence[str]]) -> int:
    """How many entries of these subjects ({site id: codes}) have no order yet: what the fee
    becomes is theirs."""
    if not any(subjects.values()):
        return 0
    rows = session.execute(
        select(Entry.site_id, Entry.subject_code, func.count())
        .where(Entry.site_id.in_(subjects), Entry.state == EntryState.UNPAID.value)
        .group_by(Entry.site_id, Entry.subject_code)
    )
    return sum(number for site, code, number in rows if code in subjects.get(site or 0, ()))


def candidates_without_order(session: Session, site_ids: Sequence[int]) -> int:
    """How many candidates of these sites have entries to pay and no order or payment yet: what
    the 人次费 becomes is theirs."""
    if not site_ids:
        return 0
    ordered = aliased(Entry)
    has_order = (
        select(ordered.id)
        .where(
            ordered.registration_id == Entry.registration_id,
            ordered.state.in_(_ORDERED),
        )
        .exists()
    )
    statement = select(func.count(Entry.registration_id.distinct())).where(
        Entry.site_id.in_(site_ids), Entry.state == EntryState.UNPAID.value, ~has_order
    )
    return session.scalar(statement) or 0


def effects(session: Session, changes: Sequence[GridChange]) -> list[Message]:
    """What changed fees mean for orders, for entries without one, and for what becomes unset."""
    site_ids = [change.site.id for change in changes]
    found: list[Message] = []
    opened, paid = orders_keeping_fees(session, site_ids)
    if opened or paid:
        text = N_("已生成的订单保持原来的费用：待支付 {opened} 个，已支付 {paid} 个。")
        found.append(Message(text, opened=opened, paid=paid))
    found += _of_entries(session, changes)
    found += _of_candidates(session, changes)
    values = [value for change in changes for value in change.after.values()]
    if free := sum(value == 0 for value in values):
        found.append(Message(N_("{count} 项费用设为 0 元：考生无需付款。"), count=free))
    if unset := sum(value is None for value in values):
        text = N_("{count} 项费用改为未设置：在重新设置之前不能报考和支付。")
        found.append(Message(text, count=unset))
    return found


def _of_entries(session: Session, changes: Sequence[GridChange]) -> Iterator[Message]:
    """Entries without an order: what the new subject fees, or none, mean for them."""
    for is_set, text in (
        (True, N_("尚未生成订单的 {count} 科次将按新费用支付。")),
        (False, N_("尚未生成订单的 {count} 科次因科目费未设置，暂不能支付。")),
    ):
        subjects = {
            change.site.id: [
                code
                for code, amount in change.after.items()
                if code != PERSON_FEE and (amount is not None) is is_set
            ]
            for change in changes
        }
        if count := entries_without_order(session, subjects):
            yield Message(text, count=count)


def _of_candidates(session: Session, changes: Sequence[GridChange]) -> Iterator[Message]:
    """The same for candidates, whose first order holds the 人次费."""
    for is_set, text in (
        (True, N_("尚未生成订单的 {count} 名考生将按新的人次费支付。")),
        (False, N_("尚未生成订单的 {count} 名考生因人次费未设置，暂不能支付。")),
    ):
        site_ids = [
            change.site.id
            for change in changes
            if PERSON_FEE in change.after and (change.after[PERSON_FEE] is not None) is is_set
        ]
        if count := candidates_without_order(session, site_ids):
            yield Message(text, count=count)


def copy(
    session: Session, sites: Sequence[Organisation], _columns: object, exam: Exam
) -> dict[str, dict[str, int]]:
    """The fees of an earlier session by organisation code (R0.6b)."""
    found: dict[str, dict[str, int]] = {}
    with elevated(session, "copy fees of the last session", Fee):
        rows = session.execute(
            select(Organisation.code, Fee.subject_code, Fee.amount)
            .join(Organisation, Organisation.id == Fee.site_id)
            .where(Fee.exam_id == exam.id, Organisation.code.in_([site.code for site in sites]))
        ).all()
    for code, subject, amount in rows:
        found.setdefault(code, {})[subject] = amount
    return found


def notices(
    _session: Session, actor: Actor, rows: Sequence[Mapping[str, GridCell]]
) -> list[Message | str]:
    """R12.2: what is unset, and whom to ask."""
    unset = sum(cell.value is None for row in rows for cell in row.values())
    if not unset:
        return []
    if actor.level is Level.PROVINCE:
        text = N_("本页有 {count} 项费用未设置；未设置费用的科目不能报考和缴费，免费请填 0。")
    else:
        text = N_("本页有 {count} 项费用未设置，相应科目不能报考和缴费。请联系省级管理员设置。")
    return [Message(text, count=unset)]


FEES = register(
    Grid(
        name="fee",
        label=N_("考点费用设置"),
        menu=Place(Area.SETUP, 30),
        verbs={
            Level.CENTER: ONLY_VIEW,
            Level.PROVINCE: FILL_IN,
            Level.CITY: ONLY_VIEW,
            Level.SITE: ONLY_VIEW,
        },
        writes=(Fee,),
        columns=columns,
        read=read,
        check=check,
        save=save,
        effects=effects,
        copy=copy,
        notices=notices,
        stored=(StoredCells(Fee, key="subject_code"),),
        help=N_("费用由省设置：人次费每名考生收一次，科目费按报考科目收。已生成的订单保持原费用。"),
    )
)
