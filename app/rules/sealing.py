"""The seal of the audit log (architecture §4.7): committed entries become links of a hash chain.

Entries are written unchained, so that no claim waits for another's log; the upkeep seals them
afterwards, in batches of one session each. A seal's digest covers every entry of its batch and
the digest of the seal before, so that whoever changes, deletes or slips in a sealed entry would
have to recompute all later seals – and the head of the chain, which is written down elsewhere.

What a seal cannot tell: what happened to an entry before it was sealed (seconds, normally), and
the loss of the newest seals together with their entries, unless an older head is at hand.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import func, inspect, select, update
from sqlalchemy.orm import Session

from app.database.policy import OutOfScope, actor_of
from app.metadata.due import due_work
from app.metadata.errors import N_
from app.models.account import Setting
from app.models.audit import AuditEntry, AuditSeal
from app.rules.audit import SEALING
from app.rules.clock import Clock, system_clock

TASK = "seal audit log"
#: entries of one seal, and of one run of the sweep (which holds up other writers on SQLite)
BATCH, PER_RUN = 500, 5_000
#: name of the setting whose row is locked by whoever seals
LOCK = "audit_chain"
#: the chain begins with this
START = "0" * 64
#: so many digits of an entry's own digest are kept to say which one was changed
_LOCATOR = 16
#: a report names so many findings
MAX_FINDINGS = 1_000


class Finding(StrEnum):
    """What is wrong with the log."""

    CHANGED = "changed"
    DELETED = "deleted"
    INSERTED = "inserted"
    SEAL_BROKEN = "seal_broken"
    SEAL_MISSING = "seal_missing"
    HEAD_MISSING = "head_missing"

    @property
    def label(self) -> str:
        return FINDING_LABELS[self]


FINDING_LABELS = {
    Finding.CHANGED: N_("日志内容被修改"),
    Finding.DELETED: N_("日志被删除"),
    Finding.INSERTED: N_("日志是封存之后插入的"),
    Finding.SEAL_BROKEN: N_("封存记录被修改"),
    Finding.SEAL_MISSING: N_("封存记录被删除"),
    Finding.HEAD_MISSING: N_("找不到所给的封存摘要，末尾的封存记录可能被删除"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding; `sequence` is the seal's number, `entry_id` the entry's, where they apply."""

    finding: Finding
    sequence: int | None = None
    entry_id: int | None = None


@dataclass(slots=True)
class Report:
    """What a verification found. `head` is the digest of the newest seal: write it down."""

    seals: int = 0
    entries: int = 0
    unsealed: int = 0
    head: str = START
    problems: list[Problem] = field(default_factory=list)
    #: findings beyond MAX_FINDINGS
    further: int = 0

    @property
    def is_sound(self) -> bool:
        return not self.problems

    def add(self, finding: Finding, sequence: int | None = None, entry: int | None = None) -> None:
        """Note a finding."""
        if len(self.problems) < MAX_FINDINGS:
            self.problems.append(Problem(finding, sequence, entry))
        else:
            self.further += 1


# ---------------------------------------------------------------- digests


