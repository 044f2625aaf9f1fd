"""校验, 提交, 校验提交: the same file three ways; asked twice, cancelled, killed."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from app.jobs import engine, ledger
from app.jobs.file_expiry import delete_expired_files
from app.jobs.files import KEEP_UPLOADS
from app.jobs.imports import engine as imports
from app.jobs.imports import reader, uploads
from app.jobs.machine import Machine
from app.metadata.actor import Actor
from app.metadata.errors import NotFound
from app.metadata.sentences import told
from app.metadata.vocabulary import Level, Window
from app.models.arrangement import Room
from app.models.job import JobRun, StoredFile
from app.rules.policy import WindowClosed
from tests.factories import set_window
from tests.jobs.conftest import Ground, Processes
from tests.jobs.import_tools import GOOD, report, submit
from tests.jobs.support import ROOMS, registered, workbook


def submitted(ground: Ground, run: JobRun, actor: Actor | None = None) -> JobRun:
    """提交 behind a check; the run of the import, done."""
    made = ground.write(
        lambda session: imports.submit_checked(session, ground.machine, ROOMS, run.id).id,
        actor or ground.site,
    )
    engine.execute(ground.machine, made)
    return ground.run(made)


# ---------------------------------------------------------------- check, then submit


def test_a_green_check_is_submitted_from_the_same_file(ground: Ground) -> None:
    check = submit(ground, workbook(GOOD), apply=False, options={"overwrite": "1"})
    assert (check.state, ground.count(Room)) == ("done", 0)
    done = submitted(ground, check)
    assert (done.state, ground.count(Room)) == ("done", 2)
    assert ground.count(StoredFile) == 1
    assert done.source_file_id == check.source_file_id
    assert done.parameters["options"] == {"overwrite": "1"}


def test_a_check_is_submitted_once(ground: Ground) -> None:
    check = submit(ground, workbook(GOOD), apply=False)
    submitted(ground, check)
    with pytest.raises(imports.NotSubmittable):
        submitted(ground, check)
    assert ground.count(Room) == 2


def test_after_a_failed_submission_the_check_can_be_submitted_again(ground: Ground) -> None:
    check = submit(ground, workbook(GOOD), apply=False)
    made = ground.write(
        lambda session: imports.submit_checked(session, ground.machine, ROOMS, check.id).id,
        ground.site,
    )
    with pytest.raises(imports.NotSubmittable):  # it waits for its turn
        submitted(ground, check)
    ground.write(lambda session: engine.cancel(session, ground.machine, made), ground.site)
    assert submitted(ground, check).state == "done"


@pytest.mark.parametrize("rows", [[[1, "xx", "甲"]], [[1, "01", None]]])
def test_only_a_check_without_errors_is_submitted(ground: Ground, rows: list[Any]) -> None:
    wrong = submit(ground, workbook(rows), apply=False)
    with pytest.raises(imports.NotSubmittable):
        submitted(ground, wrong)
    done = submit(ground, workbook(GOOD))
    with pytest.raises(imports.NotSubmittable):
        submitted(ground, done)
    assert ground.count(JobRun) == 2


def test_a_partial_import_takes_the_right_rows_and_reports_the_others(ground: Ground) -> None:
    partial = replace(ROOMS, name="test_partial_rooms", atomic=False)
    rows = [[1, "xx", "甲"], [2, "02", "乙楼202"]]
    with registered(partial):
        check = submit(ground, workbook(rows), apply=False, declaration=partial)
        assert (check.state, check.result["error_count"], ground.count(Room)) == ("done", 1, 0)
        # one look at the errors, then 校验提交: 提交 alone would hide what is left out
        assert not ground.write(lambda session: uploads.is_submittable(session, check))
        done = submit(ground, workbook(rows), declaration=partial)
        assert (done.state, [room.number for room in ground.all(Room)]) == ("done", ["02"])
        assert [cell.value for cell in report(ground, done).active["B"]] == ["考场号*", "xx"]


def test_p1_a_check_of_another_site_is_not_found(ground: Ground) -> None:
    check = submit(ground, workbook(GOOD), apply=False)
    with pytest.raises(NotFound):
        submitted(ground, check, ground.tree.actor(Level.SITE, 1))
    assert ground.count(Room) == 0


def test_r0_2_a_check_is_not_submitted_outside_the_window(ground: Ground) -> None:
    check = submit(ground, workbook(GOOD), apply=False)
    past = ground.tree.now - dt.timedelta(days=2)
    ground.write(
        lambda session: set_window(
            session, ground.tree.site, Window.ARRANGEMENT, past - dt.timedelta(days=1), past
        )
    )
    with pytest.raises(WindowClosed):
        submitted(ground, check)
    assert ground.count(Room) == 0


def test_what_has_changed_since_the_check_is_found_by_the_import(ground: Ground) -> None:
    check = submit(ground, workbook(GOOD), apply=False)
    submit(ground, workbook([[1, "02", "丙楼"]]))
    done = submitted(ground, check)
    assert done.state == "rejected"
    assert [item["message"] for item in done.errors] == ["考场号已存在"]
    assert ground.count(Room) == 1


def test_a_file_that_has_expired_is_not_submitted(ground: Ground) -> None:
    check = submit(ground, workbook(GOOD), apply=False)
    later = dt.datetime.now(dt.UTC) + KEEP_UPLOADS + dt.timedelta(days=1)
    delete_expired_files(replace(ground.machine, clock=lambda: later))
    with pytest.raises(imports.NotSubmittable):
        submitted(ground, ground.run(check.id))


# ---------------------------------------------------------------- the same file again


def test_the_same_file_is_asked_about_with_who_and_when(ground: Ground) -> None:
    content = workbook(GOOD)
    submit(ground, content)
    with pytest.raises(imports.AlreadyImported) as refusal:
        submit(ground, content, again=False)
    assert ground.site.name in refusal.value.message()
    assert "成功导入过" in refusal.value.message()
    assert ground.count(StoredFile) == 1
    run = submit(ground, content, again=True)
    assert ground.site.name in told(run.result["notes"][0])
    assert run.state == "rejected"


def test_checks_and_failures_do_not_count_as_imported(ground: Ground) -> None:
    content = workbook(GOOD)
    submit(ground, content, apply=False)
    submit(ground, workbook([[1, "xx", "甲"]]))
    assert submit(ground, content, again=False).state == "done"


def test_many_checks_since_do_not_hide_an_import(ground: Ground) -> None:
    content = workbook(GOOD)
    submit(ground, content)
    check = ground.run(submit(ground, content, apply=False).id)
    ground.write(lambda session: session.add_all(_copy(check) for _ in range(11)))
    with pytest.raises(imports.AlreadyImported):
        submit(ground, content, again=False)


def _copy(run: JobRun) -> JobRun:
    columns = [key for key in JobRun.__mapper__.columns.keys() if key != "id"]  # noqa: SIM118
    return JobRun(**{key: getattr(run, key) for key in columns})


# ---------------------------------------------------------------- progress and cancelling


class Stopping:
    """A work's checkpoint that asks to stop when the job has come to a stage."""

    def __init__(self, ground: Ground, stage: str) -> None:
        self.ground, self.stage = ground, stage
        self.seen: list[str] = []
        self.at = self._method()

    def _method(self) -> Any:
        def stage(work: engine.Work, name: str, total: int | None = None) -> None:
            self.look(work, name)

        return stage

    def look(self, work: engine.Work, name: str) -> None:
        """Note the stage; stop in the wanted one."""
        self.seen.append(name)
        work.pulse.cancel = self.stage in name
        work.checkpoint()


