"""Imports of student records that meet each other (R20.5, N23)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text, update

from app.database.policy import elevated
from app.database.unit_of_work import reading
from app.jobs import engine
from app.jobs.imports import engine as imports
from app.jobs.imports.student import STUDENT_IMPORT
from app.jobs.imports.student_rows import File
from app.metadata import registry
from app.metadata.actor import Actor, system
from app.metadata.errors import StaleRow
from app.models.job import JobRun
from app.models.roster import StudentRecord
from app.models.roster_moves import RosterMove
from tests.factories import id_number
from tests.jobs.conftest import Ground
from tests.jobs.student_world import (
    BIRTH,
    book,
    counts,
    enable,
    line,
    problems,
    run,
    second_site,
)


@pytest.fixture
def used(ground: Ground) -> Ground:
    """Both sites use the roster."""
    enable(ground)
    return ground


def somebody_waits(ground: Ground) -> bool:
    """Does a transaction wait for another one?"""
    with reading(ground.machine.factory, system("look")) as session:
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(session.scalar(waiting))


class Slow:
    """An import whose first `apply` does not commit before somebody waits for it."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.written = threading.Event()

    def __call__(self, session: Any, rows: Any, context: Any) -> Any:
        if self.written.is_set():
            return STUDENT_IMPORT.apply(session, rows, context)
        counted = STUDENT_IMPORT.apply(session, rows, context)
        session.flush()
        self.written.set()
        pause = threading.Event()
        for _ in range(500):
            if somebody_waits(self.ground):
                return counted
            pause.wait(0.02)
        raise AssertionError("nobody came")


def submit(ground: Ground, actor: Actor, *rows: Any) -> Callable[[], JobRun]:
    """A job that waits for being executed."""
    made = imports.submit(ground.machine, actor, STUDENT_IMPORT, book(rows), "a.xlsx", options={})

    def execute() -> JobRun:
        engine.execute(ground.machine, made.id)
        return ground.run(made.id)

    return execute


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("education", "state"), [("大学本科", "done"), ("高中", "rejected")], ids=["moves", "lower"]
)
def test_r20_5_two_imports_of_the_same_new_person(
    used: Ground, monkeypatch: pytest.MonkeyPatch, education: str, state: str
) -> None:
    """Neither sees a record when it looks. The first wins; of the second is said what is said of
    a record at another site: it moves, or the level is lower."""
    slow = Slow(used)
    changed = replace(STUDENT_IMPORT, apply=slow)
    monkeypatch.setitem(registry._declarations, STUDENT_IMPORT.name, changed)
    number = id_number(birth=BIRTH)
    first = submit(used, used.site, line(id_number=number))
    second = submit(used, second_site(used), line(id_number=number, education=education))
    winner = threading.Thread(target=first)
    winner.start()
    assert slow.written.wait(20)
    made = second()
    winner.join(20)
    (row,) = used.all(StudentRecord)
    assert made.state == state, (made.error, made.errors)
    if state == "done":
        assert counts(made)["由其他考点转入"] == 1
        assert (row.site_code, used.count(RosterMove)) == ("990702", 1)
    else:
        assert "高于本行" in problems(made)[2, "文化程度"]
        assert (row.site_code, used.count(RosterMove)) == ("990701", 0)


def test_r20_5_a_record_that_is_not_what_was_looked_at_is_refused(used: Ground) -> None:
    """The rows are held; should one have changed all the same, nothing is written."""
    number = id_number(birth=BIRTH)
    assert run(used, line(id_number=number, class_name="一班")).state == "done"

    def meddled(session: Any, rows: Any, context: Any) -> Any:
        context.facts["file"] = File(session, context, lock=True)
        with elevated(session, "another writer", StudentRecord):
            session.connection().execute(
                update(StudentRecord).values(version=StudentRecord.version + 1)
            )
        return STUDENT_IMPORT.apply(session, rows, context)

    changed = replace(STUDENT_IMPORT, apply=meddled)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry._declarations, STUDENT_IMPORT.name, changed)
        made = run(used, line(id_number=number, class_name="二班"), overwrite=True)
    assert (made.state, made.error) == ("rejected", StaleRow().as_message())
    (row,) = used.all(StudentRecord)
    assert row.class_name == "一班"
