"""`policy.decide` against an independent truth: the full product of its facts."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from app.metadata.actor import Actor, system
from app.metadata.declarations import Declaration
from app.metadata.vocabulary import ExamState, Level, Verb, Window
from app.rules import policy
from app.rules.policy import Relation, Target, decide
from app.rules.windows import Interval

NOW = dt.datetime(2026, 9, 1, 4, 0, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
INTERVALS = {
    "unset": Interval(),
    "half": Interval(start=NOW - DAY),
    "before": Interval(NOW + DAY, NOW + 2 * DAY),
    "open": Interval(NOW - DAY, NOW + DAY),
    "last second": Interval(NOW - DAY, NOW),
    "after": Interval(NOW - 2 * DAY, NOW - DAY),
}
OPEN = {"open", "last second"}
#: what changes nothing, and what only makes files (written out here, not imported)
READS = {"list", "show", "view", "export"}
FILES = {"generate", "download"}
ACTORS = [*Level, "super", "system"]
#: a site may do everything but delete; the centre's superuser may delete
VERBS: dict[Level, frozenset[Verb]] = {
    level: frozenset(Verb) - {Verb.DELETE} for level in Level if level is not Level.CITY
}


def _actor(kind: Level | str) -> Actor:
    if kind == "system":
        return system("test", 1)
    level = Level.CENTER if kind == "super" else Level(kind)
    roles = frozenset({"super", "center"}) if kind == "super" else frozenset({level.value})
    return Actor(1, level, 1, roles=roles)


def _declaration(
    *, gated: bool, per_exam: bool, in_history: bool, current_only: bool = False
) -> Declaration:
    return Declaration(
        name="truth",
        label="真值表",
        verbs=VERBS,
        super_verbs=frozenset({Verb.DELETE}),
        window=Window.SETUP if gated else None,
        binds=frozenset({Level.SITE, Level.PROVINCE}),
        per_exam=per_exam,
        in_history=in_history,
        current_only=current_only,
    )


def _code(
    declaration: Declaration,
    verb: str,
    kind: Level | str,
    relation: str,
    state: str | None,
    window: str,
) -> str | None:
    """The refusal's code that the rules want, written out in sentences of R0.2 and R0.4."""
    is_system = kind == "system"
    if not is_system:
        may = {
            "city": verb == "nothing",
            "super": True,
        }.get(str(kind), verb != "delete")
        if not may:
            return "policy.no_verb"
        if relation in ("foreign", "above"):
            return "policy.out_of_scope"
    if kind == Level.CANDIDATE and state != "current":
        return "policy.exam_not_visible"
    writes = verb not in READS and verb not in FILES
    if declaration.per_exam and verb not in READS and state is not None:
        if state == "history" and writes and not declaration.in_history:
            return "policy.historic_exam"
        if state == "preparing" and kind in (Level.CITY, Level.SITE):
            return "policy.preparing_exam"
    if declaration.current_only and verb not in READS and state in ("history", "preparing"):
        return "policy.only_in_current_exam"
    bound = declaration.window is not None and kind in (Level.SITE, Level.PROVINCE)
    if not bound or verb in READS:
        return None
    if state == "history" and verb in FILES:
        return None
    return None if window in OPEN else "policy.window_closed"


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("per_exam", [True, False])
@pytest.mark.parametrize(
    ("in_history", "current_only"), [(True, False), (False, False), (False, True)]
)
def test_r0_2_r0_4_the_full_product_of_facts(
    gated: bool, per_exam: bool, in_history: bool, current_only: bool
) -> None:
    declaration = _declaration(
        gated=gated, per_exam=per_exam, in_history=in_history, current_only=current_only
    )
    states = [*ExamState, None]
    wrong = []
    for verb, kind, relation, state, window in itertools.product(
        Verb, ACTORS, Relation, states, INTERVALS
    ):
        target = Target(state, relation, {Window.SETUP: INTERVALS[window]})
        decision = decide(declaration, verb, _actor(kind), target, NOW)
        found = decision.refusal.code if decision.refusal else None
        assert decision.allowed == (found is None)
        expected = _code(declaration, verb.value, kind, relation.value, state, window)
        if found != expected:
            wrong.append((verb, kind, relation, state, window, found, expected))
    assert wrong == []


def test_r0_2_a_window_ends_with_its_last_second() -> None:
    declaration = _declaration(gated=True, per_exam=True, in_history=False)
    target = Target(ExamState.CURRENT, windows={Window.SETUP: Interval(NOW - DAY, NOW)})
    actor = _actor(Level.SITE)
    late = dt.timedelta(microseconds=999_999)
    assert decide(declaration, Verb.EDIT, actor, target, NOW + late).allowed
    closed = decide(declaration, Verb.EDIT, actor, target, NOW + dt.timedelta(seconds=1))
    assert isinstance(closed.refusal, policy.WindowClosed)
    assert "报名前设置时间" in str(closed.refusal)
    assert "上级管理员" in str(closed.refusal)


def test_a_window_that_nobody_has_set_is_closed() -> None:
    declaration = _declaration(gated=True, per_exam=True, in_history=False)
    decision = decide(declaration, Verb.EDIT, _actor(Level.SITE), Target(ExamState.CURRENT), NOW)
    assert isinstance(decision.refusal, policy.WindowClosed)
    assert "未设置" in str(decision.refusal)


def test_the_living_matrix_replaces_the_defaults() -> None:
    declaration = _declaration(gated=False, per_exam=True, in_history=False)
    actor = Actor(1, Level.SITE, 1, grants=frozenset({("truth", Verb.DELETE)}))
    target = Target(ExamState.CURRENT)
    assert decide(declaration, Verb.DELETE, actor, target, NOW).allowed
    assert not decide(declaration, Verb.EDIT, actor, target, NOW).allowed


@pytest.mark.parametrize("level", [level for level in Level if level is not Level.CANDIDATE])
def test_the_relation_is_read_off_the_path(level: Level) -> None:
    paths = {
        Level.CENTER: (None, None, None),
        Level.PROVINCE: (1, None, None),
        Level.CITY: (1, 2, None),
        Level.SITE: (1, 2, 3),
    }
    mine = Actor(1, level, 1, 9, *paths[level])
    assert policy.relation_of(mine, *paths[level]) is Relation.OWN
    below = policy.relation_of(mine, 1, 2, 4)
    foreign = policy.relation_of(mine, 5, 6, 7)
    assert below is (Relation.FOREIGN if level is Level.SITE else Relation.BELOW)
    assert foreign is (Relation.BELOW if level is Level.CENTER else Relation.FOREIGN)
