"""Writing an upload of student records: inserts, updates and moves in bulk, and their log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.bulk_managed import insert_managed, update_managed
from app.database.policy import actor_of, elevated
from app.jobs.imports.engine import ImportContext
from app.jobs.imports.held import ImportRow
from app.jobs.imports.student_rows import CHUNK, File, Stored, values_of
from app.metadata.errors import StaleRow
from app.metadata.fields import fields_of
from app.metadata.vocabulary import Verb
from app.models.codes import OCCUPATION_STUDENT
from app.models.organisation import Organisation
from app.models.roster import StudentRecord
from app.models.roster_moves import RosterMove
from app.rules import audit, crud

_PLACE = ("province_code", "city_code", "site_code")
#: what the log keeps of a record that is new to its site, with its number and the site: who, where,
#: and the level that decides on moves. All later changes there are logged in full, so the first
#: values follow from the record.
_LOGGED_FIRST = ("name", "id_type", "education")
Entry = tuple[int, Mapping[str, Any], Mapping[str, Any]]
#: a row, the record that it changes, and the values of that before
Change = tuple[ImportRow, Stored, Mapping[str, Any]]


class Writer:
    """Turns rows into inserts, updates and moves, and writes each kind at once."""

    def __init__(self, session: Session, file: File, context: ImportContext) -> None:
        self.session, self.file, self.context = session, file, context
        self.path = crud.codes_of(session, [file.site])[file.site.code]
        self.losing = _sites_of_codes(session, {one.site_code for one in file.stored.values()})
        self.new: list[ImportRow] = []
        self.changed: list[tuple[ImportRow, Stored]] = []
        self.moves: list[dict[str, Any]] = []

    @property
    def overwritten(self) -> int:
        return len(self.changed) - len(self.moves)

    @property
    def renamed(self) -> int:
        """Records that were taken over under another name than they had: told afterwards alone,
        or a check would tell whether a name is somebody's."""
        return sum(move["from_name"] != move["to_name"] for move in self.moves)

    def write(self, rows: Sequence[ImportRow]) -> None:
        """All rows; the log has one entry per record (§4.7). Raises StaleRow when a record is not
        what it was when it was looked at."""
        for row in rows:
            self._take(row)
        self.context.checkpoint()
        ids = insert_managed(self.session, StudentRecord, map(self._values, self.new))
        self.context.checkpoint()
        self._log_added(ids)
        insert_managed(self.session, RosterMove, self.moves)
        for start in range(0, len(self.changed), CHUNK):
            self.context.checkpoint()
            self._change(self.changed[start : start + CHUNK])

    def _change(self, part: Sequence[tuple[ImportRow, Stored]]) -> None:
        """Overwrite or take over some records: what they were is read just before."""
        with elevated(self.session, "R20.5 take a record over", StudentRecord):
            before = values_of(self.session, [self.file.digest_of(row) for row, _stored in part])
            written = update_managed(
                self.session,
                StudentRecord,
                (self._values(row) | {"id": stored.row_id} for row, stored in part),
                ({"version": stored.version} for _row, stored in part),
            )
        if written != len(part):  # the rows are held, so nobody should have changed them
            raise StaleRow()
        self._log_changed([(row, stored, before[self.file.digest_of(row)]) for row, stored in part])

    def _take(self, row: ImportRow) -> None:
        stored = self.file.stored.get(self.file.digest_of(row))
        if stored is None:
            self.new.append(row)
            return
        self.changed.append((row, stored))
        if stored.site_code != self.file.site.code:
            self.moves.append(self._move(self._values(row), stored))

    def _values(self, row: ImportRow) -> dict[str, Any]:
        """What is stored of a row. Made when it is written: all of them would fill the memory."""
        values = row.values
        values.pop("serial", None)
        values["id_number"] = self.file.number_of(row)
        values["occupation"] = values["occupation"] or OCCUPATION_STUDENT
        values |= zip(_PLACE, self.path, strict=True)
        values["id_digest"] = self.file.digest_of(row)
        return values

    def _first_values(self, row: ImportRow) -> dict[str, Any]:
        """What the log keeps of them where the record is new to its site."""
        values = {name: row[name] for name in _LOGGED_FIRST}
        return values | {"id_number": self.file.number_of(row), "site_code": self.file.site.code}

    def _move(self, values: Mapping[str, Any], stored: Stored) -> dict[str, Any]:
        province, city, site = self.path
        losing = self.losing.get(stored.site_code)
        return {
            "at": self.context.clock(),
            "from_name": stored.name,
            "to_name": values["name"],
            "id_number": values["id_number"],
            "id_digest": values["id_digest"],
            "from_province_code": stored.province_code,
            "from_city_code": stored.city_code,
            "from_site_code": stored.site_code,
            "from_site_name": losing.name if losing else "",
            "to_province_code": province,
            "to_city_code": city,
            "to_site_code": site,
            "to_site_name": self.file.site.name,
            "from_education": stored.education,
            "to_education": values["education"],
            "job_id": self.context.job_id or None,
        }

    # ------------------------------------------------------------ the log

    def _log_added(self, new_ids: Sequence[int]) -> None:
        here = _place_of(self.file.site)
        added: Iterable[Entry] = (
            (row_id, {}, self._first_values(row))
            for row_id, row in zip(new_ids, self.new, strict=True)
        )
        audit.record_rows(self.session, StudentRecord, Verb.ADD, added, place=here)

    def _log_changed(self, part: Sequence[Change]) -> None:
        own = self.file.site.code
        changed = (
            (stored.row_id, _old(stored, was), _public(self._values(row)))
            if stored.site_code == own
            else (stored.row_id, _seen(_old(stored, was)), self._first_values(row))
            for row, stored, was in part
        )
        here = _place_of(self.file.site)
        audit.record_rows(self.session, StudentRecord, Verb.EDIT, changed, place=here)
        self._log_moves(part)

    def _log_moves(self, part: Sequence[Change]) -> None:
        """The losing sites, and their provinces, find in their logs what has left them: the record
        as it was theirs, and where it went. What the new site writes in it is not theirs to read.
        """
        by_site: dict[str, list[Entry]] = {}
        for row, stored, values in part:
            if stored.site_code != self.file.site.code:
                was = {**values, "site_code": stored.site_code}
                entry = (stored.row_id, was, _seen(self._first_values(row)))
                by_site.setdefault(stored.site_code, []).append(entry)
        for code, entries in by_site.items():
            losing = self.losing.get(code)
            place = _place_of(losing) if losing else (None, None, None)
            audit.record_rows(
                self.session, StudentRecord, Verb.EDIT, entries, place=place, word="moved"
            )

    def record(self, counts: Mapping[str, int]) -> None:
        """One entry for the whole file."""
        audit.record(
            self.session,
            "roster.student_record_import.run",
            object_type="StudentRecord",
            object_id=self.context.job_id or None,
            title=self.file.site.display,
            place=_place_of(self.file.site),
            changes={
                str(number): {"label": label, "old": None, "new": count}
                for number, (label, count) in enumerate(counts.items())
            },
        )


