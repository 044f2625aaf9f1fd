"""The rows of the jobs: who holds one, how it ends. Every change is a conditional UPDATE, so
that a job may be sent, started and handed back twice without a second effect."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, and_, or_, select, update
from sqlalchemy.orm import Session

from app.database.unit_of_work import reading, run_unit
from app.jobs.machine import Machine
from app.metadata.actor import system
from app.metadata.errors import N_
from app.metadata.sentences import kept
from app.models.job import JobRun, JobState

BOOKKEEPING = system("jobs")
ERROR_LENGTH = 300
#: shown when every worker that took the job died with it
DIED = N_("执行任务的进程多次意外中止，任务没有完成。请重试；若仍不成功，请联系系统管理员。")


@dataclass(frozen=True, slots=True)
class Order:
    """A claimed job: plain values of its row, and the token that proves the claim."""

    id: int
    token: str
    kind: str
    declaration: str
    parameters: Mapping[str, Any]
    exam_id: int
    passport_id: int | None
    actor_level: str
    actor_name: str
    on_behalf_of: str | None
    source_file_id: int | None
    file_digest: str | None
    attempt: int
    cancel_requested: bool


def change(session: Session, condition: ColumnElement[bool], **values: Any) -> int:
    """Update the job rows that meet the condition; how many did."""
    result: CursorResult[Any] = session.execute(  # type: ignore[assignment] # typed as rows
        update(JobRun)
        .where(condition)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return result.rowcount


def held(order: Order) -> ColumnElement[bool]:
    """Condition: the job is still ours."""
    return and_(
        JobRun.id == order.id,
        JobRun.token == order.token,
        JobRun.state == JobState.RUNNING.value,
    )


def _silent(machine: Machine, now: dt.datetime) -> ColumnElement[bool]:
    """Condition: running, but its worker has not been heard of for too long."""
    return and_(
        JobRun.state == JobState.RUNNING.value,
        or_(
            JobRun.heartbeat_at.is_(None),
            JobRun.heartbeat_at < now - machine.timing.dead_after,
        ),
    )


def claim(machine: Machine, job_id: int) -> Order | None:
    """Take a queued job, or one whose worker is dead. None: it is not (or no longer) to be done.

    A job that was tried too often is closed as failed instead.
    """
    now, token = machine.clock(), uuid.uuid4().hex

    def take(session: Session) -> Order | None:
        free = or_(JobRun.state == JobState.QUEUED.value, _silent(machine, now))
        mine = and_(JobRun.id == job_id, free)
        if change(session, and_(mine, JobRun.attempt >= machine.timing.attempts), **_dead(now)):
            return None
        taken = change(
            session,
            mine,
            state=JobState.RUNNING.value,
            token=token,
            attempt=JobRun.attempt + 1,
            heartbeat_at=now,
            started_at=now,
            progress=0,
        )
        row = session.get(JobRun, job_id) if taken == 1 else None
        return None if row is None else _order(row, token)

    return run_unit(machine.factory, BOOKKEEPING, take)


def _order(row: JobRun, token: str) -> Order:
    return Order(
        id=row.id,
        token=token,
        kind=row.kind,
        declaration=row.declaration,
        parameters=row.parameters,
        exam_id=row.exam_id,
        passport_id=row.passport_id,
        actor_level=row.actor_level,
        actor_name=row.actor_name,
        on_behalf_of=row.on_behalf_of,
        source_file_id=row.source_file_id,
        file_digest=row.file_digest,
        attempt=row.attempt,
        cancel_requested=row.cancel_requested,
    )


def _dead(now: dt.datetime) -> dict[str, Any]:
    return {
        "state": JobState.FAILED.value,
        "error": DIED,
        "finished_at": now,
        "token": None,
    }


def beat(
    machine: Machine,
    order: Order,
    progress: int,
    total: int | None,
    stage: Mapping[str, str] | None = None,
) -> bool | None:
    """Write heartbeat and progress. True: somebody asked to cancel; None: the job is not ours."""
    told = {} if stage is None else {"result": dict(stage)}

    def write(session: Session) -> bool | None:
        found = session.execute(
            update(JobRun)
            .where(held(order))
            .values(heartbeat_at=machine.clock(), progress=progress, total=total, **told)
            .returning(JobRun.cancel_requested)
            .execution_options(synchronize_session=False)
        ).first()
        return None if found is None else bool(found[0])

    return run_unit(machine.factory, BOOKKEEPING, write)


def close(machine: Machine, order: Order, state: JobState, error: str | None = None) -> bool:
    """End a job of ours without an effect. False: it was not ours any more.

    `error` is shortened for lists; the job's page shows the sentence in the reader's language.
    """

    def write(session: Session) -> bool:
        return bool(
            change(
                session,
                held(order),
                state=state.value,
                error=error[:ERROR_LENGTH] if error else None,
                result={"error": kept(error)} if error else {},
                finished_at=machine.clock(),
                token=None,
            )
        )

    return run_unit(machine.factory, BOOKKEEPING, write)


def hand_back(machine: Machine) -> int:
    """Runs whose worker is dead are queued again, or failed after the last attempt."""
    now = machine.clock()

    def write(session: Session) -> int:
        silent = _silent(machine, now)
        failed = change(
            session, and_(silent, JobRun.attempt >= machine.timing.attempts), **_dead(now)
        )
        again = {"state": JobState.QUEUED.value, "token": None, "sent_at": None}
        return failed + change(session, silent, **again)

    with reading(machine.factory, BOOKKEEPING) as session:
        if session.scalar(select(JobRun.id).where(_silent(machine, now)).limit(1)) is None:
            return 0  # the usual case takes no write lock
    return run_unit(machine.factory, BOOKKEEPING, write)


def resend(machine: Machine) -> int:
    """Push queued jobs that the queue does not hold; how many. Stops at the first failure."""
    now = machine.clock()
    old = or_(JobRun.sent_at.is_(None), JobRun.sent_at < now - machine.timing.resend)
    with reading(machine.factory, BOOKKEEPING) as session:
        due = list(
            session.scalars(
                select(JobRun.id)
                .where(JobRun.state == JobState.QUEUED.value, old)
                .order_by(JobRun.id)
                .limit(1000)
            )
        )
    waiting = machine.queue.waiting() if due else None
    if waiting is None:
        return 0
    sent = []
    for job_id in due:
        if job_id in waiting:
            continue
        if not machine.queue.push(job_id):
            break
        sent.append(job_id)
    if sent:
        run_unit(
            machine.factory,
            BOOKKEEPING,
            lambda session: change(session, JobRun.id.in_(sent), sent_at=now),
        )
    return len(sent)
