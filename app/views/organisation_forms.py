"""The forms of an organisation: they belong to 《用户与机构管理》 and lead back to it (ch. 7)."""

from __future__ import annotations

from typing import Any

from flask import request, url_for
from flask_babel import gettext

from app.models.organisation import Organisation
from app.rules.organisation import USER_ORGANISATION
from app.views.engine.resource import ResourceView, pages_of

_HOME = f"{USER_ORGANISATION.name}.index"


@pages_of(Organisation.__admin__.name)
class OrganisationForms(ResourceView):
    """Shown in the panes of the page, with the organisation chosen that was worked on."""

    def _index_url(self) -> str:
        """The page with this organisation; one that was just deleted cannot be chosen."""
        arguments = request.view_args or {}
        deleted = request.endpoint == f"{self.declaration.name}.delete"
        chosen = None if deleted and request.method == "POST" else arguments.get("row_id")
        home: str = url_for(_HOME, id=chosen)
        return home

    def _tab(self) -> dict[str, Any]:
        return {"tab_key": _HOME, "tab_title": gettext(USER_ORGANISATION.label)}
