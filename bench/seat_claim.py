"""Seats under load: our claim against the least that a database must do for the same rows.

    python -m bench.seat_claim [--quick]

One hot site. A claim is one transaction: registration, order, entry and log rows, then three
counters (day, subject, total), committed through unit of work, permit and gate. The floor writes
the same rows with bare statements of the driver; on PostgreSQL all in one round trip. Floor and
claim take turns; the figure is the median of the rounds' ratios. On PostgreSQL each client is a
process, as web workers are; on SQLite a thread, as in the embedded server. `fsync` is on.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import queue
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy
from sqlalchemy import insert, make_url, update

from app.database.keys import keyring
from app.database.schema import create_all
from app.database.session import WRITES, KaowuSession, make_engine, make_session_factory
from app.database.unit_of_work import reading, run_unit, unit_of_work
from app.metadata.actor import candidate, system
from app.metadata.vocabulary import Verb
from app.models.capacity import CapacityPool
from app.rules import capacity
from app.rules.capacity import CapacityExceeded
from app.rules.policy import permit
from app.rules.registration import permits
from bench.seat_rows import SEATS, TABLES, Place, rows_of_claim
from tests import factories, servers

#: Bars: claim / floor; seconds.
BAR_POSTGRESQL, BAR_SQLITE, BAR_P99 = 0.25, 0.2, 0.3
SOLD_OUT = 500
#: One call makes one claim; False when no seat was left.
Claim = Callable[[], bool]
FORK = multiprocessing.get_context("fork")
CLAIMS = [insert(table) for table in TABLES]


@dataclass
class Figures:
    """What one contender did in all rounds; waits in seconds."""

    rates: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def show(self, name: str) -> str:
        return (
            f"  {name:<28}{statistics.median(self.rates):>8.0f}/s   "
            f"p50 {1000 * percentile(self.waits, 0.5):6.1f} ms   "
            f"p99 {1000 * percentile(self.waits, 0.99):6.1f} ms   "
            f"errors {len(self.failures)}"
        )


def percentile(waits: Sequence[float], share: float) -> float:
    ordered = sorted(waits)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


# ---------------------------------------------------------------- contenders


@contextmanager
def our_claim(url: str, place: Place, seats: capacity.Seats = SEATS) -> Iterator[Claim]:
    """The product's own path: unit of work, permit, rows, gate, commit."""
    engine = make_engine(url)
    factory = make_session_factory(engine)
    actor = candidate(place.passport_id, place.exam_id)

    def work(session: KaowuSession) -> None:
        with permit(session, permits.CHOOSE_SUBJECTS, Verb.RUN):
            capacity.look(session, place, seats)
            connection = session.connection()
            for statement, values in zip(CLAIMS, rows_of_claim(place), strict=True):
                connection.execute(statement, values)
            capacity.move(session, place, seats)

    def once() -> bool:
        try:
            run_unit(factory, actor, work)
        except CapacityExceeded:
            return False
        return True

    yield once
    engine.dispose()


_COUNT = (
    "UPDATE capacity_pool SET used = used + 1 "
    "WHERE exam_id = {0} AND site_id = {0} AND pool = {0} AND used < capacity"
)


def plain_rows(place: Place, mark: str) -> list[tuple[str, list[Any]]]:
    """The same writes as text and parameters, for a driver without SQLAlchemy."""
    sealed = keyring().seal("990101200102030015")
    found = []
    for table, values in zip(TABLES, rows_of_claim(place), strict=True):
        stored = values | ({"id_number": sealed} if "id_number" in values else {})
        marks = ", ".join([mark] * len(stored))
        text = f"INSERT INTO {table.name} ({', '.join(stored)}) VALUES ({marks})"  # noqa: S608
        found.append((text, ["{}" if value == {} else value for value in stored.values()]))
    count = _COUNT.format(mark)
    return found + [(count, [place.exam_id, place.site_id, pool]) for pool in sorted(SEATS)]


@contextmanager
def postgresql_floor(url: str, place: Place) -> Iterator[Claim]:
    """psycopg alone, prepared statements, one round trip for the rows and the commit."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, prepare_threshold=0) as connection:

        def once() -> bool:
            with connection.pipeline():
                for text, parameters in plain_rows(place, "%s"):
                    connection.execute(text, parameters)
                connection.commit()
            return True

        yield once


@contextmanager
def postgresql_statements(url: str, place: Place) -> Iterator[Claim]:
    """psycopg alone, but a round trip per statement, as an application has them: to tell what
    the round trips cost and what we add."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, prepare_threshold=0) as connection:

        def once() -> bool:
            for text, parameters in plain_rows(place, "%s"):
                connection.execute(text, parameters)
            connection.commit()
            return True

        yield once


