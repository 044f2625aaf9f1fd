"""`/admin/healthz` and `/admin/readyz`: the administration on a host of its own."""

from __future__ import annotations

import logging
from typing import Any

from flask_appbuilder import BaseView, expose
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.jobs.health import readiness
from app.views import request as context

logger = logging.getLogger(__name__)


class Health(BaseView):
    """Is the process alive, can it work?"""

    route_base = ""
    default_view = "alive"

    @expose("/healthz")
    def alive(self) -> Any:
        return {"status": "ok"}

    @expose("/readyz")
    def ready(self) -> Any:
        runtime = context.runtime()
        checks = {"database": False}
        try:
            with runtime.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
            checks = {"database": True} | readiness(runtime)
        except SQLAlchemyError:
            logger.exception("the database does not answer")
        ready = all(checks.values())
        return {"status": "ok" if ready else "not ready", "checks": checks}, 200 if ready else 503


def register(builder: Any) -> None:
    builder.add_view_no_menu(Health)
