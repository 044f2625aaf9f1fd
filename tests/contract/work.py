"""What tests of imports, documents, grids and jobs over REST share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.declarations import Declaration
from app.metadata.vocabulary import ADMINISTRATORS, Level, Verb, Window
from app.models.exam import OperationWindow
from app.models.job import JobRun
from app.rules import availability, policy
from tests.contract.world import World
from tests.factories import set_window

LEVELS = pytest.mark.parametrize("level", ADMINISTRATORS)
OWN, FOREIGN = "990701", "990702"


def granted(world: World, declaration: Declaration, verb: Verb, level: Level) -> bool:
    return policy.granted(declaration, verb, world.actor(level))


def unused(world: World, declaration: Declaration, level: Level) -> bool:
    with world.looking() as session:
        actor = world.actor(level)
        return availability.reason_for(session, declaration.name, actor) is not None


@contextmanager
def closed(world: World, window: Window) -> Iterator[None]:
    """The window of every organisation is over."""
    tree = world.tree
    places = [tree.center, tree.province, tree.city, *tree.sites]
    past = tree.now - dt.timedelta(days=90)
    with world.looking() as session:
        chosen = OperationWindow.organisation_id.in_([place.id for place in places])
        rows = {
            row.organisation_id: row
            for row in session.scalars(select(OperationWindow).where(chosen))
        }
    before = {
        key: (getattr(row, f"{window.value}_start"), getattr(row, f"{window.value}_end", None))
        for key, row in rows.items()
    }

    def put(edges: dict[int, tuple[Any, Any]]) -> None:
        with unit_of_work(world.runtime.factory, system("seed")) as session:
            for place in places:
                if place.id in edges:
                    set_window(session, place, window, *edges[place.id])

    put(dict.fromkeys(before, (past, past + dt.timedelta(days=1))))
    try:
        yield
    finally:
        put(before)


def job(
    world: World, declaration: Declaration, kind: str, number: int = 0, **values: Any
) -> JobRun:
    """A job that a site has asked for."""
    tree = world.tree
    passport = world.people[Level.SITE, number]
    columns = {"state": "queued", "parameters": {}, "result": {}, "errors": []} | values
    row: JobRun = world.plant(
        JobRun(
            **tree.path(tree.sites[number]),
            kind=kind,
            declaration=declaration.name,
            passport_id=passport.id,
            actor_level="site",
            actor_name="考点管理员",
            organisation_code=tree.sites[number].code,
            **columns,
        )
    )
    return row


def code_of(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["code"]
