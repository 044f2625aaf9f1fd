"""Who set each cell of a grid, and when: read from the log in a fixed number of statements.

The log's entries are about stored rows. Which cell a row is, its key says (a subject's code, a
pool); nothing is read out of titles, which are words for people.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, String, cast, func, select
from sqlalchemy.orm import Session

from app.database.policy import actor_of
from app.metadata.declarations import Grid, GridColumn, StoredCells
from app.metadata.vocabulary import Verb
from app.models.audit import AuditEntry
from app.models.organisation import Organisation
from app.rules import audit_log

#: {site id: {column: the newest entry about the cell}}
History = Mapping[int, Mapping[str, AuditEntry]]
_Found = dict[int, dict[str, AuditEntry]]


def last_set(
    session: Session, grid: Grid, sites: Sequence[Organisation], columns: Sequence[GridColumn]
) -> History:
    """The newest visible entry of every cell of these sites; cells that nobody set are missing."""
    found: _Found = {}
    if not sites:
        return found
    site_ids = [site.id for site in sites]
    names = {column.name for column in columns}
    for stored in grid.stored:
        if stored.key:
            _keyed(session, stored, site_ids, names, found)
        else:
            _of_attributes(session, stored, site_ids, found)
    return found


def newest(cells: Mapping[str, AuditEntry]) -> AuditEntry | None:
    """The entry of the cell that was set last."""
    return max(cells.values(), key=lambda entry: entry.id, default=None)


def _about(session: Session, model: type, site_ids: Collection[int]) -> Select[Any]:
    """The newest id per stored row."""
    return (
        select(func.max(AuditEntry.id))
        .where(
            audit_log.visible_to(actor_of(session)),
            AuditEntry.site_id.in_(site_ids),
            AuditEntry.object_type == model.__name__,
            AuditEntry.outcome == "done",
        )
        .group_by(AuditEntry.object_id)
    )


def _entries(session: Session, ids: Select[Any]) -> Iterable[AuditEntry]:
    return session.scalars(select(AuditEntry).where(AuditEntry.id.in_(ids)))


def _keyed(
    session: Session,
    stored: StoredCells,
    site_ids: Collection[int],
    names: Collection[str],
    found: _Found,
) -> None:
    """Rows of one cell each. A row that was deleted has left its key in the entry: whoever made
    a fee 未设置 again is told too."""
    model: Any = stored.model
    rows = session.execute(
        select(model.id, getattr(model, stored.key)).where(model.site_id.in_(site_ids))
    )
    keys = {row_id: key for row_id, key in rows}  # noqa: C416 - rows are not pairs to mypy
    for entry in _entries(session, _about(session, model, site_ids)):
        gone = entry.action.endswith(f".{Verb.DELETE.value}")
        name = entry.changes.get(stored.key, {}).get("old") if gone else keys.get(entry.object_id)
        if name is not None and name in names:
            _keep(found, entry, name)


def _of_attributes(
    session: Session, stored: StoredCells, site_ids: Collection[int], found: _Found
) -> None:
    """Rows of several cells: the newest entry that names the cell's attribute."""
    for attribute, column in stored.columns.items():
        named = cast(AuditEntry.changes, String).contains(f'"{attribute}"', autoescape=True)
        ids = _about(session, stored.model, site_ids).where(named)
        for entry in _entries(session, ids):
            if attribute in entry.changes:
                _keep(found, entry, column)


def _keep(found: _Found, entry: AuditEntry, column: str) -> None:
    if entry.site_id is None:
        return
    cells = found.setdefault(entry.site_id, {})
    known = cells.get(column)
    if known is None or known.id < entry.id:
        cells[column] = entry


__all__ = ["History", "last_set", "newest"]
