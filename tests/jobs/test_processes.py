"""Real workers, a real queue: killed, doubled, cancelled (quality.md, reliability)."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from app.jobs import engine, ledger
from app.jobs.imports import engine as imports
from app.models.arrangement import Room
from app.models.job import DocumentFile
from tests.jobs.conftest import Ground, Processes
from tests.jobs.support import ROOMS, wait_for, workbook

pytestmark = pytest.mark.valkey


def ended(ground: Ground, job_id: int, seconds: float = 60) -> Any:
    """The row of a job when it has ended."""
    return wait_for(
        lambda: run if (run := ground.run(job_id)).state not in ("queued", "running") else None,
        seconds,
    )


def test_a_killed_worker_leaves_nothing_half_and_another_one_resumes(
    ground: Ground, processes: Processes
) -> None:
    first = processes.start("worker", gated=True)
    job_id = ground.enqueue()
    horse = processes.wait_at_gate()
    assert ground.run(job_id).state == "running"
    processes.kill(first, horse)
    assert ground.count(DocumentFile) == 0
    processes.start("upkeep")
    processes.start("worker")
    run = ended(ground, job_id)
    assert (run.state, run.attempt) == ("done", 2)
    assert ground.count(DocumentFile) == 1


def test_a_job_that_kills_every_worker_is_marked_failed(
    ground: Ground, processes: Processes
) -> None:
    processes.start("upkeep")
    processes.start("worker", gated=True)
    job_id = ground.enqueue()
    killed: set[int] = set()

    def kill_the_next() -> bool:
        for horse in set(processes.reached()) - killed:
            os.kill(horse, signal.SIGKILL)
            killed.add(horse)
        return ground.run(job_id).state == "failed"

    wait_for(kill_the_next, 60)
    assert len(killed) == 3
    assert "多次意外中止" in (ground.run(job_id).error or "")
    assert ground.count(DocumentFile) == 0


def test_two_workers_and_six_messages_make_one_import(ground: Ground, processes: Processes) -> None:
    run = imports.submit(
        ground.machine,
        ground.site,
        ROOMS,
        workbook([[1, "01", "甲楼"], [2, "02", "乙楼"]]),
        "a.xlsx",
    )
    for _ in range(5):
        ground.machine.queue.push(run.id)
    processes.start("worker")
    processes.start("worker")
    assert ended(ground, run.id).state == "done"
    wait_for(lambda: ground.machine.queue.waiting() == set())
    assert ground.count(Room) == 2
    assert ground.run(run.id).attempt == 1


def test_a_job_written_while_the_queue_was_down_is_sent_by_the_next_worker(
    ground: Ground, processes: Processes
) -> None:
    job_id = ground.enqueue()
    ground.machine.queue._queue.empty()  # what a server without its file comes back with
    assert ground.machine.queue.waiting() == set()
    assert ground.run(job_id).state == "queued"
    processes.start("upkeep")
    processes.start("worker")
    assert ended(ground, job_id).state == "done"


def test_a_running_job_is_cancelled(ground: Ground, processes: Processes) -> None:
    processes.start("worker", gated=True)
    job_id = ground.enqueue()
    processes.wait_at_gate()
    ground.write(lambda session: engine.cancel(session, ground.machine, job_id), ground.site)
    assert ended(ground, job_id).state == "cancelled"
    assert ground.count(DocumentFile) == 0


def test_a_long_effect_is_not_taken_for_a_dead_one(ground: Ground, processes: Processes) -> None:
    """On SQLite the heartbeat waits for the effect's own transaction; so does who would hand
    the job on. On PostgreSQL it goes on beating."""
    processes.start("worker", gated=True)
    processes.start("worker", gated=True)
    run = imports.submit(
        ground.machine, ground.site, ROOMS, workbook([[1, "01", "甲楼"]]), "a.xlsx"
    )
    processes.wait_at_gate()
    begun: Any = ground.run(run.id).heartbeat_at
    if "postgresql" in ground.url:
        wait_for(
            lambda: ground.run(run.id).heartbeat_at > begun + 2 * ground.machine.timing.dead_after
        )
        assert ledger.hand_back(ground.machine) == 0
    processes.open()
    assert ended(ground, run.id).state == "done"
    assert ground.run(run.id).attempt == 1
    assert ground.count(Room) == 1
