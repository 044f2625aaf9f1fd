"""A list page of the administration over a million registrations: statements and time.

    python -m bench.lists [--quick]

The list of candidates is asked for by a site (5,000 of the rows), a province (an eighth of them)
and the centre (all), first as it opens, then searched, sorted and turned over. Figures are the
median time of a request inside the process, with what PostgreSQL takes for it, and the number of
statements. `--quick` fills a tenth of the rows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import Level
from bench.large_tables import fill, postgresql
from tests.contract.world import World, create_world_tables, make_world
from tests.factories import make_registration

BAR_STATEMENTS = 12
#: milliseconds, by who looks
BARS = {Level.SITE: 60.0, Level.PROVINCE: 120.0, Level.CENTER: 120.0}
REQUESTS = {
    "as it opens": "",
    "50 rows, page 40": "?_page=40&_size=50",
    "by name": "?name=考一",
    "by state of payment": "?payment=paid",
    "sorted by name": "?_order=name",
    "by site": "?_org=995007",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One kind of request of one level."""

    level: Level
    name: str
    statements: int
    milliseconds: float
    processor: float
    slowest: float

    @property
    def reached(self) -> bool:
        return self.statements <= BAR_STATEMENTS and self.milliseconds < BARS[self.level]

    def show(self) -> str:
        return (
            f"  {self.level.value:<10}{self.name:<22}{self.statements:3d} statements  "
            f"p50 {self.milliseconds:7.1f} ms (own processor {self.processor:5.1f})  "
            f"slowest {self.slowest:7.1f} ms"
            f"{'' if self.reached else '  NOT REACHED'}"
        )


def prepare(url: str, folder: Path, count: int) -> World:
    """The application with its people, and the rows."""
    create_world_tables(url)
    world = make_world(url, folder)
    with unit_of_work(world.runtime.factory, system("bench")) as session:
        make_registration(session, world.tree)
    fill(url, count)
    return world


def measure(world: World, level: Level, name: str, query: str, rounds: int) -> Figure:
    """Median over so many requests, after two that fill the caches."""
    browser = world.browser(level)
    times, own = [], []
    for turn in range(rounds + 2):
        with world.counting() as statements:
            begun, worked = time.perf_counter(), time.process_time()
            answer = browser.get(f"/registration/{query}")
            spent, work = time.perf_counter() - begun, time.process_time() - worked
        assert answer.status_code == 200, answer.status_code
        if turn >= 2:
            times.append(1000 * spent)
            own.append(1000 * work)
    middle = statistics.median
    return Figure(level, name, len(statements), middle(times), middle(own), max(times))


def main() -> int:
    """Return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="100,000 rows, 5 requests of a kind")
    quick = parser.parse_args().quick
    count, rounds = (100_000, 5) if quick else (1_000_000, 25)
    with postgresql() as url, tempfile.TemporaryDirectory(prefix="kaowu-bench-") as folder:
        if url is None:
            print("PostgreSQL: not found, left out (set PG_BIN)")
            return 0
        world = prepare(url, Path(folder), count)
        print(f"{count} registrations, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        reached = []
        for level in BARS:
            for name, query in REQUESTS.items():
                if level is Level.SITE and "_org" in query:
                    continue
                figure = measure(world, level, name, query, rounds)
                print(figure.show(), flush=True)
                reached.append(figure.reached)
        world.runtime.engine.dispose()
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
