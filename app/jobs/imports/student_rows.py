"""What an upload of student records is compared with: the rows' documents, and who holds the
records of these people now (R20.5). Looked up in bulk, in the dry pass and again under locks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.bulk import among
from app.database.keys import digest
from app.database.policy import actor_of, elevated
from app.jobs.imports.engine import ImportContext
from app.jobs.imports.held import ImportRow
from app.metadata.errors import N_, KaowuError, Message
from app.models.codes import EDUCATIONS
from app.models.organisation import Organisation, below
from app.models.roster import StudentRecord
from app.rules.clock import local_day
from app.rules.identity import Identity, IdentityError, mismatches, read_document
from app.rules.roster import records
from app.rules.roster.policy import enabled_sites

#: the template's columns in order (§4.1), as attributes of a record
NAMES = (
    "name",
    "id_type",
    "id_number",
    "sex",
    "birth",
    "ethnic",
    "education",
    "occupation",
    "department",
    "major",
    "class_name",
    "student_number",
    "postcode",
    "address",
    "mobile",
    "email",
    "remark",
)
#: document numbers asked for in one statement
CHUNK = 2_000
#: names of the options
SITE, OVERWRITE = "site", "overwrite"
EXISTS = N_(
    "该证件号码在本考点已有学籍；如需覆盖，请勾选“覆盖同一考点同一个证件号学籍数据”后重新提交"
)
#: not which level it has: the file need not even name the person (R19.3a)
LOWER = N_(
    "该证件号码在其他考点已有学籍，其文化程度高于本行的“{new}”，不能转入；请核对本行的文化程度"
)
TWICE = N_("与第 {rows} 行为同一证件号码")


class NoSite(KaowuError):
    """A superior has not said for which of his sites he imports (P3)."""

    code = "roster.no_site"
    template = N_("请选择要导入学籍的考点；只能选择已启用学籍库的考点。")


def target(session: Session, context: ImportContext) -> Organisation:
    """The site whose records are imported: the one chosen, or the own one (R20.6). Raises
    NoSite."""
    actor = actor_of(session)
    code = context.options.get(SITE) or actor.on_behalf_of or actor.site_code
    if code not in enabled_sites(session, actor):
        raise NoSite()
    return session.scalars(
        select(Organisation).where(below(actor), Organisation.code == code)
    ).one()


@dataclass(frozen=True, slots=True)
class Stored:
    """A record that exists already: its place, and what decides about it. (All values of fifty
    thousand would fill the memory: `values_of`.)"""

    row_id: int
    version: int
    province_code: str
    city_code: str | None
    site_code: str
    name: str
    education: str


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of the rows, all by number in the file: what each says, or what is wrong with
    it; the digest of its number; and (the first five) other rows with that number."""

    identities: Mapping[int, Identity]
    wrong: Mapping[int, Sequence[IdentityError]]
    digests: Mapping[int, str]
    twice: Mapping[int, Sequence[int]]


