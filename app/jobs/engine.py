"""Jobs: write the row, release its number after the commit, run it once wherever it is picked up.

A job is a row (`JobRun`); the queue carries its number. `execute` claims the row, loads the actor
anew, asks the policy again, and hands a `Work` to the handler of the job's kind. The effect and
“done” are one transaction that holds only while the claim does, so a job can be sent and started
any number of times.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import and_
from sqlalchemy.orm import Session

from app.database.policy import actor_of, elevated
from app.database.session import KaowuSession
from app.database.unit_of_work import after_commit, reading, run_unit
from app.jobs import ledger
from app.jobs.declarations import JOBS  # noqa: F401 - declared wherever jobs can be asked for
from app.jobs.files import row_by_id
from app.jobs.ledger import Order
from app.jobs.machine import Machine
from app.jobs.outcome import Outcome
from app.jobs.pulse import Pulse
from app.metadata import registry
from app.metadata.actor import Actor, system
from app.metadata.declarations import Declaration
from app.metadata.errors import N_, KaowuError, Message, NotFound, PolicyDenied
from app.metadata.vocabulary import Verb
from app.models.exam import Exam, OperationWindow
from app.models.job import JobRun, JobState
from app.rules import actors, audit, availability, policy, windows

logger = logging.getLogger("kaowu.jobs")

#: what the matrix must grant for a job of a kind
VERBS = {
    "import": Verb.RUN,
    "document": Verb.GENERATE,
    "operation": Verb.RUN,
    "export": Verb.EXPORT,
}
BROKEN = N_("任务执行时出现错误，没有完成。请重试；若仍不成功，请把任务编号 {number} 告诉管理员。")


class NoExam(PolicyDenied):
    """Jobs belong to a session of the exam."""

    code = "job.no_exam"


class NotCancellable(KaowuError):
    """The job has ended already."""

    code = "job.not_cancellable"
    template = N_("任务已经结束，不能取消。")
    status = 409


class NotRetryable(KaowuError):
    """Only failed and cancelled jobs are tried again."""

    code = "job.not_retryable"
    template = N_("只有失败或已取消的任务可以重试。")
    status = 409


class Interrupted(Exception):
    """Work must stop; nothing of it is kept."""


class JobCancelled(Interrupted):
    """Somebody asked to cancel."""


class LostClaim(Interrupted):
    """Somebody else holds the job now."""


Effect = Callable[[KaowuSession], Outcome]
Handler = Callable[["Work"], None]
_handlers: dict[tuple[str, str], Handler] = {}


def handles(kind: str, declaration: str = "") -> Callable[[Handler], Handler]:
    """Register the handler of a kind of job, or of the jobs of one declaration."""

    def register(handler: Handler) -> Handler:
        _handlers[kind, declaration] = handler
        return handler

    return register


# ---------------------------------------------------------------- asking for a job


def enqueue(
    session: Session,
    machine: Machine,
    *,
    kind: str,
    declaration: Declaration,
    parameters: Mapping[str, Any],
    total: int | None = None,
    source_file_id: int | None = None,
    file_digest: str | None = None,
) -> JobRun:
    """Write the row of a job for the session's actor; its number is sent after the commit.

    `parameters` is JSON. Raises what the policy refuses now; it is asked again when the job runs.
    """
    actor = actor_of(session)
    if actor.exam_id is None:
        raise NoExam()
    availability.require(session, declaration.name, actor)
    policy.check(session, declaration, VERBS[kind], actor, machine.clock).require()
    run = JobRun(
        exam_id=actor.exam_id,
        province_id=actor.province_id,
        city_id=actor.city_id,
        site_id=actor.site_id,
        kind=kind,
        declaration=declaration.name,
        passport_id=actor.passport_id,
        actor_level="system" if actor.is_system else actor.level.value,
        actor_name=(actor.task or actor.name)[:60],
        organisation_code=actor.organisation_code,
        on_behalf_of=actor.on_behalf_of,
        parameters=dict(parameters),
        total=total,
        source_file_id=source_file_id,
        file_digest=file_digest,
        sent_at=machine.clock(),
    )
    session.add(run)
    session.flush()
    audit.record(session, f"job.{kind}.add", row=run, title=declaration.label)
    release(session, machine, run.id)
    return run


def release(session: Session, machine: Machine, job_id: int) -> None:
    """Send the number when the transaction has committed: one try; the upkeep does the rest."""
    after_commit(session, lambda: _push(machine, job_id))


def _push(machine: Machine, job_id: int) -> None:
    machine.queue.push(job_id)


def visible_run(session: Session, job_id: int) -> JobRun:
    """A job of the actor's scope; NotFound otherwise (P1)."""
    run = row_by_id(session, JobRun, job_id)
    if run is None:
        raise NotFound()
    return run


