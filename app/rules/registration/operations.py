"""What a site does to registrations in the list (chapters 25, 26): review, lock, unlock.

Per candidate: who cannot be done is skipped and reported with the reason (domain.md §4.7).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from app.metadata.declarations import ONLY_RUN, On, Operation, RowOutcome
from app.metadata.errors import N_, KaowuError
from app.metadata.fields import Field, Kind
from app.metadata.registry import register
from app.metadata.vocabulary import Level, Personal, Window
from app.models.registration import REJECTIONS, Registration, Review
from app.rules.registration import locking, permits, review

_BOTH = frozenset({On.ROW, On.SELECTION, On.QUERY})


def _each(
    session: Session, rows: Sequence[Registration], deed: Callable[[Registration], object]
) -> list[RowOutcome]:
    """Do it to every row in a savepoint of its own; a refusal skips the row."""
    outcomes = []
    for row in rows:
        try:
            with session.begin_nested():
                deed(row)
        except KaowuError as refusal:
            outcomes.append(RowOutcome(row.id, row.name, False, str(refusal)))
        else:
            outcomes.append(RowOutcome(row.id, row.name, True))
    return outcomes


def _approve(session: Session, rows: Any, _values: Any, context: Any) -> list[RowOutcome]:
    return _each(session, rows, lambda row: review.approve(session, row.id, clock=context.clock))


def _reject(
    session: Session, rows: Any, values: Mapping[str, Any], context: Any
) -> list[RowOutcome]:
    return _each(
        session,
        rows,
        lambda row: review.reject(
            session, row.id, values["reject_type"], values["reject_reason"], clock=context.clock
        ),
    )


def _submit(session: Session, rows: Any, _values: Any, context: Any) -> list[RowOutcome]:
    return _each(
        session, rows, lambda row: review.submit_by_site(session, row.id, clock=context.clock)
    )


def _lock(session: Session, rows: Any, _values: Any, _context: Any) -> list[RowOutcome]:
    return _each(session, rows, lambda row: locking.lock(session, row.id))


def _unlock(session: Session, rows: Any, _values: Any, context: Any) -> list[RowOutcome]:
    return _each(session, rows, lambda row: locking.unlock(session, row.id, clock=context.clock))


def _only_pending(row: Registration) -> str | None:
    return None if row.review == Review.PENDING.value else N_("不是待审核状态")


def _only_reviewable(row: Registration) -> str | None:
    reviewable = row.review in (Review.PENDING.value, Review.APPROVED.value)
    return None if reviewable else N_("不是待审核或已通过状态")


def _only_open(row: Registration) -> str | None:
    open_states = (Review.OPEN.value, Review.REJECTED.value)
    return None if row.review in open_states else N_("已提交审核，或考点不需要审核")


def _only_locked(row: Registration) -> str | None:
    return None if row.locked else N_("未锁定")


def _only_unlocked(row: Registration) -> str | None:
    return N_("已锁定") if row.locked else None


def _operation(name: str, label: str, apply: Callable[..., Any], **more: Any) -> Operation:
    return register(
        Operation(
            name=f"registration_{name}",
            label=label,
            resource="registration",
            on=_BOTH,
            apply=apply,
            verbs={Level.SITE: ONLY_RUN},
            window=Window.REGISTRATION,
            writes=permits.TABLES,
            **more,
        )
    )


APPROVE = _operation(
    "approve",
    N_("设置审核通过"),
    _approve,
    confirm=N_("确定将 {count} 名考生的报名信息设置为审核通过？"),
    allowed=_only_pending,
    icon="fa-check",
)
REJECT = _operation(
    "reject",
    N_("设置审核不通过"),
    _reject,
    confirm=N_("确定将 {count} 名考生的报名信息设置为审核不通过？"),
    danger=True,
    allowed=_only_reviewable,
    icon="fa-xmark",
    fields=(
        Field(
            name="reject_type",
            label=N_("不通过类型"),
            personal=Personal.NONE,
            kind=Kind.CHOICE,
            choices=REJECTIONS,
            required=True,
        ),
        Field(
            name="reject_reason",
            label=N_("不通过原因"),
            personal=Personal.NONE,
            required=True,
            max_length=200,
        ),
    ),
)
SUBMIT = _operation(
    "submit",
    N_("提交审核"),
    _submit,
    confirm=N_("确定提交 {count} 名考生的报名信息审核？提交后信息将锁定。"),
    allowed=_only_open,
    icon="fa-paper-plane",
)
LOCK = _operation(
    "lock",
    N_("锁定报名信息"),
    _lock,
    confirm=N_("确定锁定 {count} 名考生的报名信息？锁定后考生不能再修改。"),
    allowed=_only_unlocked,
    icon="fa-lock",
)
UNLOCK = _operation(
    "unlock",
    N_("解锁报名信息"),
    _unlock,
    confirm=N_("确定解锁 {count} 名考生的报名信息？待审核的将退回未提交。"),
    allowed=_only_locked,
    icon="fa-lock-open",
)
