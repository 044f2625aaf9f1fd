"""A worker process: `python -m app.jobs.worker`.

Takes numbers from the queue and runs the jobs behind them, each in a process of its own. At its
start it does what the upkeep does, so that nothing waits for that one.
"""

from __future__ import annotations

import logging
import os
import sys

import redis
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from app.adapters.queue import QUEUE_NAME
from app.jobs import bulk, engine, ledger  # noqa: F401 - bulk registers its handlers
from app.jobs.machine import Machine, machine_of
from app.runtime import Runtime, start
from config import Settings, SettingsError

logger = logging.getLogger("kaowu.worker")
_runtime: Runtime | None = None


def process_runtime() -> Runtime:
    """The runtime of this process; started on first use."""
    global _runtime  # noqa: PLW0603 - one per process
    if _runtime is None:
        _runtime = start(Settings.from_environment(os.environ))
    return _runtime


def perform(job_id: str) -> str:
    """What the queue calls, in the child that RQ has forked for this job."""
    runtime = process_runtime()
    # The connections that came over the fork belong to the parent: leave them, do not close them.
    runtime.engine.dispose(close=False)
    try:
        return engine.execute(machine_of(runtime), int(job_id))
    finally:
        runtime.engine.dispose()


def reconcile(machine: Machine) -> None:
    """Hand back what dead workers held, and send what was not sent."""
    handed = ledger.hand_back(machine)
    sent = ledger.resend(machine)
    if handed or sent:
        logger.info("at start: %d handed back, %d sent", handed, sent)


def main() -> int:
    """Serve until a signal; the exit code."""
    try:
        runtime = process_runtime()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    logging.basicConfig(
        level=runtime.settings.log_level, format="%(levelname)s %(name)s %(message)s"
    )
    reconcile(machine_of(runtime))
    runtime.engine.dispose()  # no open connection may be carried over the forks
    connection = redis.Redis.from_url(runtime.settings.redis_url)
    queue = Queue(QUEUE_NAME, connection=connection, serializer=JSONSerializer)
    worker = Worker(
        [queue], connection=connection, serializer=JSONSerializer, log_job_description=False
    )
    worker.work(logging_level=runtime.settings.log_level)
    return 0


if __name__ == "__main__":
    sys.exit(main())
