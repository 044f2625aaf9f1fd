"""Menu and permission check on a page with 80 resources: SQL statements and time.

    python -m bench.permissions [--quick]

The application gets as many stand-in pages as it takes to have 80 in the menu. A site's
administrator asks for a page; statements on the tables of the matrix are counted over the whole
request, and all statements while the menu is made and every page is asked for its verbs. The
floor is the same loop over a plain set of grants.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import g
from sqlalchemy import event

from app.database.unit_of_work import unit_of_work
from app.metadata import registry
from app.metadata.actor import system
from app.metadata.declarations import ONLY_VIEW, ColumnGroup, Place, Statistic, StatisticTable
from app.metadata.vocabulary import ADMINISTRATORS, Area, Level, Verb
from app.rules import permissions
from app.runtime import load_declarations
from app.views import chrome
from app.views.exam_prefix import NUMBER_KEY, ROOT_KEY
from tests.conftest import create_schema
from tests.contract.world import AGENT, World, make_world

PAGES = 80
BAR = 1
_MATRIX = ("role_grant", "setting")


def stand_in(number: int) -> Statistic:
    """A page with nothing on it but a name and verbs."""
    return registry.register(
        Statistic(
            name=f"bench_{number}",
            label=f"页面{number}",
            menu=Place(Area.STATISTICS, 10_000 + number),
            verbs=dict.fromkeys(ADMINISTRATORS, ONLY_VIEW),
            compute=lambda *_: StatisticTable("", [ColumnGroup("", ())], []),
        )
    )


def site_pages() -> int:
    """How many pages of the menu a site's administrator may open."""
    grants = {name for role, name, _ in permissions.defaults() if role == Level.SITE.value}
    return sum(page.name in grants for _, pages in registry.menu() for page in pages)


@contextmanager
def counting(world: World) -> Iterator[list[str]]:
    """The statements that are executed inside."""
    found: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            found.append(statement)

    event.listen(world.runtime.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(world.runtime.engine, "before_cursor_execute", note)


def median_ms(work: Callable[[], object], rounds: int) -> float:
    """Median time of `work` in milliseconds."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def measure(world: World, rounds: int) -> dict[str, float]:
    """The figures for a site's administrator on a warm process."""
    browser = world.browser()
    path = "/capacity-statistics/"
    browser.get("/capacity-statistics/")
    with counting(world) as whole:
        answer = browser.get("/capacity-statistics/")
    assert answer.status_code == 200
    cookie = world.cookie(world.people[Level.SITE, 0])
    headers = {"Cookie": f"kaowu_admin={cookie}", "User-Agent": AGENT}
    environ = {"REMOTE_ADDR": "127.0.0.1", NUMBER_KEY: 58, ROOT_KEY: "/admin"}
    with world.app.test_request_context(path, environ_overrides=environ, headers=headers):
        world.app.preprocess_request()
        pages = [page for _, group in registry.menu() for page in group]
        security = world.app.appbuilder.sm

        def checks() -> object:
            shown = chrome.menu()
            return shown, [
                security.has_access(f"can_{verb}", page.name) for page in pages for verb in Verb
            ]

        with counting(world) as inside:
            checks()
        entries = sum(len(area["children"]) for area in chrome.menu())
        plain = {(name, str(verb)) for name, verb in g.actor.grants}
        floor = median_ms(
            lambda: [(page.name, str(verb)) in plain for page in pages for verb in Verb], rounds
        )
        checked = median_ms(checks, rounds)
        drawn = median_ms(chrome.menu, rounds)
    return {
        "entries": entries,
        "matrix statements": sum(any(f" {t}" in s for t in _MATRIX) for s in whole),
        "statements inside": len(inside),
        "statements of the page": len(whole),
        "milliseconds": checked,
        "menu": drawn,
        "floor": floor,
    }


def main() -> int:
    """Return 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="20 rounds")
    options = parser.parse_args()
    load_declarations()
    for number in range(max(0, PAGES - site_pages())):
        stand_in(number)
    with tempfile.TemporaryDirectory(prefix="kaowu-bench-") as folder:
        url = f"sqlite:///{folder}/bench.sqlite3"
        create_schema(url)
        world = make_world(url, Path(folder))
        with unit_of_work(world.runtime.factory, system("permissions sync")) as session:
            permissions.sync(session)
        found = measure(world, 20 if options.quick else 200)
        world.runtime.engine.dispose()
    statements = found["matrix statements"] + found["statements inside"]
    print(f"Python {platform.python_version()}, SQLite, {found['entries']:.0f} pages in the menu")
    print(
        f"menu and permission check: {statements:.0f} SQL statement (bar {BAR}), "
        f"the whole page {found['statements of the page']:.0f}"
    )
    print(
        f"menu {found['menu']:.2f} ms; with {PAGES}+ pages x {len(Verb)} verbs asked "
        f"{found['milliseconds']:.2f} ms, look-ups in a plain set {found['floor']:.2f} ms"
    )
    return 0 if statements <= BAR and found["entries"] >= PAGES else 1


if __name__ == "__main__":
    raise SystemExit(main())