class File:
    """The rows of an upload, the site that they are for, and what is stored of these people."""

    def __init__(self, session: Session, context: ImportContext, *, lock: bool = False) -> None:
        self.site = target(session, context)
        self.overwrite = bool(context.options.get(OVERWRITE))
        #: {number: record} that were not given away: the sites that hold them are told in their log
        self.refused: dict[str, Stored] = context.kept.setdefault("refused", {})
        if "documents" not in context.kept:
            context.kept["documents"] = _read_documents(context.rows, local_day(context.clock()))
        self.documents: Documents = context.kept["documents"]
        wanted = sorted(set(self.documents.digests.values()))
        locked = {self.site.code}
        if lock:
            # who holds the records is known from the look without locks; it is looked again now
            locked |= context.kept.get("holders", set())
            records.lock_sites(session, locked)
        self.stored = _stored(session, wanted, lock=lock)
        holders = {found.site_code for found in self.stored.values()}
        context.kept["holders"] = holders
        if lock and holders - locked:
            # taken over between the looks, and held by us; a deadlock is run again
            records.lock_sites(session, holders - locked)

    def number_of(self, row: ImportRow) -> str:
        """The number of a well-formed document, as it is stored (N6, N7)."""
        return self.documents.identities[row.number].number

    def digest_of(self, row: ImportRow) -> str:
        """The digest of that number."""
        return self.documents.digests[row.number]

    def problems(self, row: ImportRow) -> list[tuple[str, str]]:
        """What is wrong with a row, beyond the form of its cells."""
        wrong = self.documents.wrong.get(row.number)
        if wrong:
            return [(problem.column, problem.as_message()) for problem in wrong]
        found: list[tuple[str, str]] = []
        others = self.documents.twice.get(row.number)
        if others:  # N6, N7: 15 and 18 digits, x and X are one number
            found.append(("id_number", Message(TWICE, rows=[str(other) for other in others])))
        stored = self.stored.get(self.documents.digests[row.number])
        if stored is not None:
            found += self._conflicts(row, stored)
        return found

    def _conflicts(self, row: ImportRow, stored: Stored) -> Iterator[tuple[str, str]]:
        if stored.site_code == self.site.code:
            if not self.overwrite:
                yield "id_number", EXISTS
        elif _rank(stored.education) > _rank(row["education"]):
            self.refused[self.number_of(row)] = stored
            yield "education", Message(LOWER, new=EDUCATIONS.name(row["education"]))


def _rank(code: str) -> int:
    return EDUCATIONS.rank(code)


def _read_documents(rows: Iterable[ImportRow], today: dt.date) -> Documents:
    """Well-formed cells have passed; here the documents themselves are read. `today` is the local
    day, after which nobody is born."""
    identities: dict[int, Identity] = {}
    wrong: dict[int, Sequence[IdentityError]] = {}
    for row in rows:
        try:
            identity = read_document(row["id_type"], row["id_number"])
        except IdentityError as error:
            wrong[row.number] = (error,)
            continue
        found = tuple(mismatches(identity, row["sex"], row["birth"], today))
        if found:
            wrong[row.number] = found
        else:
            identities[row.number] = identity
    digests = {number: str(digest(one.number)) for number, one in identities.items()}
    return Documents(identities, wrong, digests, _same_numbers(digests))


def _same_numbers(digests: Mapping[int, str]) -> dict[int, list[int]]:
    """{row: other rows with the number of its document}."""
    if len(set(digests.values())) == len(digests):
        return {}
    rows: dict[str, list[int]] = {}
    for number, text in digests.items():
        rows.setdefault(text, []).append(number)
    return {
        number: list(islice((other for other in rows[text] if other != number), 5))
        for number, text in digests.items()
        if len(rows[text]) > 1
    }


def _stored(session: Session, digests: Sequence[str], *, lock: bool) -> dict[str, Stored]:
    """{digest: record}, wherever it is held (R20.5). `lock` holds them."""
    found: dict[str, Stored] = {}
    with elevated(session, "R20.5 who holds the record", StudentRecord):
        for start in range(0, len(digests), CHUNK):
            statement: Any = select(
                StudentRecord.id_digest,
                StudentRecord.id,
                StudentRecord.version,
                StudentRecord.province_code,
                StudentRecord.city_code,
                StudentRecord.site_code,
                StudentRecord.name,
                StudentRecord.education,
            ).where(among(session, StudentRecord.id_digest, digests[start : start + CHUNK]))
            if lock:
                statement = statement.order_by(StudentRecord.id).with_for_update()
            for row in session.execute(statement):
                found[row.id_digest] = Stored(*row[1:])
    return found


def values_of(session: Session, digests: Sequence[str]) -> dict[str, dict[str, Any]]:
    """{digest: all values of the template's columns} of at most CHUNK records. The session looks
    past its scope (`elevated`), for they may be held elsewhere."""
    columns = [getattr(StudentRecord, name) for name in NAMES]
    statement = select(StudentRecord.id_digest, *columns).where(
        among(session, StudentRecord.id_digest, digests)
    )
    rows = session.execute(statement)
    return {key: dict(zip(NAMES, values, strict=True)) for key, *values in rows}
