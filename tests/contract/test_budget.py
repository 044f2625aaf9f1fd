"""How many statements a page costs (quality.md, Speed)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.metadata import registry
from app.metadata.declarations import LOOK, Declaration, Place
from app.metadata.vocabulary import ADMINISTRATORS, Area, Level
from app.views import chrome
from tests.contract.world import World

MOST = 12


def _statements(world: World, level: Level, path: str) -> list[str]:
    browser = world.browser(level)
    assert browser.get(path).status_code == 200  # the first request fills the caches
    with world.counting() as found:
        assert browser.get(path).status_code == 200
    return [statement for statement in found if not _of_the_middleware(statement)]


def _of_the_middleware(statement: str) -> bool:
    """The known sessions are read once a second, whoever asks then."""
    return "exam.number \nFROM exam" in statement or "WHERE exam.state = " in statement


@pytest.mark.parametrize("level", ADMINISTRATORS)
def test_a_list_page_needs_at_most_twelve_statements(world: World, level: Level) -> None:
    for number in range(12):
        near = world.hall(f"算{level}{number}")
        world.hall(f"算邻{level}{number}", neighbour_id=near.id)
    found = _statements(world, level, "/test-hall/?name=算")
    assert len(found) <= MOST, "\n".join(found)


def test_rows_cost_no_statements(world: World) -> None:
    for number in range(30):
        world.hall(f"多行{number}")
    one = _statements(world, Level.CITY, "/test-hall/?name=多行1&_size=20")
    many = _statements(world, Level.CITY, "/test-hall/?name=多行&_size=50")
    assert len(many) == len(one)


@pytest.fixture
def eighty() -> Iterator[list[Declaration]]:
    """Eighty further pages in the menu."""
    made = [
        Declaration(
            name=f"many_{number}",
            label=f"第{number}页",
            menu=Place(Area.REPORT, 10_000 + number),
            verbs=dict.fromkeys(ADMINISTRATORS, LOOK),
        )
        for number in range(80)
    ]
    for declaration in made:
        registry.register(declaration)
    yield made
    for declaration in made:
        registry._declarations.pop(declaration.name)


def test_permissions_of_eighty_pages_cost_at_most_one_statement(
    world: World, eighty: list[Declaration], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _statements(world, Level.SITE, "/test-hall/?name=没有")
    monkeypatch.setattr(chrome, "address_of", lambda declaration: f"/{declaration.name}")
    views = dict.fromkeys((f"{page.name}.index" for page in eighty), lambda: "")
    for name, view in views.items():
        monkeypatch.setitem(world.app.view_functions, name, view)
    browser = world.browser()
    with world.counting() as found:
        page = browser.get("/test-hall/?name=没有").get_data(as_text=True)
    assert "第79页" in page
    assert len(found) <= len(before) + 1
    assert sum("role_grant" in statement or "setting" in statement for statement in found) <= 1


def test_r0_5b_what_the_menu_hides_is_read_with_the_reader(world: World) -> None:
    """Whether the site uses the roster, and whether the session is history."""
    found = _statements(world, Level.SITE, "/test-hall/?name=没有")
    alone = ("SELECT roster_policy.", "SELECT exam.state ")
    assert [statement for statement in found if statement.startswith(alone)] == []
