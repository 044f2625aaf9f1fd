"""Run every bench, one after the other: `python -m bench [names …] [--quick]`.

Each prints its figures beside its bar and tells by its exit status whether the bar is met; the
last lines here are the summary. They do not run side by side: they would measure one another.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

#: modules of this package that are no bench of their own
_HELPERS = {"__init__", "__main__", "large_tables", "seat_rows", "workers"}


def benches() -> list[str]:
    """Names of all benches: what has a `main`."""
    found = []
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in _HELPERS and "def main(" in path.read_text("utf-8"):
            found.append(path.stem)
    return found


def main() -> int:
    """Run the asked benches (all, where none is named); 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="figures and their bars")
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(benches())}")
    parser.add_argument("--quick", action="store_true", help="a short run: shape, not figures")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(benches()):
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    outcomes = []
    for name in asked.names or benches():
        sys.stdout.write(f"== {name}\n")
        sys.stdout.flush()
        begun = time.monotonic()
        command = [sys.executable, "-m", f"bench.{name}", *(["--quick"] if asked.quick else [])]
        code = subprocess.run(command, check=False).returncode
        outcomes.append((name, code, time.monotonic() - begun))
    for name, code, seconds in outcomes:
        verdict = "bars met" if code == 0 else f"BAR MISSED or failed (exit {code})"
        sys.stdout.write(f"{name:24} {seconds:6.0f} s  {verdict}\n")
    return 1 if any(code for _, code, _ in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
