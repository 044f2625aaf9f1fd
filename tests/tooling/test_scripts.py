"""The shell scripts and the Makefile, against machines made of stand-in commands."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_COMPLETE = "libpango-1.0.so.0 libpangoft2-1.0.so.0 libharfbuzz-subset.so.0 libatomic.so.1"


class Machine:
    """A folder of commands that is the whole PATH of a script; ``log`` is what apt-get was told."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.log = folder / "log"
        self.bin.mkdir()
        for name in ("sh", "env", "grep", "mktemp", "rm", "tail", "cat", "awk"):
            found = shutil.which(name)
            assert found
            (self.bin / name).symlink_to(found)
        self.has("python3", f'exec {sys.executable} "$@"')
        self.has("id", "echo 1000")
        self.libraries("")

    def has(self, name: str, script: str = "exit 0") -> None:
        """Install a command."""
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def libraries(self, names: str) -> None:
        """The shared libraries that the loader knows."""
        self.has("ldconfig", f"echo '{names}'")

    def has_apt(self, status: int = 0) -> None:
        """An apt-get that notes its arguments and ends with the status."""
        self.has("apt-get", f'echo "$DEBIAN_FRONTEND apt-get $*" >>{self.log}; exit {status}')

    def is_complete(self) -> None:
        """Everything that is looked for is there."""
        self.libraries(_COMPLETE)
        self.has("fc-list", "echo 'Noto Sans CJK SC'")
        self.has("chromium")
        self.has("pdftoppm")
        self.has("qpdf")

    def run(self, script: str, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run a script of ``tools/``: its status and all that it said."""
        done = subprocess.run(
            [str(self.bin / "sh"), str(ROOT / "tools" / script), *arguments],
            env={"PATH": str(self.bin), **environment},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    @property
    def installed(self) -> list[str]:
        """The apt-get lines, as they were run."""
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with python3 and nothing else that is looked for."""
    return Machine(tmp_path)


# The scripts add /usr/sbin and /sbin to PATH for ldconfig: what they look for must not be there.
pytestmark = pytest.mark.skipif(
    any(Path(folder, "fc-list").exists() for folder in ("/usr/sbin", "/sbin")),
    reason="this machine keeps everything in sbin",
)


@pytest.mark.parametrize("purpose", ["python", "run", "test"])
def test_a_complete_machine_is_left_alone_in_silence(machine: Machine, purpose: str) -> None:
    machine.is_complete()
    machine.has_apt()
    assert machine.run("system_packages.sh", purpose) == (0, "")
    assert machine.installed == []


def test_root_installs_what_is_missing_and_says_so(machine: Machine) -> None:
    machine.has("id", "echo 0")
    machine.has_apt()
    status, said = machine.run("system_packages.sh", "test")
    packages = (
        "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fontconfig fonts-noto-cjk "
        "chromium libatomic1 poppler-utils qpdf"
    )
    line = f"apt-get install -y --no-install-recommends {packages}"
    assert (status, said) == (0, f"installing system packages: {line}\n")
    assert machine.installed == [" apt-get update -q", f"noninteractive {line} -q"]


def test_sudo_without_a_password_is_used(machine: Machine) -> None:
    machine.is_complete()
    machine.libraries(_COMPLETE.replace("libharfbuzz-subset.so.0", ""))
    machine.has_apt()
    machine.has("sudo", '[ "$1" = -n ] && shift; exec "$@"')
    machine.has("true")
    status, said = machine.run("system_packages.sh", "run")
    assert status == 0
    assert said.endswith("--no-install-recommends libharfbuzz-subset0\n")
    assert machine.installed[1].endswith("libharfbuzz-subset0 -q")


@pytest.mark.parametrize(
    ("purpose", "consequence"), [("run", "PDF are not available"), ("test", "are skipped")]
)
def test_others_are_told_what_to_type_and_go_on(
    machine: Machine, purpose: str, consequence: str
) -> None:
    machine.is_complete()
    machine.has("fc-list", "exit 0")
    machine.has_apt()
    machine.has("sudo", "exit 1")
    status, said = machine.run("system_packages.sh", purpose)
    assert status == 0
    assert "    sudo apt-get install -y --no-install-recommends fonts-noto-cjk\n" in said
    assert consequence in said
    assert machine.installed == []


def test_ci_does_not_go_on_without_them(machine: Machine) -> None:
    machine.has_apt()
    status, said = machine.run("system_packages.sh", "run", CI="true")
    assert status == 1
    assert "sudo apt-get install" in said


def test_an_installation_that_fails_is_told(machine: Machine) -> None:
    machine.has("id", "echo 0")
    machine.has_apt(status=100)
    status, said = machine.run("system_packages.sh", "run", CI="true")
    assert status == 1
    assert "apt-get could not install them." in said
    assert "sudo apt-get install" in said


def test_installing_can_be_switched_off(machine: Machine) -> None:
    machine.has("id", "echo 0")
    machine.has_apt()
    status, said = machine.run("system_packages.sh", "run", INSTALL_SYSTEM="0")
    assert (status, machine.installed) == (0, [])
    assert "sudo apt-get install" in said


def test_a_machine_without_apt_hears_the_names(machine: Machine) -> None:
    status, said = machine.run("system_packages.sh", "run")
    assert status == 0
    assert "Install what your system calls them" in said


def test_python_without_venv_cannot_go_on(machine: Machine) -> None:
    machine.has_apt()
    machine.has("python3", '[ "$2" = "import ensurepip" ] && exit 1; echo 3.11')
    status, said = machine.run("system_packages.sh", "python")
    assert status == 1
    assert "    sudo apt-get install -y --no-install-recommends python3.11-venv\n" in said


def test_bootstrap_needs_python(machine: Machine) -> None:
    (machine.bin / "python3").unlink()
    status, said = machine.run("bootstrap.sh")
    assert status == 1
    assert said.startswith("python3 was not found.")


def test_bootstrap_refuses_an_old_python(machine: Machine) -> None:
    machine.has("python3", '[ "$1" = -V ] && echo Python 3.10.9; exit 1')
    status, said = machine.run("bootstrap.sh")
    assert status == 1
    assert "Python 3.11 to 3.14 is needed; python3 is Python 3.10.9." in said
    assert "make PYTHON=python3.12 run" in said


def test_bootstrap_uses_the_uv_of_the_machine(machine: Machine, tmp_path: Path) -> None:
    machine.has("uv", f'echo "$UV_PYTHON_DOWNLOADS uv $*" >>{machine.log}')
    status, _ = machine.run("bootstrap.sh", VENV=str(tmp_path / "venv"))
    assert status == 0
    made, locked, own = machine.installed
    assert made.startswith("never uv venv -q --clear --python ")
    assert "--require-hashes -r requirements.lock" in locked
    assert "--no-deps -e . --build-constraints tools/build.lock" in own
    assert not (tmp_path / "venv-tools").exists()


def test_help_names_every_target() -> None:
    done = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert re.findall(r"^  make (\S+)", done.stdout, re.MULTILINE) == phony[1].split()


@pytest.mark.parametrize(
    "name", ["requirements.lock", "deploy/requirements.lock", "tools/build.lock", "tools/uv.lock"]
)
def test_every_package_is_pinned_by_hash_and_names_no_index(name: str) -> None:
    text = (ROOT / name).read_text()
    entries = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert entries
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
    assert "://" not in text


def test_the_locks_agree() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9-]+==[^ ;\\]+)", (ROOT / name).read_text(), re.MULTILINE))

    assert pins("deploy/requirements.lock") < pins("requirements.lock")
    missing = pins("tools/build.lock") - pins("requirements.lock")
    assert {pin.split("==")[0] for pin in missing} <= {"hatchling", "tomlkit", "trove-classifiers"}
