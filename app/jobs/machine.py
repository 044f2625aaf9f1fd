"""What jobs run on: database, queue, files, clock, and how long they wait for one another."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import lru_cache

from sqlalchemy.orm import sessionmaker

from app.adapters.files import FileStore
from app.adapters.queue import JobQueue, job_queue
from app.database.session import KaowuSession
from app.rules.clock import Clock, system_clock
from app.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Timing:
    """Intervals. `pulse` and `resend` are seconds between two looks; a run whose heartbeat is
    older than `dead_after` has lost its worker; it is tried `attempts` times in all."""

    pulse: float = 1.0
    dead_after: dt.timedelta = dt.timedelta(seconds=60)
    resend: dt.timedelta = dt.timedelta(seconds=10)
    upkeep: float = 5.0
    attempts: int = 3


@dataclass(frozen=True, slots=True)
class Machine:
    """Handed to everything in `app.jobs`; the same in web, worker, upkeep and tests."""

    factory: sessionmaker[KaowuSession]
    queue: JobQueue
    files: FileStore
    clock: Clock = system_clock
    timing: Timing = field(default_factory=Timing)
    #: largest upload in bytes, most rows of one sheet (declarations may ask for less)
    import_max_bytes: int = 20 * 1024 * 1024
    import_max_rows: int = 20_000
    #: bytes of memory that the reading of an upload may take, in a process of its own
    import_max_memory: int = 180 * 1024 * 1024


@lru_cache(maxsize=8)
def _file_store(url: str) -> FileStore:
    return FileStore(url)


def machine_of(runtime: Runtime, clock: Clock = system_clock) -> Machine:
    """The machine of a process; cheap, connections are shared."""
    settings = runtime.settings
    return Machine(
        factory=runtime.factory,
        queue=job_queue(settings.redis_url),
        files=_file_store(settings.files_url),
        clock=clock,
        timing=Timing(
            dead_after=dt.timedelta(seconds=settings.job_dead_seconds),
            upkeep=settings.upkeep_seconds,
            pulse=min(1.0, settings.job_dead_seconds / 4),
            resend=dt.timedelta(seconds=min(10, settings.job_dead_seconds)),
        ),
        import_max_bytes=settings.import_max_bytes,
        import_max_rows=settings.import_max_rows,
        import_max_memory=settings.import_max_memory,
    )