_sqlite_writer = threading.Lock()


@contextmanager
def sqlite_floor(url: str, place: Place) -> Iterator[Claim]:
    """The standard library's driver alone; one writer at a time, as SQLite has it."""
    path = str(make_url(url).database)
    with closing(sqlite3.connect(path, isolation_level=None, timeout=15)) as connection:
        connection.execute("PRAGMA synchronous=NORMAL")

        def once() -> bool:
            with _sqlite_writer:
                connection.execute("BEGIN IMMEDIATE")
                for text, parameters in plain_rows(place, "?"):
                    connection.execute(text, [_plain(value) for value in parameters])
                connection.execute("COMMIT")
            return True

        yield once


def _plain(value: Any) -> Any:
    return str(value) if hasattr(value, "isoformat") else value


CONTENDERS: dict[str, Callable[[str, Place], Any]] = {
    "claim": our_claim,
    "postgresql floor": postgresql_floor,
    "statement by statement": postgresql_statements,
    "sqlite floor": sqlite_floor,
}


# ---------------------------------------------------------------- rounds


@dataclass(frozen=True)
class Race:
    """Who takes turns on which site: `plan` names a contender per turn of `seconds`."""

    url: str
    place: Place
    plan: tuple[str, ...]
    seconds: float


def client(race: Race, start: Any, out: Any) -> None:
    """One client: the contenders in turn, each as often as it can in its seconds."""
    with ExitStack() as stack:
        ready = {
            name: stack.enter_context(CONTENDERS[name](race.url, race.place))
            for name in dict.fromkeys(race.plan)
        }
        for once in ready.values():
            once()  # connect, prepare, compile
        for number, name in enumerate(race.plan):
            waits, failures = [], []
            start.wait()
            end = time.perf_counter() + race.seconds
            while (begun := time.perf_counter()) < end:
                try:
                    if not ready[name]():
                        failures.append("sold out: the race is too long for the seats")
                except Exception as error:
                    failures.append(f"{type(error).__name__}: {error}"[:200])
                waits.append(time.perf_counter() - begun)
            out.put((number, waits, failures))


def run(race: Race, clients: int) -> dict[str, Figures]:
    """Let that many clients run the plan at once."""
    kind: Any = threading if race.url.startswith("sqlite") else FORK
    out: Any = queue.Queue() if kind is threading else FORK.Queue()
    start = kind.Barrier(clients)
    begin = threading.Thread if kind is threading else FORK.Process
    workers = [begin(target=client, args=(race, start, out)) for _ in range(clients)]
    for worker in workers:
        worker.start()
    answers = [out.get(timeout=300) for _ in range(clients * len(race.plan))]
    for worker in workers:
        worker.join()
    figures = {name: Figures() for name in race.plan}
    for number, name in enumerate(race.plan):
        mine = [answer for answer in answers if answer[0] == number]
        failures = [failure for answer in mine for failure in answer[2]]
        waits = [wait for answer in mine for wait in answer[1]]
        figures[name].rates.append((len(waits) - len(failures)) / race.seconds)
        figures[name].waits += waits
        figures[name].failures += failures
    return figures


def prepare(url: str) -> Place:
    """Schema, one site without narrow limits, and one candidate."""
    engine = make_engine(url)
    create_all(engine)
    factory = make_session_factory(engine)
    with unit_of_work(factory, system("bench")) as session:
        tree = factories.make_tree(
            session, sites=1, total=99_999, capacity=99_999, day_quota=33_333
        )
        passport = factories.make_passport(session)
    engine.dispose()
    site = tree.site
    assert site.site_id is not None
    return Place(tree.exam.id, site.province_id, site.city_id, site.site_id, passport.id)


def empty(url: str) -> None:
    """All seats are free again: a race of many rounds would sell the site out. SQLite is so fast
    that it would within one race, so its days have as many seats as the whole site."""
    free: dict[str, int] = {"used": 0}
    if url.startswith("sqlite"):
        free["capacity"] = 99_999
    engine = make_engine(url)
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        for table in reversed(TABLES):
            connection.execute(table.delete())
        connection.execute(update(CapacityPool).values(free))
    engine.dispose()


