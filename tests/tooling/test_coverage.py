"""docs/coverage.md: every rule of chapters 0 to 21 has a row, every test that it names exists."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "coverage.md"
HEAD = ["Rule", "What it demands", "Tests", "Page or module"]
#: the rules of the frame and of chapters 1 to 21, by chapter
NUMBERS = {
    0: "1 2 3 4 4a 5 5a 5b 6 6a 6b 7 8",
    1: "0 1 1a 2",
    2: "1 1a",
    3: "1 2 3 4 5 6",
    4: "1 2 3 4 5 6",
    5: "0 1 1a 2 3 4",
    6: "1 2 3 4 5",
    7: "1 2 3 4 5 6",
    8: "1 2 3 4 5 6",
    9: "1 2 2a 3 4",
    10: "1 2 3 4 4a",
    11: "1 2 3 4 5 6 7",
    12: "1 2 3 4 5",
    13: "1 2 3 3a 4 5 6 7 8 9 10",
    14: "1 2 3 4 5 6 7 8",
    15: "1 2 3 4 5 6",
    16: "1",
    17: "1 2 3 4",
    18: "1 2 3 4 5",
    19: "1 2 3 3a 4 4a 4b 4c 5 6 7 8",
    20: "1 2 3 4 5 6 7 8",
    21: "1 2 3 4 5 6",
}
RULES = [f"R{chapter}.{n}" for chapter, numbers in NUMBERS.items() for n in numbers.split()]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def tables() -> list[list[str]]:
    """The cells of every line of a table, heads and rules of dashes too."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in lines
        if line.startswith("|")
    ]


def rows() -> list[list[str]]:
    """The rows without heads."""
    return [cells for cells in tables() if cells != HEAD and not set("".join(cells)) <= set("- ")]


@cache
def functions_of(path: str) -> frozenset[str]:
    """Names of the test functions of a module, from its source."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def test_every_rule_of_chapters_0_to_21_has_one_row() -> None:
    counted = Counter(cells[0] for cells in rows())
    assert [rule for rule in RULES if counted[rule] != 1] == []
    assert [rule for rule, count in counted.items() if count > 1] == []


def test_tables_have_their_head() -> None:
    heads = [cells for cells in tables() if cells[0] == "Rule"]
    assert len(heads) > 10
    assert all(cells == HEAD for cells in heads)


@pytest.mark.parametrize("cells", rows(), ids=lambda cells: cells[0])
def test_a_row_is_whole_and_its_tests_exist(cells: list[str]) -> None:
    assert len(cells) == len(HEAD)
    assert all(cells)
    named = NAMED.findall(cells[2])
    assert cells[2] == "<br>".join(f"`{path}::{name}`" for path, name in named)
    assert [(path, name) for path, name in named if name not in functions_of(path)] == []