def log_refused(session: Session, context: ImportContext) -> None:
    """Whoever has tried numbers of people whose records another site keeps is in that site's log,
    as with the autoload (R19.3a), whether he wanted to import the file or only to check it."""
    refused: Mapping[str, Stored] = context.kept.get("refused", {})
    sites = _sites_of_codes(session, {stored.site_code for stored in refused.values()})
    field = fields_of(StudentRecord)["id_number"]
    for number, stored in refused.items():
        site = sites.get(stored.site_code)
        told = {"label": field.label, "old": None, "new": audit.protect(field, number)}
        audit.record(
            session,
            "roster.studentrecord.take_over",
            object_type=StudentRecord.__name__,
            object_id=stored.row_id,
            changes={field.name: told},
            outcome="refused",
            place=_place_of(site) if site else (None, None, None),
        )


def _sites_of_codes(session: Session, codes: Iterable[str]) -> dict[str, Organisation]:
    """{code: site} in the actor's session, wherever it is; a site may be missing there."""
    rows = session.scalars(
        select(Organisation).where(
            Organisation.exam_id == actor_of(session).exam_id, Organisation.code.in_(list(codes))
        )
    )
    return {row.code: row for row in rows}


def _place_of(site: Organisation) -> tuple[int | None, int | None, int | None]:
    return (site.province_id, site.city_id, site.site_id)


def _old(stored: Stored, values: Mapping[str, Any]) -> dict[str, Any]:
    place = (stored.province_code, stored.city_code, stored.site_code)
    return {**values, **dict(zip(_PLACE, place, strict=True))}


def _public(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without the digest, which says nothing to a reader."""
    return {name: value for name, value in values.items() if name != "id_digest"}


def _seen(values: Mapping[str, Any]) -> dict[str, Any]:
    """What either side of a move is told of the other: the site, and the level that decided."""
    return {name: values[name] for name in ("site_code", "education")}
