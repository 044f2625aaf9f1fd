"""《审计日志》: the list of a resource, shown with old and new values side by side."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext

from app.models.audit import AuditEntry
from app.rules import audit_log, listing
from app.rules.audit_log import AUDIT_LOG
from app.views.engine import answers, lists, searching
from app.views.engine.resource import ResourceView, pages_of
from app.views.texts import text

Context = dict[str, Any]


@pages_of(AUDIT_LOG.name)
class AuditView(ResourceView):
    """List and export; an entry is never added, changed or deleted here."""

    def _list(
        self,
        page: lists.ListPage,
        notices: list[Any],
        found: listing.Page | None,
        status: int = 200,
    ) -> Any:
        toolbar = lists.toolbar(page)
        return answers.page(
            "audit",
            status,
            title=gettext(AUDIT_LOG.label),
            notices=[*notices, {"text": gettext(AUDIT_LOG.help)}],
            search=_search(page),
            tools=toolbar["tools"],
            entries=[_entry(row) for row in found.rows] if found is not None else [],
            paging=lists.paging(page, found) if found is not None else None,
            **self._tab(),
        )


def _search(page: lists.ListPage) -> Context | None:
    """The search card; actions and objects are chosen by their names in the reader's language."""
    search = searching.search(page)
    if search is None:
        return None
    choices = {
        "action": [(word, text(label)) for word, label in audit_log.action_choices().items()],
        "object_type": [(name, text(label)) for name, label in audit_log.object_choices().items()],
    }
    for field in search["fields"]:
        if field["name"] in choices:
            field |= {"kind": "select", "choices": choices[field["name"]]}
    return search


def _entry(row: AuditEntry) -> Context:
    subject = text(audit_log.object_label(row.object_type))
    outcome = audit_log.OUTCOMES.get(row.outcome, row.outcome)
    failed = None if row.outcome == "done" else {"text": text(outcome), "tone": "warn"}
    return {
        "time": row.at,
        "who": text(audit_log.who(row)),
        "organisation": row.organisation_code,
        "on_behalf": row.on_behalf_of,
        "action": text(audit_log.action_label(row.action)),
        "object": f"{subject} {text(row.object_title)}".strip(),
        "reason": text(row.reason) if row.reason else None,
        "source": failed or row.address,
        "address": row.address if failed else None,
        "changes": [
            {"label": change.label, "before": change.before, "after": change.after}
            for change in audit_log.changes_of(row, text)
        ],
    }
