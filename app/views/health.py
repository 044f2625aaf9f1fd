"""`/admin/healthz` and `/admin/readyz`: the administration on a host of its own."""

from __future__ import annotations

from typing import Any

from flask_appbuilder import BaseView, expose
from sqlalchemy import text

from app.views import request as context


class Health(BaseView):
    """Is the process alive, can it work?"""

    route_base = ""
    default_view = "alive"

    @expose("/healthz")
    def alive(self) -> Any:
        return {"status": "ok"}

    @expose("/readyz")
    def ready(self) -> Any:
        with context.runtime().engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        return {"status": "ok"}


def register(builder: Any) -> None:
    builder.add_view_no_menu(Health)