def may_handle(actor: Actor, run: JobRun) -> bool:
    """May the actor cancel or retry it: his own, or one that he could have started himself."""
    own = actor.passport_id is not None and run.passport_id == actor.passport_id
    return own or may(actor, run, VERBS[run.kind])


def may(actor: Actor, run: JobRun, verb: Verb) -> bool:
    """Does the matrix grant the actor this verb on what the job is of?"""
    declaration = _declaration(run.declaration)
    return declaration is not None and policy.granted(declaration, verb, actor)


def cancel(session: Session, machine: Machine, job_id: int) -> JobRun:
    """Cancel at once what waits, or ask the worker to stop. Raises NotCancellable."""
    run = _handled(session, job_id)
    now = machine.clock()
    waiting = and_(JobRun.id == run.id, JobRun.state == JobState.QUEUED.value)
    running = and_(JobRun.id == run.id, JobRun.state == JobState.RUNNING.value)
    stopped = {"state": JobState.CANCELLED.value, "finished_at": now}
    if not ledger.change(session, waiting, cancel_requested=True, **stopped) and (
        not ledger.change(session, running, cancel_requested=True)
    ):
        raise NotCancellable()
    audit.record(session, f"job.{run.kind}.cancel", row=run, title=run.declaration)
    return run


def retry(session: Session, machine: Machine, job_id: int) -> JobRun:
    """Queue a failed or cancelled job again, with its attempts counted from none."""
    run = _handled(session, job_id)
    ended = JobRun.state.in_([JobState.FAILED.value, JobState.CANCELLED.value])
    if not ledger.change(
        session,
        and_(JobRun.id == run.id, ended),
        state=JobState.QUEUED.value,
        attempt=0,
        cancel_requested=False,
        error=None,
        finished_at=None,
        progress=0,
        sent_at=machine.clock(),
    ):
        raise NotRetryable()
    audit.record(session, f"job.{run.kind}.retry", row=run, title=run.declaration)
    release(session, machine, run.id)
    return run


def _handled(session: Session, job_id: int) -> JobRun:
    run = visible_run(session, job_id)
    if not may_handle(actor_of(session), run):
        raise PolicyDenied()
    return run


def _declaration(name: str) -> Declaration | None:
    try:
        return registry.get(name)
    except KeyError:
        return None


# ---------------------------------------------------------------- running it


