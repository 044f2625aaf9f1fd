"""A column of a higher level is closed to lower ones, whatever channel writes the row."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.database.policy import ColumnDenied
from app.database.unit_of_work import unit_of_work
from app.metadata.vocabulary import Level, Verb
from app.rules import crud, policy
from tests.contract.models import Hall
from tests.contract.world import World

#: quota is a column of the city's (`editable_from`)
HALLS = Hall.__admin__


def _add(world: World, level: Level, name: str, quota: int | None) -> Hall:
    """As a rule, an import or a command would add it: with no form in front."""
    actor = world.actor(level)
    path = world.tree.path(world.tree.sites[0])
    given = {} if quota is None else {"quota": quota}
    with (
        unit_of_work(world.runtime.factory, actor) as session,
        policy.permit(session, HALLS, Verb.ADD),
    ):
        row = Hall(**path, name=name, seats=3, **given)
        session.add(row)
    return row


def _preset(world: World, level: Level, name: str, quota: int | None) -> Hall:
    """A rule that calls `crud.create` with attributes that no form offers."""
    actor = world.actor(level)
    values = {"name": name, "seats": "3", "colour": "red"}
    with unit_of_work(world.runtime.factory, actor) as session:
        given = {} if quota is None else {"quota": quota}
        row: Hall = crud.create(session, HALLS, values, preset=given)
    return row


WAYS = pytest.mark.parametrize("way", [_add, _preset])
Way = Callable[[World, Level, str, int | None], Hall]


@WAYS
def test_a_lower_level_does_not_set_it_on_a_new_row(world: World, way: Way) -> None:
    with pytest.raises(ColumnDenied) as refused:
        way(world, Level.SITE, f"级一{way.__name__}", 5)
    assert "上级配额" in str(refused.value)


@WAYS
@pytest.mark.parametrize("quota", [None, 0])
def test_its_default_is_no_choice_of_the_lower_level(
    world: World, way: Way, quota: int | None
) -> None:
    row = way(world, Level.SITE, f"级二{way.__name__}{quota}", quota)
    assert world.get(Hall, row.id).quota == 0


def test_its_own_level_sets_it(world: World) -> None:
    row = _add(world, Level.CITY, "级三", 5)
    assert world.get(Hall, row.id).quota == 5


def test_over_rest_it_is_no_member_of_the_body(world: World) -> None:
    body = {"name": "级四", "seats": 3, "colour": "red", "quota": 5}
    answer = world.browser().rest("POST", "/test_hall/", body)
    assert (answer.status_code, set(answer.get_json()["errors"])) == (422, {"quota"})
