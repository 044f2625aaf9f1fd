"""What benches of jobs share: a worker without a queue, contenders in processes of their own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import sessionmaker

from app.adapters.files import FileStore
from app.adapters.queue import JobQueue
from app.database.session import KaowuSession
from app.database.unit_of_work import reading
from app.jobs.machine import Machine
from app.metadata.actor import Actor, system
from app.models.account import AdminBinding
from app.models.exam import Exam
from app.rules import actors


class NoQueue(JobQueue):
    """Nobody else is to run the job."""

    def push(self, job_id: int) -> bool:
        return False


def machine(factory: sessionmaker[KaowuSession], folder: str, **options: Any) -> Machine:
    """What a worker has, with its files in `folder`."""
    queue, files = NoQueue("unix:///nowhere"), FileStore(f"file://{folder}")
    return Machine(factory=factory, queue=queue, files=files, **options)


def administrator(factory: sessionmaker[KaowuSession]) -> Actor:
    """The only administrator there is, in the current session."""
    with reading(factory, system("bench")) as session:
        passport = session.scalars(select(AdminBinding.passport_id)).one()
        exam = session.scalars(select(Exam).where(Exam.state == "current")).one()
        return actors.load_administrator(session, passport, exam)


def alone(module: str, *arguments: str) -> dict[str, Any]:
    """Run `python -m module --child …`: what it has told (see `tell`)."""
    command = [sys.executable, "-m", module, "--child", *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: dict[str, Any] = json.loads(said.stdout.splitlines()[-1])
    return found


def resident() -> int:
    """Memory of this process now, in megabytes (Linux)."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024


def tell(found: dict[str, Any]) -> None:
    """Print the figures of a contender, with the memory of its process and of the largest that
    it has started, in megabytes."""
    for who, kind in (("own", resource.RUSAGE_SELF), ("child", resource.RUSAGE_CHILDREN)):
        found[who] = resource.getrusage(kind).ru_maxrss // 1024
    print(json.dumps(found))