@dataclass(slots=True)
class Work:
    """One claimed job, as its handler sees it."""

    machine: Machine
    order: Order
    declaration: Any
    pulse: Pulse
    ended: bool = False

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.order.parameters

    @property
    def verb(self) -> Verb:
        return VERBS[self.order.kind]

    def progress(self, done: int, total: int | None = None) -> None:
        """Say how far it is; also a checkpoint."""
        self.pulse.done = done
        if total is not None:
            self.pulse.total = total
        self.checkpoint()

    def stage(self, name: str, total: int | None = None) -> None:
        """Begin the next part of the work, counted from none; `name` is a msgid."""
        self.pulse.stage = {"stage": name, "begun": self.clock().isoformat()}
        self.progress(0, total)

    def checkpoint(self) -> None:
        """Raise JobCancelled or LostClaim where work must stop."""
        if self.pulse.lost:
            raise LostClaim
        if self.pulse.cancel:
            raise JobCancelled

    def actor(self) -> Actor:
        """The person who asked, as he is now; his right is checked again. Raises refusals."""
        order = self.order
        with reading(self.machine.factory, ledger.BOOKKEEPING) as session:
            actor = _load_actor(session, order)
        with reading(self.machine.factory, actor) as session:
            availability.require(session, self.declaration.name, actor)
            policy.check(session, self.declaration, self.verb, actor, self.clock).require()
        return actor

    @property
    def clock(self) -> Any:
        return self.machine.clock

    @contextmanager
    def reading(self) -> Iterator[KaowuSession]:
        """A read-only session of the actor."""
        with reading(self.machine.factory, self.actor()) as session:
            yield session

    def finish(self, effect: Effect, state: JobState = JobState.DONE) -> None:
        """Run the effect and end the job, in one transaction; both or neither.

        Windows and session state are asked once more at its end (N2). `effect` may be called
        again when the transaction met a deadlock. Raises LostClaim, JobCancelled, refusals.
        """
        actor = self.actor()

        def unit(session: KaowuSession) -> None:
            outcome = effect(session)
            session.flush()
            recheck(session, self.declaration, self.verb, self.clock)
            self.checkpoint()
            with elevated(session, "end own job", JobRun):
                ended = ledger.change(
                    session,
                    ledger.held(self.order),
                    state=state.value,
                    finished_at=self.clock(),
                    token=None,
                    **outcome.values(),
                )
            if ended != 1:
                raise LostClaim

        run_unit(self.machine.factory, actor, unit, request_id=f"job {self.order.id}")
        self.ended = True

    def refuse(self, outcome: Outcome) -> None:
        """End the job without an effect: an import with errors."""

        def unit(session: KaowuSession) -> None:
            values = outcome.values() | {"finished_at": self.clock(), "token": None}
            rejected = JobState.REJECTED.value
            if ledger.change(session, ledger.held(self.order), state=rejected, **values) != 1:
                raise LostClaim

        run_unit(self.machine.factory, ledger.BOOKKEEPING, unit)
        self.ended = True


def recheck(session: Session, declaration: Declaration, verb: Verb, clock: Any) -> None:
    """Ask the policy anew, with windows and session state read from the database now."""
    windows.forget(session)
    session.info.pop("kaowu_exam_states", None)
    for row in session.identity_map.values():
        if isinstance(row, OperationWindow):
            session.expire(row)
    policy.check(session, declaration, verb, actor_of(session), clock).require()


def _load_actor(session: Session, order: Order) -> Actor:
    if order.actor_level == "system":
        return system(order.actor_name, order.exam_id)
    exam = session.get(Exam, order.exam_id)
    if exam is None or order.passport_id is None:
        raise actors.NotBound()
    actor = actors.load_administrator(session, order.passport_id, exam)
    return replace(actor, on_behalf_of=order.on_behalf_of)


def execute(machine: Machine, job_id: int) -> str:
    """Run a job, if it is to be run. Never raises for the job's sake; returns the state that it
    reached, "lost" when it was handed to somebody else meanwhile, or "not mine"."""
    order = ledger.claim(machine, job_id)
    if order is None:
        logger.info("job %d is not to be run", job_id)
        return "not mine"
    logger.info("job %d: %s %s, attempt %d", job_id, order.kind, order.declaration, order.attempt)
    with Pulse(machine, order) as pulse:
        return _run(machine, order, pulse)


def _run(machine: Machine, order: Order, pulse: Pulse) -> str:
    try:
        declaration = registry.get(order.declaration)
        work = Work(machine, order, declaration, pulse)
        work.checkpoint()
        work.actor()
        handler = _handlers.get((order.kind, order.declaration)) or _handlers[order.kind, ""]
        handler(work)
        if not work.ended:
            work.finish(lambda _session: Outcome())
    except JobCancelled:
        return _close(machine, order, JobState.CANCELLED)
    except LostClaim:
        logger.warning("job %d was handed to another worker", order.id)
        return "lost"
    except KaowuError as error:
        logger.info("job %d refused: %s", order.id, error.code)
        return _close(machine, order, JobState.FAILED, error.as_message())
    except Exception:
        logger.exception("job %d failed", order.id)
        return _close(machine, order, JobState.FAILED, Message(BROKEN, number=order.id))
    return "done"


def _close(machine: Machine, order: Order, state: JobState, error: str | None = None) -> str:
    return state.value if ledger.close(machine, order, state, error) else "lost"
