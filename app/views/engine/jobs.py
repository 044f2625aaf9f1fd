"""Long work of the engine goes to the job engine; its page shows progress and result."""

from __future__ import annotations

from typing import Any, cast

from flask import current_app, url_for
from flask_babel import gettext

from app.jobs.engine import enqueue as queue_job
from app.jobs.machine import Machine, machine_of
from app.metadata import registry
from app.metadata.declarations import Declaration
from app.models.job import JobRun
from app.views import request as context


def machine() -> Machine:
    """What the process needs to queue jobs; made on first use."""
    if "kaowu_machine" not in current_app.extensions:
        current_app.extensions["kaowu_machine"] = machine_of(context.runtime(), context.clock())
    return cast(Machine, current_app.extensions["kaowu_machine"])


def queue(
    kind: str, declaration: Declaration, parameters: dict[str, Any], *, total: int | None = None
) -> int:
    """Queue one run ("export" or "operation") in a unit of work; returns its number."""
    engine = machine()
    return context.run(
        lambda session: (
            queue_job(
                session,
                engine,
                kind=kind,
                declaration=declaration,
                parameters=parameters,
                total=total,
            ).id
        )
    )


def enqueue(
    kind: str, declaration: Declaration, parameters: dict[str, Any], *, total: int | None = None
) -> str:
    """The same; returns the address of the run's page."""
    return url_for("jobs.show", row_id=queue(kind, declaration, parameters, total=total))


def label_of(run: JobRun) -> str:
    """What the job does, as the menu calls it."""
    try:
        return str(gettext(registry.get(run.declaration).label))
    except KeyError:
        return run.declaration
