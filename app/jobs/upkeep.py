"""The upkeep process: `python -m app.jobs.upkeep [--once]`.

Does whatever has come due: sends jobs again, hands back those of dead workers, runs the sweeps
that rules have registered (`app.metadata.due`), sends messages, deletes old files. Each task has
transactions of its own; one that fails is logged and tried again at its next time. Two upkeep
processes at once do no harm.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import select

from app.adapters.messages import deliverer
from app.database.unit_of_work import reading, run_unit
from app.jobs import file_expiry, invitations, ledger, payments
from app.jobs.machine import Machine, machine_of
from app.metadata import due
from app.metadata.actor import Actor, system
from app.metadata.due import DueWork
from app.metadata.vocabulary import ExamState
from app.models.exam import Exam
from app.rules import messages, rate_limit
from app.rules.account import codes
from app.runtime import Runtime, start
from config import Settings, SettingsError

logger = logging.getLogger("kaowu.upkeep")
_HOUR = 3600.0


@dataclass(slots=True)
class Task:
    """One thing that is done again and again; `every` seconds lie between two runs."""

    name: str
    every: float
    run: Callable[[], int | None]
    due_at: float = field(default=float("-inf"))


def tasks_of(machine: Machine, deliver: messages.Deliver) -> list[Task]:
    """All tasks: the house's own first, then the registered sweeps."""
    pace = machine.timing.upkeep

    def send() -> int:
        sent = messages.send_queued(machine.factory, deliver, clock=machine.clock)
        return sent.sent + sent.failed

    own = [
        Task("hand back dead jobs", pace, partial(ledger.hand_back, machine)),
        Task("send jobs", pace, partial(ledger.resend, machine)),
        Task("send messages", pace, send),
        Task("delete expired files", 60, partial(file_expiry.delete_expired_files, machine)),
    ]
    sweeps = [
        DueWork("delete old messages", _HOUR, False, lambda s, at: messages.sweep(s, at())),
        DueWork("delete old counters", _HOUR, False, lambda s, at: rate_limit.sweep(s, at())),
        DueWork("delete old codes", _HOUR, False, lambda s, at: codes.sweep(s, at())),
        *due.all_due_work(),
    ]
    return own + [Task(work.name, work.every, partial(_sweep, machine, work)) for work in sweeps]


def payment_tasks(runtime: Runtime) -> list[Task]:
    """What needs the payment gateway: expiry of the unpaid, the sandbox bank's late notices."""
    return [
        Task("expire unpaid entries", 30, partial(payments.expire, runtime)),
        Task("sandbox bank's late notices", 5, partial(payments.send_late_notices, runtime)),
    ]


def account_tasks(runtime: Runtime) -> list[Task]:
    """What needs the addresses of the entries: links that open imported accounts."""
    return [Task("send activation links", 5, partial(invitations.send, runtime))]


def _sweep(machine: Machine, work: DueWork) -> int:
    return sum(
        run_unit(machine.factory, actor, lambda session: work.sweep(session, machine.clock)) or 0
        for actor in _actors(machine, work)
    )


def _actors(machine: Machine, work: DueWork) -> Iterator[Actor]:
    if not work.per_exam:
        yield system(work.name)
        return
    current = select(Exam.id).where(Exam.state == ExamState.CURRENT.value)
    with reading(machine.factory, ledger.BOOKKEEPING) as session:
        exams = list(session.scalars(current))
    for exam_id in exams:
        yield system(work.name, exam_id)


def run_due(tasks: Sequence[Task], now: float) -> int:
    """Run every task whose time has come (monotonic seconds). How many failed."""
    failed = 0
    for task in tasks:
        if now < task.due_at:
            continue
        task.due_at = now + task.every
        try:
            done = task.run()
        except Exception:
            failed += 1
            logger.exception("upkeep: %s failed; tried again in %g s", task.name, task.every)
        else:
            if done:
                logger.info("upkeep: %s, %d", task.name, done)
    return failed


def serve(tasks: Sequence[Task], pace: float, stop: threading.Event) -> None:
    """Run what is due, again and again, until `stop` is set."""
    while not stop.is_set():
        run_due(tasks, time.monotonic())
        stop.wait(pace)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: with `--once`, 1 where a task failed."""
    parser = argparse.ArgumentParser(prog="python -m app.jobs.upkeep")
    parser.add_argument("--once", action="store_true", help="do what is due and end (for timers)")
    once = parser.parse_args(arguments).once
    try:
        settings = Settings.from_environment(os.environ)
        deliver = deliverer(settings.mail_url, settings.mail_sender, settings.sms_url)
        runtime = start(settings)
    except (SettingsError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(name)s %(message)s")
    machine = machine_of(runtime)
    tasks = tasks_of(machine, deliver) + payment_tasks(runtime) + account_tasks(runtime)
    if once:
        return 1 if run_due(tasks, 0.0) else 0
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    serve(tasks, machine.timing.upkeep, stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
