"""The upkeep: what is due is done, one task's failure is nobody else's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.database.session import KaowuSession
from app.jobs import engine, upkeep
from app.jobs.upkeep import Task
from app.metadata import due
from app.metadata.actor import Actor
from app.metadata.due import due_work
from app.models.account import OutboxMessage
from app.rules import messages
from app.runtime import Runtime
from config import Settings
from tests.factories import bind_administrator
from tests.jobs.conftest import Ground


@pytest.fixture(autouse=True)
def _own_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "_registered", {})


def tasks(ground: Ground, sent: list[Any] | None = None) -> list[Task]:
    letters = sent if sent is not None else []
    return upkeep.tasks_of(ground.machine, lambda *letter: letters.append(letter))


def test_a_failing_task_is_logged_and_the_others_run(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    def fail() -> int:
        raise ZeroDivisionError

    all_tasks = [Task("a", 5, fail), Task("b", 5, lambda: done.append("b"))]
    assert upkeep.run_due(all_tasks, 0.0) == 1
    assert done == ["b"]
    assert "upkeep: a failed" in caplog.text


def test_a_task_waits_until_it_is_due_again() -> None:
    done: list[float] = []
    task = Task("a", 5, lambda: done.append(1))
    for now in (0.0, 1.0, 4.9, 5.0, 6.0, 10.0):
        upkeep.run_due([task], now)
    assert len(done) == 3


def test_registered_sweeps_run_as_system_in_their_own_transaction(ground: Ground) -> None:
    seen: list[Actor] = []

    def sweep(session: Any, _clock: Any) -> int:
        from app.database.policy import actor_of

        seen.append(actor_of(session))
        return 1

    due_work("test sweep", every=1)(sweep)
    due_work("test sweep per exam", every=1, per_exam=True)(sweep)
    assert upkeep.run_due(tasks(ground), 0.0) == 0
    assert [(actor.task, actor.exam_id) for actor in seen] == [
        ("test sweep", None),
        ("test sweep per exam", ground.tree.exam.id),
    ]


def test_messages_are_sent_and_jobs_released(ground: Ground) -> None:
    ground.write(lambda session: messages.queue(session, "a@example.com", "主题", "正文"))
    job_id = ground.enqueue()
    ground.machine.queue._queue.empty()
    sent: list[Any] = []
    assert upkeep.run_due(tasks(ground, sent), 0.0) == 0
    assert [letter[:2] for letter in sent] == [("mail", "a@example.com")]
    assert ground.all(OutboxMessage)[0].state == "sent"
    assert ground.machine.queue.waiting() == {job_id}
    assert engine.execute(ground.machine, job_id) == "done"


def test_8_3_links_are_sent_where_the_settings_say_so(ground: Ground, tmp_path: Path) -> None:
    def imported(session: KaowuSession) -> None:
        bind_administrator(session, ground.tree, must_change=True, origin="import")

    ground.write(imported)
    engine_of = ground.machine.factory.kw["bind"]
    letters = {}
    for mode in ("default123456", "random_link"):
        settings = Settings.from_environment(
            {"INSTANCE": str(tmp_path), "INITIAL_PASSWORD_MODE": mode}
        )
        runtime = Runtime(settings, engine_of, ground.machine.factory)
        assert upkeep.run_due(upkeep.account_tasks(runtime), 0.0) == 0
        letters[mode] = [row.body for row in ground.all(OutboxMessage)]
    assert letters["default123456"] == []
    assert "http://127.0.0.1:5000/passport/activate?token=" in letters["random_link"][0]
