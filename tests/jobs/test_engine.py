"""Jobs: the row decides (architecture §4.8); what the queue does cannot double or lose them."""

from __future__ import annotations

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from app.adapters.queue import JobQueue
from app.database.policy import NoActor
from app.database.unit_of_work import reading, unit_of_work
from app.jobs import engine, ledger
from app.jobs.engine import JobCancelled, Work
from app.jobs.files import row_by_id
from app.jobs.outcome import Outcome
from app.metadata.actor import Actor, system
from app.metadata.errors import NotFound, PolicyDenied
from app.metadata.vocabulary import Level, Window
from app.models.account import AdminBinding
from app.models.arrangement import Room
from app.models.audit import AuditEntry
from app.models.job import DocumentFile, JobRun, StoredFile
from app.rules.policy import NoVerb, WindowClosed
from tests.factories import set_window
from tests.jobs.conftest import Ground
from tests.jobs.support import ROOMS, SLOW, apply_rooms

RoomRow = dict[str, Any]


def add_room(number: str) -> Any:
    """An effect that writes one guarded row."""

    def effect(session: Any) -> Outcome:
        from app.metadata.vocabulary import Verb
        from app.rules.policy import permit

        with permit(session, ROOMS, Verb.RUN) as actor:
            apply_rooms(
                session,
                [{"number": number, "address": "x"}],
                type("Told", (), {"actor": actor}),
            )
        return Outcome(counts=(("新增", 1),), progress=1)

    return effect


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Install a handler for jobs of the test import."""

    def install(work: Any) -> None:
        monkeypatch.setitem(engine._handlers, ("import", ROOMS.name), work)

    return install


def ask(ground: Ground) -> int:
    return ground.enqueue("import", ROOMS)


def test_a_job_runs_once_and_ends_with_its_effect(ground: Ground, handler: Any) -> None:
    handler(lambda work: work.finish(add_room("01")))
    job_id = ask(ground)
    assert engine.execute(ground.machine, job_id) == "done"
    assert engine.execute(ground.machine, job_id) == "not mine"
    run = ground.run(job_id)
    assert (run.state, run.attempt, run.token) == ("done", 1, None)
    assert run.result["counts"] == [{"label": "新增", "n": 1}]
    assert run.finished_at is not None
    assert ground.count(Room) == 1


def test_the_row_carries_the_actors_place_and_is_logged(ground: Ground) -> None:
    run = ground.run(ask(ground))
    assert (run.site_id, run.province_id) == (ground.site.site_id, ground.site.province_id)
    assert run.passport_id == ground.site.passport_id
    actions = [entry.action for entry in ground.all(AuditEntry)]
    assert "job.import.add" in actions


def test_nothing_is_sent_before_the_commit_nor_after_a_rollback(ground: Ground) -> None:
    queue = ground.machine.queue
    with unit_of_work(ground.machine.factory, ground.site) as session:
        run = engine.enqueue(
            session, ground.machine, kind="import", declaration=ROOMS, parameters={}
        )
        assert queue.waiting() == set()
    assert queue.waiting() == {run.id}

    def fail(session: Any) -> None:
        engine.enqueue(session, ground.machine, kind="import", declaration=ROOMS, parameters={})
        raise RuntimeError

    with pytest.raises(RuntimeError):
        ground.write(fail, ground.site)
    assert queue.waiting() == {run.id}
    assert ground.count(JobRun) == 1


def test_a_queue_that_is_down_costs_nothing_and_the_upkeep_sends_later(
    ground: Ground, handler: Any
) -> None:
    handler(lambda work: work.finish(add_room("01")))
    broken = replace(ground.machine, queue=JobQueue(f"unix://{ground.folder}/nobody.sock"))
    with unit_of_work(ground.machine.factory, ground.site) as session:
        run = engine.enqueue(session, broken, kind="import", declaration=ROOMS, parameters={})
    assert ground.run(run.id).state == "queued"
    assert ledger.resend(broken) == 0
    assert ledger.resend(ground.machine) == 1
    assert ledger.resend(ground.machine) == 0, "it is in the queue already"
    assert ground.machine.queue.waiting() == {run.id}
    assert engine.execute(ground.machine, run.id) == "done"


def test_eight_threads_on_one_job_have_one_effect(ground: Ground, handler: Any) -> None:
    handler(lambda work: work.finish(add_room("01")))
    job_id = ask(ground)
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(lambda _: engine.execute(ground.machine, job_id), range(8)))
    assert sorted(states) == ["done", *["not mine"] * 7]
    assert ground.count(Room) == 1


def test_a_worker_that_lost_its_claim_leaves_no_effect(ground: Ground, handler: Any) -> None:
    def stolen(work: Work) -> None:
        with unit_of_work(ground.machine.factory, ledger.BOOKKEEPING) as session:
            ledger.change(session, JobRun.id == work.order.id, token="somebody else")
        work.finish(add_room("01"))

    handler(stolen)
    job_id = ask(ground)
    assert engine.execute(ground.machine, job_id) == "lost"
    assert ground.count(Room) == 0
    assert ground.run(job_id).state == "running"


def test_a_dead_run_is_handed_back_and_fails_after_three_attempts(
    ground: Ground, handler: Any
) -> None:
    handler(lambda work: work.finish(add_room("01")))
    job_id = ask(ground)
    later = replace(ground.machine, clock=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(minutes=2))
    for attempt in (1, 2, 3):
        order = ledger.claim(ground.machine, job_id)
        assert order is not None
        assert order.attempt == attempt
        assert ledger.hand_back(ground.machine) == 0, "its worker lives"
        assert ledger.hand_back(later) == 1
    run = ground.run(job_id)
    assert run.state == "failed"
    assert "多次意外中止" in (run.error or "")
    assert engine.execute(ground.machine, job_id) == "not mine"


def test_a_silent_run_can_be_claimed_without_the_upkeep(ground: Ground, handler: Any) -> None:
    handler(lambda work: work.finish(add_room("01")))
    job_id = ask(ground)
    ledger.claim(ground.machine, job_id)
    later = replace(ground.machine, clock=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(minutes=2))
    assert engine.execute(later, job_id) == "done"
    assert ground.run(job_id).attempt == 2


def test_the_pulse_writes_progress_and_brings_the_wish_to_cancel(
    ground: Ground, handler: Any
) -> None:
    seen = threading.Event()

    def slow(work: Work) -> None:
        job_id = work.order.id
        work.progress(3, 10)
        for _ in range(2000):
            work.checkpoint()
            run = ground.run(job_id)
            if run.progress == 3 and run.total == 10 and not seen.is_set():
                seen.set()
                ground.write(
                    lambda session: engine.cancel(session, ground.machine, job_id), ground.site
                )
        raise AssertionError("nobody interrupted")

    handler(slow)
    job_id = ask(ground)
    assert engine.execute(ground.machine, job_id) == "cancelled"
    assert seen.is_set()
    run = ground.run(job_id)
    assert (run.state, run.error) == ("cancelled", None)


def test_what_waits_is_cancelled_at_once_and_what_ended_is_not(
    ground: Ground, handler: Any
) -> None:
    handler(lambda work: work.finish(add_room("01")))
    job_id = ask(ground)
    ground.write(lambda session: engine.cancel(session, ground.machine, job_id), ground.site)
    assert ground.run(job_id).state == "cancelled"
    assert engine.execute(ground.machine, job_id) == "not mine"
    with pytest.raises(engine.NotCancellable):
        ground.write(lambda session: engine.cancel(session, ground.machine, job_id), ground.site)
    ground.write(lambda session: engine.retry(session, ground.machine, job_id), ground.site)
    assert engine.execute(ground.machine, job_id) == "done"
    with pytest.raises(engine.NotRetryable):
        ground.write(lambda session: engine.retry(session, ground.machine, job_id), ground.site)


def test_a_job_of_another_site_is_not_found(ground: Ground) -> None:
    job_id = ask(ground)
    stranger = ground.tree.actor(Level.SITE, 1)
    with pytest.raises(NotFound):
        ground.write(lambda session: engine.cancel(session, ground.machine, job_id), stranger)
    with pytest.raises(PolicyDenied):
        ground.write(lambda session: engine.cancel(session, ground.machine, job_id), ground.city)
    assert ground.run(job_id).state == "queued"


def test_what_broke_is_told_in_chinese_and_the_cause_stays_in_the_log(
    ground: Ground, handler: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_work: Work) -> None:
        raise ZeroDivisionError("secret of the house")

    handler(broken)
    job_id = ask(ground)
    assert engine.execute(ground.machine, job_id) == "failed"
    run = ground.run(job_id)
    assert str(job_id) in (run.error or "")
    assert "secret" not in (run.error or "")
    assert "secret of the house" in caplog.text


def test_the_right_is_asked_again_when_the_job_runs(ground: Ground, handler: Any) -> None:
    handler(lambda work: work.finish(add_room("01")))
    job_id = ask(ground)

    def unbind(session: Any) -> None:
        from tests.factories import seeding

        with seeding(session):
            binding = session.scalars(
                select(AdminBinding).where(AdminBinding.passport_id == ground.site.passport_id)
            ).one()
            session.delete(binding)

    ground.write(unbind)
    assert engine.execute(ground.machine, job_id) == "failed"
    assert "未绑定" in (ground.run(job_id).error or "")
    assert ground.count(Room) == 0


def test_r0_2_the_window_is_asked_when_asking_running_and_committing(
    ground: Ground, handler: Any
) -> None:
    past = ground.tree.now - dt.timedelta(days=2)

    def close(session: Any) -> None:
        set_window(session, ground.tree.site, Window.ARRANGEMENT, past - dt.timedelta(days=1), past)

    passed = [dt.timedelta(0)]

    def closing(session: Any) -> Outcome:
        outcome = add_room("01")(session)
        passed.append(dt.timedelta(days=365))
        return outcome

    machine = replace(ground.machine, clock=lambda: dt.datetime.now(dt.UTC) + passed[-1])
    handler(lambda work: work.finish(closing))
    job_id = ask(ground)
    assert engine.execute(machine, job_id) == "failed"
    assert ground.count(Room) == 0, "the window closed before the commit"

    second = ask(ground)
    ground.write(close)
    assert engine.execute(ground.machine, second) == "failed"
    assert "编排时间" in (ground.run(second).error or "")
    with pytest.raises(WindowClosed):
        ask(ground)


def test_only_who_may_run_it_can_ask(ground: Ground) -> None:
    with (
        pytest.raises(NoVerb),
        unit_of_work(ground.machine.factory, ground.city) as session,
    ):
        engine.enqueue(session, ground.machine, kind="document", declaration=SLOW, parameters={})
    with (
        pytest.raises(NoActor),
        unit_of_work(ground.machine.factory, None) as session,
    ):
        engine.enqueue(session, ground.machine, kind="document", declaration=SLOW, parameters={})


def test_a_system_job_runs_as_its_task(ground: Ground, handler: Any) -> None:
    names: list[Actor] = []

    def look(work: Work) -> None:
        names.append(work.actor())

    handler(look)
    acting = system("nightly", ground.tree.exam.id)
    with unit_of_work(ground.machine.factory, acting) as session:
        run = engine.enqueue(
            session, ground.machine, kind="import", declaration=ROOMS, parameters={}
        )
    assert engine.execute(ground.machine, run.id) == "done"
    assert [actor.task for actor in names] == ["nightly"]


def test_an_interrupted_effect_is_rolled_back(ground: Ground, handler: Any) -> None:
    def effect(session: Any) -> Outcome:
        add_room("01")(session)
        raise JobCancelled

    handler(lambda work: work.finish(effect))
    job_id = ask(ground)
    assert engine.execute(ground.machine, job_id) == "cancelled"
    assert ground.count(Room) == 0


def test_a_document_is_kept_with_its_fingerprint(ground: Ground) -> None:
    job_id = ground.enqueue()
    assert engine.execute(ground.machine, job_id) == "done"
    (document,) = ground.all(DocumentFile)
    stored = next(row for row in ground.all(StoredFile) if row.id == document.file_id)
    assert stored.expires_at is None
    assert ground.machine.files.get(stored.key) == b"%PDF-test\n[]"
    assert document.job_id == job_id
    with reading(ground.machine.factory, ground.tree.actor(Level.SITE, 1)) as session:
        assert row_by_id(session, DocumentFile, document.id) is None, "another site's"