@pytest.mark.parametrize("stage", ["读取", "校验", "导入", "报告"])
def test_an_import_is_cancelled_in_every_stage(
    ground: Ground, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = Stopping(ground, stage)
    monkeypatch.setattr(engine.Work, "stage", stopping.at)
    rows = [[1, "xx", "甲"]] if stage == "报告" else GOOD
    run = submit(ground, workbook(rows))
    assert (run.state, ground.count(Room)) == ("cancelled", 0)
    assert stage in stopping.seen[-1]


def test_the_reader_is_stopped_when_the_job_is(ground: Ground) -> None:
    asked: list[int] = []

    def stop() -> None:
        asked.append(1)
        raise engine.JobCancelled

    content = workbook([[n, f"{n:02d}", "楼"] for n in range(5000)])
    with (
        pytest.raises(engine.JobCancelled),
        reader.read_apart(content, ".xlsx", "考场", 9999, 10**7, checkpoint=stop),
    ):
        raise AssertionError("the reader was not stopped")
    assert asked == [1]


def test_stages_are_told_with_the_heartbeat(ground: Ground) -> None:
    seen: list[dict[str, Any]] = []

    def look(_session: Any, _row: Any, context: Any) -> list[Any]:
        pulse = context.progress.__self__.pulse
        pulse._beat()
        seen.append(ground.run(context.job_id).result)
        return []

    declaration = replace(ROOMS, name="test_stages", check=look)
    with registered(declaration):
        run = submit(ground, workbook(GOOD), declaration=declaration)
    assert run.state == "done"
    assert {item["stage"] for item in seen} == {"正在校验"}
    assert dt.datetime.fromisoformat(seen[0]["begun"]) <= dt.datetime.now(dt.UTC)
    assert "stage" not in run.result


# ---------------------------------------------------------------- killed workers


@pytest.mark.valkey
@pytest.mark.parametrize("stage", ["reading", "checking", "applying"])
def test_a_worker_killed_in_any_stage_leaves_nothing_and_another_one_resumes(
    ground: Ground, processes: Processes, stage: str
) -> None:
    run = imports.submit(ground.machine, ground.site, ROOMS, workbook(GOOD), "a.xlsx")
    worker = processes.start("worker", gated=True, KAOWU_TEST_STAGE=stage)
    horse = processes.wait_at_gate()
    processes.kill(worker, horse)
    assert (ground.run(run.id).state, ground.count(Room)) == ("running", 0)
    later = after(ground.machine)
    assert ledger.hand_back(later) == 1
    assert engine.execute(later, run.id) == "done"
    ended = ground.run(run.id)
    assert (ended.state, ended.attempt) == ("done", 2)
    assert ground.count(Room) == 2
    assert engine.execute(later, run.id) == "not mine"


def after(machine: Machine) -> Machine:
    """The machine two minutes later: by then a dead worker must have been noticed."""
    assert machine.timing.dead_after < dt.timedelta(minutes=2)
    return replace(machine, clock=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(minutes=2))