def _plain(value: Any) -> Any:
    """A value as both databases give it back."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="microseconds")
    return value


def canonical(entry: AuditEntry) -> bytes:
    """All columns but `sealed` as JSON: sorted keys, UTF-8, no blanks."""
    values = {
        attribute.key: _plain(getattr(entry, attribute.key))
        for attribute in inspect(AuditEntry).column_attrs
        if attribute.key != "sealed"
    }
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def _digest_of(entry: AuditEntry) -> str:
    return hashlib.sha256(canonical(entry)).hexdigest()


def _link(previous: str, sequence: int, digests: list[tuple[int, str]]) -> str:
    """The digest of a seal from that before it and the full digests of its entries, in order."""
    lines = [previous, str(sequence), *(f"{entry_id}:{digest}" for entry_id, digest in digests)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


# ---------------------------------------------------------------- sealing


def seal(session: Session, clock: Clock = system_clock, *, limit: int = PER_RUN) -> int:
    """Seal up to `limit` committed entries; returns how many. For the system only."""
    _require_system(session)
    last = _lock_chain(session)
    sequence, previous = (last.sequence, last.digest) if last else (0, START)
    done = 0
    while done < limit:
        batch = _unsealed_batch(session, min(BATCH, limit - done))
        if not batch:
            break
        digests = [(entry.id, _digest_of(entry)) for entry in batch]
        sequence, digest = sequence + 1, _link(previous, sequence + 1, digests)
        session.add(
            AuditSeal(
                sequence=sequence,
                entry_ids={str(number): own[:_LOCATOR] for number, own in digests},
                digest=digest,
                previous=previous,
                sealed_at=clock(),
            )
        )
        session.execute(
            update(AuditEntry)
            .where(AuditEntry.id.in_([number for number, _ in digests]))
            .values(sealed=True)
            .execution_options(synchronize_session=False, **{SEALING: True})
        )
        session.flush()
        session.expunge_all()
        previous, done = digest, done + len(batch)
    return done


def _require_system(session: Session) -> None:
    actor = actor_of(session)
    if not actor.is_system or actor.exam_id is not None:
        raise OutOfScope()


def _lock_chain(session: Session) -> AuditSeal | None:
    """The newest seal. A row beside the chain is held, so that two sweeps never make the same
    link; the newest is read after that, to see what the other has made. (Locking a seal itself
    would need the right to change seals, which the application is better without.)"""
    lock = select(Setting.id).where(Setting.name == LOCK)
    if session.scalar(lock.with_for_update()) is None:
        session.add(Setting(name=LOCK, value=True))
        session.flush()
    return session.scalars(select(AuditSeal).order_by(AuditSeal.sequence.desc()).limit(1)).first()


def _unsealed_batch(session: Session, size: int) -> list[AuditEntry]:
    """The oldest unsealed entries, of one session of the exam."""
    unsealed = select(AuditEntry).where(AuditEntry.sealed.is_(False)).order_by(AuditEntry.id)
    first = session.scalars(unsealed.limit(1)).first()
    if first is None:
        return []
    exam = AuditEntry.exam_id
    same = exam.is_(None) if first.exam_id is None else exam == first.exam_id
    return list(session.scalars(unsealed.where(same).limit(size)))


@due_work(TASK, every=15)
def sweep(session: Session, clock: Clock) -> int:
    """Registered with the upkeep: what was committed in the last seconds is sealed."""
    return seal(session, clock)


# ---------------------------------------------------------------- verifying


def verify(session: Session, *, anchor: str | None = None) -> Report:
    """Walk the whole chain and every sealed entry. For the system only; reads, changes nothing.

    `anchor` is the head of an earlier report: it must still be a link of the chain.
    """
    _require_system(session)
    walk = _Walk(session)
    anchored = anchor is None
    for link in _seals(session):
        walk.follow(link)
        anchored = anchored or link.digest == anchor
    if not anchored:
        walk.report.add(Finding.HEAD_MISSING)
    walk.find_inserted()
    unsealed = select(func.count()).select_from(AuditEntry).where(AuditEntry.sealed.is_(False))
    walk.report.unsealed = session.scalar(unsealed) or 0
    return walk.report


def _seals(session: Session) -> Iterator[AuditSeal]:
    """All seals in order, a few at a time."""
    last = 0
    while True:
        statement = select(AuditSeal).where(AuditSeal.sequence > last)
        rows = session.scalars(statement.order_by(AuditSeal.sequence).limit(50)).all()
        if not rows:
            return
        last = rows[-1].sequence
        session.expunge_all()
        yield from rows


class _Walk:
    """A verification under way; remembers the ids of all sealed entries (8 bytes each)."""

    def __init__(self, session: Session) -> None:
        self.report = Report()
        self._session = session
        self._known = array("q")
        self._next = 1

    def follow(self, link: AuditSeal) -> None:
        """Check the next seal: its place in the chain, then its entries."""
        for gone in range(self._next, link.sequence):
            self.report.add(Finding.SEAL_MISSING, gone)
        in_order = self._next == link.sequence
        whole = self._entries_are_whole(link)
        if in_order and (link.previous != self.report.head or whole is False):
            self.report.add(Finding.SEAL_BROKEN, link.sequence)
        self._next = link.sequence + 1
        self.report.seals += 1
        self.report.entries = len(self._known)
        self.report.head = link.digest

    def _entries_are_whole(self, link: AuditSeal) -> bool | None:
        """Does the digest of the seal fit its entries? None where an entry is to blame."""
        ids = sorted(int(number) for number in link.entry_ids)
        rows = self._session.scalars(select(AuditEntry).where(AuditEntry.id.in_(ids)))
        found = {row.id: _digest_of(row) for row in rows}
        self._session.expunge_all()
        self._known.extend(ids)
        blamed = False
        for number in ids:
            if number not in found:
                self.report.add(Finding.DELETED, link.sequence, number)
                blamed = True
            elif found[number][:_LOCATOR] != link.entry_ids[str(number)]:
                self.report.add(Finding.CHANGED, link.sequence, number)
                blamed = True
        if blamed:
            return None
        digests = [(number, found[number]) for number in ids]
        return _link(link.previous, link.sequence, digests) == link.digest

    def find_inserted(self) -> None:
        """Entries that claim to be sealed, but stand in no seal."""
        ordered = array("q", sorted(self._known))
        sealed = select(AuditEntry.id).where(AuditEntry.sealed.is_(True)).order_by(AuditEntry.id)
        last = 0
        while True:
            ids = self._session.scalars(sealed.where(AuditEntry.id > last).limit(10_000)).all()
            if not ids:
                return
            last = ids[-1]
            for number in ids:
                place = bisect_left(ordered, number)
                if place == len(ordered) or ordered[place] != number:
                    self.report.add(Finding.INSERTED, None, number)


__all__ = ["Finding", "Problem", "Report", "canonical", "seal", "verify"]
