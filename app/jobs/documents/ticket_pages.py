"""From rows of the database to tickets of the printing engine: photos are read from the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.adapters.files import FileMissing, FileStore
from app.jobs.documents.stamping.tickets import Ticket
from app.rules.tickets import TicketRow


def to_tickets(rows: Iterable[TicketRow], files: FileStore | None) -> Iterator[Ticket]:
    """One ticket per row, lazily: a site's photos are never all in memory. Without `files` the
    tickets have no photos, which is enough to look at their texts."""
    for row in rows:
        yield Ticket(
            number=row.number,
            name=row.name,
            sex=row.sex,
            id_type=row.id_type,
            id_number=row.id_number,
            subject=row.subject,
            site_code=row.site_code,
            site_name=row.site_name,
            site_address=row.site_address,
            exam_title=row.exam_title,
            room_number=row.room_number,
            room_address=row.room_address,
            sitting=row.sitting,
            day=row.day,
            starts=row.starts,
            ends=row.ends,
            photo=_photo(row, files) if files else None,
            registration_key=str(row.registration_id),
            seat_number=str(row.seat),
        )


def _photo(row: TicketRow, files: FileStore) -> bytes | None:
    if row.photo_key is None:
        return None
    try:
        return files.get(row.photo_key)
    except FileMissing:
        return None  # the ticket shows an empty frame; the job's report names it
