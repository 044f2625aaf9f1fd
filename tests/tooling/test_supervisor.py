"""The supervisor, over real processes: restarts, lines, order of stopping, no orphans."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.processes import Child, Patience, Supervisor
from tests.tooling.processes import alive, eventually, read_until

ROOT = Path(__file__).parents[2]
Supervised = Callable[..., "subprocess.Popen[bytes]"]

_FRAME = """
import sys
from pathlib import Path
from app.adapters.processes import Child, Patience, StopRequested, Supervisor

def python(name, code, **options):
    return Child(name, [sys.executable, "-uc", code], **options)

def write(text):
    sys.stdout.write(text)
    sys.stdout.flush()

patience = Patience(first_pause=0.05, longest_pause=0.2, stop={stop})
with Supervisor(write, Path.cwd(), patience) as it:
    try:
{body}
        it.run()
    except StopRequested:
        write("asked to stop\\n")
write("all stopped\\n")
"""


@pytest.fixture
def supervised() -> Iterator[Supervised]:
    """Runs a supervisor whose table the test writes; it ends with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(body: str, stop: float = 15) -> subprocess.Popen[bytes]:
        code = _FRAME.format(body=textwrap.indent(textwrap.dedent(body), " " * 8), stop=stop)
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT)
        started.append(process)
        return process

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def _pids(said: str) -> list[int]:
    return [int(number) for number in re.findall(r"pid (\d+)", said)]


def _until(process: subprocess.Popen[bytes], text: str) -> str:
    assert process.stdout is not None
    return read_until(process.stdout, text)


def _rest(process: subprocess.Popen[bytes]) -> str:
    said, _ = process.communicate(timeout=30)
    return said.decode()


_WAITS = "import os, signal; print('pid', os.getpid()); signal.pause()"


def test_lines_carry_the_name_of_the_child(supervised: Supervised) -> None:
    process = supervised("""
        it.keep(python("first", "print('one'); print('two'); import signal; signal.pause()"))
        it.keep(python("second", "import sys; sys.stderr.write('no newline'); sys.exit(3)"))
    """)
    said = ""
    while not ("no newline" in said and "two" in said):
        said += _until(process, "|")
    lines = said.splitlines()
    assert "second   | no newline" in lines
    assert lines.index("first    | one") < lines.index("first    | two")


def test_a_dead_child_starts_again_after_doubling_pauses(supervised: Supervised) -> None:
    process = supervised("""it.keep(python("web", "print('up'); raise SystemExit(7)"))""")
    said = ""
    while said.count("ended with code 7") < 5:
        said += _until(process, "ended")
    pauses = re.findall(r"starts again in ([0-9.]+) s", said)
    assert pauses[:5] == ["0.05", "0.1", "0.2", "0.2", "0.2"]
    assert said.count("up") >= 4


def test_a_killed_child_starts_again_and_its_own_children_go(supervised: Supervised) -> None:
    child = (
        "import os, subprocess, sys;"
        "subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']);"
        "inner = open('/proc/self/task/%d/children' % os.getpid()).read();"
        "print('pid', os.getpid(), 'pid', inner); import signal; signal.pause()"
    )
    process = supervised(f"""it.keep(python("web", {child!r}))""")
    first, inner = _pids(_until(process, "pid"))
    os.kill(first, signal.SIGKILL)
    again, _ = _pids(_until(process, "pid"))
    assert again != first
    eventually(lambda: not alive(inner), "the end of the killed child's own child")
    process.send_signal(signal.SIGINT)  # in order: a kill would leave the new one's own child
    _rest(process)


def test_a_command_that_does_not_exist_is_told(supervised: Supervised) -> None:
    process = supervised("""it.keep(Child("web", ["/nowhere/granian"]))""")
    assert "/nowhere/granian cannot be started" in _until(process, "starts again")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_ends_everything(supervised: Supervised, number: signal.Signals) -> None:
    process = supervised(f"""
        it.keep(python("one", {_WAITS!r}))
        it.keep(python("two", {_WAITS!r}))
        it.wait_for(lambda: False, 0.05, 0.3)
    """)
    pids = _pids(_until(process, "pid") + _until(process, "pid"))
    process.send_signal(number)
    said = _rest(process)
    assert "asked to stop\nall stopped\n" in said
    assert process.returncode == 0
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)


