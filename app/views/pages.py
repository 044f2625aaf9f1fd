"""All pages of the administration: the engines' and the few made by hand, in one place."""

from __future__ import annotations

from typing import Any


def index_view() -> type:
    """The page at the root of a session: 欢迎."""
    from app.views.home import Home  # noqa: PLC0415 - the pages import the application's helpers

    return Home


def register(builder: Any) -> None:
    """Register every page with the framework. Order matters for nothing."""
    from app.views import (  # noqa: PLC0415 - they import what imports this
        account,
        checklist,
        entry,
        health,
        organisations,
        resources,
        user_access,
        windows,
    )

    for module in (
        entry,
        account,
        checklist,
        health,
        organisations,
        user_access,
        windows,
        resources,
    ):
        module.register(builder)
