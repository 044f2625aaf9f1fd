"""Views keep nothing of a request: no wrong page and no wrong row, however threads interleave."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import func, select

from app.metadata.vocabulary import Level
from tests.contract.models import Hall
from tests.contract.world import World

THREADS = 4


@pytest.fixture(autouse=True)
def switching() -> Iterator[None]:
    """Threads change after ten microseconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def _together(work: Callable[[int], None]) -> None:
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_filters_of_one_request_do_not_reach_another(world: World) -> None:
    for number in range(THREADS):
        world.hall(f"线程{number}甲")
        world.hall(f"线程{number}乙", 1)
    wrong: list[str] = []

    def look(number: int) -> None:
        level, sees = [
            (Level.SITE, {"甲"}),
            (Level.CITY, {"甲", "乙"}),
        ][number % 2]
        browser = world.browser(level)
        for _ in range(20):
            page = browser.get(f"/test-hall/?name=线程{number}").get_data(as_text=True)
            for other in range(THREADS):
                for sign in "甲乙":
                    expected = other == number and sign in sees
                    if (f"线程{other}{sign}" in page) != expected:
                        wrong.append(f"{number}: {other}{sign}")

    _together(look)
    assert wrong == []


def test_patches_of_many_threads_change_their_own_rows(world: World) -> None:
    rows = [world.hall(f"并改{number}", seats=1) for number in range(THREADS)]
    wrong: list[str] = []

    def change(number: int) -> None:
        browser, row, version = world.browser(), rows[number], 1
        for step in range(15):
            body = {"seats": 10 * (number + 1) + step % 10, "version": version}
            answer = browser.rest("PATCH", f"/test_hall/{row.id}", body)
            found = answer.get_json()
            if answer.status_code != 200 or found["id"] != str(row.id):
                wrong.append(f"{number}: {answer.status_code} {found}")
                return
            version = found["version"]

    _together(change)
    assert wrong == []
    with world.looking() as session:
        found = session.execute(
            select(Hall.name, Hall.seats, Hall.version)
            .where(Hall.name.startswith("并改"))
            .order_by(Hall.name)
        ).all()
    assert [tuple(row) for row in found] == [
        (f"并改{number}", 10 * (number + 1) + 4, 16) for number in range(THREADS)
    ]


def test_writers_of_one_row_never_lose_an_update(world: World) -> None:
    row = world.hall("争", seats=1)
    done: list[int] = []

    def raise_by_one(_number: int) -> None:
        browser = world.browser()
        for _ in range(6):
            found = browser.rest("GET", f"/test_hall/{row.id}").get_json()
            body = {"seats": found["seats"] + 1, "version": found["version"]}
            answer = browser.rest("PATCH", f"/test_hall/{row.id}", body)
            assert answer.status_code in (200, 409)
            if answer.status_code == 200:
                done.append(1)

    _together(raise_by_one)
    assert world.get(Hall, row.id).seats == 1 + len(done)
    assert done


def test_an_operation_of_many_threads_is_done_once_per_row(world: World) -> None:
    rows = [world.hall(f"并关{number}") for number in range(5)]
    ids = [row.id for row in rows]

    def close(_number: int) -> None:
        answer = world.browser().post("/test-hall-close/", {"ids": ids}, htmx=True)
        assert answer.status_code in (200, 204, 422)

    _together(close)
    with world.looking() as session:
        versions = session.scalars(select(Hall.version).where(Hall.id.in_(ids))).all()
        count = session.scalar(select(func.count()).where(Hall.name.startswith("并关")))
    assert versions == [2] * 5
    assert count == 5
