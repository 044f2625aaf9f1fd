"""The seal of the audit log: whatever is done to a sealed entry is found and named."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import sessionmaker

from app.database.identifiers import new_id
from app.database.policy import OutOfScope, become
from app.database.session import WRITES, KaowuSession, make_engine, make_session_factory
from app.database.unit_of_work import reading, unit_of_work
from app.metadata import due
from app.metadata.actor import system
from app.models.audit import AuditEntry, AuditSeal
from app.rules import audit, sealing
from app.rules.sealing import Finding
from tests.factories import make_registration, make_tree

TASK = system("verify")
Factory = sessionmaker[KaowuSession]
ENTRY: Any = AuditEntry.__table__
SEAL: Any = AuditSeal.__table__


@pytest.fixture
def factory(fresh_database: str) -> Iterator[Factory]:
    """A database with 30 entries of one session and 5 of none."""
    engine = make_engine(fresh_database)
    made = make_session_factory(engine)
    for exam_id, count in ((1, 20), (None, 5), (1, 10)):
        write(made, count, exam_id)
    yield made
    engine.dispose()


def write(factory: Factory, count: int, exam_id: int | None = 1) -> list[int]:
    with unit_of_work(factory, system("seed", exam_id)) as session:
        entries = [
            audit.record(
                session,
                "exam.exam.edit",
                object_type="Exam",
                title=f"条目{number}",
                changes={"title": {"label": "名称", "old": None, "new": f"值{number}"}},
            )
            for number in range(count)
        ]
        session.flush()
        return [entry.id for entry in entries]


def seal(factory: Factory, **options: Any) -> int:
    with unit_of_work(factory, system(sealing.TASK)) as session:
        return sealing.seal(session, **options)


def verify(factory: Factory, **options: Any) -> sealing.Report:
    with reading(factory, TASK) as session:
        return sealing.verify(session, **options)


def found(report: sealing.Report) -> list[tuple[Finding, int | None, int | None]]:
    return [(one.finding, one.sequence, one.entry_id) for one in report.problems]


def tamper(factory: Factory, statement: Any) -> None:
    """As somebody who reaches past the application."""
    engine = factory.kw["bind"]
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        connection.execute(statement)


def ids_of(factory: Factory) -> list[int]:
    with reading(factory, TASK) as session:
        return list(session.scalars(select(AuditEntry.id).order_by(AuditEntry.id)))


@contextmanager
def small_batches(monkeypatch: pytest.MonkeyPatch, size: int = 10) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(sealing, "BATCH", size)
        yield


@pytest.fixture
def sealed(factory: Factory, monkeypatch: pytest.MonkeyPatch) -> Factory:
    """All 35 entries sealed, in batches of at most ten."""
    with small_batches(monkeypatch):
        assert seal(factory) == 35
    return factory


def test_all_entries_are_sealed_once(sealed: Factory) -> None:
    assert seal(sealed) == 0
    report = verify(sealed)
    assert report.is_sound
    assert (report.seals, report.entries, report.unsealed) == (4, 35, 0)


def test_a_batch_is_of_one_session(sealed: Factory) -> None:
    with reading(sealed, TASK) as session:
        seals = session.scalars(select(AuditSeal).order_by(AuditSeal.sequence)).all()
        exams = {
            row.id: row.exam_id
            for row in session.execute(select(AuditEntry.id, AuditEntry.exam_id))
        }
        by_seal = [{exams[int(number)] for number in one.entry_ids} for one in seals]
        assert [one.previous for one in seals[1:]] == [one.digest for one in seals[:-1]]
        assert seals[0].previous == sealing.START
    assert all(len(sessions) == 1 for sessions in by_seal)


def test_new_entries_wait_for_the_next_seal(sealed: Factory) -> None:
    write(sealed, 3)
    assert verify(sealed).unsealed == 3
    assert seal(sealed) == 3
    assert verify(sealed).seals == 5


def test_a_run_is_bounded(factory: Factory) -> None:
    assert seal(factory, limit=7) == 7
    assert verify(factory).unsealed == 28


def test_an_empty_log_is_sound(fresh_database: str) -> None:
    engine = make_engine(fresh_database)
    report = verify(make_session_factory(engine))
    engine.dispose()
    assert (report.is_sound, report.head) == (True, sealing.START)


@pytest.mark.parametrize(
    "values",
    [
        {"actor_name": "他人"},
        {"changes": {"title": {"label": "名称", "old": None, "new": "改过"}}},
        {"at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)},
        {"exam_id": 2},
        {"reason": "补记"},
    ],
)
def test_a_changed_entry_is_named(sealed: Factory, values: dict[str, Any]) -> None:
    target = ids_of(sealed)[12]
    tamper(sealed, update(ENTRY).where(ENTRY.c.id == target).values(**values))
    report = verify(sealed)
    assert [(one.finding, one.entry_id) for one in report.problems] == [(Finding.CHANGED, target)]


def test_a_deleted_entry_is_named(sealed: Factory) -> None:
    target = ids_of(sealed)[3]
    tamper(sealed, delete(ENTRY).where(ENTRY.c.id == target))
    assert found(verify(sealed)) == [(Finding.DELETED, 1, target)]


def copy_of(factory: Factory, number: int, **changes: Any) -> dict[str, Any]:
    with reading(factory, TASK) as session:
        row = session.scalars(select(AuditEntry).where(AuditEntry.id == number)).one()
        values = {column.key: getattr(row, column.key) for column in ENTRY.c}
    return values | changes


def test_an_inserted_entry_is_named(sealed: Factory) -> None:
    fresh = new_id()
    values = copy_of(sealed, ids_of(sealed)[5], id=fresh, object_title="伪造")
    tamper(sealed, insert(ENTRY).values(**values))
    assert found(verify(sealed)) == [(Finding.INSERTED, None, fresh)]


def test_an_exchange_is_seen_from_both_sides(sealed: Factory) -> None:
    """The number of entries stays the same; each side is named all the same."""
    target, fresh = ids_of(sealed)[5], new_id()
    values = copy_of(sealed, target, id=fresh)
    tamper(sealed, insert(ENTRY).values(**values))
    tamper(sealed, delete(ENTRY).where(ENTRY.c.id == target))
    assert found(verify(sealed)) == [
        (Finding.DELETED, 1, target),
        (Finding.INSERTED, None, fresh),
    ]


def test_taking_the_mark_away_hides_nothing(sealed: Factory) -> None:
    target = ids_of(sealed)[5]
    tamper(sealed, update(ENTRY).where(ENTRY.c.id == target).values(sealed=False, reason="新内容"))
    seal(sealed)
    assert (Finding.CHANGED, 1, target) in found(verify(sealed))


def test_a_changed_seal_is_found(sealed: Factory) -> None:
    tamper(sealed, update(SEAL).where(SEAL.c.sequence == 2).values(digest="f" * 64))
    assert found(verify(sealed)) == [(Finding.SEAL_BROKEN, 2, None), (Finding.SEAL_BROKEN, 3, None)]


def test_covering_a_change_up_breaks_the_chain(sealed: Factory) -> None:
    """Somebody changes an entry and its place in the seal as well."""
    target = ids_of(sealed)[0]
    tamper(sealed, update(ENTRY).where(ENTRY.c.id == target).values(reason="补记"))
    with reading(sealed, TASK) as session:
        row = session.scalars(select(AuditEntry).where(AuditEntry.id == target)).one()
        locator = sealing._digest_of(row)[:16]
        first = session.scalars(select(AuditSeal).where(AuditSeal.sequence == 1)).one()
        covered = dict(first.entry_ids) | {str(target): locator}
    tamper(sealed, update(SEAL).where(SEAL.c.sequence == 1).values(entry_ids=covered))
    assert found(verify(sealed)) == [(Finding.SEAL_BROKEN, 1, None)]


def test_a_deleted_seal_is_found(sealed: Factory) -> None:
    tamper(sealed, delete(SEAL).where(SEAL.c.sequence == 2))
    report = verify(sealed)
    assert found(report)[0] == (Finding.SEAL_MISSING, 2, None)
    assert {one.finding for one in report.problems[1:]} == {Finding.INSERTED}


def test_a_cut_off_end_is_found_with_an_older_head(sealed: Factory) -> None:
    head = verify(sealed).head
    assert verify(sealed, anchor=head).is_sound
    with reading(sealed, TASK) as session:
        last = session.scalars(select(AuditSeal).where(AuditSeal.sequence == 4)).one()
        ids = [int(number) for number in last.entry_ids]
    tamper(sealed, delete(SEAL).where(SEAL.c.sequence == 4))
    tamper(sealed, delete(ENTRY).where(ENTRY.c.id.in_(ids)))
    assert verify(sealed).is_sound
    assert found(verify(sealed, anchor=head)) == [(Finding.HEAD_MISSING, None, None)]


def test_findings_are_bounded(sealed: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "MAX_FINDINGS", 4)
    tamper(sealed, update(ENTRY).values(reason="x"))
    report = verify(sealed)
    assert (len(report.problems), report.further) == (4, 31)
    assert not report.is_sound


def test_real_entries_read_back_as_they_were_sealed(fresh_database: str) -> None:
    """Every type of column and of JSON value, on either database."""
    engine = make_engine(fresh_database)
    factory = make_session_factory(engine)
    with unit_of_work(factory, system("seed")) as session:
        tree = make_tree(session, day_quota=5)
        make_registration(session, tree)
        audit_count = len(session.scalars(select(AuditEntry.id)).all())
    assert seal(factory) == audit_count
    report = verify(factory)
    engine.dispose()
    assert report.is_sound
    assert report.entries == audit_count


def test_two_sweeps_at_once_make_one_chain(factory: Factory, monkeypatch: Any) -> None:
    monkeypatch.setattr(sealing, "BATCH", 5)
    seal(factory, limit=5)
    barrier, done = threading.Barrier(2), []

    def work() -> None:
        barrier.wait()
        done.append(seal(factory))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 30
    report = verify(factory)
    assert report.is_sound
    assert report.entries == 35


@pytest.mark.parametrize("deed", [sealing.seal, sealing.verify])
def test_only_the_system_seals_and_verifies(session: KaowuSession, deed: Any) -> None:
    tree = make_tree(session)
    for actor in (tree.actor(), system("seal audit log", tree.exam.id)):
        become(session, actor)
        with pytest.raises(OutOfScope):
            deed(session)


def test_the_upkeep_knows_it() -> None:
    work = {item.name: item for item in due.all_due_work()}[sealing.TASK]
    assert not work.per_exam
    assert work.every <= 60


def test_every_finding_has_words() -> None:
    assert all(finding.label for finding in Finding)
