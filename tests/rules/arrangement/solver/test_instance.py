"""What the exchange format refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.rules.arrangement.solver import (
    DuplicateKey,
    Instance,
    InvalidInstance,
    UnknownSlot,
    UnknownSubject,
)
from tests.rules.arrangement.solver.problems import load

Damage = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda data: data.update(schema="other/1"), InvalidInstance),
        (lambda data: data.pop("slots"), InvalidInstance),
        (lambda data: data.update(mode="sometimes"), InvalidInstance),
        (lambda data: data["slots"][0].update(start="yesterday"), InvalidInstance),
        (lambda data: data["slots"][0].update(cap="many"), InvalidInstance),
        (lambda data: data["candidates"].append(["c"]), InvalidInstance),
        (lambda data: data["slots"].append(data["slots"][0]), DuplicateKey),
        (lambda data: data["subjects"].append(data["subjects"][0]), DuplicateKey),
        (lambda data: data["candidates"].append(data["candidates"][0]), DuplicateKey),
        (lambda data: data["candidates"][0][2].append(["31", None]), DuplicateKey),
        (lambda data: data["candidates"].append(["n", "A", [["99", None]]]), UnknownSubject),
        (lambda data: data["existing"].append(["X00", "31", "09#9"]), UnknownSlot),
        (lambda data: data["existing"].extend([["X00", "31", "01#1"]] * 2), DuplicateKey),
    ],
)
def test_damaged_instances_are_refused_with_a_sentence(
    damage: Damage, error: type[InvalidInstance]
) -> None:
    data = load("p10_hall").to_json()
    damage(data)
    with pytest.raises(error) as refusal:
        Instance.from_json(data)
    assert "请" in str(refusal.value)
