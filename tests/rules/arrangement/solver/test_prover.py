"""The second opinion by HiGHS: asked where the solver's own certificate is not tight."""

from __future__ import annotations

import pytest

from app.rules.arrangement.solver import Mode, Reason, solve
from tests.rules.arrangement.solver.problems import load, optimum, violations

pytest.importorskip("highspy")


@pytest.mark.parametrize("name", ["gap_relaxation", "gap_better_plan", "gap_search"])
def test_prover_closes_the_gap_that_the_certificate_leaves(name: str) -> None:
    instance = load(name)
    alone, proven = solve(instance, prove=False), solve(instance)
    assert not alone.proven
    assert alone.bound.placed >= alone.placed
    assert proven.proven
    assert (proven.placed, proven.wishes) == optimum(instance)
    assert (proven.bound.placed, proven.bound.wishes) == (proven.placed, proven.wishes)
    assert violations(instance, proven, Mode.BALANCED) == []


def test_prover_finds_the_better_plan() -> None:
    instance = load("gap_better_plan")
    alone, proven = solve(instance, prove=False), solve(instance)
    assert (proven.placed, proven.wishes) > (alone.placed, alone.wishes)


def test_what_is_not_proven_is_not_claimed() -> None:
    instance = load("gap_not_found")
    alone, proven = solve(instance, prove=False), solve(instance)
    assert {entry.reason.code for entry in alone.unplaced} == {Reason.NOT_FOUND}
    assert {entry.reason.code for entry in proven.unplaced} == {Reason.EXHAUSTED}
