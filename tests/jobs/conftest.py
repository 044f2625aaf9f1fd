"""A machine on a database of its own, with a session, two sites and their administrators."""

from __future__ import annotations

import base64
import datetime as dt
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from app.adapters.files import FileStore
from app.adapters.queue import JobQueue
from app.database.unit_of_work import reading, unit_of_work
from app.jobs import engine
from app.jobs.documents import engine as _documents  # noqa: F401 - registers its handler
from app.jobs.imports import engine as _imports  # noqa: F401 - registers its handler
from app.jobs.machine import Machine, Timing
from app.metadata.actor import Actor, system
from app.metadata.vocabulary import Level
from app.models.job import JobRun
from tests.factories import Tree, bind_administrator, populate
from tests.jobs.support import ROOMS, ROOT, SLOW, registered, wait_for

QUICK = Timing(
    pulse=0.05,
    dead_after=dt.timedelta(seconds=2),
    resend=dt.timedelta(seconds=0),
    upkeep=0.1,
)


@dataclass
class Ground:
    """Everything a test of jobs stands on."""

    machine: Machine
    tree: Tree
    url: str
    queue_url: str
    folder: Path
    #: administrator of the first site, and those above him
    site: Actor
    city: Actor
    province: Actor
    center: Actor

    def run(self, job_id: int) -> JobRun:
        """The row as it is now."""
        with reading(self.machine.factory, system("look")) as session:
            found = session.get(JobRun, job_id)
            assert found is not None
            session.expunge(found)
            return found

    def count(self, model: type) -> int:
        with reading(self.machine.factory, system("look")) as session:
            return session.scalar(select(func.count()).select_from(model)) or 0

    def all(self, model: Any) -> list[Any]:
        with reading(self.machine.factory, system("look")) as session:
            found = list(session.scalars(select(model).order_by(model.id)))
            session.expunge_all()
            return found

    def enqueue(self, kind: str = "document", declaration: Any = SLOW, **options: Any) -> int:
        """A job of the site's administrator."""
        parameters = options.pop("parameters", {})
        with unit_of_work(self.machine.factory, self.site) as session:
            run = engine.enqueue(
                session,
                self.machine,
                kind=kind,
                declaration=declaration,
                parameters=parameters,
                **options,
            )
            return run.id

    def write(self, work: Callable[[Any], Any], actor: Actor | None = None) -> Any:
        with unit_of_work(self.machine.factory, actor or system("seed")) as session:
            return work(session)


@pytest.fixture(autouse=True)
def _test_declarations() -> Iterator[None]:
    with registered(ROOMS, SLOW):
        yield


@pytest.fixture
def ground(fresh_database: str, valkey_url: str, tmp_path: Path) -> Iterator[Ground]:
    factory, tree = populate(fresh_database)
    with unit_of_work(factory, system("seed")) as session:
        people = {
            level: bind_administrator(session, tree, level)[1]
            for level in (Level.SITE, Level.CITY, Level.PROVINCE, Level.CENTER)
        }
    machine = Machine(
        factory=factory,
        queue=JobQueue(valkey_url),
        files=FileStore(f"file://{tmp_path}/files"),
        timing=QUICK,
    )
    yield Ground(
        machine,
        tree,
        fresh_database,
        valkey_url,
        tmp_path,
        **{level.value: actor for level, actor in people.items()},
    )
    machine.queue.close()
    factory.kw["bind"].dispose()


class Processes:
    """Real worker and upkeep processes of one ground."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.gate = ground.folder / "gate"
        self.gate.mkdir()
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, kind: str, *, gated: bool = False, **environment: str) -> Any:
        """A process `worker` or `upkeep`; `gated`: its jobs stop half-way until `open`."""
        own = {
            "KAOWU_MODE": "testing",
            "DATABASE_URL": self.ground.url,
            "REDIS_URL": self.ground.queue_url,
            "FILES_URL": f"file://{self.ground.folder}/files",
            "INSTANCE": str(self.ground.folder / "instance"),
            "DATA_KEYS": "1:" + base64.b64encode(b"t" * 32).decode(),
            "DIGEST_KEY": base64.b64encode(b"d" * 32).decode(),
            "JOB_DEAD_SECONDS": "2",
            "UPKEEP_SECONDS": "1",
        }
        if gated:
            own["KAOWU_TEST_GATE"] = str(self.gate)
        log = (self.ground.folder / f"{kind}{len(self._running)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.jobs.support", kind],
            cwd=ROOT,
            env=os.environ | own | environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()
        self._running.append(process)
        return process

    def reached(self) -> list[int]:
        """Numbers of the processes that wait at the gate."""
        return [int(path.name.split("-")[1]) for path in self.gate.glob("reached-*")]

    def wait_at_gate(self, seconds: float = 40) -> int:
        """The process that does the job; waits until one has come to the gate."""
        return int(wait_for(self.reached, seconds)[0])

    def open(self) -> None:
        (self.gate / "go").touch()

    def kill(self, process: Any, horse: int | None = None) -> None:
        """kill -9 of a worker and of the child that does its job."""
        process.kill()
        if horse is not None:
            os.kill(horse, signal.SIGKILL)
        process.wait()

    def logs(self) -> str:
        """What all of them have said, for a test that fails."""
        return "\n".join(path.read_text() for path in self.ground.folder.glob("*.log"))

    def end(self) -> None:
        for number in self.reached():
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in self._running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def processes(ground: Ground) -> Iterator[Processes]:
    made = Processes(ground)
    yield made
    made.end()
    sys.stdout.write(made.logs())


__all__ = ["Ground", "Processes", "replace"]
