"""What must answer before people are sent here."""

from __future__ import annotations

from app.database import migrate
from app.jobs.machine import machine_of
from app.runtime import Runtime


def readiness(runtime: Runtime) -> dict[str, bool]:
    """{what: ready} of the queue, the file store and the migrations; the database answers."""
    machine = machine_of(runtime)
    return {
        "queue": machine.queue.answers(),
        "files": machine.files.is_writable(),
        "migrations": migrate.current(runtime.engine) == migrate.head(),
    }