def test_those_who_serve_others_stop_last(supervised: Supervised) -> None:
    says = (
        "import signal, sys;"
        "signal.signal(signal.SIGTERM, lambda *_: (print('leaves', flush=True), sys.exit()));"
        "print('ready', flush=True); signal.pause()"
    )
    process = supervised(f"""
        it.keep(python("queue", {says!r}, serves_others=True))
        it.keep(python("worker", {says!r}))
    """)
    _until(process, "ready")
    _until(process, "ready")
    process.send_signal(signal.SIGINT)
    said = _rest(process)
    assert said.index("worker   | leaves") < said.index("queue    | leaves")


_STUBBORN = (
    "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('pid', os.getpid(), flush=True)\nwhile True: signal.pause()"
)


def test_who_does_not_stop_is_killed(supervised: Supervised) -> None:
    process = supervised(f"""it.keep(python("deaf", {_STUBBORN!r}))""", stop=0.2)
    (pid,) = _pids(_until(process, "pid"))
    process.send_signal(signal.SIGTERM)
    assert "deaf     | did not stop in time and is killed" in _rest(process)
    assert not alive(pid)


def test_a_second_request_ends_the_patience(supervised: Supervised) -> None:
    process = supervised(f"""it.keep(python("deaf", {_STUBBORN!r}))""", stop=600)
    (pid,) = _pids(_until(process, "pid"))
    process.send_signal(signal.SIGINT)
    _until(process, "asked to stop")

    def asked_again() -> bool:
        process.send_signal(signal.SIGINT)
        return process.poll() is not None

    eventually(asked_again, "the end")
    assert not alive(pid)


def test_a_job_in_a_group_of_its_own_ends_too(supervised: Supervised) -> None:
    job = "import os, signal; os.setpgid(0, 0); print('pid', os.getpid()); signal.pause()"
    worker = (
        "import subprocess, sys, signal;"
        f"subprocess.Popen([sys.executable, '-uc', {job!r}]); signal.pause()"
    )
    process = supervised(f"""it.keep(python("worker", {worker!r}))""")
    (pid,) = _pids(_until(process, "pid"))
    process.send_signal(signal.SIGINT)
    _rest(process)
    eventually(lambda: not alive(pid), "the end of the job")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_nobody_outlives_a_killed_supervisor(supervised: Supervised) -> None:
    process = supervised(f"""
        it.keep(python("one", {_WAITS!r}))
        it.keep(python("two", {_WAITS!r}))
    """)
    pids = _pids(_until(process, "pid") + _until(process, "pid"))
    process.kill()
    process.wait()
    for pid in pids:
        eventually(lambda pid=pid: not alive(pid), "the end of a child")  # type: ignore[misc]


def test_a_task_runs_to_its_end_while_others_are_kept(supervised: Supervised) -> None:
    process = supervised("""
        it.keep(python("web", "print('up'); import signal; signal.pause()"))
        code = it.complete(python("task", "print('at work'); raise SystemExit(4)"))
        lines = []
        it.complete(python("quiet", "print('kept for later')"), lines)
        write(f"code {code}, {lines}\\n")
    """)
    said = _until(process, "code 4")
    assert "task     | at work" in said
    assert "web      | up" in said
    assert "code 4, ['kept for later']" in said
    assert "quiet" not in said


def test_a_stop_interrupts_a_task(supervised: Supervised) -> None:
    process = supervised(f"""it.complete(python("task", {_WAITS!r}))""")
    (pid,) = _pids(_until(process, "pid"))
    process.send_signal(signal.SIGINT)
    assert "all stopped" in _rest(process)
    assert not alive(pid)


def test_signals_are_given_back(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    lines: list[str] = []
    with Supervisor(lines.append, tmp_path) as supervisor:
        code = supervisor.complete(Child("task", [sys.executable, "-c", "print('done')"]))
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert code == 0
    assert lines == ["task     | done\n"]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@given(st.lists(st.floats(min_value=0, max_value=200), max_size=30))
def test_pauses_stay_within_bounds_and_begin_anew(runs: list[float]) -> None:
    patience = Patience()
    pause = 0.0
    for ran in runs:
        previous, pause = pause, patience.pause(pause, ran)
        assert 0.5 <= pause <= 30
        if ran >= 60 or not previous:
            assert pause == 0.5
        else:
            assert pause == min(previous * 2, 30)