def miscounts(url: str) -> int:
    """Counters that differ from the rows."""
    engine = make_engine(url)
    with reading(make_session_factory(engine), system("bench")) as session:
        found = capacity.recount(session)
    engine.dispose()
    return len(found)


# ---------------------------------------------------------------- report


def versus(race: Race, clients: int, bar: float) -> bool:
    """One block of the report; True when the bar is reached and nothing was lost."""
    floor = race.plan[0]
    empty(race.url)
    figures = run(race, clients)
    ratios = [
        ours / theirs
        for ours, theirs in zip(figures["claim"].rates, figures[floor].rates, strict=True)
    ]
    ratio, wrong = statistics.median(ratios), miscounts(race.url)
    failures = figures["claim"].failures
    in_time = clients < 32 or percentile(figures["claim"].waits, 0.99) < BAR_P99
    reached = ratio >= bar and in_time and wrong == 0 and not failures
    print(f"{floor.split()[0]}, {clients} clients, one hot site, {len(ratios)} rounds")
    for name in dict.fromkeys(race.plan):
        print(figures[name].show(name))
    print(
        f"  ratio {ratio:.2f} (bar {bar:.2f}; rounds {min(ratios):.2f}-{max(ratios):.2f}), "
        f"wrong counters {wrong}: {'reached' if reached else 'NOT REACHED'}"
    )
    for failure in sorted(set(failures))[:3]:
        print(f"  {failure}")
    return reached


def sell_out(url: str, place: Place, clients: int) -> bool:
    """So many seats, more clients than seats in sight: sold to the last one, never one more."""
    engine = make_engine(url)
    factory = make_session_factory(engine)
    with unit_of_work(factory, system("bench")) as session, factories.permitted(session):
        capacity.set_limits(session, place, {"S:24": SOLD_OUT})
    engine.dispose()
    sold = FORK.Queue()

    def buy() -> None:
        with our_claim(url, place, {"S:24": 1}) as once:
            count = 0
            while once():
                count += 1
            sold.put(count)

    workers = [FORK.Process(target=buy) for _ in range(clients)]
    begun = time.perf_counter()
    for worker in workers:
        worker.start()
    total = sum(sold.get(timeout=120) for _ in workers)
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - begun
    print(f"sell-out: {total} of {SOLD_OUT} seats sold to {clients} clients in {seconds:.1f} s")
    return bool(total == SOLD_OUT)


def durable(server: servers.Postgres) -> None:
    """Production's settings: the test server gives durability up for speed."""
    address = server.url.replace("+psycopg", "")
    with psycopg.connect(address, autocommit=True) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
            connection.execute(f"ALTER SYSTEM SET {name} = on")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE DATABASE bench")


def on_postgresql(options: argparse.Namespace) -> list[bool]:
    binaries = servers.find_postgresql()
    if binaries is None:
        print("PostgreSQL: not found, left out (set PG_BIN)")
        return []
    server = servers.Postgres(binaries)
    try:
        durable(server)
        url = make_url(server.url).set(database="bench").render_as_string(hide_password=False)
        place = prepare(url)
        plan = ("postgresql floor", "claim", "statement by statement") * options.rounds
        race = Race(url, place, plan, options.seconds)
        return [
            versus(race, 8, BAR_POSTGRESQL),
            versus(race, 32, 0.0),
            sell_out(url, place, 32),
        ]
    finally:
        server.stop()


def on_sqlite(options: argparse.Namespace) -> list[bool]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'bench.sqlite3'}"
        plan = ("sqlite floor", "claim") * options.rounds
        return [versus(Race(url, prepare(url), plan, options.seconds), 8, BAR_SQLITE)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="3 rounds of half a second")
    options = parser.parse_args()
    options.rounds, options.seconds = (3, 0.5) if options.quick else (9, 1.0)
    print(
        f"Python {platform.python_version()}, SQLAlchemy {sqlalchemy.__version__}, "
        f"psycopg {psycopg.__version__}, {multiprocessing.cpu_count()} cores"
    )
    reached = on_postgresql(options) + on_sqlite(options)
    return 0 if all(reached) else 1


if __name__ == "__main__":
    raise SystemExit(main())
